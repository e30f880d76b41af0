// ICMP errors that cross the NAT, in whose quoted packet the same endpoint is restored, and those it makes itself.
// RFC 5508 sections 4 to 7, RFC 1812 section 4.3.2.
#include <algorithm>

#include "core/nat/gateway.hpp"
#include "wire/checksum.hpp"
#include "wire/ip_fields.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"

namespace ginnel::nat {
namespace {

using wire::load16, wire::store16, wire::store32;

/// The packet that an error quotes: its first bytes are enough (RFC 792: header and 64 bits).
struct Quoted {
  MutableBytes bytes;
  wire::Ipv4Header ip;
  Endpoint source, destination;
  bool query = false;
};

bool read_quoted(Packet& error, Quoted& out) {
  out.bytes = MutableBytes(error.transport(), error.transport_size()).subspan(wire::icmp_header_size);
  // RFC 5508 REQ-3a: a bad header checksum is refused; REQ-3b: options are skipped; REQ-3c: the rest is not verified.
  if (wire::parse_quoted_ipv4(out.bytes, out.ip) != wire::IpFault::none || out.ip.offset != 0) return false;
  if (out.bytes.size() < out.ip.size + 8u) return false;
  const uint8_t* at = out.bytes.data() + out.ip.size;
  out.source.ip = out.ip.source;
  out.destination.ip = out.ip.destination;
  switch (out.ip.protocol) {
    case wire::ip_protocol_udp:
    case wire::ip_protocol_tcp:
      out.source.port = load16(at);
      out.destination.port = load16(at + 2);
      return true;
    case wire::ip_protocol_icmp:
      if (!wire::icmp_is_request(at[0]) && !wire::icmp_is_reply(at[0])) return false;
      out.query = true;
      out.source.port = out.destination.port = load16(at + wire::icmp_id_at);
      return true;
    default:
      return true;
  }
}

/// Changes one endpoint of the quoted packet with the checksums that are still there (RFC 5508 REQ-4a, 5a).
void rewrite_quoted(Quoted& q, bool source, const Endpoint& to) {
  uint8_t* header = q.bytes.data();
  uint8_t* at = header + q.ip.size;
  Endpoint from = source ? q.source : q.destination;
  wire::ChecksumChange addresses, all;
  addresses.pair(from.ip, to.ip);
  store32(header + (source ? wire::ipv4_source_at : wire::ipv4_destination_at), to.ip);
  store16(header + wire::ipv4_checksum_at, addresses.apply(load16(header + wire::ipv4_checksum_at)));
  bool ports = q.ip.protocol == wire::ip_protocol_udp || q.ip.protocol == wire::ip_protocol_tcp;
  if (!ports && !q.query) return;
  if (ports) all = addresses;
  all.word(from.port, to.port);
  store16(at + (q.query ? wire::icmp_id_at : source ? wire::udp_source_at : wire::udp_destination_at), to.port);
  size_t checksum = q.query                                  ? wire::icmp_checksum_at
                    : q.ip.protocol == wire::ip_protocol_udp ? wire::udp_checksum_at
                                                             : wire::tcp_checksum_at;
  if (q.ip.size + checksum + 2 > q.bytes.size()) return;
  uint16_t sum = load16(at + checksum);
  if (q.ip.protocol == wire::ip_protocol_udp && sum == 0) return;
  sum = all.apply(sum);
  if (q.ip.protocol == wire::ip_protocol_udp && sum == 0) sum = 0xffff;
  store16(at + checksum, sum);
}

void set_icmp_checksum(Packet& p) {
  store16(p.transport() + wire::icmp_checksum_at, 0);
  store16(p.transport() + wire::icmp_checksum_at, wire::internet_checksum({p.transport(), p.transport_size()}));
}

Endpoint without_port(Endpoint remote, const Quoted& q) { return q.query ? Endpoint{remote.ip, 0} : remote; }

}  // namespace

/// About a packet that went out: it quotes our outside endpoint as source.
Verdict Gateway::error_from_outside(Instant now, Packet& p, bool hairpinned) {
  if (behaviour_.icmp_errors == IcmpErrors::drop) return drop(Drop::icmp_error);
  if (!hairpinned && !checksum_right(p)) return drop(Drop::bad_checksum);  // RFC 5508 REQ-3
  Quoted q;
  if (!read_quoted(p, q) || p.ip.destination != q.source.ip) return drop(Drop::icmp_error);  // RFC 792: to the sender
  // RFC 4787 REQ-12a: whoever sends it, what counts is what it quotes.
  FlowKey about{q.source, without_port(q.destination, q), q.ip.protocol};
  uint32_t i = live(now, table_.find_outside(about));
  uint32_t mapping = i != no_index ? table_.session(i).mapping : no_index;
  if (mapping == no_index) {
    mapping = behaviour_.basic ? table_.find_mapping_outside(0, {q.source.ip, 0})
                               : table_.find_mapping_outside(q.ip.protocol, q.source);
    if (mapping == no_index || !mapping_alive(now, mapping) || !passes_filter(mapping, about))
      return drop(Drop::icmp_error);  // RFC 5508 REQ-4
  }
  const Mapping& m = table_.mapping(mapping);
  Endpoint inside = m.protocol == 0 ? Endpoint{m.inside.ip, q.source.port} : m.inside;
  if (behaviour_.icmp_errors != IcmpErrors::outer_only) rewrite_quoted(q, true, inside);
  set_destination(p, {inside.ip, 0});  // RFC 5508 REQ-4c
  set_icmp_checksum(p);
  if (behaviour_.decrement_ttl && !hairpinned) decrement_ttl(p);
  // RFC 4787 REQ-12, RFC 5382 REQ-10, RFC 5508 REQ-6: nothing ends and nothing is prolonged, unless told to.
  if (behaviour_.icmp_errors == IcmpErrors::kills_mapping && !m.is_static) close_mapping(now, mapping);
  return finish(p, Side::inside, hairpinned ? Action::hairpin : Action::forward_in);
}

/// About a packet that came in: it quotes the inside endpoint as destination.
Verdict Gateway::error_from_inside(Instant now, Packet& p) {
  if (behaviour_.icmp_errors == IcmpErrors::drop) return drop(Drop::icmp_error);
  if (!checksum_right(p)) return drop(Drop::bad_checksum);
  Quoted q;
  if (!read_quoted(p, q) || p.ip.destination != q.source.ip) return drop(Drop::icmp_error);  // RFC 792: to the sender
  Endpoint remote = without_port(q.source, q);
  uint32_t i = live(now, table_.find_inside({q.destination, remote, q.ip.protocol}));
  uint32_t mapping = i != no_index ? table_.session(i).mapping : no_index;
  if (mapping == no_index) {
    FlowKey key = behaviour_.basic ? FlowKey{{q.destination.ip, 0}, {}, 0} : FlowKey{q.destination, {}, q.ip.protocol};
    mapping = table_.find_mapping(key);
    if (mapping == no_index || !mapping_alive(now, mapping) ||
        !passes_filter(mapping, {q.destination, remote, q.ip.protocol}))
      return drop(Drop::icmp_error);  // RFC 5508 REQ-5
  }
  const Mapping& m = table_.mapping(mapping);
  Endpoint outside = m.protocol == 0 ? Endpoint{m.outside.ip, q.destination.port} : m.outside;
  // RFC 5508 REQ-5c: from the host's own mapped address under basic NAT, else from the NAT's.
  bool from_host = behaviour_.basic && p.ip.source == q.destination.ip;
  if (behaviour_.icmp_errors != IcmpErrors::outer_only) rewrite_quoted(q, false, outside);
  if (i != no_index && behaviour_.errors_refresh)
    set_expiry(i, now, now + lifetime(table_.session(i)));  // against RFC 7857 s. 7.1
  set_source(p, {from_host ? outside.ip : pool_[0], 0});
  set_icmp_checksum(p);
  if (behaviour_.decrement_ttl) decrement_ttl(p);
  if (is_public(p.ip.destination))  // RFC 5508 REQ-7: about a hairpinned packet
    return behaviour_.hairpin == Hairpin::off ? drop(Drop::hairpin_off) : error_from_outside(now, p, true);
  return finish(p, Side::outside, Action::forward_out);
}

// ---- our own

void Gateway::send_error(Instant now, Side to, uint8_t type, uint8_t code, uint32_t rest, Bytes about,
                         const wire::Ipv4Header& ip) {
  if (!wire::icmp_may_answer(about, ip)) return;
  uint32_t from = pool_.empty() ? 0 : pool_[0];
  if (to == Side::inside && inside_address_ != 0) from = inside_address_;
  if (is_public(ip.destination)) from = ip.destination;  // whom it was addressed to
  if (from == 0) return;
  MutableBytes room = outbox_.allow(now) ? outbox_.add(to, wire::icmp_error_max) : MutableBytes{};
  if (room.empty()) {
    ++counters_.generated_suppressed;
    return;
  }
  outbox_.shrink_last(wire::put_icmp_error(room.data(), from, type, code, rest, about, ip));
  ++counters_.generated;
}

void Gateway::send_reset(Instant now, Side to, const Packet& about) {
  MutableBytes room;
  if (!about.ip.is_fragment() && outbox_.allow(now))
    room = outbox_.add(to, wire::ipv4_header_min + wire::tcp_header_min);
  if (room.empty()) {
    ++counters_.generated_suppressed;
    return;
  }
  wire::put_tcp_reset(room.data(), about.bytes, about.ip);
  ++counters_.generated;
}

/// RFC 1812 section 4.3.3.6. Only whole requests, of which somebody saw that they are sound.
void Gateway::send_echo_reply(Instant now, Side to, const Packet& request) {
  MutableBytes room;
  if (!request.ip.is_fragment() && request.bytes.size() <= 1500 && outbox_.allow(now))
    room = outbox_.add(to, request.bytes.size());
  if (room.empty()) {
    ++counters_.generated_suppressed;
    return;
  }
  std::copy(request.bytes.begin(), request.bytes.end(), room.begin());
  store32(&room[wire::ipv4_source_at], request.ip.destination);
  store32(&room[wire::ipv4_destination_at], request.ip.source);
  room[wire::ipv4_ttl_at] = 64;
  store16(&room[wire::ipv4_checksum_at], 0);
  store16(&room[wire::ipv4_checksum_at], wire::internet_checksum(room.first(request.ip.size)));
  MutableBytes icmp = room.subspan(request.ip.size);
  icmp[0] = wire::icmp_echo_reply;
  store16(&icmp[wire::icmp_checksum_at], 0);
  store16(&icmp[wire::icmp_checksum_at], wire::internet_checksum(icmp));
  ++counters_.generated;
}

}  // namespace ginnel::nat
