#include "core/reach/easy_side.hpp"

#include <algorithm>
#include <numeric>

namespace ginnel::reach {

EasySide::EasySide(Instant now, const wire::SearchOffer& offer, Rng& rng)
    : offer_(offer), count_((offer.high - offer.low) / offer.step + 1u), next_(now) {
  bool few = count_ <= 64;
  limit_ = static_cast<uint32_t>(std::min<size_t>(few ? count_ * passes : count_, Budget::probes_max));
  // Every port once, in an order that nobody can foresee: a walk whose stride has no factor in common with the range.
  start_ = static_cast<uint32_t>(rng.below(count_));
  do stride_ = static_cast<uint32_t>(1 + rng.below(count_));
  while (std::gcd(stride_, count_) != 1);
}

std::optional<Address> EasySide::poll_probe(Instant now) {
  if (probes_ >= limit_ || now < next_) return {};
  uint32_t nth = (start_ + static_cast<uint64_t>(probes_ % count_) * stride_) % count_;
  ++probes_;
  next_ = now + Budget::probe_pace;
  if (probes_ % count_ == 0) next_ = now + pass_pause;
  return offer_.ip.with_port(static_cast<uint16_t>(offer_.low + nth * offer_.step));
}

std::optional<Deadline> EasySide::next_deadline() const {
  return Deadline{probes_ < limit_ ? next_ : next_ + last_words, "search: next probe"};
}

}  // namespace ginnel::reach
