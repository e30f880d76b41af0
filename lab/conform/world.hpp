// The smallest world in which a NAT can be asked: hosts inside, a gateway, and servers outside behind a router. Knows
// addresses and links; refuses to know what makes the gateway a NAT. Needs a sandbox.
//
//   192.168.1.2 to .5 [inside] -lan- 192.168.1.1 [gateway] 198.51.100.1 -wan- 198.51.100.254 [outside] 203.0.113.1 to .3
#pragma once
#include <string>
#include <vector>

#include "core/conform/bench.hpp"
#include "lab/host.hpp"

namespace ginnel::lab {

class World {
 public:
  static constexpr uint16_t mtu_outside = 1280;

  /// The gateway has this many addresses on `wan`, 198.51.100.1 and on.
  explicit World(int outside_addresses);

  const Host& inside() const { return inside_; }
  const Host& gateway() const { return gateway_; }  ///< its interfaces are `lan` and `wan`; it routes nothing yet
  const Host& outside() const { return outside_; }
  /// What the gateway has on `wan` besides its main address.
  std::vector<std::string> pool() const;
  conform::Network network() const;

 private:
  int outside_addresses_;
  Host inside_{"inside"}, gateway_{"gateway"}, outside_{"outside"};
};

}  // namespace ginnel::lab
