// One direction of the way between two sites: a lane of core/link, in this world's time and from its seed. Knows sizes
// and times and no contents; who sends asks for the fate of a packet and puts it on the schedule. Keeps the order of
// packets unless told not to, as real paths mostly do. A link that is cut loses everything until it is mended.
#pragma once
#include <cstddef>

#include "core/link/lane.hpp"
#include "sim/clock.hpp"
#include "sim/random.hpp"

namespace ginnel::sim {

/// What a way does if a test says nothing: 10 ms, and Ethernet's largest packet, which nobody fragments.
struct LinkConfig : link::Spec {
  LinkConfig() {
    delay = 10ms;
    mtu = 1500;
  }
};

class Link {
 public:
  Link(Schedule& clock, Random random) : clock_(&clock), random_(random) { lane_.set_spec(LinkConfig()); }
  Link(const Link&) = delete;  // the lane draws from random_
  Link& operator=(const Link&) = delete;

  void set_cut(bool cut) { lane_.set_cut(cut); }
  bool is_cut() const { return lane_.is_cut(); }
  void set_config(const LinkConfig& config) { lane_.set_spec(config); }
  /// Of a UDP datagram of `size` bytes over IPv4.
  link::Fate send(size_t size);
  /// When bytes of a TCP stream that start now will be there; loss shows as delay.
  Instant stream_arrival(size_t size);
  /// When what was given so far has left; the next piece of a stream should wait for that.
  Instant free_at() const { return lane_.free_at(); }

 private:
  Schedule* clock_;
  Random random_;
  link::Lane lane_{random_};
};

}  // namespace ginnel::sim
