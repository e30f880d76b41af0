// Policy routing as a gateway needs it: rules, routes into a device, addresses that are answered for. Everything put
// here carries our own protocol number, so that what a killed process left behind is found again. Rules and routes are
// values; putting one that is there and removing one that is not are no errors. Needs CAP_NET_ADMIN in the network
// namespace.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/result.hpp"
#include "drive/netlink.hpp"

namespace ginnel {

struct Prefix {
  Address ip;  ///< port 0, host bits zero
  uint8_t length = 0;

  static Prefix host(const Address& ip) { return {ip.with_port(0), static_cast<uint8_t>(ip.v6 ? 128 : 32)}; }
  /// Everything of the family: the default route's.
  static Prefix all(bool v6);
  auto operator<=>(const Prefix&) const = default;
};

/// "What comes in by this interface (and from this prefix) looks into that table", in order of `preference`.
struct RoutingRule {
  uint32_t preference = 0;
  uint32_t table = 0;
  std::string from_interface;  ///< empty: any; "lo": this machine's own
  Prefix from;                 ///< its family is the rule's; length 0: any. 0.0.0.0/32: no address chosen yet
  auto operator<=>(const RoutingRule&) const = default;
};

struct TableRoute {
  uint32_t table = 0;
  Prefix to;
  uint32_t device = 0;  ///< its index; 0: this table does not know, the next rule is asked (`throw`)
  Address source;       ///< for packets of this machine that have none yet; unspecified: the kernel chooses
  auto operator<=>(const TableRoute&) const = default;
};

class Routing {
 public:
  static constexpr uint32_t table_main = 254, table_local = 255;
  static constexpr uint8_t our_protocol = 152;  ///< of rules and routes, see `ip rule`, `ip route`

  static Result<Routing> open();

  std::optional<Error> put(const RoutingRule& rule, uint8_t protocol = our_protocol);
  /// Whoever put it there.
  void remove(const RoutingRule& rule);
  std::optional<Error> put(const TableRoute& route);
  void remove(const TableRoute& route);
  /// Those that carry our protocol number.
  std::vector<RoutingRule> our_rules(bool v6);
  std::vector<TableRoute> routes(bool v6, uint32_t table);

  std::optional<Error> bring_up(uint32_t device, uint32_t mtu);
  /// ARP requests on the device for an address that is routed elsewhere are answered with the device's own address.
  std::optional<Error> answer_arp(uint32_t device, const Address& ip);
  void stop_answering_arp(uint32_t device, const Address& ip);
  /// How long such answers wait at most (the kernel draws a random part of it), in milliseconds.
  uint64_t arp_answer_delay(uint32_t device);
  void set_arp_answer_delay(uint32_t device, uint64_t ms);

 private:
  explicit Routing(Netlink netlink) : netlink_(std::move(netlink)) {}
  int ask(const RoutingRule& rule, uint16_t type, uint16_t flags, uint8_t protocol);
  int ask(const TableRoute& route, uint16_t type, uint16_t flags);
  void list_rules(bool v6, const std::function<void(const RoutingRule&, uint8_t protocol)>& take);

  Netlink netlink_;
};

}  // namespace ginnel
