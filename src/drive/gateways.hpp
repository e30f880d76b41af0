// Where packets for everywhere else go: the default routes, and as whom this machine speaks towards them.
#pragma once
#include <string>
#include <vector>

#include "base/address.hpp"

namespace ginnel {

struct DefaultGateway {
  Address gateway;        ///< the next hop, port 0; of IPv6 often link-local, then only `interface` says where it is
  Address local;          ///< this machine's address on that way, port 0
  std::string interface;  ///< its name
  uint32_t metric = 0;
};

/// Of the main routing table: IPv4 first, of each family the preferred one first. Without those that have no next hop
/// (a point-to-point link), no address of ours, or a link that is down. Empty where the kernel gives no netlink socket.
std::vector<DefaultGateway> default_gateways();

}  // namespace ginnel
