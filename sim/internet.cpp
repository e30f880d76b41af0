#include "sim/internet.hpp"

#include <algorithm>

#include "sim/stack.hpp"
#include "wire/icmp.hpp"
#include "wire/ip.hpp"
#include "wire/ip_fields.hpp"

namespace ginnel::sim {

namespace {

const Address core_router = Address::v4(198, 19, 255, 1, 0);
constexpr size_t link_headers = 28;  // what a link adds itself to a datagram's size: IPv4 and UDP
constexpr size_t generated_max = 65'536;

Bytes destination_of(const Packet& packet) {
  Bytes bytes = packet.bytes();
  return packet.v6() ? bytes.subspan(24, 16) : bytes.subspan(wire::ipv4_destination_at, 4);
}

/// How many bits of this address say which net it is in.
int prefix_length(const Address& net) { return net.v6 ? 64 : net.ip[0] == 100 ? 10 : 24; }

bool is_in(Bytes ip, const Address& net) {
  if ((ip.size() == 16) != net.v6) return false;
  int bits = prefix_length(net);
  if (!std::equal(ip.begin(), ip.begin() + bits / 8, net.ip.begin())) return false;
  auto rest = static_cast<uint8_t>(0xff << (8 - bits % 8));
  return bits % 8 == 0 || ((ip[static_cast<size_t>(bits) / 8] ^ net.ip[static_cast<size_t>(bits) / 8]) & rest) == 0;
}

}  // namespace

Internet::Internet(Schedule& clock, PacketPool& packets, uint64_t seed) : pool(packets), clock_(clock), seed_(seed) {
  nets_.emplace_back();
}

// ---- to build it

NetId Internet::add_net(Net net) {
  nets_.push_back(std::move(net));
  return static_cast<NetId>(nets_.size() - 1);
}

MemberId Internet::add_member(const Member& member) {
  members_.push_back(member);
  return static_cast<MemberId>(members_.size() - 1);
}

/// In the root an IPv6 address stands for the /64 of its site.
std::array<uint8_t, 16> Internet::key_of(NetId net, Bytes ip) {
  std::array<uint8_t, 16> key{};
  std::copy_n(ip.begin(), ip.size() == 16 && net == root_net ? 8 : ip.size(), key.begin());
  return key;
}

uint32_t Internet::hash(NetId net, const std::array<uint8_t, 16>& key) const {
  uint64_t a, b;
  std::memcpy(&a, key.data(), 8);
  std::memcpy(&b, key.data() + 8, 8);
  return static_cast<uint32_t>(splitmix64(a ^ splitmix64(b + net)));
}

void Internet::add_address(MemberId member, const Address& ip) {
  NetId net = members_[member].net;
  Route route{net, key_of(net, ip.ip_bytes()), member};
  by_address_.insert(hash(net, route.ip), static_cast<uint32_t>(routes_.size()));
  routes_.push_back(route);
}

void Internet::remove_address(NetId net, const Address& ip) {
  auto key = key_of(net, ip.ip_bytes());
  uint32_t found =
      by_address_.find(hash(net, key), [&](uint32_t i) { return routes_[i].net == net && routes_[i].ip == key; });
  if (found != nat::no_index) by_address_.erase(hash(net, key), found);
}

MemberId Internet::find(NetId net, Bytes ip) const {
  auto key = key_of(net, ip);
  uint32_t found =
      by_address_.find(hash(net, key), [&](uint32_t i) { return routes_[i].net == net && routes_[i].ip == key; });
  return found == nat::no_index ? nobody : routes_[found].member;
}

Way& Internet::way(SiteId from, SiteId to) {
  uint64_t ends = static_cast<uint64_t>(static_cast<uint32_t>(from)) << 32 | static_cast<uint32_t>(to);
  auto h = static_cast<uint32_t>(splitmix64(ends));
  uint32_t found = by_ends_.find(h, [&](uint32_t i) { return way_ends_[i] == std::pair(from, to); });
  if (found != nat::no_index) return ways_[found];
  by_ends_.insert(h, static_cast<uint32_t>(ways_.size()));
  way_ends_.emplace_back(from, to);
  // Random in its own right: whatever else is built, this way does the same.
  Way& made = ways_.emplace_back(Way{Link(clock_, Random(seed_ ^ splitmix64(ends + 1))), usual_way_hops});
  if (from == to) {  // neighbours at one edge
    made.link.config.delay = {};
    made.hops = 0;
  }
  return made;
}

// ---- packets

void Internet::send(MemberId from, PacketPtr packet) {
  ++counters.packets;
  leave(from, std::move(packet));
}

/// Sends it over a link; what comes out at the other end goes to `then`.
template <typename Then>
void Internet::over(Link& link, PacketPtr packet, Then then) {
  size_t size = packet->wire_size() - link_headers;
  bool stream = packet->payload.size > 0;
  link.send(
      size, [packet = std::move(packet), then]() mutable { then(std::move(packet)); }, stream);
}

void Internet::leave(MemberId from, PacketPtr packet) {
  Member& member = members_[from];
  if (member.policy && !member.policy->lets_out(clock_.now(), *packet)) {
    ++counters.forbidden;
    return;
  }
  if (!member.up) return come_out(from, std::move(packet), false);
  over(*member.up, std::move(packet), [this, from](PacketPtr arrived) { come_out(from, std::move(arrived), true); });
}

/// At the end of a member's line, if it has one.
void Internet::come_out(MemberId from, PacketPtr packet, bool arriving) {
  NetId net = members_[from].net;
  if (net == root_net) return cross(from, std::move(packet));
  enter(net, from, std::move(packet), arriving);
}

void Internet::cross(MemberId from, PacketPtr packet) {
  MemberId to = find(root_net, destination_of(*packet));
  if (to == nobody) {
    ++counters.unrouted;
    return;
  }
  Way& between = way(members_[from].edge, members_[to].edge);
  if (between.hops > 0 && !pass_hops(packet->bytes(), between.hops)) return expire(from, *packet, between);
  over(between.link, std::move(packet), [this, to](PacketPtr arrived) {
    Link* line = members_[to].down;
    if (!line) return deliver(to, std::move(arrived), true);
    over(*line, std::move(arrived), [this, to](PacketPtr at_last) { deliver(to, std::move(at_last), true); });
  });
}

/// `arriving`: the schedule called, and not a host that sends: only then a host may be given something at once.
void Internet::enter(NetId id, MemberId from, PacketPtr packet, bool arriving) {
  Net& net = nets_[id];
  Bytes destination = destination_of(*packet);
  MemberId to = find(id, destination);
  if (to == nobody) {
    bool ours =
        std::any_of(net.prefixes.begin(), net.prefixes.end(), [&](const Address& p) { return is_in(destination, p); });
    if (net.router && !ours) return climb(id, *net.router, std::move(packet));
    ++counters.unrouted;
    return;
  }
  if (net.isolated && from != nobody) {
    ++counters.forbidden;
    return;
  }
  Member& member = members_[to];
  Link* line = member.down ? member.down : member.stack && !(arriving && from == nobody) ? net.lan : nullptr;
  if (!line) return deliver(to, std::move(packet), arriving);
  over(*line, std::move(packet), [this, to](PacketPtr arrived) { deliver(to, std::move(arrived), true); });
}

void Internet::climb(NetId net, GatewayBox& box, PacketPtr packet) {
  nat::Verdict verdict = box.pass(clock_.now(), nat::Side::inside, *packet);
  if (verdict.action == nat::Action::forward_out) {
    MemberId face = packet->v6() ? box.member6 : box.member4;
    if (face == nobody)
      ++counters.unrouted;
    else
      leave(face, std::move(packet));
  } else if (verdict.action == nat::Action::hairpin) {
    enter(net, nobody, std::move(packet), false);
  }
  look_after(box, false);
}

void Internet::deliver(MemberId to, PacketPtr packet, bool arriving) {
  Member& member = members_[to];
  if (member.policy && !member.policy->lets_in(clock_.now(), *packet)) {
    ++counters.forbidden;
    return;
  }
  if (member.stack) return member.stack->receive(std::move(packet));
  GatewayBox& box = *member.gateway;
  nat::Verdict verdict = box.pass(clock_.now(), nat::Side::outside, *packet);
  bool refused = verdict.action == nat::Action::drop;  // perhaps it answers later (RFC 5382 REQ-4)
  if (verdict.action == nat::Action::forward_in) enter(box.inside_net, nobody, std::move(packet), arriving);
  look_after(box, refused);
}

// ---- what gateways and routers say themselves

void Internet::look_after(GatewayBox& box, bool sooner) {
  send_generated(box);
  // The engine minds the time of whatever it finds; it has to be woken only for what nobody asks for. So its deadline,
  // which is dear to compute, is looked at only when it may have come nearer.
  size_t sessions = box.engine().session_count();
  if (box.armed && !sooner && sessions == box.sessions_seen) return;
  box.sessions_seen = sessions;
  auto next = box.engine().next_deadline();
  if (!next) return;
  Instant when = std::max(next->when, clock_.now());
  if (box.armed && *box.armed <= when) return;
  box.armed = when;
  clock_.at(when, [this, &box, when] {
    if (box.armed != when) return;
    box.armed.reset();
    box.engine().handle_timeout(clock_.now());
    look_after(box);
  });
}

void Internet::send_generated(GatewayBox& box) {
  if (room_.empty()) room_.resize(generated_max);
  while (auto out = box.engine().poll_generated(room_)) {
    if (out->bytes.size() > Packet::size_max) continue;
    PacketPtr packet = pool.take();
    std::copy(out->bytes.begin(), out->bytes.end(), packet->resize(out->bytes.size()).begin());
    if (out->side == nat::Side::inside)
      enter(box.inside_net, nobody, std::move(packet), false);
    else if (MemberId face = packet->v6() ? box.member6 : box.member4; face != nobody)
      leave(face, std::move(packet));
  }
}

/// The time to live ended at some router on the way, which may say so (RFC 792, RFC 1812 section 5.3.1).
void Internet::expire(MemberId from, const Packet& packet, const Way& way) {
  ++counters.expired;
  wire::Ipv4Header ip;
  if (!answers_expired || wire::parse_quoted_ipv4(packet.bytes(), ip) != wire::IpFault::none) return;
  if (!wire::icmp_may_answer(packet.bytes(), ip)) return;
  PacketPtr answer = pool.take();
  uint8_t* room = answer->resize(wire::icmp_error_max).data();
  answer->resize(wire::put_icmp_error(room, wire::load32(core_router.ip.data()), wire::icmp_time_exceeded, 0, 0,
                                      packet.bytes(), ip));
  Duration back = way.link.config.delay * 2 * ip.ttl / way.hops;
  clock_.after(back, [this, from, answer = std::move(answer)]() mutable { deliver(from, std::move(answer), true); });
}

}  // namespace ginnel::sim
