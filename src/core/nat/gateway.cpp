// The gateway's entrance, its clock and its commands; the ways of a packet are in gateway_inside, gateway_outside,
// gateway_icmp and gateway_fragments.
#include "core/nat/gateway.hpp"

#include <algorithm>

#include "wire/ip_fields.hpp"
#include "wire/tcp.hpp"

namespace ginnel::nat {
namespace {

constexpr int expired_at_once_max = 4096;  // so that no call takes long; the rest is due again at once

uint32_t ip_of(const Address& address) { return wire::load32(address.ip.data()); }

Address to_address(const Endpoint& endpoint) {
  std::array<uint8_t, 4> ip;
  wire::store32(ip.data(), endpoint.ip);
  return Address::from_ip(ip, endpoint.port);
}

bool may_send(uint32_t source) {
  uint32_t top = source >> 24;
  return top != 0 && top != 127 && top < 224;
}

}  // namespace

std::string_view to_string(Drop why) {
  static constexpr std::string_view names[] = {
      "none",       "malformed",   "bad checksum", "unsupported", "ttl",     "too big",    "bad address",
      "no mapping", "filtered",    "no tcp state", "invalid tcp", "no port", "table full", "host limit",
      "host rate",  "hairpin off", "fragment",     "icmp error",  "own"};
  static_assert(std::size(names) == drop_kinds);
  return names[static_cast<size_t>(why)];
}

Gateway::Gateway(const Behaviour& behaviour, std::span<const Address> public_addresses, Rng& rng)
    : behaviour_(behaviour),
      rng_(rng),
      table_(std::max<uint32_t>(behaviour.table_size, 1), rng),
      ports_(behaviour.ports, rng),
      outbox_(behaviour.generated_per_second),
      firewall6_(behaviour_, rng, outbox_),
      next_id_(static_cast<uint16_t>(rng.u64())) {
  set_public_addresses(public_addresses);
}

// ---- inputs

Verdict Gateway::handle_inside(Instant now, MutableBytes packet, Offload offload) {
  ++counters_.inside_packets;
  counters_.inside_bytes += packet.size();
  return enter(now, packet, offload, Side::inside);
}

Verdict Gateway::handle_outside(Instant now, MutableBytes packet, Offload offload) {
  ++counters_.outside_packets;
  counters_.outside_bytes += packet.size();
  return enter(now, packet, offload, Side::outside);
}

Verdict Gateway::enter(Instant now, MutableBytes bytes, Offload offload, Side from) {
  if (wire::ip_version(bytes) == 6) {
    Verdict v = firewall6_.handle(now, bytes, offload, from);
    if (v.action == Action::drop) return drop(v.why);
    ++(v.action == Action::forward_out ? counters_.forwarded_out : counters_.forwarded_in);
    return v;
  }
  Packet p;
  switch (parse_packet(bytes, offload, p)) {
    case ParseFault::none:
      break;
    case ParseFault::malformed:
      return drop(Drop::malformed);
    case ParseFault::bad_checksum:
      return drop(Drop::bad_checksum);  // RFC 1812 section 5.2.2
    case ParseFault::unsupported:
      return drop(Drop::unsupported);
  }
  if (!may_send(p.ip.source) || p.ip.destination >> 28 >= 14) return drop(Drop::bad_address);
  // Nobody but us has it, on neither side (RFC 2827), unless it is paired with a host that has the same.
  bool paired = behaviour_.basic && from == Side::inside;
  if (is_public(p.ip.source) && !paired) return drop(Drop::bad_address);
  if (from == Side::inside && p.ip.destination == inside_address_ && inside_address_ != 0)
    return {Action::local, Drop::none, p.bytes.size()};
  bool may_be_for_us = is_public(p.ip.destination) && p.kind != Packet::Kind::error &&
                       p.kind != Packet::Kind::later_fragment;  // then its TTL counts only if it is forwarded
  if (tired(p) && !may_be_for_us) return too_many_hops(now, p, from);
  if (p.ip.is_fragment() && behaviour_.fragments == Fragments::drop) return drop(Drop::fragment);
  if (p.kind == Packet::Kind::later_fragment) return later_fragment(now, p, from);
  if (p.kind == Packet::Kind::error)
    return from == Side::inside ? error_from_inside(now, p) : error_from_outside(now, p, false);
  return from == Side::inside ? outbound(now, p) : inbound(now, p, false);
}

/// RFC 1812 section 5.3.1.
Verdict Gateway::too_many_hops(Instant now, const Packet& p, Side from) {
  send_error(now, from, wire::icmp_time_exceeded, 0, 0, p.bytes, p.ip);
  return drop(Drop::ttl);
}

Verdict Gateway::drop(Drop why) {
  ++counters_.drops[static_cast<size_t>(why)];
  return {Action::drop, why, 0};
}

void Gateway::handle_timeout(Instant now) {
  expire(now);
  firewall6_.handle_timeout(now);
  while (!resting_ports_.empty() && resting_ports_.front().until <= now) {
    const RestingPort& port = resting_ports_.front();
    if (uint32_t index = pool_index(port.address); index != no_index) ports_.free(index, port.protocol, port.port);
    resting_ports_.pop();
  }
  while (!waiting_syns_.empty() && (waiting_syns_.front().cancelled || waiting_syns_.front().due <= now)) {
    const WaitingSyn& syn = waiting_syns_.front();
    wire::Ipv4Header ip;
    Bytes packet = Bytes(syn.packet).first(syn.size);
    if (!syn.cancelled && wire::parse_quoted_ipv4(packet, ip) == wire::IpFault::none)  // RFC 5382 REQ-4
      send_error(now, Side::outside, wire::icmp_unreachable, wire::icmp_port_unreachable, 0, packet, ip);
    waiting_syns_.pop();
  }
}

void Gateway::expire(Instant now) {
  for (int i = 0; i < expired_at_once_max; ++i) {
    uint32_t session = table_.wheel.take_due(now);
    if (session == no_index) return;
    Instant expires = table_.session(session).expires;
    if (expires <= now) {
      end_session(now, session);
    } else {
      table_.wheel.set(session, now, expires);
    }
  }
}

std::optional<Deadline> Gateway::next_deadline() const {
  std::optional<Deadline> out;
  if (auto next = table_.wheel.next()) out = Deadline{*next, "nat: a session may have ended"};
  if (auto next = firewall6_.next()) out = earlier(out, Deadline{*next, "nat: an IPv6 flow may have ended"});
  if (!resting_ports_.empty()) out = earlier(out, Deadline{resting_ports_.front().until, "nat: a port has rested"});
  if (!waiting_syns_.empty())
    out = earlier(out, Deadline{waiting_syns_.front().due, "nat: answer to an unexpected SYN"});
  return out;
}

// ---- sessions and their time

const ProtocolBehaviour& Gateway::of(uint8_t protocol) const {
  return protocol == wire::ip_protocol_tcp    ? behaviour_.tcp
         : protocol == wire::ip_protocol_icmp ? behaviour_.icmp
                                              : behaviour_.udp;
}

Duration Gateway::lifetime(const Session& s) const {
  const Timers& t = behaviour_.timers;
  switch (s.protocol) {
    case wire::ip_protocol_udp:
      if (s.remote.port < 1024 && t.udp_well_known > 0s) return t.udp_well_known;  // RFC 4787 REQ-5a
      return s.saw_out && s.saw_in ? t.udp_two_way : t.udp_one_way;
    case wire::ip_protocol_icmp:
      return t.icmp;
    case wire::ip_protocol_tcp:
      switch (timer_of(s.tcp)) {
        case TcpTimer::half_open:
          return t.tcp_half_open;
        case TcpTimer::established:
          return t.tcp_established;
        case TcpTimer::half_closed:
          return t.tcp_half_closed;
        case TcpTimer::closing:
          return t.tcp_closing;
        case TcpTimer::reset:
          return t.tcp_reset;
      }
      return t.tcp_half_open;
    default:
      return t.other;
  }
}

/// The wheel is told only of times that come earlier; later ones it finds out by itself.
void Gateway::set_expiry(uint32_t session, Instant now, Instant when) {
  Session& s = table_.session(session);
  if (when < s.expires) table_.wheel.set(session, now, when);
  s.expires = when;
}

uint32_t Gateway::live(Instant now, uint32_t session) {
  if (session == no_index || table_.session(session).expires > now) return session;
  end_session(now, session);
  return no_index;
}

void Gateway::hold(uint32_t session) {
  Session& s = table_.session(session);
  Mapping& m = table_.mapping(s.mapping);
  s.holds = true;
  ++m.holders;
  table_.move_to_front(session);
}

void Gateway::touch_out(uint32_t session, Instant now, const Packet& p) {
  Session& s = table_.session(session);
  // A reset in answer to somebody outside makes nothing live longer (RFC 7857 section 7.1).
  bool answers_only = p.is_tcp() && (p.segment.flags & wire::tcp_rst) && !behaviour_.errors_refresh;
  if (!s.saw_out && !answers_only) {
    s.saw_out = true;
    if (!s.holds) hold(session);
    if (of(s.protocol).filtering == Depends::on_address) table_.permit(s);
  }
  if (p.refuses) return set_expiry(session, now, std::min(s.expires, now + behaviour_.timers.tcp_refused));
  bool refreshes =
      s.protocol == wire::ip_protocol_tcp ? p.refreshes : behaviour_.refresh != Refresh::in;  // RFC 4787 REQ-6
  if (refreshes) set_expiry(session, now, now + lifetime(s));
}

void Gateway::touch_in(uint32_t session, Instant now, const Packet& p) {
  Session& s = table_.session(session);
  s.saw_in = true;
  if (p.refuses) return set_expiry(session, now, std::min(s.expires, now + behaviour_.timers.tcp_refused));
  if (s.protocol == wire::ip_protocol_tcp) {  // RFC 6146 section 3.5.2.2: both directions
    if (p.refreshes) set_expiry(session, now, now + lifetime(s));
    return;
  }
  // What has not been answered prolongs itself, but does not hold the mapping. RFC 4787 REQ-6a: inbound MAY refresh.
  if (!s.saw_out || behaviour_.refresh != Refresh::out) set_expiry(session, now, now + lifetime(s));
}

/// Applies a segment to its connection; false: it does not belong there.
bool Gateway::tcp_passes(Session& s, Packet& p, bool from_inside) {
  bool syn_only = (p.segment.flags & (wire::tcp_syn | wire::tcp_ack)) == wire::tcp_syn;
  if (!behaviour_.simultaneous_open && !from_inside && s.tcp == TcpState::opened_out && syn_only) return false;
  uint32_t& end = from_inside ? s.sequence_out : s.sequence_in;
  TcpState before = s.tcp;
  if (before == TcpState::none && !syn_only) s.picked_up = true;  // so nobody knows its numbers
  if (behaviour_.tcp_window_check && !s.picked_up) {
    Plausible is = plausible(before, p.segment, end);
    if (is == Plausible::no) return false;
    p.refreshes = false;
    if (is == Plausible::old) return true;
  }
  s.tcp = next_state(before, p.segment, from_inside);
  p.refuses = (p.segment.flags & wire::tcp_rst) && !(s.saw_out && s.saw_in);
  bool again = syn_only && (before == TcpState::fin_both || before == TcpState::reset);
  p.refreshes = s.tcp != before || (before != TcpState::fin_both && before != TcpState::reset);
  if (again) s.sequence_out = s.sequence_in = 0;
  // What comes without a SYN before the connection stands does not begin its numbers.
  bool counts = (p.segment.flags & wire::tcp_syn) || (s.tcp != TcpState::opened_out && s.tcp != TcpState::opened_in);
  if (counts && (end == 0 || static_cast<int32_t>(p.segment.end() - end) > 0)) end = p.segment.end();
  return true;
}

void Gateway::end_session(Instant now, uint32_t session) {
  uint32_t mapping = table_.session(session).mapping;
  if (mapping == no_index) --strangers_;
  table_.remove_session(session);
  if (mapping == no_index) return;
  const Mapping& m = table_.mapping(mapping);
  if (m.holders == 0 && !m.is_static) close_mapping(now, mapping);
}

void Gateway::close_mapping(Instant now, uint32_t mapping) {
  Mapping& m = table_.mapping(mapping);
  bool owns_port = m.protocol != 0 && (m.is_static || !behaviour_.ports.overloading);
  if (uint32_t address = pool_index(m.outside.ip); owns_port && address != no_index) {
    // RFC 6888 REQ-8: not for tracked TCP, nor for what was configured
    bool rests = behaviour_.timers.port_quarantine > 0s && !m.is_static && m.protocol != wire::ip_protocol_tcp;
    RestingPort* place = rests ? resting_ports_.push() : nullptr;
    if (place) {
      *place = {now + behaviour_.timers.port_quarantine, m.outside.ip, m.outside.port, m.protocol};
    } else {
      ports_.free(address, m.protocol, m.outside.port);
    }
  }
  uint32_t host = m.host;
  if (m.is_static) --statics_;
  table_.remove_mapping(mapping);
  ++counters_.mappings_ended;
  if (host != no_index) forget_host_if_idle(host);
}

/// Is there still a session that holds it? Those that ended without being noticed are cleared away.
bool Gateway::mapping_alive(Instant now, uint32_t mapping) {
  if (table_.mapping(mapping).is_static) return true;
  for (uint32_t i = table_.mapping(mapping).first_session; i != no_index;) {
    const Session& s = table_.session(i);
    uint32_t next = s.next;
    if (s.expires <= now) {
      table_.remove_session(i);
    } else if (s.holds) {
      table_.move_to_front(i);
      return true;
    }
    i = next;
  }
  close_mapping(now, mapping);
  return false;
}

// ---- commands

void Gateway::set_public_addresses(std::span<const Address> addresses) {
  struct Forward {
    uint8_t protocol;
    Address outside, inside;
  };
  std::vector<Forward> forwards;
  for (uint32_t i = 0; i < table_.mapping_end(); ++i)
    if (const Mapping& m = table_.mapping(i); m.used && m.is_static)
      forwards.push_back({m.protocol, to_address(m.outside), to_address(m.inside)});
  pool_.clear();
  pool_by_ip_.clear();
  for (const Address& address : addresses) {
    if (address.v6 || pool_.size() == public_addresses_max || is_public(ip_of(address))) continue;
    pool_by_ip_.emplace_back(ip_of(address), static_cast<uint32_t>(pool_.size()));
    pool_.push_back(ip_of(address));
    std::sort(pool_by_ip_.begin(), pool_by_ip_.end());
    pool_first_ = pool_by_ip_.front().first;
    pool_span_ = pool_by_ip_.back().first - pool_first_;
  }
  table_.clear();
  firewall6_.clear();
  fragments_.clear();
  waiting_syns_.clear();
  resting_ports_.clear();
  statics_ = strangers_ = next_in_pool_ = 0;
  ports_.set_addresses(pool_.size());
  for (const Forward& f : forwards) add_forward(f.protocol, f.outside, f.inside);
}

void Gateway::reboot() {
  std::vector<Address> same;
  for (uint32_t ip : pool_) same.push_back(to_address({ip, 0}));
  outbox_.clear();
  set_public_addresses(same);
}

bool Gateway::change(const Behaviour& to) {
  const Behaviour& is = behaviour_;
  bool same = is.udp == to.udp && is.tcp == to.tcp && is.icmp == to.icmp && is.ports == to.ports &&
              is.pooling == to.pooling && is.basic == to.basic && is.table_size == to.table_size &&
              (is.hairpin == Hairpin::off) == (to.hairpin == Hairpin::off);
  behaviour_ = to;
  outbox_.set_rate(to.generated_per_second);
  if (same) return false;
  ports_.set_behaviour(to.ports);
  reboot();
  table_.set_limit(std::max<uint32_t>(to.table_size, 1));
  return true;
}

void Gateway::set_inside_address(const Address& address) {
  if (address.v6)
    firewall6_.set_own_address(address.ip);
  else
    inside_address_ = ip_of(address);
}

bool Gateway::add_forward(uint8_t protocol, const Address& outside, const Address& inside) {
  Endpoint from{ip_of(outside), outside.port}, to{ip_of(inside), inside.port};
  uint32_t address = pool_index(from.ip);
  if (address == no_index || outside.v6 || inside.v6) return false;
  if (behaviour_.basic != (protocol == 0)) return false;
  if (table_.find_mapping_outside(protocol, from) != no_index) return false;
  if (protocol != 0 && ports_.in_use(address, protocol, from.port)) return false;  // it rests
  uint32_t mapping = table_.add_mapping({to, {}, protocol}, from, no_index);
  if (mapping == no_index) return false;
  table_.mapping(mapping).is_static = true;
  ++statics_;
  if (protocol != 0) ports_.use(address, protocol, from.port);
  return true;
}

bool Gateway::remove_forward(uint8_t protocol, const Address& outside) {
  uint32_t mapping = table_.find_mapping_outside(protocol, {ip_of(outside), outside.port});
  if (mapping == no_index || !table_.mapping(mapping).is_static) return false;
  close_mapping(Instant{}, mapping);
  return true;
}

bool Gateway::remove_mapping(Instant now, uint8_t protocol, const Address& outside) {
  uint32_t mapping = table_.find_mapping_outside(protocol, {ip_of(outside), outside.port});
  if (mapping == no_index || table_.mapping(mapping).is_static) return false;
  close_mapping(now, mapping);
  return true;
}

// ---- hints and getters

void Gateway::prefetch_inside(std::span<const MutableBytes> packets) const {
  for (const auto& packet : packets) table_.prefetch_slot_inside(peek_flow(packet, true));
  for (const auto& packet : packets) table_.prefetch_session_inside(peek_flow(packet, true));
}

void Gateway::prefetch_outside(std::span<const MutableBytes> packets) const {
  for (const auto& packet : packets) table_.prefetch_slot_outside(peek_flow(packet, false));
  for (const auto& packet : packets) table_.prefetch_session_outside(peek_flow(packet, false));
}

uint32_t Gateway::pool_index(uint32_t ip) const {
  if (ip - pool_first_ > pool_span_ || pool_.empty()) return no_index;  // most addresses: of others, far away
  auto at = std::lower_bound(pool_by_ip_.begin(), pool_by_ip_.end(), std::pair(ip, 0u));
  return at != pool_by_ip_.end() && at->first == ip ? at->second : no_index;
}

std::optional<MappingInfo> Gateway::next_mapping(Instant now, uint32_t& cursor) const {
  for (; cursor < table_.mapping_end(); ++cursor) {
    const Mapping& m = table_.mapping(cursor);
    if (!m.used) continue;
    MappingInfo info{m.protocol, to_address(m.inside), to_address(m.outside), to_address(m.remote), m.is_static};
    bool alive = m.is_static;
    for (uint32_t i = m.first_session; i != no_index; i = table_.session(i).next) {
      const Session& s = table_.session(i);
      if (s.expires <= now) continue;
      alive |= s.holds;
      ++info.sessions;
      if (s.expires > info.expires) info.tcp = s.tcp;
      info.expires = std::max(info.expires, s.expires);
    }
    if (!alive) continue;
    ++cursor;
    return info;
  }
  return {};
}

std::optional<Address> Gateway::outside_of(Instant now, uint8_t protocol, const Address& inside) const {
  uint32_t i = table_.find_mapping({{ip_of(inside), inside.port}, {}, protocol});
  if (i == no_index) return {};
  uint32_t cursor = i;
  auto info = next_mapping(now, cursor);
  if (!info || cursor != i + 1) return {};
  return info->outside;
}

size_t Gateway::memory() const {
  return sizeof *this + table_.memory() + ports_.memory() + fragments_.memory() + outbox_.memory() +
         firewall6_.memory() + waiting_syns_.memory() + resting_ports_.memory();
}

}  // namespace ginnel::nat
