// The kernel around a NAT gateway: two TUN devices, and the rules by which its routing brings to them what has to be
// translated. Knows interfaces, addresses and routes and follows their changes; never sees a packet. docs/decisions/008
// tells why it looks like this.
//
//   inside hosts -> lan -(rule)-> inside TUN  -> the gateway -> outside TUN -(routing)-> wan -> the world
//   inside hosts <- lan <(routing)- inside TUN <- the gateway <- outside TUN <-(rule)-- wan <- the world
#pragma once
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/result.hpp"
#include "drive/interfaces.hpp"
#include "drive/kernel_settings.hpp"
#include "drive/routing.hpp"
#include "drive/tun.hpp"

namespace ginnel::app {

struct NatPlace {
  std::vector<std::string> inside;
  std::string outside;
  std::vector<Address> publics;  ///< empty: the IPv4 addresses of the outside interface, whatever they are
};

class NatNetwork {
 public:
  /// Makes and changes what is needed; the destructor undoes it, the process's death undoes what matters.
  static Result<std::unique_ptr<NatNetwork>> make(const NatPlace& place);
  NatNetwork(const NatNetwork&) = delete;
  ~NatNetwork();

  /// Brings rules and routes up to date: interfaces, addresses or routes changed.
  std::optional<Error> refresh();
  /// From now on these; each has to be an address of the outside interface. Empty: as the interface has them.
  std::optional<Error> set_public_addresses(const std::vector<Address>& addresses);

  Tun& inside_tun() { return inside_tun_; }
  Tun& outside_tun() { return outside_tun_; }
  /// As of the last refresh.
  const std::vector<Address>& public_addresses() const { return publics_; }
  const std::vector<Interface>& inside() const { return inside_; }
  Address inside_address(bool v6 = false) const;  ///< the gateway's own, or unspecified
  uint32_t mtu_inside() const;
  uint32_t mtu_outside() const { return outside_.mtu; }

 private:
  NatNetwork(NatPlace place, Routing routing, Tun inside, Tun outside);

  std::optional<Error> look();
  std::optional<Error> settle();
  std::optional<Error> set_interfaces();
  std::optional<Error> set_ipv6();
  template <typename T>
  std::optional<Error> exchange(std::set<T>& there, const std::set<T>& wanted);
  std::set<RoutingRule> wanted_rules() const;
  std::set<TableRoute> wanted_routes();
  std::set<Prefix> other_networks(bool v6);

  NatPlace place_;
  Routing routing_;
  Tun inside_tun_, outside_tun_;
  std::vector<Interface> inside_;
  Interface outside_;
  std::vector<Address> publics_;
  bool ipv6_ = false;
  bool local_moved_ = false;

  KernelSettings settings_;
  std::set<RoutingRule> rules_;
  std::set<TableRoute> routes_;
  std::set<Address> answered_;
  uint32_t delay_device_ = 0;
  uint64_t delay_before_ = 0;
};

}  // namespace ginnel::app
