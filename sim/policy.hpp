// What a site's border forbids, whatever its NATs would do: UDP in a direction, TCP but to certain ports, IPv6, more
// than so many bits a second of one protocol. Knows protocol and ports of a packet; keeps no flows. What is refused
// vanishes.
#pragma once
#include <cstdint>

#include "base/instant.hpp"
#include "sim/packet.hpp"
#include "sim/site.hpp"

namespace ginnel::sim {

class Policy {
 public:
  explicit Policy(const SiteConfig& config) : config_(&config) {}

  bool lets_out(Instant now, const Packet& packet) { return passes(now, packet, true); }
  bool lets_in(Instant now, const Packet& packet) { return passes(now, packet, false); }

 private:
  /// A token bucket that holds what the rate gives in 50 ms, and one packet at least.
  struct Rate {
    double tokens = 0;  ///< bytes
    Instant filled{};
    bool take(Instant now, double bits_per_second, size_t bytes);
  };
  bool passes(Instant now, const Packet& packet, bool out);

  const SiteConfig* config_;  ///< read for each packet: a test may change its mind
  Rate udp_[2], tcp_[2];      ///< in, out
};

}  // namespace ginnel::sim
