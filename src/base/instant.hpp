// Time as the cores know it. A core never reads a clock: it is told. Clock has no now(), so a core that tries does not
// compile; drive/steady_time is the only place that makes Instants from a real clock, sim/world the only other.
#pragma once
#include <chrono>
#include <cstdint>

namespace ginnel {

using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

struct Clock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;
};

/// A moment on a monotonic clock whose epoch means nothing.
using Instant = Clock::time_point;

constexpr double to_ms(Duration d) { return static_cast<double>(d.count()) / 1e6; }

}  // namespace ginnel
