// Durations as the messages of port mapping count them. No RFC.
#pragma once
#include <algorithm>
#include <cstdint>

#include "base/instant.hpp"

namespace ginnel::portmap {

/// Rounded down, so that nobody is promised more than there is; not below zero, not above what 32 bits hold.
inline uint32_t whole_seconds(Duration d) {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(d).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(seconds, 0, UINT32_MAX));
}

}  // namespace ginnel::portmap
