#include "core/reach/reflexive.hpp"

namespace ginnel::reach {

Reflexive::Reflexive(Rng& rng) : rng_(rng), family_{Family(rng), Family(rng)} {}

// ---- inputs

void Reflexive::set_server(Instant now, bool v6, const Address& server) {
  Family& family = family_[v6];
  if (family.server == server) return;
  family.server = server;
  family.second.stop();
  server.port != 0 ? family.keepalive.start(now) : family.keepalive.stop();
}

Reflexive::Change Reflexive::handle_response(Instant now, SocketId socket, const Address& from,
                                             const wire::StunMessage& message) {
  Family& family = family_[from.v6];
  if (socket != 0) {
    if (auto at = fresh_.find(socket); at != fresh_.end() && from == family.server) at->second.handle_response(now, message);
    return {};
  }
  if (from != family.server) {
    if (from == second_port(family)) family.second.handle_response(now, message);
    return {};
  }
  Change change = family.keepalive.handle_response(now, message);
  if (change.address) {
    family.first_mapped = family.keepalive.reflexive();
    if (second_port(family).port != 0) family.second.start(now);
  }
  return change;
}

std::array<Reflexive::Change, 2> Reflexive::handle_timeout(Instant now) {
  std::array<Change, 2> changes;
  for (bool v6 : {false, true}) {
    changes[v6] = family_[v6].keepalive.handle_timeout(now);
    family_[v6].second.handle_timeout(now);
  }
  for (auto& [socket, transaction] : fresh_) transaction.handle_timeout(now);
  return changes;
}

// ---- commands

void Reflexive::restart(Instant now) {
  for (Family& family : family_)
    if (family.server.port != 0) family.keepalive.start(now);
}

void Reflexive::stop() {
  for (Family& family : family_) {
    family.keepalive.stop();
    family.second.stop();
  }
  fresh_.clear();
}

void Reflexive::learn(Instant now, SocketId socket) {
  if (fresh_.size() >= fresh_max && !fresh_.contains(socket)) fresh_.erase(fresh_.begin());
  fresh_.insert_or_assign(socket, stun::Transaction(rng_)).first->second.start(now);
}

// ---- polls

std::optional<Reflexive::Request> Reflexive::poll_request(Instant now, MutableBytes room) {
  for (Family& family : family_) {
    if (family.server.port == 0) continue;
    if (auto bytes = family.keepalive.poll_request(now, room)) return Request{family.server, 0, *bytes};
    if (auto bytes = family.second.poll_request(now, room)) return Request{second_port(family), 0, *bytes};
  }
  const Address& server = family_[false].server;
  for (auto& [socket, transaction] : fresh_)
    if (server.port != 0)
      if (auto bytes = transaction.poll_request(now, room)) return Request{server, socket, *bytes};
  return {};
}

std::optional<Deadline> Reflexive::next_deadline() const {
  std::optional<Deadline> next;
  for (const Family& family : family_)
    next = earlier(next, earlier(family.keepalive.next_deadline(), family.second.next_deadline()));
  for (const auto& [socket, transaction] : fresh_) next = earlier(next, transaction.next_deadline());
  return next;
}

// ---- getters

std::optional<Address> Reflexive::of(SocketId socket) const {
  auto at = fresh_.find(socket);
  return at == fresh_.end() ? std::nullopt : at->second.mapped();
}

bool Reflexive::failed(SocketId socket) const {
  auto at = fresh_.find(socket);
  return at != fresh_.end() && (at->second.silent() || family_[false].server.port == 0);
}

wire::NatMapping Reflexive::mapping(bool v6) const {
  const Family& family = family_[v6];
  const auto& here = family.keepalive.reflexive();
  const auto& there = family.second.mapped();
  // An answer that is older than a change of address says nothing, and silence even less.
  bool measured = here && there && family.first_mapped == here && !family.second.under_way() && !family.second.silent();
  if (!measured) return wire::NatMapping::unknown;
  return *here == *there ? wire::NatMapping::endpoint_independent : wire::NatMapping::endpoint_dependent;
}

bool Reflexive::is_server(const Address& from) const {
  const Family& family = family_[from.v6];
  return family.server.port != 0 && (from == family.server || from == second_port(family));
}

Address Reflexive::second_port(const Family& family) const {
  const auto& other = family.keepalive.other();
  return family.server.with_port(other ? other->port : uint16_t{0});
}

}  // namespace ginnel::reach
