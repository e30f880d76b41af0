#include "core/peer/node.hpp"

#include <algorithm>
#include <utility>

#include "wire/demux.hpp"
#include "wire/stun.hpp"
#include "wire/tcp_frame.hpp"

namespace ginnel::peer {

namespace {

constexpr Duration redial_first = 100ms;
constexpr Duration redial_max = 3s;
constexpr Duration redial_waiting = 500ms;
constexpr size_t strays_max = 16;

template <typename... F>
struct Overloaded : F... { using F::operator()...; };
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

// RFC 8445 section 5.1.2.1; IPv6 before IPv4 among equals.
uint32_t priority(wire::CandidateType type, bool v6, size_t nth) {
  uint32_t preference = type == wire::CandidateType::host ? 126 : type == wire::CandidateType::peer_reflexive ? 110 : 100;
  uint32_t local = (v6 ? 65535u : 65000u) - static_cast<uint32_t>(nth);
  return preference << 24 | local << 8 | 255;
}

}  // namespace

Node::Node(NodeConfig config, const crypto::Identity& self, Rng& rng)
    : config_(std::move(config)), self_(self), rng_(rng), door_(self), link_(config_.server, self, rng), keepalive_(rng),
      next_route_(static_cast<wire::RouteNumber>(rng.below(wire::route_number_max / 2)) * 2) {}

// ---- inputs

void Node::start(Instant now) { link_.start(now); }

void Node::handle(Instant now, Input& input) {
  std::visit(Overloaded{
                 [&](Datagrams& in) { handle_datagrams(now, in); },
                 [&](TcpReceived& in) { handle_tcp(now, in); },
                 [&](TcpConnected& in) { link_.handle_tcp_connected(now, in.id); },
                 [&](TcpClosed& in) { link_.handle_tcp_closed(now, in.id, in.why); },
                 [&](TcpFull& in) {
                   if (!link_.carrier() || link_.carrier()->tcp != in.id) return;
                   tcp_full_ = true;
                   for (auto& [id, entry] : peers_) entry.peer->set_relay_full(true);
                 },
                 [&](TcpWritable& in) {
                   if (!link_.carrier() || link_.carrier()->tcp != in.id) return;
                   tcp_full_ = false;
                   for (auto& [id, entry] : peers_) {
                     entry.peer->set_relay_full(false);
                     touch(id, entry);
                   }
                 },
                 [&](Resolved& in) {
                   link_.handle_resolved(now, in.addresses);
                   if (!in.addresses.empty()) keepalive_.start(now);
                 },
                 [&](Interfaces& in) { handle_interfaces(now, in.addresses); },
                 [](auto&) {},
             },
             input);
  for (PeerId id : received_)
    if (auto at = peers_.find(id); at != peers_.end()) process(now, id, at->second);
  received_.clear();
  drain_link(now);
}

void Node::handle_datagrams(Instant now, Datagrams& in) {
  size_t segment = std::max<size_t>(in.segment, 1);
  for (size_t at = 0; at < in.bytes.size(); at += segment)
    handle_packet(now, in.from, in.bytes.subspan(at, std::min(segment, in.bytes.size() - at)));
}

void Node::handle_packet(Instant now, const Address& from, MutableBytes packet) {
  switch (wire::packet_kind(packet)) {
    case wire::PacketKind::relay:
      if (auto carrier = link_.carrier(); carrier && *carrier == rendezvous::LinkCarrier{from, 0}) handle_relayed(now, packet);
      return;
    case wire::PacketKind::stun: return handle_stun(now, from, packet);
    case wire::PacketKind::quic: {
      if (link_.handle_udp(now, from, packet)) return;
      auto info = quic::look_at(packet);
      auto at = info && info->tag ? peers_.find(*info->tag) : peers_.end();
      if (at != peers_.end()) {
        at->second.peer->handle_packet(now, Carrier::udp(from), packet);
        return received(at->first);
      }
      std::array<uint8_t, 320> room;
      if (auto reset = door_.reset(packet, rng_, room); reset && strays_.size() < strays_max)
        strays_.emplace_back(from, std::vector<uint8_t>(reset->begin(), reset->end()));
      return;
    }
    case wire::PacketKind::unknown: ++malformed_; return;
  }
}

void Node::handle_relayed(Instant now, MutableBytes frame) {
  auto route = wire::relay_route(frame);
  if (!route) return;
  if (*route == wire::unknown_route) return suspect_server(now);
  PeerId id;
  Entry* entry = by_route(*route, &id);
  if (!entry) return;
  entry->peer->handle_packet(now, Carrier::relay(), frame.subspan(wire::relay_header_size));
  received(id);
}

void Node::handle_stun(Instant now, const Address& from, MutableBytes packet) {
  auto message = wire::parse_stun(packet);
  if (!message) {
    ++malformed_;
    return;
  }
  if (message->cls != wire::StunClass::request) {
    const auto& servers = link_.addresses();
    if (std::find(servers.begin(), servers.end(), from) != servers.end()) {
      keepalive_changed(now, keepalive_.handle_response(now, *message));
      return link_.prefer_udp(now);  // it answers on UDP: if we are on TCP, we need not stay there
    }
    auto at = peers_.find(Reader(message->id).u32());
    if (at == peers_.end()) return;
    at->second.peer->handle_packet(now, Carrier::udp(from), packet);
    return received(at->first);
  }
  if (!message->username) return;
  std::string_view ufrag = message->username->substr(0, message->username->find(':'));
  for (auto& [id, entry] : peers_) {
    if (entry.peer->ice().ufrag() != ufrag) continue;
    entry.peer->handle_packet(now, Carrier::udp(from), packet);
    return received(id);
  }
}

void Node::handle_tcp(Instant now, TcpReceived& in) {
  for (;;) {
    wire::TcpFrame frame = wire::next_tcp_frame(in.bytes.subspan(in.consumed));
    if (frame.broken) return link_.handle_tcp_closed(now, in.id, "the server sent garbage");
    if (frame.packet.empty()) return;
    in.consumed += wire::tcp_frame_header_size + frame.packet.size();
    auto kind = wire::packet_kind(frame.packet);
    if (kind == wire::PacketKind::quic) link_.handle_tcp_packet(now, in.id, frame.packet);
    if (kind == wire::PacketKind::relay && link_.carrier() && link_.carrier()->tcp == in.id) handle_relayed(now, frame.packet);
  }
}

void Node::handle_interfaces(Instant now, const std::vector<Address>& addresses) {
  if (addresses == interfaces_) return;
  bool first = interfaces_.empty();
  interfaces_ = addresses;
  update_candidates(now);
  if (first) return;
  // The network changed: every address we had may be wrong.
  keepalive_.start(now);
  suspect_server(now);
  for (auto& [id, entry] : peers_) {
    entry.peer->network_changed(now);
    touch(id, entry);
  }
}

void Node::handle_timeout(Instant now) {
  link_.handle_timeout(now);
  drain_link(now);
  keepalive_changed(now, keepalive_.handle_timeout(now));
  while (auto id = redials_.take_due(now))
    if (auto at = peers_.find(*id); at != peers_.end()) make_route(now, at->first, at->second);
  while (auto id = timers_.take_due(now)) {
    auto at = peers_.find(*id);
    if (at == peers_.end()) continue;
    at->second.peer->handle_timeout(now);
    process(now, at->first, at->second);
  }
}

// ---- commands

PeerId Node::dial(Instant now, const wire::Ticket& ticket) {
  PeerId id = new_id();
  PeerConfig config;
  config.key = ticket.peer;
  config.capability = ticket.capability;
  config.relay_only = config_.relay_only;
  Entry& entry = peers_[id];
  entry.key = ticket.peer;
  entry.service = ticket.capability.service;
  entry.session = rng_.array<8>();
  entry.peer = std::make_unique<Peer>(now, self_, door_, std::move(config), id, rng_);
  entry.peer->set_candidates(now, candidates());
  if (link_.up()) make_route(now, id, entry);
  return id;
}

void Node::close_peer(Instant now, PeerId id, quic::Code code, std::string text) {
  auto at = peers_.find(id);
  if (at == peers_.end()) return;
  at->second.peer->close(code, std::move(text));
  at->second.closing = true;
  process(now, id, at->second);
}

void Node::shut_down(Instant now) {
  closing_ = true;
  for (PeerId id : peers()) close_peer(now, id, quic::Code::closing, "");
  link_.close();
}

Peer* Node::use(PeerId id) {
  auto at = peers_.find(id);
  if (at == peers_.end()) return nullptr;
  touch(id, at->second);
  return at->second.peer.get();
}

// ---- polls

std::optional<Action> Node::poll_action(Instant now, MutableBytes room) {
  if (auto action = poll_keepalive(now, room)) return action;
  if (auto action = link_.poll_action(now, room)) return action;
  if (!strays_.empty()) {
    auto [to, bytes] = std::move(strays_.back());
    strays_.pop_back();
    std::copy(bytes.begin(), bytes.end(), room.begin());
    return Transmit{to, 0, room.first(bytes.size()), bytes.size()};
  }
  while (!dirty_.empty()) {
    PeerId id = dirty_.front();
    dirty_.pop_front();
    auto at = peers_.find(id);
    if (at == peers_.end()) continue;
    if (auto action = poll_peer(now, id, at->second, room)) {
      dirty_.push_back(id);  // the others' turn first
      return action;
    }
  }
  return link_.poll_action(now, room);  // the peers may have left it something to say
}

std::optional<Action> Node::poll_keepalive(Instant now, MutableBytes room) {
  if (link_.addresses().empty() || closing_) return {};
  auto request = keepalive_.poll_request(now, room);
  if (!request) return {};
  auto carrier = link_.carrier();
  Address to = carrier ? carrier->server : link_.addresses().front();
  return Transmit{to, 0, *request, request->size()};
}

std::optional<Action> Node::poll_peer(Instant now, PeerId id, Entry& entry, MutableBytes room) {
  if (auto out = entry.peer->poll_packets(now, room)) {
    if (!out->to.is_relay()) return Transmit{out->to.remote, 0, out->bytes, out->segment};
    auto carrier = link_.carrier();
    if (carrier && entry.route) return Transmit{carrier->server, carrier->tcp, out->bytes, out->segment};
  }
  process(now, id, entry);  // what was written may have been the last word
  entry.dirty = false;
  if (entry.closing || entry.peer->closed()) {
    forget(id);
    return {};
  }
  auto deadline = entry.peer->next_deadline();
  timers_.set(id, deadline ? std::optional(deadline->when) : std::nullopt);
  return {};
}

std::optional<NodeEvent> Node::poll_event() {
  if (events_.empty()) return {};
  NodeEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::optional<Deadline> Node::next_deadline() const {
  std::optional<Deadline> next = earlier(link_.next_deadline(), keepalive_.next_deadline());
  if (auto when = timers_.next()) next = earlier(next, Deadline{*when, "a peer"});
  if (auto when = redials_.next()) next = earlier(next, Deadline{*when, "dial again"});
  return next;
}

// ---- getters

const Peer* Node::peer(PeerId id) const {
  auto at = peers_.find(id);
  return at == peers_.end() ? nullptr : at->second.peer.get();
}

std::vector<PeerId> Node::peers() const {
  std::vector<PeerId> ids;
  for (const auto& [id, entry] : peers_) ids.push_back(id);
  return ids;
}

std::vector<wire::Candidate> Node::candidates() const {
  std::vector<wire::Candidate> out;
  for (const Address& a : interfaces_) {
    uint16_t port = a.v6 ? config_.udp6_port : config_.udp4_port;
    if (port == 0 || a.is_link_local() || (a.is_loopback() && !server_is_here())) continue;
    if (out.size() + 1 >= wire::candidates_max) break;
    out.push_back({wire::CandidateType::host, priority(wire::CandidateType::host, a.v6, out.size()), a.with_port(port)});
  }
  const auto& r = keepalive_.reflexive();
  if (r && std::none_of(out.begin(), out.end(), [&](const auto& c) { return c.address == *r; }))
    out.push_back({wire::CandidateType::server_reflexive, priority(wire::CandidateType::server_reflexive, r->v6, 0), *r});
  return out;
}

bool Node::server_is_here() const {
  const auto& servers = link_.addresses();
  return std::any_of(servers.begin(), servers.end(), [](const Address& a) { return a.is_loopback(); });
}

// ---- the server

void Node::drain_link(Instant now) {
  while (auto event = link_.poll_event()) {
    std::visit(Overloaded{
                   [&](rendezvous::LinkUp& up) {
                     events_.push_back(ServerUp{up.carrier});
                     link_up(now);
                   },
                   [&](rendezvous::LinkDown& down) {
                     events_.push_back(ServerDown{std::move(down.why)});
                     link_down(now);
                   },
                   [&](rendezvous::LinkFailed& failed) { events_.push_back(ServerFailed{std::move(failed.error)}); },
                   [&](wire::Signal& signal) { handle_signal(now, signal); },
               },
               *event);
  }
}

void Node::link_up(Instant now) {
  tcp_full_ = false;
  link_down(now);  // routes of a former session are void
  link_.send(wire::Register{config_.services});
  for (auto& [id, entry] : peers_)
    if (entry.peer->dialler()) make_route(now, id, entry);
}

void Node::link_down(Instant now) {
  for (auto& [id, entry] : peers_) detach(now, id, entry, false);
}

void Node::handle_signal(Instant now, const wire::Signal& signal) {
  auto lost = [&](wire::RouteNumber route, wire::SignalCode code, bool refused) {
    PeerId id;
    Entry* entry = by_route(route, &id);
    if (!entry) return;
    detach(now, id, *entry, false);
    if (!entry->peer->dialler()) return;
    if (refused) events_.push_back(DialRefused{id, code});
    redial_later(now, id, *entry);
  };
  std::visit(Overloaded{
                 [&](const wire::Registered& m) {
                   events_.push_back(Registered{m.observed});
                   // The server sees us somewhere else than STUN did: do not wait for the next keepalive.
                   if (link_.carrier()->tcp == 0 && reflexive() && m.observed != reflexive()) keepalive_.start(now);
                 },
                 [&](const wire::Incoming& m) { handle_incoming(now, m); },
                 [&](const wire::DialFailed& m) { lost(m.route, m.code, true); },
                 [&](const wire::RouteClosed& m) { lost(m.route, m.code, false); },
                 [&](const wire::Notice& m) {
                   if (m.code == wire::SignalCode::replaced) events_.push_back(Replaced{m.service});
                 },
                 [](const auto&) {},  // what only agents say
             },
             signal);
}

void Node::handle_incoming(Instant now, const wire::Incoming& m) {
  for (auto& [id, entry] : peers_) {
    if (entry.peer->dialler() || entry.key != m.peer || entry.session != m.session) continue;
    detach(now, id, entry, true);  // the same session by a new route
    return attach(now, id, entry, m.route);
  }
  bool ours = std::find(config_.services.begin(), config_.services.end(), m.service) != config_.services.end();
  size_t accepted = static_cast<size_t>(std::count_if(peers_.begin(), peers_.end(), [](auto& p) { return !p.second.peer->dialler(); }));
  if (!ours || accepted >= config_.peers_max) return link_.send(wire::RouteClosed{m.route, wire::SignalCode::too_many});
  PeerId id = new_id();
  PeerConfig config;
  config.key = m.peer;
  config.relay_only = config_.relay_only;
  Entry& entry = peers_[id];
  entry.key = m.peer;
  entry.service = m.service;
  entry.session = m.session;
  entry.peer = std::make_unique<Peer>(now, self_, door_, std::move(config), id, rng_);
  entry.peer->set_candidates(now, candidates());
  events_.push_back(PeerArrived{id, m.peer});
  attach(now, id, entry, m.route);
}

void Node::make_route(Instant now, PeerId id, Entry& entry) {
  if (!link_.up() || entry.route || closing_) return;
  do next_route_ = (next_route_ + 2) & (wire::route_number_max - 1);
  while (next_route_ == 0 || routes_.contains(next_route_));
  link_.send(wire::Dial{next_route_, entry.key, entry.service, entry.session});
  attach(now, id, entry, next_route_);  // at once: packets follow the request on the same path
}

void Node::attach(Instant now, PeerId id, Entry& entry, wire::RouteNumber route) {
  auto carrier = *link_.carrier();
  entry.route = route;
  routes_[route] = id;
  redials_.set(id, {});
  entry.peer->allow_loopback(server_is_here());
  entry.peer->set_relay(now, RelayWay{route, carrier.server, carrier.tcp, tcp_full_});
  touch(id, entry);
  process(now, id, entry);
}

void Node::detach(Instant now, PeerId id, Entry& entry, bool tell_server) {
  redials_.set(id, {});
  if (!entry.route) return;
  if (tell_server) link_.send(wire::RouteClosed{*entry.route, wire::SignalCode::replaced});
  routes_.erase(*entry.route);
  entry.route.reset();
  entry.peer->set_relay(now, {});
  touch(id, entry);
  process(now, id, entry);
}

void Node::redial_later(Instant now, PeerId id, Entry& entry) {
  // Streams wait behind a session that stands: its other side is on its way back to the server as we were.
  Duration most = entry.peer->connected() ? redial_waiting : redial_max;
  entry.backoff = std::clamp<Duration>(entry.backoff * 2, redial_first, most);
  redials_.set(id, now + entry.backoff);
}

void Node::suspect_server(Instant now) {
  if (!link_.up()) return;
  link_.send(wire::Register{config_.services});  // a server that does not know us will say so (stateless reset)
  link_.suspect(now);
}

void Node::keepalive_changed(Instant now, const stun::Keepalive::Change& change) {
  if (change.address) {
    update_candidates(now);
    if (link_.up()) link_.send(wire::Register{config_.services});  // so that the server follows us to the new address
  }
  if (change.silent) server_silent_ = true;
  if (change.answered && std::exchange(server_silent_, false)) {  // the network is back, whatever backed off meanwhile
    link_.hurry(now);
    for (auto& [id, entry] : peers_) {
      entry.peer->network_changed(now);
      touch(id, entry);
    }
  }
  bool on_udp = link_.up() && link_.carrier()->tcp == 0;
  if (change.restarted || (change.silent && on_udp)) suspect_server(now);
}

void Node::update_candidates(Instant now) {
  auto all = candidates();
  for (auto& [id, entry] : peers_) {
    entry.peer->set_candidates(now, all);
    touch(id, entry);
  }
}

// ---- the peers

void Node::process(Instant now, PeerId id, Entry& entry) {
  touch(id, entry);
  entry.peer->settle(now);
  while (auto event = entry.peer->poll_event()) {
    if (std::holds_alternative<RelaySilent>(*event)) suspect_server(now);
    if (std::holds_alternative<PeerConnected>(*event)) entry.backoff = {};
    events_.push_back(FromPeer{id, std::move(*event)});
  }
}

void Node::received(PeerId id) {
  if (received_.empty() || received_.back() != id) received_.push_back(id);  // a batch comes from one sender
}

void Node::forget(PeerId id) {
  auto at = peers_.find(id);
  if (at->second.route) {
    link_.send(wire::RouteClosed{*at->second.route, wire::SignalCode::peer_left});
    routes_.erase(*at->second.route);
  }
  timers_.set(id, {});
  redials_.set(id, {});
  peers_.erase(at);
  events_.push_back(PeerGone{id});
}

void Node::touch(PeerId id, Entry& entry) {
  if (!std::exchange(entry.dirty, true)) dirty_.push_back(id);
}

PeerId Node::new_id() {
  for (;;)
    if (auto id = static_cast<PeerId>(rng_.u64()); !peers_.contains(id)) return id;
}

Node::Entry* Node::by_route(wire::RouteNumber route, PeerId* id) {
  auto at = routes_.find(route);
  if (at == routes_.end()) return nullptr;
  *id = at->second;
  return &peers_.at(at->second);
}

}  // namespace ginnel::peer
