#include "core/reach/plan.hpp"

#include <algorithm>

namespace ginnel::reach {

void Plan::begin(Instant now, const wire::NatView& own, const wire::NatView& theirs) {
  can_udp_ = !own.udp_blocked && !theirs.udp_blocked;
  rounds_ = 0;
  again_ = again_first;
  last_.reset();
  next_ = can_udp_ ? now + tcp_after : now;
}

void Plan::note_direct(Instant now, bool udp, bool any) {
  bool lost = (udp_ && !udp) || (any_ && !any);
  udp_ = udp, any_ = any;
  if (!lost || rounds_ == 0) return;
  // The agent checks the old ways at once and goes on doing so; where a NAT forgot them only fresh ones help.
  again_ = again_first;
  Instant soonest = now + fresh_after;
  if (last_) soonest = std::max(soonest, *last_ + again_first);
  next_ = std::min(*next_, soonest);
}

std::optional<Means> Plan::handle_timeout(Instant now) {
  if (!next_ || now < *next_) return {};
  ++rounds_;
  if (rounds_ == 1) {
    next_ = now + (fresh_after - tcp_after);
  } else {
    next_ = now + again_;
    again_ = std::min<Duration>(again_ * 2, again_max);
  }
  if (udp_ || (any_ && !can_udp_)) return {};  // as good as it gets
  Means means{can_udp_ && rounds_ > 1, !any_};
  if (!means.any()) return {};
  last_ = now;
  return means;
}

std::optional<Deadline> Plan::next_deadline() const {
  if (!next_) return {};
  return Deadline{*next_, "reach: try again"};
}

}  // namespace ginnel::reach
