#include "core/conform/suite.hpp"

#include "core/conform/tester.hpp"

namespace ginnel::conform {
namespace {

Finding examine(Tester& tester, const Requirement& requirement, bool slow) {
  if (!requirement.script) return unseen(requirement.reason);
  if (requirement.cost == Cost::slow && !slow) return {Outcome::skipped, "it takes minutes: --slow"};
  Finding finding = requirement.script(tester);
  auto trouble = tester.take_trouble();
  if (trouble && finding.outcome != Outcome::fail) return {Outcome::fail, *trouble};
  return finding;
}

}  // namespace

std::string_view to_string(Outcome outcome, Level level) {
  switch (outcome) {
    case Outcome::pass:
      return level == Level::may ? "yes" : "pass";
    case Outcome::fail:
      return level == Level::must ? "FAIL" : level == Level::should ? "fail" : "no";
    case Outcome::not_observable:
      return "-";
    case Outcome::skipped:
      return "skipped";
  }
  return "";
}

std::vector<const Requirement*> requirements() {
  std::vector<const Requirement*> out;
  for (auto document : {rfc4787(), rfc5382(), rfc5508(), rfc7857(), rfc6888()})
    for (const Requirement& each : document) out.push_back(&each);
  return out;
}

const Requirement* find_requirement(std::string_view id) {
  for (const Requirement* each : requirements())
    if (each->id() == id) return each;
  return nullptr;
}

std::vector<Result> run(Bench& bench, Rng& rng, const SuiteOptions& options) {
  std::vector<Result> out;
  for (const Requirement* each : requirements())
    if (!options.only || options.only(*each)) out.push_back({each, {}});
  Tester tester(bench, rng);
  for (bool exhausting : {false, true})
    for (Result& result : out) {
      if ((result.requirement->cost == Cost::exhausting) != exhausting) continue;
      result.finding = examine(tester, *result.requirement, options.slow);
      if (options.progress) options.progress(result);
    }
  return out;
}

bool all_musts_met(std::span<const Result> results) {
  for (const Result& each : results)
    if (each.requirement->level == Level::must && each.finding.outcome == Outcome::fail) return false;
  return true;
}

}  // namespace ginnel::conform
