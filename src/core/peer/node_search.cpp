// The node and its searches for the ports of symmetric NATs: one at a time, within the budget, agreed to by both peers,
// and only at an address that the server sees the peer come from.
#include <algorithm>
#include <utility>

#include "core/peer/node.hpp"
#include "core/reach/search_choice.hpp"

namespace ginnel::peer {

namespace {

bool is_cheap(wire::SearchKind kind) { return kind != wire::SearchKind::birthday; }

}  // namespace

// ---- our NAT is the symmetric one

void Node::begin_search(Instant now, PeerId id, Entry& entry, wire::SearchKind kind) {
  const auto& easy = entry.peer->search_target();
  if (!config_.search || !easy || !entry.route) return;
  if (!budget_.may_begin(now, entry.key, is_cheap(kind))) return entry.peer->search_refused(now);
  bool known = kind != wire::SearchKind::diagonal;  // there the other side names its port
  begin_hard_side(now, id, entry, kind, rng_.u64(), known ? *easy : Address{});
}

void Node::begin_hard_side(Instant now, PeerId id, Entry& entry, wire::SearchKind kind, uint64_t token, const Address& easy) {
  wire::NatView nat = local_.nat();
  reach::HardSide::Config c;
  c.kind = kind;
  c.token = token;
  c.easy = easy;
  c.server = local_.reflexive.server(false);
  c.second = local_.reflexive.second_port(false);
  c.ports = nat.udp_ports;
  switch (kind) {
    case wire::SearchKind::prediction: c.sockets = 1; break;
    case wire::SearchKind::birthday: c.sockets = reach::birthday_sockets(nat.udp_ports); break;
    case wire::SearchKind::diagonal:
      c.aim = reach::diagonal_aim(easy.port == 0, entry.peer->searches());
      c.sockets = c.aim + reach::diagonal_spare;
      break;
  }
  c.first_socket = socket_ids_.next(static_cast<SocketId>(c.sockets));
  budget_.begin(now, entry.key, is_cheap(kind));
  link_.send(wire::Vouch{*entry.route});
  search_.emplace(id, c.token);
  search_->hard.emplace(now, std::move(c), rng_);
}

// ---- the other side's is, or both are

void Node::consider_offers(Instant now) {
  for (auto& [id, entry] : peers_) {
    if (!entry.offer) continue;
    bool waits = !entry.vouched && now < entry.offer->second;
    if (waits) continue;
    wire::SearchOffer offer = entry.offer->first;
    entry.offer.reset();
    auto vouched = std::exchange(entry.vouched, std::nullopt);  // a word for one search
    bool there = vouched && vouched->same_ip(offer.ip) && reach::may_be_searched(offer.ip);
    if (!config_.search || !there || !take_up(now, id, entry, offer)) entry.peer->say_search_end({offer.token, 0, true});
    touch(id, entry);
  }
}

/// An offer of somebody who may be looked for there. False: no, or not now.
bool Node::take_up(Instant now, PeerId id, Entry& entry, const wire::SearchOffer& offer) {
  bool diagonal = offer.kind == wire::SearchKind::diagonal;
  Address at = offer.ip.with_port(offer.low);
  if (diagonal && search_ && search_->hard && search_->peer == id && search_->token == offer.token) {
    search_->hard->aim(now, at);  // the answer to ours
    entry.peer->search_begins(offer);
    return true;
  }
  if (!budget_.may_begin(now, entry.key, is_cheap(offer.kind)) || offer.sockets > reach::Budget::sockets_max) return false;
  if (diagonal) {
    if (local_.nat().udp_ports.kind != wire::PortPattern::Kind::sequential || !entry.route) return false;
    begin_hard_side(now, id, entry, offer.kind, offer.token, at);
  } else {
    budget_.begin(now, entry.key, is_cheap(offer.kind));
    search_.emplace(id, offer.token);
    search_->easy.emplace(now, offer, rng_);
  }
  entry.peer->search_begins(offer);
  return true;
}

// ---- both

void Node::handle_probe(Instant now, const Carrier& from, const wire::StunMessage& message) {
  if (!search_ || !search_->hard || reach::probe_token(message) != search_->token) return;
  auto at = peers_.find(search_->peer);
  if (at == peers_.end() || !search_->hard->owns(from.local)) return;
  at->second.peer->meet(now, from);
  received(at->first);
}

/// Diagonal: the check comes from where we shot at, to a socket that is not the peer's yet.
bool Node::answers_a_shot(PeerId id, const Carrier& from) const {
  return search_ && search_->hard && search_->peer == id && search_->hard->owns(from.local) && search_->hard->shot_at(from.remote);
}

/// What came of the search, after each input and each timeout.
void Node::look_at_search(Instant now) {
  consider_offers(now);
  if (!search_) return;
  auto at = peers_.find(search_->peer);
  if (at == peers_.end()) return end_search(now, nullptr);
  Entry& entry = at->second;
  if (search_->hard) {
    reach::HardSide& hard = *search_->hard;
    if (auto offer = hard.poll_offer()) {
      if (const auto& own = local_.reflexive.main(false); offer->ip.is_unspecified() && own) offer->ip = own->with_port(0);
      entry.peer->say_search(*offer);
      touch(at->first, entry);
    }
    if (auto socket = entry.peer->found_on([&](SocketId s) { return hard.owns(s); })) {
      hard.found(now, *socket);
      entry.peer->keep_socket(*socket, hard.kind());
      sockets_.insert(*socket);
      search_->found = true;
    } else if (entry.peer->direct_by_udp()) {
      // A plain check was quicker, or a probe opened the other NAT for our main socket: many sockets wait in vain.
      hard.stop();
      search_->found = true;
    }
    if (hard.over()) end_search(now, &entry);
  } else if (search_->easy->over(now) || entry.peer->direct_by_udp()) {
    search_->found = entry.peer->direct_by_udp();
    end_search(now, &entry);
  }
}

void Node::handle_search_end(Instant now, PeerId id, const wire::SearchEnd& end) {
  if (!search_ || search_->peer != id || search_->token != end.token) return;
  search_->probes = end.probes;
  search_->refused = end.refused;
  if (search_->hard) {
    // Who looked for us along the diagonal has waited before it said so, and begins its next try at once.
    bool at_once = end.refused || search_->found || search_->hard->kind() == wire::SearchKind::diagonal;
    at_once ? search_->hard->stop() : search_->hard->wind_up(now);
  }
  look_at_search(now);
}

void Node::end_search(Instant now, Entry* entry) {
  Search search = std::move(*search_);
  search_.reset();
  budget_.end(now);
  size_t probes = search.easy ? search.easy->probes() : std::max(search.hard->probes(), search.probes);
  size_t sockets = search.hard ? search.hard->sockets() : 0;
  if (search.hard) {
    search.hard->stop();
    std::array<uint8_t, 64> room;
    while (auto action = search.hard->poll_action(now, room)) actions_.push_back(std::move(*action));
  }
  wire::SearchKind kind = search.hard ? search.hard->kind() : search.easy->offer().kind;
  bool ours = search.hard && !search.hard->looks();
  events_.push_back(Searched{search.peer, kind, ours, sockets, probes, search.found});
  if (!entry) return;
  entry->peer->say_search_end({search.token, static_cast<uint16_t>(std::min<size_t>(probes, 65535)), false});
  search.refused ? entry->peer->search_refused(now) : entry->peer->search_ended(now);
  if (search.hard && entry->route) link_.send(wire::Vouch{*entry->route, true});
  touch(search.peer, *entry);
}

std::optional<Action> Node::poll_search(Instant now, MutableBytes room) {
  if (!search_) return {};
  if (search_->hard) return search_->hard->poll_action(now, room);
  auto to = search_->easy->poll_probe(now);
  if (!to) return {};
  Bytes probe = reach::make_probe(search_->token, rng_, room);
  return Transmit{*to, 0, probe, probe.size()};
}

std::optional<Deadline> Node::search_deadline() const {
  std::optional<Deadline> next;
  if (search_) next = search_->hard ? search_->hard->next_deadline() : search_->easy->next_deadline();
  for (const auto& [id, entry] : peers_)
    if (entry.offer) next = earlier(next, Deadline{entry.offer->second, "search: the server does not vouch"});
  return next;
}

}  // namespace ginnel::peer
