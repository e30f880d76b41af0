#include "core/nat/firewall6.hpp"

#include <algorithm>

#include "wire/checksum.hpp"
#include "wire/icmp.hpp"
#include "wire/ip_fields.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"

namespace ginnel::nat {
namespace {

constexpr uint8_t unreachable = 1, packet_too_big = 2, time_exceeded = 3, parameter_problem = 4, echo = 128,
                  echo_reply = 129;
constexpr uint8_t prohibited = 1, port_unreachable = 4;  // codes of unreachable
constexpr int expired_at_once_max = 4096;

bool is_multicast_or_link_local(const uint8_t* ip) {
  return ip[0] == 0xff || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);
}

uint32_t mix(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(a) * b;
  uint64_t folded = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  return static_cast<uint32_t>(folded ^ folded >> 32);
}

uint64_t load64(const uint8_t* at) {
  uint64_t v;
  std::memcpy(&v, at, 8);
  return v;
}

uint32_t hash_ips(const uint8_t* a, const uint8_t* b, uint64_t more, const std::array<uint64_t, 2>& secret) {
  uint64_t first = mix(load64(a) ^ secret[0], load64(a + 8) ^ secret[1]);
  uint64_t second = mix(load64(b) ^ secret[1], load64(b + 8) ^ secret[0]);
  return mix((first << 32 | second) ^ secret[0], more ^ secret[1]);
}

/// Where the id of a fragment header stands, whichever place it has in the chain.
uint32_t fragment_id(Bytes packet) {
  uint8_t protocol = packet[6];
  for (size_t at = wire::ipv6_header_size; at + 8 <= packet.size(); at += 8 + size_t{packet[at + 1]} * 8) {
    if (protocol == 44) return wire::load32(&packet[at + 4]);
    protocol = packet[at];
  }
  return 0;
}

}  // namespace

Firewall6::Firewall6(const Behaviour& behaviour, Rng& rng, Outbox& outbox)
    : behaviour_(behaviour),
      outbox_(outbox),
      secret_{rng.u64() | 1, rng.u64() | 1},
      flows_(std::max<uint32_t>(behaviour.table_size, 1)) {}

uint32_t Firewall6::hash(const Key& key) const {
  uint64_t ports = uint64_t{key.inside_port} << 32 | uint64_t{key.remote_port} << 8 | key.protocol;
  return hash_ips(key.inside.data(), key.remote.data(), ports, secret_);
}

uint32_t Firewall6::find(Instant now, const Key& key) {
  uint32_t i = by_key_.find(hash(key), [&](uint32_t at) { return flows_[at].key == key; });
  if (i == no_index || flows_[i].expires > now) return i;
  remove(i);
  return no_index;
}

uint32_t Firewall6::add(Instant now, const Key& key) {
  if (flows_.full()) handle_timeout(now);
  uint32_t i = flows_.take();
  if (i == no_index) return i;
  flows_[i].key = key;
  by_key_.insert(hash(key), i);
  wheel_.set(i, now, now);
  return i;
}

void Firewall6::remove(uint32_t i) {
  wheel_.cancel(i);
  by_key_.erase(hash(flows_[i].key), i);
  flows_.give(i);
}

void Firewall6::clear() {
  flows_.clear();
  by_key_.clear();
  wheel_.clear();
  seen_.fill({});
}

void Firewall6::handle_timeout(Instant now) {
  for (int n = 0; n < expired_at_once_max; ++n) {
    uint32_t i = wheel_.take_due(now);
    if (i == no_index) return;
    if (flows_[i].expires <= now) {
      remove(i);
    } else {
      wheel_.set(i, now, flows_[i].expires);
    }
  }
}

