// The engine of core/nat as a box in a simulated network: with addresses, a plug, and neighbours who use it, too. Knows
// how to give it a packet; where packets come from and go to is the business of internet.hpp.
#pragma once
#include <optional>
#include <vector>

#include "core/nat/gateway.hpp"
#include "sim/cross_traffic.hpp"
#include "sim/packet.hpp"
#include "sim/random.hpp"
#include "sim/site.hpp"

namespace ginnel::sim {

class GatewayBox {
 public:
  /// `inside`: its own address there, if it has one; `neighbour`: where its cross traffic comes from.
  GatewayBox(const NatLayer& layer, std::vector<Address> outside, const std::optional<Address>& inside,
             const Address& neighbour, Instant now, Random random);
  GatewayBox(const GatewayBox&) = delete;

  /// Rewritten in place when it was forwarded.
  nat::Verdict pass(Instant now, nat::Side from, Packet& packet);

  // ---- to break it
  /// The power fails for a moment; `fresh_ports`: and it chooses ports at random from now on, as if its allocation had
  /// begun elsewhere.
  void reboot(bool fresh_ports);
  void move_to(std::vector<Address> outside);
  void change(const nat::Behaviour& behaviour);  ///< and forget everything

  nat::Gateway& engine() { return *engine_; }
  const std::vector<Address>& outside() const { return outside_; }

  // ---- for the internet
  static constexpr uint32_t nowhere = UINT32_MAX;
  uint32_t inside_net = nowhere;
  uint32_t member4 = nowhere, member6 = nowhere;  ///< its faces outside
  std::optional<Instant> armed;                   ///< when its timer fires
  size_t sessions_seen = 0;

 private:
  void build();

  nat::Behaviour behaviour_;
  std::vector<Address> outside_;
  std::optional<Address> inside_;
  Random random_;
  std::optional<nat::Gateway> engine_;
  CrossTraffic others_;
};

}  // namespace ginnel::sim
