// From the outside: a session, or a mapping whose filter lets it in, or a stranger. RFC 4787 section 5, RFC 5382
// section 5 (REQ-4). Also the second half of a hairpin (RFC 4787 section 6).
#include <algorithm>

#include "core/nat/gateway.hpp"
#include "wire/tcp.hpp"

namespace ginnel::nat {

Verdict Gateway::inbound(Instant now, Packet& p, bool hairpinned) {
  uint32_t i = live(now, table_.find_outside(p.from_destination()));
  Drop why = Drop::none;
  if (i == no_index || table_.session(i).mapping == no_index) {
    i = open_inbound(now, p, hairpinned, why);
    if (i == no_index) return drop(why);
  }
  Session& s = table_.session(i);
  // Through a port-translating NAT only answers come in; under basic NAT also questions (RFC 7857 section 12).
  if (p.kind == Packet::Kind::query && !wire::icmp_is_reply(p.icmp_type) && !behaviour_.basic) {
    refuse_stranger(now, p, hairpinned);
    return drop(Drop::own);
  }
  if (!hairpinned && tired(p)) return too_many_hops(now, p, Side::outside);
  if (!hairpinned && too_big(now, p, Side::outside, Side::inside, why)) return drop(why);
  if (p.is_tcp() && !tcp_passes(s, p, false)) return drop(Drop::tcp_invalid);
  touch_in(i, now, p);

  FragmentKey before{p.ip.source, p.ip.destination, p.ip.id, p.ip.protocol, Side::outside};
  set_destination(p, s.inside);
  if (hairpinned) return {Action::hairpin, Drop::none, p.bytes.size()};
  if (behaviour_.decrement_ttl) decrement_ttl(p);
  Verdict verdict = finish(p, Side::inside, Action::forward_in);
  if (p.ip.more_fragments) first_fragment_went(now, before, {p.ip.source, p.ip.destination, p.ip.id, Side::inside});
  return verdict;
}

bool Gateway::passes_filter(uint32_t mapping, const FlowKey& key) const {
  if (table_.mapping(mapping).is_static) return true;
  switch (of(key.protocol).filtering) {
    case Depends::on_nothing:
      return true;
    case Depends::on_address:
      return table_.permitted(mapping, key.remote.ip);
    case Depends::on_address_and_port:
      return false;  // it would have had a session
  }
  return false;
}

uint32_t Gateway::open_inbound(Instant now, Packet& p, bool hairpinned, Drop& why) {
  if (!hairpinned && !checksum_right(p)) {  // nothing begins with a broken packet, and none is answered
    why = Drop::bad_checksum;
    return no_index;
  }
  FlowKey key = p.from_destination();
  uint32_t mapping = behaviour_.basic ? table_.find_mapping_outside(0, {key.near.ip, 0})
                                      : table_.find_mapping_outside(key.protocol, key.near);
  if (mapping != no_index && !mapping_alive(now, mapping)) mapping = no_index;
  bool passes = mapping != no_index && passes_filter(mapping, key);
  if (p.is_tcp() && passes && !may_open(p.segment)) {
    why = Drop::tcp_no_state;
    return no_index;
  }
  if (p.kind == Packet::Kind::query && !behaviour_.basic && !wire::icmp_is_reply(p.icmp_type)) passes = false;
  if (!passes) {
    why = mapping == no_index ? is_public(key.near.ip) ? Drop::no_mapping : Drop::bad_address : Drop::filtered;
    if (why == Drop::no_mapping && p.kind == Packet::Kind::query && wire::icmp_is_request(p.icmp_type)) why = Drop::own;
    if (why == Drop::filtered && behaviour_.refused_refreshes && !table_.mapping(mapping).is_static) {
      uint32_t first = table_.mapping(mapping).first_session;  // against RFC 7857 section 7
      set_expiry(first, now, now + lifetime(table_.session(first)));
    }
    if (why != Drop::bad_address) refuse_stranger(now, p, hairpinned);
    return no_index;
  }
  // A stranger's state from before the mapping was there, if any.
  if (uint32_t old = table_.find_outside(key); old != no_index) end_session(now, old);
  if (table_.full()) expire(now);
  Mapping& m = table_.mapping(mapping);
  bool host_full = m.host != no_index && behaviour_.sessions_per_host &&
                   table_.host(m.host).sessions >= behaviour_.sessions_per_host;
  Endpoint inside = m.protocol == 0 ? Endpoint{m.inside.ip, key.near.port} : m.inside;
  uint32_t i = host_full ? no_index : table_.add_session(mapping, {inside, key.remote, key.protocol}, key.near);
  if (i == no_index) {
    why = host_full ? Drop::host_limit : Drop::table_full;
    return no_index;
  }
  Session& s = table_.session(i);
  s.hairpin = is_public(key.remote.ip);
  s.expires = now + lifetime(s);
  table_.wheel.set(i, now, s.expires);
  // What only the outside said keeps no mapping, unless inbound packets may refresh it (RFC 4787 REQ-6a).
  if (behaviour_.refresh != Refresh::out && s.protocol != wire::ip_protocol_tcp) hold(i);
  return i;
}

void Gateway::refuse_stranger(Instant now, Packet& p, bool hairpinned) {
  if (hairpinned) return;
  bool opens = p.is_tcp() ? may_open(p.segment) : p.ip.protocol != wire::ip_protocol_icmp;
  bool closed = p.is_tcp() && behaviour_.unsolicited_syn == UnsolicitedSyn::rst;  // what is refused is forgotten
  if (behaviour_.strangers_keep_state && opens && !closed) remember_stranger(now, p);
  if (p.kind == Packet::Kind::query && p.icmp_type == wire::icmp_echo && behaviour_.answer_ping)
    return send_echo_reply(now, Side::outside, p);
  if (behaviour_.unsolicited_syn == UnsolicitedSyn::icmp_after_6s && p.is_tcp() && opens) return wait_with_syn(now, p);
  answer_at_closed_port(now, Side::outside, p);
}

/// As the gateway's own port does on which nobody listens.
void Gateway::answer_at_closed_port(Instant now, Side to, const Packet& p) {
  if (p.ip.protocol == wire::ip_protocol_icmp || (p.is_tcp() && !may_open(p.segment))) return;
  if (p.is_tcp() && behaviour_.unsolicited_syn == UnsolicitedSyn::rst) return send_reset(now, to, p);
  bool answers = p.is_tcp() ? behaviour_.unsolicited_syn == UnsolicitedSyn::icmp
                            : behaviour_.unsolicited_udp == UnsolicitedUdp::icmp;
  uint8_t code = p.kind == Packet::Kind::other ? wire::icmp_protocol_unreachable : wire::icmp_port_unreachable;
  if (answers) send_error(now, to, wire::icmp_unreachable, code, 0, p.bytes, p.ip);
}

/// May a segment begin what the NAT knows nothing of? A SYN, or one from the middle of a connection if those are
/// picked up.
bool Gateway::may_open(const Segment& segment) const {
  uint8_t flags = segment.flags & (wire::tcp_syn | wire::tcp_ack | wire::tcp_rst | wire::tcp_fin);
  return flags == wire::tcp_syn || (behaviour_.tcp_pickup && flags == wire::tcp_ack);
}

/// As connection tracking does when the packet is accepted locally: the 5-tuple is occupied, so that a later packet
/// from inside cannot have this port towards this remote. At most half of the table.
void Gateway::remember_stranger(Instant now, const Packet& p) {
  FlowKey key = p.from_destination();
  uint32_t i = table_.find_outside(key);
  if (i != no_index && table_.session(i).mapping != no_index) return;
  if (i == no_index) {
    if (strangers_ >= behaviour_.table_size / 2) return;
    i = table_.add_session(no_index, key, key.near);
    if (i == no_index) return;
    ++strangers_;
    table_.wheel.set(i, now, now);
  }
  set_expiry(i, now, now + (p.is_tcp() ? behaviour_.timers.tcp_half_open : behaviour_.timers.udp_one_way));
}

/// RFC 5382 REQ-4: not answered for 6 s, and not at all if the inside opens the same connection meanwhile.
void Gateway::wait_with_syn(Instant now, const Packet& p) {
  FlowKey key = p.from_destination();
  for (size_t i = 0; i < waiting_syns_.size(); ++i)  // a repeated SYN gets one answer
    if (waiting_syns_[i].outside == key.near && waiting_syns_[i].remote == key.remote && !waiting_syns_[i].cancelled)
      return;
  WaitingSyn* place = waiting_syns_.push();
  if (!place) return;
  place->due = now + behaviour_.timers.unsolicited_syn;
  place->outside = key.near;
  place->remote = key.remote;
  place->cancelled = false;
  place->size = static_cast<uint8_t>(std::min(p.bytes.size(), place->packet.size()));
  std::copy_n(p.bytes.begin(), place->size, place->packet.begin());
}

void Gateway::cancel_waiting_syn(const Endpoint& outside, const Endpoint& remote) {
  for (size_t i = 0; i < waiting_syns_.size(); ++i)
    if (waiting_syns_[i].outside == outside && waiting_syns_[i].remote == remote) waiting_syns_[i].cancelled = true;
}

}  // namespace ginnel::nat