Verdict Firewall6::handle(Instant now, MutableBytes bytes, Offload offload, Side from) {
  auto ip = wire::parse_ipv6(bytes);
  if (!ip) return {Action::drop, Drop::malformed};
  MutableBytes packet = bytes.first(ip->total);
  const uint8_t *source = &packet[8], *destination = &packet[24];
  if (is_multicast_or_link_local(source) || is_multicast_or_link_local(destination))
    return {Action::drop, Drop::bad_address};
  if (ip->hop_limit <= 1 && behaviour_.decrement_ttl) {
    answer(now, from, time_exceeded, 0, 0, packet);
    return {Action::drop, Drop::ttl};
  }
  uint16_t mtu =
      std::max<uint16_t>(from == Side::inside ? behaviour_.mtu_outside : behaviour_.mtu_inside, 1280);  // RFC 8200 s. 5
  size_t size = offload.wire_size ? offload.wire_size : packet.size();
  if (size > mtu) {
    if (behaviour_.too_big_answer) answer(now, from, packet_too_big, 0, mtu, packet);
    return {Action::drop, Drop::too_big};
  }
  Drop why = judge(now, packet, *ip, from);
  if (why != Drop::none) return {Action::drop, why};
  if (behaviour_.decrement_ttl) --packet[7];
  return {from == Side::inside ? Action::forward_out : Action::forward_in, Drop::none, packet.size()};
}

bool Firewall6::read_key(Bytes packet, const wire::Ipv6Header& ip, Side from, Key& key, Segment& segment) const {
  bool out = from == Side::inside;
  std::copy_n(&packet[out ? 8 : 24], 16, key.inside.begin());
  std::copy_n(&packet[out ? 24 : 8], 16, key.remote.begin());
  key.protocol = ip.protocol;
  Bytes rest = packet.subspan(ip.transport);
  bool tcp = ip.protocol == wire::ip_protocol_tcp, udp = ip.protocol == wire::ip_protocol_udp;
  if (ip.protocol == wire::ip_protocol_icmp6) {
    if (rest.size() < wire::icmp_header_size) return false;
    key.inside_port = wire::load16(&rest[4]);
    return true;
  }
  if (!tcp && !udp) return true;
  if (rest.size() < (tcp ? wire::tcp_header_min : wire::udp_header_size)) return false;
  key.inside_port = wire::load16(&rest[out ? 0 : 2]);
  key.remote_port = wire::load16(&rest[out ? 2 : 0]);
  if (tcp) {
    segment.flags = rest[wire::tcp_flags_at];
    segment.sequence = wire::load32(&rest[wire::tcp_sequence_at]);
  }
  return true;
}

/// What stands for all flows of the inside endpoint under the weaker filters (RFC 6092 REC-11, REC-33).
Firewall6::Key Firewall6::permit_key(const Key& key) const {
  Depends filtering = key.protocol == wire::ip_protocol_tcp     ? behaviour_.tcp.filtering
                      : key.protocol == wire::ip_protocol_icmp6 ? behaviour_.icmp.filtering
                                                                : behaviour_.udp.filtering;
  Key out = key;
  if (filtering == Depends::on_nothing) out.remote = {};
  if (filtering != Depends::on_address_and_port) out.remote_port = 0;
  return out;
}

Drop Firewall6::judge(Instant now, Bytes packet, const wire::Ipv6Header& ip, Side from) {
  if (ip.later_fragment) return later_fragment_passes(now, packet, from) ? Drop::none : Drop::fragment;
  Key key;
  Segment segment;
  if (!read_key(packet, ip, from, key, segment)) return Drop::malformed;
  bool out = from == Side::inside, tcp = ip.protocol == wire::ip_protocol_tcp;
  bool asks = true;
  if (ip.protocol == wire::ip_protocol_icmp6) {
    uint8_t type = packet[ip.transport];
    if (type >= unreachable && type <= parameter_problem)
      return error_passes(now, packet, ip, from) ? Drop::none : Drop::icmp_error;
    if (type != echo && type != echo_reply) return Drop::unsupported;
    asks = type == echo;
  }
  uint32_t i = find(now, key);
  if (i == no_index) {
    bool syn = (segment.flags & (wire::tcp_syn | wire::tcp_ack | wire::tcp_rst)) == wire::tcp_syn;
    if (tcp && !syn && !(behaviour_.tcp_pickup && out)) return Drop::tcp_no_state;
    Key permit = permit_key(key);
    bool allowed = out ? asks : !(permit == key) && find(now, permit) != no_index;
    if (!allowed) {
      if (!out && ip.protocol == wire::ip_protocol_udp && behaviour_.unsolicited_udp == UnsolicitedUdp::icmp)
        answer(now, from, unreachable, port_unreachable, 0, packet);
      if (!out && syn && behaviour_.unsolicited_syn != UnsolicitedSyn::silent)
        answer(now, from, unreachable, prohibited, 0, packet);
      return Drop::no_mapping;
    }
    i = add(now, key);
    if (i == no_index) return Drop::table_full;
  }
  if (tcp) flows_[i].tcp = next_state(flows_[i].tcp, segment, out);
  if (!out) flows_[i].two_way = true;
  Duration life = lifetime(flows_[i]);
  if (out || tcp || behaviour_.refresh != Refresh::out || flows_[i].expires <= now) refresh(now, i, life);
  if (Key permit = permit_key(key); out && !(permit == key)) {
    uint32_t at = find(now, permit);
    if (at == no_index) at = add(now, permit);
    if (at != no_index) refresh(now, at, life);
  }
  if (ip.fragment) first_fragment_passed(now, packet, from);
  return Drop::none;
}

