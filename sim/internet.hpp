// Where packets go. Nets of addresses, each but the root with a router that is a gateway; hosts and gateways are their
// members. A packet climbs until its destination is a member of the net it is in, crosses that net, and goes down
// through the gateways whose outside it met. So chains of NATs, shared ones and hairpins at any height need no rule of
// their own. Ways between the edges of the root take time and hops, the lines of members take time; the rest none.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "core/nat/index_table.hpp"
#include "sim/clock.hpp"
#include "sim/gateway_box.hpp"
#include "sim/link.hpp"
#include "sim/packet.hpp"
#include "sim/policy.hpp"
#include "sim/random.hpp"

namespace ginnel::sim {

class Stack;

using NetId = uint32_t;
using MemberId = uint32_t;
inline constexpr NetId root_net = 0;
inline constexpr MemberId nobody = GatewayBox::nowhere;

struct Net {
  GatewayBox* router = nullptr;   ///< none: what is not for a member is lost
  std::vector<Address> prefixes;  ///< its own addresses: /24, or /10 of 100.64, or /64; unknown ones of them are lost
  bool isolated = false;          ///< members reach the router only
  Link* lan = nullptr;            ///< between members without lines
};

/// A host, or a gateway's face, in a net.
struct Member {
  NetId net = root_net;
  SiteId edge = 0;                ///< in the root: whose ways it uses
  Stack* stack = nullptr;         ///< either
  GatewayBox* gateway = nullptr;  ///< or
  Policy* policy = nullptr;       ///< at the border of a site
  Link* up = nullptr;             ///< its own line to the net, and from it
  Link* down = nullptr;
};

/// From one edge of the root to another.
struct Way {
  Link link;
  uint8_t hops = 0;  ///< routers
};

/// What the internet itself lost; gateways and links count for themselves.
struct InternetCounters {
  uint64_t packets = 0;    ///< that hosts sent
  uint64_t unrouted = 0;   ///< to nobody's address
  uint64_t expired = 0;    ///< their time to live ended on a way
  uint64_t forbidden = 0;  ///< by a policy
};

class Internet {
 public:
  Internet(Schedule& clock, PacketPool& pool, uint64_t seed);

  // ---- to build it
  NetId add_net(Net net);
  MemberId add_member(const Member& member);
  void add_address(MemberId member, const Address& ip);
  void remove_address(NetId net, const Address& ip);
  Net& net(NetId id) { return nets_[id]; }
  Way& way(SiteId from, SiteId to);

  /// From a host.
  void send(MemberId from, PacketPtr packet);
  /// After something was done to a gateway: what it wants to send, and when it wants to be woken. `sooner`: perhaps
  /// before it said last time.
  void look_after(GatewayBox& box, bool sooner = true);

  PacketPool& pool;
  uint8_t usual_way_hops = 8;
  bool answers_expired = false;  ///< a router that ends a packet says so by ICMP
  InternetCounters counters;

 private:
  struct Route {
    NetId net;
    std::array<uint8_t, 16> ip;
    MemberId member;
  };
  static std::array<uint8_t, 16> key_of(NetId net, Bytes ip);
  uint32_t hash(NetId net, const std::array<uint8_t, 16>& key) const;
  MemberId find(NetId net, Bytes ip) const;

  void leave(MemberId from, PacketPtr packet);
  void come_out(MemberId from, PacketPtr packet, bool arriving);
  void cross(MemberId from, PacketPtr packet);
  void enter(NetId net, MemberId from, PacketPtr packet, bool arriving);
  void climb(NetId net, GatewayBox& box, PacketPtr packet);
  void deliver(MemberId to, PacketPtr packet, bool arriving);
  void send_generated(GatewayBox& box);
  void expire(MemberId from, const Packet& packet, const Way& way);
  template <typename Then>
  void over(Link& link, PacketPtr packet, Then then);

  Schedule& clock_;
  uint64_t seed_;
  std::deque<Net> nets_;
  std::deque<Member> members_;
  std::vector<Route> routes_;
  nat::IndexTable by_address_;
  std::deque<Way> ways_;
  std::vector<std::pair<SiteId, SiteId>> way_ends_;
  nat::IndexTable by_ends_;
  std::vector<uint8_t> room_;  ///< for what gateways make
};

}  // namespace ginnel::sim
