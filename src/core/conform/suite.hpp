// All requirements, run one after the other on one bench. Knows their order and what overrules a script's own finding;
// refuses to know how results are shown. No RFC.
#pragma once
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "core/conform/bench.hpp"
#include "core/conform/requirement.hpp"

namespace ginnel {
class Rng;
}

namespace ginnel::conform {

struct Result {
  const Requirement* requirement = nullptr;
  Finding finding;
};

struct SuiteOptions {
  bool slow = false;  ///< also what waits for minutes and hours
  /// Runs only those for which this holds, if set.
  std::function<bool(const Requirement&)> only;
  /// Told of each as it is known; those that use the NAT up come last, whatever their document.
  std::function<void(const Result&)> progress;
};

/// Of all documents, in their order.
std::vector<const Requirement*> requirements();
const Requirement* find_requirement(std::string_view id);

/// Results in the order of the documents.
std::vector<Result> run(Bench& bench, Rng& rng, const SuiteOptions& options = {});

/// True if no MUST was broken.
bool all_musts_met(std::span<const Result> results);

}  // namespace ginnel::conform
