// Packets that are pieces, and packets that have to become pieces. RFC 4787 sections 10 and 11 (REQ-13, 14), RFC 791
// section 3.2, RFC 1191.
#include <algorithm>

#include "core/nat/gateway.hpp"
#include "wire/checksum.hpp"
#include "wire/ip_fields.hpp"

namespace ginnel::nat {

/// Goes where the first fragment of its datagram went; waits if that has not come yet (REQ-14).
Verdict Gateway::later_fragment(Instant now, Packet& p, Side from) {
  FragmentKey key{p.ip.source, p.ip.destination, p.ip.id, p.ip.protocol, from};
  if (auto route = fragments_.find(now, key)) return along(now, p, from, *route);
  if (from == Side::outside && !is_public(p.ip.destination)) return drop(Drop::bad_address);
  bool waits =
      behaviour_.fragments == Fragments::track && fragments_.hold(now, behaviour_.timers.fragment, key, p.bytes);
  return waits ? Verdict{Action::held, Drop::none, 0} : drop(Drop::fragment);
}

Verdict Gateway::along(Instant now, Packet& p, Side from, const FragmentRoute& route) {
  Drop why = Drop::none;
  bool hairpin = from == Side::inside && route.to == Side::inside;
  if (!hairpin && too_big(now, p, from, route.to, why)) return drop(why);
  set_source(p, {route.source, 0});
  set_destination(p, {route.destination, 0});
  if (behaviour_.decrement_ttl) decrement_ttl(p);
  if (p.ip.id != route.id) set_ip_id(p, route.id);
  return finish(p, route.to,
                hairpin                     ? Action::hairpin
                : route.to == Side::outside ? Action::forward_out
                                            : Action::forward_in);
}

/// What waited for it follows, behind it (poll_generated).
void Gateway::first_fragment_went(Instant now, const FragmentKey& key, const FragmentRoute& route) {
  fragments_.remember(now, behaviour_.timers.fragment, key, route);
  for (;;) {
    MutableBytes held = fragments_.take_held(now, key);
    if (held.empty()) return;
    Packet p;
    if (parse_packet(held, {}, p) != ParseFault::none) continue;
    Verdict verdict = along(now, p, key.from, route);
    if (verdict.action == Action::drop) continue;
    MutableBytes room = outbox_.add(route.to, verdict.size);
    if (!room.empty()) std::copy_n(held.begin(), verdict.size, room.begin());
  }
}

/// May it not pass for its size? RFC 4787 REQ-13: say so if fragmenting is forbidden, else fragment (finish() does).
bool Gateway::too_big(Instant now, const Packet& p, Side from, Side to, Drop& why) {
  uint16_t mtu = to == Side::outside ? behaviour_.mtu_outside : behaviour_.mtu_inside;
  if (p.wire_size() <= mtu) return false;
  if (!p.ip.dont_fragment && behaviour_.fragment_too_big) return false;
  why = Drop::too_big;
  if (p.ip.dont_fragment && behaviour_.too_big_answer)
    send_error(now, from, wire::icmp_unreachable, wire::icmp_fragmentation_needed, mtu, p.bytes, p.ip);
  return true;
}

Verdict Gateway::finish(Packet& p, Side to, Action action) {
  ++(action == Action::forward_out ? counters_.forwarded_out
     : action == Action::hairpin   ? counters_.hairpinned
                                   : counters_.forwarded_in);
  uint16_t mtu = to == Side::outside ? behaviour_.mtu_outside : behaviour_.mtu_inside;
  bool whole = p.wire_size() <= mtu || action == Action::hairpin || p.ip.dont_fragment || p.offload.wire_size ||
               p.offload.partial_checksum || p.kind == Packet::Kind::error;
  if (!whole) split(p, to, mtu);
  return {action, Drop::none, p.bytes.size()};
}

/// The packet becomes its own first fragment; the others follow in order (REQ-13a).
void Gateway::split(Packet& p, Side to, uint16_t mtu) {
  if (mtu < p.ip.size + 8u) return;
  size_t step = (mtu - p.ip.size) & ~size_t{7};
  size_t payload = p.transport_size();
  for (size_t at = step; at < payload; at += step) {
    size_t size = std::min(step, payload - at);
    MutableBytes room = outbox_.add(to, wire::ipv4_header_min + size);
    if (room.empty()) break;
    wire::Ipv4Header header = p.ip;
    header.total = static_cast<uint16_t>(wire::ipv4_header_min + size);
    header.offset = static_cast<uint16_t>(p.ip.offset + at);
    header.more_fragments = p.ip.more_fragments || at + size < payload;
    wire::put_ipv4(room.data(), header);  // options stay with the first
    std::copy_n(p.transport() + at, size, room.begin() + wire::ipv4_header_min);
  }
  p.bytes = p.bytes.first(p.ip.size + step);
  uint8_t* header = p.bytes.data();
  wire::store16(header + wire::ipv4_total_at, static_cast<uint16_t>(p.bytes.size()));
  header[wire::ipv4_fragment_at] |= wire::ipv4_more_fragments >> 8;
  wire::store16(header + wire::ipv4_checksum_at, 0);
  wire::store16(header + wire::ipv4_checksum_at, wire::internet_checksum({header, p.ip.size}));
}

}  // namespace ginnel::nat
