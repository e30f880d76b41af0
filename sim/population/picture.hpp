// Tallies as a picture (SVG) for the documents: a bar of techniques for each, and how soon pairs became direct. Knows
// colours and lengths; refuses to count.
#pragma once
#include <string>
#include <vector>

#include "sim/population/tally.hpp"

namespace ginnel::sim::population {

struct Bar {
  std::string name;  ///< "base", "(a) UDP punching and reversal"
  const Tally* tally = nullptr;
};

/// One bar each, of the pairs behind NATs on both sides. The curve is of the last one.
std::string picture(const std::vector<Bar>& bars);

}  // namespace ginnel::sim::population
