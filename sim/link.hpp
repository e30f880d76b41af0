// One direction of the way between two sites: delay, jitter, random loss, a bandwidth with a queue that drops its tail,
// and a largest packet. Knows sizes and times and no contents; keeps the order of packets unless told not to, as real
// paths mostly do. A link that is cut loses everything until it is mended.
#pragma once
#include <cstddef>
#include <cstdint>

#include "sim/clock.hpp"
#include "sim/random.hpp"

namespace ginnel::sim {

struct LinkConfig {
  Duration delay = 10ms;
  Duration jitter{};            ///< added, uniform from zero to this
  double loss = 0;              ///< probability
  double bits_per_second = 0;   ///< 0: no limit
  size_t queue_bytes = 128 * 1024;
  size_t datagram_max = 1472;   ///< of UDP payload: Ethernet's 1500 less IPv4 and UDP headers, nothing is fragmented
  bool reorder = false;         ///< jitter may change the order
};

class Link {
 public:
  Link(Schedule& clock, Random random) : clock_(&clock), random_(random) {}

  /// Calls `arrive` later, or never. `stream`: the sender cuts it into packets that fit, however long it is.
  void send(size_t datagram_size, Schedule::Job arrive, bool stream = false);

  LinkConfig config;
  bool cut = false;
  uint64_t sent = 0, lost = 0, overflowed = 0;
  uint64_t bytes = 0;  ///< of what was sent and fits, as IP packets

 private:
  Instant enqueue(size_t size);

  Schedule* clock_;
  Random random_;
  Instant free_at_{};       ///< when the last queued packet has left
  Instant last_arrival_{};
};

}  // namespace ginnel::sim
