#include "core/link/lane.hpp"

#include <algorithm>

namespace ginnel::link {

Fate Lane::offer(Instant now, size_t size) {
  if (cut_) return {.kind = Fate::Kind::cut};
  if (spec_.mtu > 0 && size > spec_.mtu) return {.kind = Fate::Kind::too_big};
  if (spec_.bits_per_second > 0 && free_at_ > now) {
    double waiting = static_cast<double>((free_at_ - now).count()) * static_cast<double>(spec_.bits_per_second) / 8e9;
    if (waiting + static_cast<double>(size) > static_cast<double>(spec_.queue_limit()))
      return {.kind = Fate::Kind::overflowed};
  }
  Instant left = occupy(now, size);
  if (is_lost()) return {.kind = Fate::Kind::lost};
  Fate fate{.copies = 1, .due = {arrival(left)}};
  if (chance(spec_.corrupt)) fate.wrong_bit = rng_->u64();
  if (chance(spec_.duplicate)) fate.due[fate.copies++] = arrival(left);
  return fate;
}

Instant Lane::occupy(Instant now, size_t size) {
  free_at_ = std::max(free_at_, now);
  if (spec_.bits_per_second > 0)
    free_at_ += Duration(static_cast<int64_t>(size * uint64_t{8'000'000'000} / spec_.bits_per_second));
  return free_at_;
}

void Lane::set_spec(const Spec& spec) {
  spec_ = spec;
  if (spec_.bits_per_second == 0) free_at_ = {};
}

// Two states; the bad one loses everything and is left with probability 1 / burst. It is entered so often that the
// share of packets in it is `loss` (Gilbert 1960).
bool Lane::is_lost() {
  if (spec_.loss >= 1) return true;
  if (spec_.burst <= 1) return chance(spec_.loss);
  double leave = 1 / spec_.burst;
  losing_ = losing_ ? !chance(leave) : chance(leave * spec_.loss / (1 - spec_.loss));
  return losing_;
}

Instant Lane::arrival(Instant left) {
  Instant due = left + spec_.delay;
  if (spec_.jitter > Duration::zero())
    due += Duration(static_cast<int64_t>(rng_->below(static_cast<uint64_t>(spec_.jitter.count()) + 1)));
  if (chance(spec_.reorder)) return due + spec_.reorder_by;
  if (spec_.jitter_reorders) return due;
  return last_arrival_ = std::max(last_arrival_, due);
}

bool Lane::chance(double p) { return p > 0 && static_cast<double>(rng_->u64() >> 11) * 0x1.0p-53 < p; }

}  // namespace ginnel::link
