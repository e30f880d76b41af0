#include "core/peer/node.hpp"

#include <algorithm>
#include <utility>

#include "wire/demux.hpp"
#include "wire/stun.hpp"
#include "wire/tcp_frame.hpp"

namespace ginnel::peer {

namespace {

constexpr size_t strays_max = 16;

template <typename... F>
struct Overloaded : F... { using F::operator()...; };
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

Node::Node(NodeConfig config, const crypto::Identity& self, Rng& rng)
    : config_(std::move(config)), self_(self), rng_(rng), door_(self),
      link_(config_.server, self, tcp_ids_, rng, config_.proxy), local_(tcp_ids_, socket_ids_, rng),
      next_route_(static_cast<wire::RouteNumber>(rng.below(wire::route_number_max / 2)) * 2) {
  local_.set_udp_ports(config_.udp4_port, config_.udp6_port);
}

// ---- inputs

void Node::start(Instant now) {
  if (config_.listen_tcp) local_.tcp.listen(config_.tcp_port, true, true);
  link_.start(now);
}

void Node::handle(Instant now, Input& input) {
  std::visit(Overloaded{
                 [&](Datagrams& in) { handle_datagrams(now, in); },
                 [&](UdpOpened& in) { handle_opened(now, in); },
                 [&](TcpListening& in) {
                   local_.tcp.handle_listening(now, in.local);
                   local_changed(now);
                 },
                 [&](TcpAccepted& in) { handle_tcp_accepted(now, in); },
                 [&](TcpConnected& in) { handle_tcp_connected(now, in); },
                 [&](TcpReceived& in) { handle_tcp(now, in); },
                 [&](TcpFull& in) { handle_tcp_full(now, in.id, true); },
                 [&](TcpWritable& in) { handle_tcp_full(now, in.id, false); },
                 [&](TcpClosed& in) { handle_tcp_closed(now, in); },
                 [&](Resolved& in) {
                   link_.handle_resolved(now, in.addresses);
                   local_.set_servers(now, link_.addresses(), {});
                 },
                 [&](Interfaces& in) { handle_interfaces(now, in.addresses); },
             },
             input);
  look_at_wishes(now);
  for (PeerId id : received_)
    if (auto at = peers_.find(id); at != peers_.end()) process(now, id, at->second);
  received_.clear();
  look_at_search(now);
  drain_link(now);
}

void Node::handle_datagrams(Instant now, Datagrams& in) {
  bool nobody = in.from.port == 0 || in.from.is_unspecified() || in.from.is_multicast_or_broadcast();
  if (nobody) {  // an answer could only do harm
    ++malformed_;
    return;
  }
  size_t segment = std::max<size_t>(in.segment, 1);
  Carrier from = Carrier::udp(in.from, in.socket);
  for (size_t at = 0; at < in.bytes.size(); at += segment)
    handle_packet(now, from, in.bytes.subspan(at, std::min(segment, in.bytes.size() - at)));
}

void Node::handle_packet(Instant now, const Carrier& from, MutableBytes packet) {
  bool main = from.local == 0;
  switch (wire::packet_kind(packet)) {
    case wire::PacketKind::relay:
      if (auto carrier = link_.carrier(); main && carrier && *carrier == rendezvous::LinkCarrier{from.remote, 0})
        handle_relayed(now, packet);
      return;
    case wire::PacketKind::stun: return handle_stun(now, from, packet);
    case wire::PacketKind::quic: {
      if (main && link_.handle_udp(now, from.remote, packet)) return;
      auto info = quic::look_at(packet);
      auto at = info && info->tag ? peers_.find(*info->tag) : peers_.end();
      if (at != peers_.end()) {
        at->second.peer->handle_packet(now, from, packet);
        return received(at->first);
      }
      std::array<uint8_t, 320> room;
      if (auto reset = door_.reset(packet, rng_, room); reset && strays_.size() < strays_max)
        strays_.push_back({from, {reset->begin(), reset->end()}});
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

void Node::handle_stun(Instant now, const Carrier& from, MutableBytes packet) {
  auto message = wire::parse_stun(packet);
  if (!message) {
    ++malformed_;
    return;
  }
  if (message->cls == wire::StunClass::indication) return handle_probe(now, from, *message);
  if (message->cls != wire::StunClass::request) return handle_stun_answer(now, from, packet, *message);
  if (!message->username) return;
  std::string_view ufrag = message->username->substr(0, message->username->find(':'));
  for (auto& [id, entry] : peers_) {
    if (entry.peer->ice().ufrag() != ufrag) continue;
    if (answers_a_shot(id, from)) entry.peer->meet(now, from);
    entry.peer->handle_packet(now, from, packet);
    return received(id);
  }
}

void Node::handle_stun_answer(Instant now, const Carrier& from, MutableBytes packet, const wire::StunMessage& message) {
  if (local_.reflexive.is_server(from.remote)) {
    if (local_.ports.owns(from.local)) return local_.ports.handle_response(now, from.local, from.remote, message);
    if (search_ && search_->hard && search_->hard->owns(from.local))
      return search_->hard->handle_response(now, from.local, from.remote, message);
    auto change = local_.reflexive.handle_response(now, from.local, from.remote, message);
    if (change.heard) link_.prefer_udp(now, from.remote);  // it answers on UDP: if we are on TCP, we need not stay there
    return reflexive_changed(now, from.remote.v6, change);
  }
  auto at = peers_.find(Reader(message.id).u32());
  if (at == peers_.end()) return;
  at->second.peer->handle_packet(now, from, packet);
  received(at->first);
}

void Node::handle_interfaces(Instant now, const std::vector<Address>& addresses) {
  if (addresses == local_.interfaces()) return;
  local_.set_interfaces(addresses);
  if (!std::exchange(saw_interfaces_, true)) return local_changed(now);
  // The network changed: every address we had may be wrong.
  local_.reflexive.restart(now);
  local_.tcp.reset();
  local_changed(now);
  suspect_server(now);
  for (auto& [id, entry] : peers_) {
    entry.peer->network_changed(now);
    touch(id, entry);
  }
}

void Node::handle_timeout(Instant now) {
  link_.handle_timeout(now);
  drain_link(now);
  auto changes = local_.reflexive.handle_timeout(now);
  for (bool v6 : {false, true}) reflexive_changed(now, v6, changes[v6]);
  local_.tcp.handle_timeout(now);
  if (local_.ports.handle_timeout(now)) local_changed(now);
  if (search_ && search_->hard) search_->hard->handle_timeout(now);
  look_at_wishes(now);
  sweep_strangers(now);
  while (auto id = redials_.take_due(now))
    if (auto at = peers_.find(*id); at != peers_.end()) make_route(now, at->first, at->second);
  while (auto id = timers_.take_due(now)) {
    auto at = peers_.find(*id);
    if (at == peers_.end()) continue;
    at->second.peer->handle_timeout(now);
    process(now, at->first, at->second);
  }
  look_at_search(now);
}

// ---- commands

void Node::set_ports(uint16_t udp4, uint16_t udp6) {
  config_.udp4_port = udp4, config_.udp6_port = udp6;
  local_.set_udp_ports(udp4, udp6);
}

void Node::set_arranged(Instant now, std::vector<reach::Arranged> arranged) {
  local_.set_arranged(std::move(arranged));
  local_changed(now);
}

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
  entry.peer = std::make_unique<Peer>(now, context(), std::move(config), id);
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
  if (auto action = poll_own(now, room)) return action;
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
  return poll_own(now, room);  // the peers may have left something to say or to do
}

std::optional<Action> Node::poll_own(Instant now, MutableBytes room) {
  if (!closing_)
    if (auto action = local_.poll_action(now, room)) return action;
  if (auto action = link_.poll_action(now, room)) return action;
  if (!actions_.empty()) {
    Action action = std::move(actions_.front());
    actions_.pop_front();
    return action;
  }
  if (auto action = poll_search(now, room)) return action;
  if (!strays_.empty()) {
    Stray stray = std::move(strays_.back());
    strays_.pop_back();
    std::copy(stray.bytes.begin(), stray.bytes.end(), room.begin());
    return Transmit{stray.to.remote, 0, room.first(stray.bytes.size()), stray.bytes.size(), stray.to.local};
  }
  return {};
}

std::optional<Action> Node::poll_peer(Instant now, PeerId id, Entry& entry, MutableBytes room) {
  if (auto action = entry.peer->poll_action(now, room)) {
    note_peers_action(now, id, *action);
    return action;
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
  std::optional<Deadline> next = earlier(link_.next_deadline(), local_.next_deadline());
  next = earlier(next, search_deadline());
  for (auto& [id, wish] : wishes_) next = earlier(next, Deadline{wish.until, "node: go on with what there is"});
  for (auto& [id, stranger] : strangers_) next = earlier(next, Deadline{stranger.until, "node: a stranger's time is up"});
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

// ---- the peers

void Node::process(Instant now, PeerId id, Entry& entry) {
  touch(id, entry);
  entry.peer->settle(now);
  while (auto event = entry.peer->poll_event()) {
    if (std::holds_alternative<RelaySilent>(*event)) suspect_server(now);
    if (std::holds_alternative<PeerConnected>(*event)) entry.backoff = {};
    events_.push_back(FromPeer{id, std::move(*event)});
  }
  serve_wish(now, id, entry);
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
  close_sockets_of(id);
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
