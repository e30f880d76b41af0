// What everybody else behind a NAT does to it: new mappings, as a Poisson process. Nothing of that happens by itself;
// when a packet passes, the mappings of the time since the last one are made first, by packets that the gateway sees
// and nobody gets. So a quiet gateway costs nothing, and what a packet finds does not depend on how often one looked.
#pragma once
#include "base/address.hpp"
#include "core/nat/gateway.hpp"
#include "sim/packet.hpp"
#include "sim/random.hpp"

namespace ginnel::sim {

class CrossTraffic {
 public:
  /// After a long silence only the last so many are made up for: whatever was learnt of the ports before is stale.
  static constexpr int backlog_max = 4096;

  /// `from`: an inside address that is nobody's.
  CrossTraffic(double per_second, const Address& from, Instant now, Random random);
  /// True if there were any.
  bool catch_up(Instant now, nat::Gateway& gateway);

 private:
  Duration gap();

  double per_second_;
  Address from_;
  Random random_;
  Instant next_{};  ///< of the next mapping
  uint16_t nth_ = 0;
};

}  // namespace ginnel::sim
