// A tally as a table for people, of fixed width, the same for the same pairs on any machine.
#pragma once
#include <string>

#include "sim/population/tally.hpp"

namespace ginnel::sim::population {

/// Many lines, each ended.
std::string report(const std::string& title, const Tally& tally);

}  // namespace ginnel::sim::population
