#include "core/reach/budget.hpp"

#include <algorithm>

namespace ginnel::reach {

bool Budget::may_begin(Instant now, const PublicKey& peer, bool cheap) const {
  return !busy_ && free_at(now, peer, cheap) <= now;
}

Instant Budget::free_at(Instant now, const PublicKey& peer, bool cheap) const {
  Instant when = now;
  if (!cheap && rests_until_) when = std::max(when, *rests_until_);
  if (auto at = spent_.find(peer); at != spent_.end() && at->second.searches >= searches_an_hour * (cheap ? 4 : 1))
    when = std::max(when, at->second.since + 1h);
  return when;
}

void Budget::begin(Instant now, const PublicKey& peer, bool cheap) {
  busy_ = true;
  cheap_ = cheap;
  if (spent_.size() >= peers_max && !spent_.contains(peer)) {  // the one whose hour is over soonest makes room
    auto oldest = std::min_element(spent_.begin(), spent_.end(), [](auto& a, auto& b) { return a.second.since < b.second.since; });
    spent_.erase(oldest);
  }
  Spent& spent = spent_[peer];
  if (spent.searches == 0 || now - spent.since >= 1h) spent = {now, 0};
  ++spent.searches;
}

void Budget::end(Instant now) {
  if (!cheap_) rests_until_ = now + pause;
  busy_ = false;
}

bool may_be_searched(const Address& ip) {
  return ip.with_port(1).is_probeable() && !ip.is_private() && !ip.is_link_local();
}

}  // namespace ginnel::reach
