// The lab lives in real time: deadlines are moments on the steady clock, and nothing here sleeps. wait_until polls a
// condition that gives no event of its own (a file that grows, a port that opens); everything else waits in poll().
#pragma once
#include <poll.h>

#include <chrono>

#include "base/instant.hpp"

namespace ginnel::lab {

using Time = std::chrono::steady_clock::time_point;

inline Time now() { return std::chrono::steady_clock::now(); }
inline Time in(Duration d) { return now() + d; }
inline double ms_since(Time start) { return to_ms(now() - start); }

/// Milliseconds until `deadline` as poll() takes them, rounded up so that it never spins.
inline int poll_ms(Time deadline) {
  auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now()).count();
  return left < 0 ? 0 : left > 3'600'000 ? 3'600'000 : static_cast<int>(left);
}

/// Asks `condition` every `step` until it holds or the deadline has passed; the last answer.
template <typename Condition>
bool wait_until(Condition condition, Time deadline, std::chrono::milliseconds step = std::chrono::milliseconds(5)) {
  while (!condition()) {
    if (now() >= deadline) return false;
    ::poll(nullptr, 0, static_cast<int>(step.count()));
  }
  return true;
}

}  // namespace ginnel::lab
