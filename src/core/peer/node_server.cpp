// The node and its server: the link, introductions, relay routes.
#include <algorithm>
#include <utility>

#include "core/peer/node.hpp"

namespace ginnel::peer {

namespace {

constexpr Duration redial_first = 100ms;
constexpr Duration redial_max = 3s;
constexpr Duration redial_waiting = 500ms;

template <typename... F>
struct Overloaded : F... { using F::operator()...; };
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

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
  // STUN is on the port of the URL, whatever door we came in by; by a proxy we may not know any address.
  const Address server = link_.carrier()->server;
  auto in_use = server.is_unspecified() ? std::nullopt : std::optional(server.with_port(config_.server.port));
  local_.set_servers(now, link_.addresses(), in_use);
  local_.set_udp_blocked(link_.carrier()->tcp != 0);
  if (link_.carrier()->tcp != 0 && !config_.relay_only) local_.ask_tcp(now);  // TCP is all that this network has: be quick with it
  local_changed(now);
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
                   const auto& known = local_.reflexive.main(m.observed.v6);
                   if (link_.carrier()->tcp == 0 && known && m.observed != known) local_.reflexive.restart(now);
                 },
                 [&](const wire::Incoming& m) { handle_incoming(now, m); },
                 [&](const wire::DialFailed& m) { lost(m.route, m.code, true); },
                 [&](const wire::RouteClosed& m) { lost(m.route, m.code, false); },
                 [&](const wire::Notice& m) {
                   if (m.code == wire::SignalCode::replaced) events_.push_back(Replaced{m.service});
                 },
                 [&](const wire::Vouched& m) {
                   PeerId id;
                   if (Entry* entry = by_route(m.route, &id)) entry->vouched = m.observed;
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
  entry.peer = std::make_unique<Peer>(now, context(), std::move(config), id);
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
  entry.peer->allow_loopback(local_.server_is_here());
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

}  // namespace ginnel::peer