/// RFC 4890 section 4.3.1: errors pass if what they quote passed the other way.
bool Firewall6::error_passes(Instant now, Bytes packet, const wire::Ipv6Header& ip, Side from) {
  Bytes quoted = packet.subspan(ip.transport + wire::icmp_header_size);
  if (quoted.size() < wire::ipv6_header_size + 8 || quoted[0] >> 4 != 6) return false;
  wire::Ipv6Header inner;  // extension headers are not followed in what is quoted
  inner.protocol = quoted[6];
  inner.transport = wire::ipv6_header_size;
  std::array<uint8_t, wire::ipv6_header_size + wire::tcp_header_min> copy{};  // a quoted header may be cut
  std::copy_n(quoted.begin(), std::min(quoted.size(), copy.size()), copy.begin());
  Key key;
  Segment segment;
  return read_key(copy, inner, from == Side::inside ? Side::outside : Side::inside, key, segment) &&
         find(now, key) != no_index;
}

Duration Firewall6::lifetime(const Flow& flow) const {
  const Timers& t = behaviour_.timers;
  switch (flow.key.protocol) {
    case wire::ip_protocol_udp:
      return flow.two_way ? t.udp_two_way : t.udp_one_way;
    case wire::ip_protocol_icmp6:
      return t.icmp;
    case wire::ip_protocol_tcp:
      break;
    default:
      return t.other;
  }
  switch (timer_of(flow.tcp)) {
    case TcpTimer::half_open:
      return t.tcp_half_open;
    case TcpTimer::established:
      return t.tcp_established;
    case TcpTimer::closing:
      return t.tcp_closing;
    case TcpTimer::reset:
      return t.tcp_reset;
  }
  return t.tcp_half_open;
}

void Firewall6::refresh(Instant now, uint32_t i, Duration life) {
  if (now + life < flows_[i].expires) wheel_.set(i, now, now + life);
  flows_[i].expires = now + life;
}

bool Firewall6::later_fragment_passes(Instant now, Bytes packet, Side from) const {
  uint32_t h = hash_ips(&packet[8], &packet[24], uint64_t{fragment_id(packet)} << 1 | (from == Side::inside), secret_);
  const Seen& seen = seen_[h % seen_.size()];
  return seen.hash == h && seen.until > now;
}

void Firewall6::first_fragment_passed(Instant now, Bytes packet, Side from) {
  uint32_t h = hash_ips(&packet[8], &packet[24], uint64_t{fragment_id(packet)} << 1 | (from == Side::inside), secret_);
  seen_[h % seen_.size()] = {h, now + behaviour_.timers.fragment};
}

void Firewall6::answer(Instant now, Side to, uint8_t type, uint8_t code, uint32_t rest, Bytes packet) {
  bool about_error =
      packet[6] == wire::ip_protocol_icmp6 && (packet.size() <= wire::ipv6_header_size || packet[40] < 128);
  if (about_error || !outbox_.allow(now)) return;  // RFC 4443 section 2.4 (e)
  MutableBytes room = outbox_.add(to, wire::icmp6_error_max);
  if (room.empty()) return;
  const uint8_t* from = own_ == Ip{} ? &packet[24] : own_.data();
  outbox_.shrink_last(wire::put_icmp6_error(room.data(), from, type, code, rest, packet));
}

}  // namespace ginnel::nat
