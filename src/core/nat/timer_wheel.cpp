#include "core/nat/timer_wheel.hpp"

#include <algorithm>

namespace ginnel::nat {

void TimerWheel::set(uint32_t index, Instant now, Instant when) {
  cancel(index);
  if (index >= links_.size()) links_.resize(std::max<size_t>(index + 1, links_.size() + links_.size() / 4));
  if (size_ == 0) tick_ = now.time_since_epoch().count() >> tick_bits;
  int64_t tick = (when.time_since_epoch().count() + (int64_t{1} << tick_bits) - 1) >> tick_bits;
  tick = std::clamp(tick, tick_, tick_ + (int64_t{63} << shift[3]));
  int level = 0;
  while (level < levels - 1 && tick - tick_ >= int64_t{1} << shift[level + 1]) ++level;
  uint32_t slot = slot_at(level, tick);
  uint32_t head = heads_[slot];
  links_[index] = {head, is_head | slot};
  if (head != no_index) links_[head].previous = index;
  heads_[slot] = index;
  ++size_;
}

void TimerWheel::cancel(uint32_t index) {
  if (index >= links_.size() || links_[index].previous == no_index) return;
  auto [next, previous] = links_[index];
  if (next != no_index) links_[next].previous = previous;
  if (previous & is_head) {
    heads_[previous & ~is_head] = next;
  } else {
    links_[previous].next = next;
  }
  links_[index] = {};
  --size_;
}

/// The first thing in a slot that the current tick serves. A slot of a far wheel is served at its first tick.
uint32_t TimerWheel::current() const {
  for (int level = 0; level < levels; ++level) {
    if (tick_ & ((int64_t{1} << shift[level]) - 1)) break;
    if (uint32_t head = heads_[slot_at(level, tick_)]; head != no_index) return head;
  }
  return no_index;
}

/// The next tick after the current one at which a slot that is not empty is served.
int64_t TimerWheel::next_tick() const {
  int64_t best = INT64_MAX;
  for (int level = 0; level < levels; ++level) {
    int64_t base = tick_ >> shift[level];
    for (int64_t d = 1; d <= slots_of(level); ++d) {
      int64_t tick = (base + d) << shift[level];
      if (tick >= best) break;
      if (heads_[slot_at(level, tick)] != no_index) best = tick;
    }
  }
  return best;
}

uint32_t TimerWheel::take_due(Instant now) {
  int64_t target = now.time_since_epoch().count() >> tick_bits;
  while (size_ > 0) {
    if (tick_ > target) return no_index;
    if (uint32_t index = current(); index != no_index) {
      cancel(index);
      return index;
    }
    int64_t next = next_tick();
    if (next > target) {
      tick_ = target;
      // arriving at a tick whose far slot is empty serves nothing
      return no_index;
    }
    tick_ = next;
  }
  return no_index;
}

std::optional<Instant> TimerWheel::next() const {
  if (size_ == 0) return {};
  int64_t tick = current() != no_index ? tick_ : next_tick();
  return Instant(Duration(tick << tick_bits));
}

void TimerWheel::clear() {
  heads_.fill(no_index);
  links_.clear();
  size_ = 0;
}

}  // namespace ginnel::nat
