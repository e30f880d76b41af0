// A tally as a table for people, of fixed width, the same for the same pairs on any machine.
#pragma once
#include <string>

#include "sim/population/tally.hpp"

namespace ginnel::sim::population {

/// Many lines, each ended: how many pairs, by technique and by kind; and how fast, and at what cost.
std::string report_counts(const std::string& title, const Tally& tally);
std::string report_costs(const Tally& tally);

}  // namespace ginnel::sim::population
