// Many pairs, on as many threads as are given. Pairs have nothing in common, so what comes out does not depend on who
// ran which: the same seed, the same outcomes, in the order of the pairs.
#pragma once
#include <vector>

#include "sim/population/meeting.hpp"

namespace ginnel::sim::population {

struct CrowdConfig {
  uint64_t seed = 1;
  size_t pairs = 1'000;
  unsigned threads = 1;
  Techniques with;
};

/// Throws what a world threw, with the pair's number: a core that never settles is our mistake.
std::vector<Outcome> meet_all(const Model& model, const Variant& variant, const CrowdConfig& config);

}  // namespace ginnel::sim::population
