// What a peer has to do with searches for the port of a symmetric NAT: when one is worth it, and the words about it.
#include <algorithm>

#include "core/peer/peer.hpp"
#include "core/reach/search_choice.hpp"

namespace ginnel::peer {

namespace {

constexpr int searches_max = 4;
constexpr Duration plain_first_min = 100ms;
constexpr Duration search_again = 25s;  // longer than the budget's pause

}  // namespace

/// Plain checks go first: they need no search where the other side's filter is kind. From here they take a round trip
/// and a half, or two if we were dialled, for then the other side's candidates came earlier. A prediction costs a socket
/// and a handful of packets, so there is no need to wait for all of that.
void Peer::plan_search(Instant now) {
  if (config_.relay_only || !admitted_ || !remote_ || search_at_ || searches_ > 0) return;
  auto choice = reach::choose_search(context_.local.nat(), remote_->nat);
  if (!choice.kind || !choice.ours) return;
  bool cheap = *choice.kind != wire::SearchKind::birthday;
  Duration plain = session_->smoothed_rtt() * (dialler() ? 3 : 4) / 2 + 50ms;
  search_at_ = now + (cheap ? plain_first_min : std::clamp<Duration>(plain, plain_first_min, 1s));
}

void Peer::search_is_due(Instant now) {
  search_at_.reset();
  if (direct_by_udp() || !remote_ || searches_ >= searches_max) return;
  auto choice = reach::choose_search(context_.local.nat(), remote_->nat);
  if (!choice.kind || !choice.ours) return;
  // What was predicted twice in vain is no sequence: search it as if it were random.
  search_kind_ = choice.kind == wire::SearchKind::prediction && searches_ >= 2 ? wire::SearchKind::birthday : *choice.kind;
  ++searches_;
  search_wish_ = search_kind_;
  (void)now;
}

void Peer::search_ended(Instant now, size_t, size_t) {
  if (direct_by_udp() || searches_ >= searches_max) return;
  bool cheap = search_kind_ && *search_kind_ != wire::SearchKind::birthday && searches_ < 2;
  search_at_ = now + (cheap ? Duration(200ms) : Duration(search_again));
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
