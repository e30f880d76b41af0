#include "core/stun/discovery.hpp"

#include <algorithm>

#include "wire/tcp_frame.hpp"

namespace ginnel::stun {

namespace {

bool is_ours(const std::vector<Address>& interfaces, const Address& a) {
  return std::any_of(interfaces.begin(), interfaces.end(), [&](const Address& i) { return i.same_ip(a); });
}

Dependence compare(const Address& first, const std::optional<Address>& other_port, const std::optional<Address>& other_ip) {
  if (!other_port && !other_ip) return Dependence::unknown;
  bool port_differs = other_port && *other_port != first, ip_differs = other_ip && *other_ip != first;
  if (!port_differs && !ip_differs) return Dependence::independent;
  if (!other_ip || !other_port) return Dependence::dependent;
  return port_differs ? Dependence::address_and_port : Dependence::address;
}

}  // namespace

// ---- inputs

void Discovery::start(Instant now) {
  ends_ = now + patience;
  actions_.push_back(Resolve{config_.host, config_.port});
}

void Discovery::handle(Instant now, Input& input) {
  if (auto* in = std::get_if<Datagrams>(&input)) {
    heard(now, *in);
  } else if (auto* in = std::get_if<Interfaces>(&input)) {
    interfaces_ = in->addresses;
  } else if (auto* in = std::get_if<Resolved>(&input)) {
    for (const Address& a : in->addresses)
      if (server_[a.v6].port == 0) server_[a.v6] = a;
    if (in->addresses.empty()) findings_.problem = "the name " + config_.host + " has no address";
    for (bool v6 : {false, true})
      if (server_[v6].port != 0 && have_[v6]) add(now, Kind::main, v6, server_[v6]);
    Address any;
    any.v6 = server_[0].port == 0;
    if (!in->addresses.empty()) actions_.push_back(ListenTcp{any});
  } else if (auto* in = std::get_if<UdpOpened>(&input)) {
    for (Probe& p : probes_) {
      if (p.socket != in->id) continue;
      p.ready = in->local.port != 0;
      p.local_port = in->local.port;
      if (p.ready) p.transaction.start(now);
    }
  } else if (auto* in = std::get_if<TcpListening>(&input)) {
    tcp_port_ = in->local.port;
    if (tcp_port_ != 0) tcp_.push_back({0, server_[in->local.v6], false, false, Transaction(rng_)});
  } else if (auto* in = std::get_if<TcpConnected>(&input)) {
    tcp_event(now, in->id, true);
  } else if (auto* in = std::get_if<TcpClosed>(&input)) {
    tcp_event(now, in->id, false);
  } else if (auto* in = std::get_if<TcpReceived>(&input)) {
    tcp_received(now, *in);
  } else if (auto* in = std::get_if<TcpAccepted>(&input)) {
    actions_.push_back(CloseTcp{in->id});
  }
  handle_timeout(now);
}

void Discovery::heard(Instant now, const Datagrams& in) {
  for (size_t at = 0, segment = std::max<size_t>(in.segment, 1); at < in.bytes.size(); at += segment) {
    auto message = wire::parse_stun(in.bytes.subspan(at, std::min(segment, in.bytes.size() - at)));
    if (!message) continue;
    if (hairpin_ && in.socket == hairpin_->to && message->id == hairpin_->id) findings_.udp[0].hairpin = true;
    for (Probe& p : probes_) {
      if (p.socket != in.socket || p.v6 != in.from.v6) continue;
      if (p.kind == Kind::life && p.wake_at && in.from == p.to) p.woken = true;
      // Answers to filter tests come from elsewhere: that is the point.
      bool from_elsewhere = p.kind == Kind::filter_port || p.kind == Kind::filter_both;
      if ((from_elsewhere || in.from == p.to) && p.transaction.handle_response(now, *message)) {
        if (p.kind == Kind::main) begin_family(now, p);
        if (p.kind == Kind::life) p.wake_at = now + *p.idle;
      }
    }
  }
}

void Discovery::begin_family(Instant now, const Probe& main) {
  bool v6 = main.v6;
  auto other = main.transaction.other();
  Address port = other ? main.to.with_port(other->port) : Address{};
  bool two_addresses = other && !other->is_unspecified();
  findings_.second_port |= other.has_value();
  findings_.second_address |= two_addresses;
  if (other) {
    add(now, Kind::second_port, v6, port);
    add(now, Kind::filter_port, v6, main.to, wire::stun_change_port);
  }
  if (two_addresses) {
    add(now, Kind::second_address, v6, other->with_port(main.to.port));
    add(now, Kind::filter_both, v6, main.to, wire::stun_change_port | wire::stun_change_ip);
  }
  for (size_t i = 0; i < samples; ++i) add(now, Kind::sample, v6, main.to);
  if (config_.lifetime && !v6)
    for (Duration idle : idle_times) {
      add(now, Kind::life, v6, main.to);
      probes_.back().idle = idle;
    }
  if (config_.lifetime && !v6) ends_ = now + idle_times[std::size(idle_times) - 1] + patience;
  // TCP is asked at the second port as well, from the same port of ours (RFC 5382 section 4.1).
  if (other && !v6 && tcp_.size() == 1) tcp_.push_back({0, port, false, false, Transaction(rng_)});
}

void Discovery::add(Instant now, Kind kind, bool v6, const Address& to, std::optional<uint32_t> change) {
  bool own_socket = kind != Kind::main && kind != Kind::second_port && kind != Kind::second_address;
  Probe& p = probes_.emplace_back(Probe{kind, v6, own_socket ? ++last_socket_ : 0, to, change, Transaction(rng_)});
  if (kind == Kind::main) p.change = 0;  // which asks for the server's other address
  if (own_socket) return actions_.push_back(OpenUdp{p.socket, v6});
  p.ready = true;
  p.transaction.start(now);
}

void Discovery::tcp_event(Instant now, TcpId id, bool connected) {
  for (TcpProbe& t : tcp_) {
    if (t.id != id) continue;
    t.connected = connected;
    if (connected)
      t.transaction.start(now);
    else
      t.over = true;
  }
}

void Discovery::tcp_received(Instant now, TcpReceived& in) {
  for (;;) {
    wire::TcpFrame frame = wire::next_tcp_frame(in.bytes.subspan(in.consumed));
    if (frame.broken || frame.packet.empty()) return;
    in.consumed += wire::tcp_frame_header_size + frame.packet.size();
    auto message = wire::parse_stun(frame.packet);
    for (TcpProbe& t : tcp_)
      if (message && t.id == in.id && t.transaction.handle_response(now, *message)) t.over = true;
  }
}

void Discovery::handle_timeout(Instant now) {
  if (done_) return;
  for (Probe& p : probes_) p.transaction.handle_timeout(now);
  for (TcpProbe& t : tcp_) t.transaction.handle_timeout(now);
  try_hairpin(now);
  bool all_over = !probes_.empty() && std::all_of(probes_.begin(), probes_.end(), [&](auto& p) { return over(p); }) &&
                  !tcp_.empty() && std::all_of(tcp_.begin(), tcp_.end(), [](auto& t) { return t.over; }) &&
                  (!hairpin_ || hairpin_->left == 0 || findings_.udp[0].hairpin);
  if (all_over || !findings_.problem.empty() || (ends_ && *ends_ <= now)) judge();
}

/// Two sockets that know their outside addresses: one writes to the other's.
void Discovery::try_hairpin(Instant now) {
  if (hairpin_) return;
  const Probe* two[2] = {};
  size_t found = 0;
  for (const Probe& p : probes_)
    if (found < 2 && p.kind == Kind::sample && !p.v6 && p.transaction.mapped()) two[found++] = &p;
  if (found < 2) return;
  hairpin_ = {two[0]->socket, two[1]->socket, *two[1]->transaction.mapped(), rng_.array<12>(), 3, now};
}

bool Discovery::over(const Probe& p) const {
  if (p.kind == Kind::life && p.transaction.mapped()) return p.woken || (p.wake_at && *p.wake_at == Instant::max());
  return p.ready && !p.transaction.under_way();
}

// ---- polls

std::optional<Action> Discovery::poll_action(Instant now, MutableBytes room) {
  if (!actions_.empty()) {
    Action action = std::move(actions_.front());
    actions_.pop_front();
    return action;
  }
  for (Probe& p : probes_)
    if (auto action = poll_probe(now, p, room)) return action;
  if (auto action = poll_hairpin(now, room)) return action;
  return poll_tcp(now, room);
}

std::optional<Action> Discovery::poll_probe(Instant now, Probe& p, MutableBytes room) {
  if (!p.ready) return {};
  if (auto bytes = p.transaction.poll_request(now, room, p.change))
    return Transmit{p.to, 0, *bytes, bytes->size(), p.socket};
  if (p.kind != Kind::life || !p.wake_at || *p.wake_at > now || p.woken) return {};
  // RFC 5780 section 4.6: from another socket we ask the server to answer to the port of the one that lay idle.
  p.wake_at = Instant::max();
  wire::StunWriter request(room, wire::StunClass::request, wire::stun_binding, rng_.array<12>());
  request.response_port(p.transaction.mapped()->port);
  Bytes bytes = request.finish();
  return Transmit{p.to, 0, bytes, bytes.size(), 0};
}

std::optional<Action> Discovery::poll_hairpin(Instant now, MutableBytes room) {
  if (!hairpin_ || hairpin_->left == 0 || hairpin_->next > now) return {};
  --hairpin_->left;
  hairpin_->next = now + 200ms;
  wire::StunWriter hello(room, wire::StunClass::indication, wire::stun_binding, hairpin_->id);
  Bytes bytes = hello.finish();
  return Transmit{hairpin_->target, 0, bytes, bytes.size(), hairpin_->from};
}

std::optional<Action> Discovery::poll_tcp(Instant now, MutableBytes room) {
  for (TcpProbe& t : tcp_) {
    if (t.id == 0) {
      t.id = tcp_ids_.next();
      return ConnectTcp{t.id, t.to, tcp_port_};
    }
    if (!t.connected) continue;
    auto bytes = t.transaction.poll_request(now, room.subspan(wire::tcp_frame_header_size));
    if (!bytes) continue;
    wire::put_tcp_frame_header(room.data(), bytes->size());
    size_t size = wire::tcp_frame_header_size + bytes->size();
    return Transmit{t.to, t.id, room.first(size), size};
  }
  return {};
}

std::optional<Discovery::Done> Discovery::poll_event() {
  if (!done_ || told_) return {};
  told_ = true;
  return Done{};
}

std::optional<Deadline> Discovery::next_deadline() const {
  if (done_ || !ends_) return {};
  std::optional<Deadline> next = Deadline{*ends_, "discovery: enough"};
  for (const Probe& p : probes_) {
    next = earlier(next, p.transaction.next_deadline());
    if (p.wake_at && !p.woken && *p.wake_at != Instant::max()) next = earlier(next, Deadline{*p.wake_at, "discovery: it lay idle long enough"});
  }
  for (const TcpProbe& t : tcp_) next = earlier(next, t.transaction.next_deadline());
  if (hairpin_ && hairpin_->left > 0) next = earlier(next, Deadline{hairpin_->next, "discovery: hairpin"});
  return next;
}

// ---- the verdict

const Discovery::Probe* Discovery::find(Kind kind, bool v6) const {
  auto at = std::find_if(probes_.begin(), probes_.end(), [&](auto& p) { return p.kind == kind && p.v6 == v6; });
  return at == probes_.end() ? nullptr : &*at;
}

void Discovery::judge() {
  done_ = true;
  for (bool v6 : {false, true}) {
    UdpFindings& f = findings_.udp[v6];
    const Probe* main = find(Kind::main, v6);
    f.asked = main != nullptr;
    if (!main || !main->transaction.mapped()) continue;
    f.mapped = main->transaction.mapped();
    f.rtt = main->transaction.rtt();
    f.translated = !is_ours(interfaces_, *f.mapped);
    auto mapped_at = [&](Kind kind) {
      const Probe* p = find(kind, v6);
      return p ? p->transaction.mapped() : std::nullopt;
    };
    f.mapping = compare(*f.mapped, mapped_at(Kind::second_port), mapped_at(Kind::second_address));
    const Probe *port = find(Kind::filter_port, v6), *both = find(Kind::filter_both, v6);
    if (both && both->transaction.mapped())
      f.filtering = Dependence::independent;
    else if (port && port->transaction.mapped())
      f.filtering = both ? Dependence::address : Dependence::unknown;  // not on the port, that much is known
    else if (port)
      f.filtering = Dependence::address_and_port;
    judge_ports(v6);
    for (const Probe& p : probes_) {
      if (p.kind != Kind::life || !p.wake_at || p.v6 != v6) continue;
      if (p.woken) f.lifetime_from = std::max(f.lifetime_from.value_or(0s), *p.idle);
      if (!p.woken) f.lifetime_below = std::min(f.lifetime_below.value_or(Duration::max()), *p.idle);
    }
    if (f.translated && !v6 && !f.hairpin && hairpin_) f.hairpin = false;
  }
  TcpFindings& t = findings_.tcp;
  if (!tcp_.empty()) t.mapped = tcp_[0].transaction.mapped();
  if (t.mapped) {
    t.translated = !is_ours(interfaces_, *t.mapped);
    if (tcp_.size() > 1) t.mapping = compare(*t.mapped, tcp_[1].transaction.mapped(), {});
  }
}

void Discovery::judge_ports(bool v6) {
  UdpFindings& f = findings_.udp[v6];
  std::vector<std::pair<uint16_t, uint16_t>> seen;  // local and external, in the order of asking
  for (const Probe& p : probes_)
    if (p.kind == Kind::sample && p.v6 == v6 && p.transaction.mapped())
      seen.emplace_back(p.local_port, p.transaction.mapped()->port);
  if (seen.size() < 3) return;
  if (std::all_of(seen.begin(), seen.end(), [](auto& s) { return s.first == s.second; })) {
    f.ports = PortUse::preserved;
    return;
  }
  // Sequential: the steps are small and most of them equal; strangers' mappings may come between.
  std::vector<int> steps;
  for (size_t i = 1; i < seen.size(); ++i) steps.push_back(int{seen[i].second} - int{seen[i - 1].second});
  std::sort(steps.begin(), steps.end());
  int middle = steps[steps.size() / 2];
  auto near = std::count_if(steps.begin(), steps.end(), [&](int s) { return middle > 0 ? s > 0 && s <= 8 * middle : s < 0 && s >= 8 * middle; });
  bool sequential = middle != 0 && std::abs(middle) <= 64 && static_cast<size_t>(near) + 1 >= steps.size();
  f.ports = sequential ? PortUse::sequential : PortUse::other;
  if (sequential) f.port_step = middle;
}

}  // namespace ginnel::stun
