// What came of a population as JSON, for programs.
#pragma once
#include <cstdint>
#include <string>

#include "sim/population/tally.hpp"

namespace ginnel::sim::population {

/// One object, without a line's end. Times are in milliseconds.
std::string to_json(const std::string& variant, const std::string& level, uint64_t seed, const Tally& tally);

}  // namespace ginnel::sim::population
