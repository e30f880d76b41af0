#include "drive/gateways.hpp"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "drive/fd.hpp"
#include "drive/socket_address.hpp"

namespace ginnel {

namespace {

constexpr size_t routes_max = 64;

struct Route {
  Address gateway;
  Address source;  ///< to speak from, if the route says it
  unsigned interface = 0;
  uint32_t metric = 0;
};

template <typename T>
T value_of(const rtattr* attribute) {
  T out{};
  std::memcpy(&out, RTA_DATA(attribute), std::min(sizeof out, size_t{RTA_PAYLOAD(attribute)}));
  return out;
}

Address ip_of(const rtattr* attribute) {
  return Address::from_ip({static_cast<const uint8_t*>(RTA_DATA(attribute)), RTA_PAYLOAD(attribute)}, 0);
}

template <typename F>
void for_each_attribute(const rtattr* first, size_t size, F f) {
  auto left = static_cast<int>(size);
  for (const rtattr* a = first; RTA_OK(a, left); a = RTA_NEXT(a, left)) f(a);
}

/// Of several next hops of one route, the first.
void read_multipath(const rtattr* attribute, Route& out) {
  if (RTA_PAYLOAD(attribute) < sizeof(rtnexthop)) return;
  auto hop = value_of<rtnexthop>(attribute);
  out.interface = static_cast<unsigned>(hop.rtnh_ifindex);
  size_t size = std::min<size_t>(hop.rtnh_len, RTA_PAYLOAD(attribute));
  if (size < sizeof hop) return;
  auto* inner = reinterpret_cast<const rtattr*>(static_cast<const uint8_t*>(RTA_DATA(attribute)) + sizeof hop);
  for_each_attribute(inner, size - sizeof hop, [&](const rtattr* a) {
    if (a->rta_type == RTA_GATEWAY) out.gateway = ip_of(a);
  });
}

std::optional<Route> read_route(const nlmsghdr* message) {
  if (message->nlmsg_len < NLMSG_LENGTH(sizeof(rtmsg))) return {};
  auto* header = static_cast<const rtmsg*>(NLMSG_DATA(message));
  if (header->rtm_dst_len != 0 || header->rtm_type != RTN_UNICAST ||
      header->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN))
    return {};
  Route out;
  uint32_t table = header->rtm_table;
  for_each_attribute(RTM_RTA(header), RTM_PAYLOAD(message), [&](const rtattr* a) {
    switch (a->rta_type) {
      case RTA_TABLE:
        table = value_of<uint32_t>(a);
        break;
      case RTA_GATEWAY:
        out.gateway = ip_of(a);
        break;
      case RTA_PREFSRC:
        out.source = ip_of(a);
        break;
      case RTA_OIF:
        out.interface = value_of<uint32_t>(a);
        break;
      case RTA_PRIORITY:
        out.metric = value_of<uint32_t>(a);
        break;
      case RTA_MULTIPATH:
        read_multipath(a, out);
        break;
      default:
        break;
    }
  });
  if (table != RT_TABLE_MAIN || out.gateway.is_unspecified() || out.interface == 0) return {};
  return out;
}

/// Asks the kernel for every route of a family; false at an error.
bool dump_routes(int fd, unsigned char family, std::vector<Route>& out) {
  struct {
    nlmsghdr header;
    rtmsg body;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.rtm_family = family;
  if (::send(fd, &request, sizeof request, 0) < 0) return false;
  alignas(nlmsghdr) std::array<uint8_t, 32 * 1024> bytes;
  while (true) {
    ssize_t n = ::recv(fd, bytes.data(), bytes.size(), 0);
    if (n <= 0) return false;
    auto left = static_cast<unsigned>(n);
    for (auto* m = reinterpret_cast<const nlmsghdr*>(bytes.data()); NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
      if (m->nlmsg_type == NLMSG_DONE) return true;
      if (m->nlmsg_type == NLMSG_ERROR) return false;
      auto route = m->nlmsg_type == RTM_NEWROUTE ? read_route(m) : std::nullopt;
      if (route && out.size() < routes_max) out.push_back(*route);
    }
  }
}

/// The address the kernel would speak from; nothing is sent. Towards IPv6 gateways, which are link-local, that of the
/// way to the internet.
Address local_towards(const Route& route, const std::string& interface) {
  if (!route.source.is_unspecified()) return route.source;
  bool v6 = route.gateway.v6;
  Fd fd(::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  Address to = v6 ? *Address::parse("[2001:db8::1]:9") : route.gateway.with_port(9);
  if (!fd) return {};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(), static_cast<socklen_t>(interface.size()));
  SocketAddress raw(to);
  if (::connect(fd.get(), raw.data(), raw.size()) != 0) return {};
  return local_address_of(fd.get()).with_port(0);
}

}  // namespace

std::vector<DefaultGateway> default_gateways() {
  std::vector<DefaultGateway> out;
  for (unsigned char family : {AF_INET, AF_INET6}) {
    Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    std::vector<Route> routes;
    if (!fd || !dump_routes(fd.get(), family, routes)) continue;
    std::stable_sort(routes.begin(), routes.end(), [](const Route& a, const Route& b) { return a.metric < b.metric; });
    for (const Route& route : routes) {
      char name[IF_NAMESIZE];
      if (!::if_indextoname(route.interface, name)) continue;
      Address local = local_towards(route, name);
      if (!local.is_unspecified()) out.push_back({route.gateway, local, name, route.metric});
    }
  }
  return out;
}

}  // namespace ginnel
