// What a peer has to do with searches for the port of a symmetric NAT: when one is worth it, and the words about it.
#include <algorithm>

#include "core/peer/peer.hpp"
#include "core/reach/search_choice.hpp"

namespace ginnel::peer {

namespace {

constexpr int searches_max = 4;
constexpr int refusals_max = 12;
constexpr Duration refused_pause = 2s;   // and up to as much again
constexpr Duration search_again = 25s;  // longer than the budget's pause

}  // namespace

/// Plain checks go first: they need no search where the other side's filter is kind. From here their words and checks take
/// two round trips, or three if we were dialled, for then the other side's candidates came earlier.
void Peer::plan_search(Instant now) {
  if (config_.relay_only || !admitted_ || !remote_ || search_at_ || searches_ > 0) return;
  auto choice = reach::choose_search(context_.local.nat(), remote_->nat, dialler());
  if (!choice.kind || !choice.ours) return;
  search_at_ = now + std::clamp<Duration>(session_->smoothed_rtt() * (dialler() ? 2 : 3) + 50ms, 100ms, 1s);
}

void Peer::search_is_due() {
  search_at_.reset();
  if (direct_by_udp() || !remote_ || searches_ >= searches_max) return;
  auto choice = reach::choose_search(context_.local.nat(), remote_->nat, dialler());
  if (!choice.kind || !choice.ours) return;
  // What was predicted twice in vain is no sequence: search it as if it were random.
  search_kind_ = choice.kind == wire::SearchKind::prediction && searches_ >= 2 ? wire::SearchKind::birthday : *choice.kind;
  ++searches_;
  search_wish_ = search_kind_;
}

void Peer::search_refused(Instant now) {
  --searches_;
  if (direct_by_udp() || ++refusals_ > refusals_max) return;
  search_at_ = now + refused_pause + Duration(static_cast<int64_t>(context_.rng.below(uint64_t(refused_pause.count()))));
}

void Peer::search_ended(Instant now) {
  if (direct_by_udp() || searches_ >= searches_max) return;
  // A sequence that got away is caught at the next try; what was predicted twice in vain is none.
  bool soon = search_kind_ == wire::SearchKind::diagonal || (search_kind_ == wire::SearchKind::prediction && searches_ < 2);
  search_at_ = now + (soon ? Duration(200ms) : Duration(search_again));
}

void Peer::meet(Instant now, const Carrier& carrier) {
  if (std::find(found_sockets_.begin(), found_sockets_.end(), carrier.local) == found_sockets_.end())
    found_sockets_.push_back(carrier.local);
  ice_.meet(now, carrier);
}

void Peer::say_search(const wire::SearchOffer& offer) {
  if (control_ && session_) session_->send(*control_, wire::encode(offer));
}

void Peer::say_search_end(const wire::SearchEnd& end) {
  if (control_ && session_) session_->send(*control_, wire::encode(end));
}

void Peer::keep_socket(SocketId socket, wire::SearchKind kind) {
  search_kind_ = kind;
  sockets_.push_back(socket);
}

std::optional<Address> Peer::search_target() const {
  if (!remote_) return {};
  for (const wire::Candidate& c : remote_->candidates)
    if (c.transport == wire::Transport::udp && !c.address.v6 && c.address.is_probeable() && !c.address.is_private() &&
        c.type != wire::CandidateType::peer_reflexive)
      return c.address;
  return {};
}

bool Peer::direct_by_udp() const {
  return std::any_of(ice_.pairs().begin(), ice_.pairs().end(),
                     [](auto& pair) { return pair.carrier.kind == Carrier::Kind::udp && pair.usable(); });
}

}  // namespace ginnel::peer
