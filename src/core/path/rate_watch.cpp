#include "core/path/rate_watch.hpp"

#include <algorithm>

namespace ginnel::path {

void RateWatch::note(Instant now, const Carrier& carrier, uint64_t acknowledged, bool backlogged) {
  if (!began_ || carrier != carrier_ || !backlogged) {  // another path, or the application had no more to give
    if (carrier != carrier_) slow_in_a_row_ = 0;
    carrier_ = carrier;
    from_ = acknowledged;
    began_ = backlogged ? std::optional(now) : std::nullopt;
    return;
  }
  if (now - *began_ < window) return;
  double rate = static_cast<double>(acknowledged - from_) / (to_ms(now - *began_) / 1e3);
  double before = best(now);
  began_ = now;
  from_ = acknowledged;
  slow_in_a_row_ = before > floor && rate < before * collapse ? slow_in_a_row_ + 1 : 0;

  auto at = std::find_if(seen_.begin(), seen_.end(), [&](const Seen& s) { return s.carrier == carrier; });
  if (at == seen_.end()) {
    if (seen_.size() == seen_max) seen_.pop_front();
    seen_.push_back({carrier, rate, rate, now});
  } else {
    at->last = rate;
    if (rate >= at->best || now - at->when > memory) at->best = rate, at->when = now;
  }
}

std::optional<double> RateWatch::rate_of(const Carrier& carrier) const {
  auto at = std::find_if(seen_.begin(), seen_.end(), [&](const Seen& s) { return s.carrier == carrier; });
  return at == seen_.end() ? std::nullopt : std::optional(at->last);
}

double RateWatch::best(Instant now) const {
  double best = 0;
  for (const Seen& s : seen_)
    if (now - s.when <= memory) best = std::max(best, s.best);
  return best;
}

}  // namespace ginnel::path
