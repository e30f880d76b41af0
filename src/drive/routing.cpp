#include "drive/routing.hpp"

#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>

#include "drive/socket_address.hpp"

namespace ginnel {

namespace {

uint8_t family(bool v6) { return v6 ? AF_INET6 : AF_INET; }

std::optional<Error> failure(int error, const std::string& what) {
  if (error == 0) return {};
  if (error == EPERM || error == EACCES)
    return Error{Errc::permission,
                 "This process may not " + what + ": it needs CAP_NET_ADMIN in its network namespace. Run it as root."};
  return Error{Errc::internal, "The kernel refused to " + what + ": " + errno_text(error) + "."};
}

template <typename T>
T fixed_part(Bytes payload) {
  T out{};
  std::memcpy(&out, payload.data(), std::min(payload.size(), sizeof out));
  return out;
}

Prefix prefix_of(bool v6, Bytes ip, uint8_t length) {
  Prefix out = Prefix::all(v6);
  if (!ip.empty()) std::copy_n(ip.begin(), std::min(ip.size(), out.ip.ip.size()), out.ip.ip.begin());
  out.length = length;
  return out;
}

}  // namespace

Prefix Prefix::all(bool v6) {
  Prefix out;
  out.ip.v6 = v6;
  return out;
}

Result<Routing> Routing::open() {
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  return Routing(std::move(*netlink));
}

// ---- rules

int Routing::ask(const RoutingRule& rule, uint16_t type, uint16_t flags, uint8_t protocol) {
  fib_rule_hdr fixed{};
  fixed.family = family(rule.from.ip.v6);
  fixed.src_len = rule.from.length;
  fixed.action = FR_ACT_TO_TBL;
  NetlinkRequest request(type, flags, fixed);
  request.put(FRA_PRIORITY, rule.preference);
  request.put(FRA_TABLE, rule.table);
  if (protocol != 0) request.put(FRA_PROTOCOL, protocol);
  if (!rule.from_interface.empty()) request.put_text(FRA_IIFNAME, rule.from_interface);
  if (rule.from.length > 0) request.put(FRA_SRC, rule.from.ip.ip_bytes());
  return netlink_.ask(request);
}

std::optional<Error> Routing::put(const RoutingRule& rule, uint8_t protocol) {
  int error = ask(rule, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, protocol);
  return failure(error == EEXIST ? 0 : error, "add a routing rule");
}

void Routing::remove(const RoutingRule& rule) { ask(rule, RTM_DELRULE, 0, 0); }

void Routing::list_rules(bool v6, const std::function<void(const RoutingRule&, uint8_t)>& take) {
  fib_rule_hdr fixed{};
  fixed.family = family(v6);
  NetlinkRequest request(RTM_GETRULE, NLM_F_DUMP, fixed);
  netlink_.list(request, [&](uint16_t, Bytes payload) {
    auto header = fixed_part<fib_rule_hdr>(payload);
    NetlinkAttributes attributes(payload, sizeof header);
    RoutingRule rule;
    rule.preference = attributes.u32(FRA_PRIORITY);
    rule.table = attributes.u32(FRA_TABLE);
    if (Bytes name = attributes.find(FRA_IIFNAME); !name.empty()) rule.from_interface = as_text(name).data();
    rule.from = prefix_of(v6, attributes.find(FRA_SRC), header.src_len);
    Bytes protocol = attributes.find(FRA_PROTOCOL);
    take(rule, protocol.empty() ? uint8_t{0} : protocol[0]);
  });
}

std::vector<RoutingRule> Routing::our_rules(bool v6) {
  std::vector<RoutingRule> out;
  list_rules(v6, [&](const RoutingRule& rule, uint8_t protocol) {
    if (protocol == our_protocol) out.push_back(rule);
  });
  return out;
}

// ---- routes

int Routing::ask(const TableRoute& route, uint16_t type, uint16_t flags) {
  rtmsg fixed{};
  fixed.rtm_family = family(route.to.ip.v6);
  fixed.rtm_dst_len = route.to.length;
  fixed.rtm_protocol = our_protocol;
  fixed.rtm_type = route.device ? RTN_UNICAST : RTN_THROW;
  fixed.rtm_scope = route.device && !route.to.ip.v6 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  NetlinkRequest request(type, flags, fixed);
  request.put(RTA_TABLE, route.table);
  if (route.to.length > 0) request.put(RTA_DST, route.to.ip.ip_bytes());
  if (route.device) request.put(RTA_OIF, route.device);
  if (!route.source.is_unspecified()) request.put(RTA_PREFSRC, route.source.ip_bytes());
  return netlink_.ask(request);
}

std::optional<Error> Routing::put(const TableRoute& route) {
  return failure(ask(route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE), "add a route");
}

void Routing::remove(const TableRoute& route) { ask(route, RTM_DELROUTE, 0); }

std::vector<TableRoute> Routing::routes(bool v6, uint32_t table) {
  std::vector<TableRoute> out;
  rtmsg fixed{};
  fixed.rtm_family = family(v6);
  NetlinkRequest request(RTM_GETROUTE, NLM_F_DUMP, fixed);
  netlink_.list(request, [&](uint16_t, Bytes payload) {
    auto header = fixed_part<rtmsg>(payload);
    NetlinkAttributes attributes(payload, sizeof header);
    bool ours_to_see = header.rtm_type == RTN_UNICAST || header.rtm_type == RTN_THROW;
    if (attributes.u32(RTA_TABLE) != table || header.rtm_family != fixed.rtm_family || !ours_to_see) return;
    out.push_back({table, prefix_of(v6, attributes.find(RTA_DST), header.rtm_dst_len), attributes.u32(RTA_OIF), {}});
  });
  return out;
}

// ---- devices

std::optional<Error> Routing::bring_up(uint32_t device, uint32_t mtu) {
  ifinfomsg fixed{};
  fixed.ifi_index = static_cast<int>(device);
  fixed.ifi_flags = fixed.ifi_change = IFF_UP;
  NetlinkRequest request(RTM_NEWLINK, 0, fixed);
  request.put(IFLA_MTU, mtu);
  return failure(netlink_.ask(request), "bring a device up");
}

namespace {

NetlinkRequest proxy_neighbour(uint16_t type, uint16_t flags, uint32_t device, const Address& ip) {
  ndmsg fixed{};
  fixed.ndm_family = family(ip.v6);
  fixed.ndm_ifindex = static_cast<int>(device);
  fixed.ndm_flags = NTF_PROXY;
  fixed.ndm_state = NUD_PERMANENT;
  NetlinkRequest request(type, flags, fixed);
  request.put(NDA_DST, ip.ip_bytes());
  return request;
}

}  // namespace

std::optional<Error> Routing::answer_arp(uint32_t device, const Address& ip) {
  NetlinkRequest request = proxy_neighbour(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, device, ip);
  return failure(netlink_.ask(request), "answer ARP for " + ip.ip_to_string());
}

void Routing::stop_answering_arp(uint32_t device, const Address& ip) {
  NetlinkRequest request = proxy_neighbour(RTM_DELNEIGH, 0, device, ip);
  netlink_.ask(request);
}

uint64_t Routing::arp_answer_delay(uint32_t device) {
  uint64_t out = 800;  // the kernel's default
  ndtmsg fixed{};
  fixed.ndtm_family = AF_INET;
  NetlinkRequest request(RTM_GETNEIGHTBL, NLM_F_DUMP, fixed);
  netlink_.list(request, [&](uint16_t, Bytes payload) {
    NetlinkAttributes parameters(NetlinkAttributes(payload, sizeof fixed).find(NDTA_PARMS), 0);
    if (parameters.u32(NDTPA_IFINDEX) != device) return;
    if (Bytes value = parameters.find(NDTPA_PROXY_DELAY); value.size() == sizeof out)
      std::memcpy(&out, value.data(), sizeof out);
  });
  return out;
}

void Routing::set_arp_answer_delay(uint32_t device, uint64_t ms) {
  ndtmsg fixed{};
  fixed.ndtm_family = AF_INET;
  NetlinkRequest request(RTM_SETNEIGHTBL, 0, fixed);
  request.put_text(NDTA_NAME, "arp_cache");
  request.nest(NDTA_PARMS, [&] {
    request.put(NDTPA_IFINDEX, device);
    request.put(NDTPA_PROXY_DELAY, ms);
  });
  netlink_.ask(request);
}

}  // namespace ginnel
