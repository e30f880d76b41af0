#include "sim/clock.hpp"

#include <algorithm>

namespace ginnel::sim {

void Schedule::at(Instant when, Job job) {
  heap_.push_back({std::max(when, now_), next_order_++, std::move(job)});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

bool Schedule::step(Instant until) {
  if (heap_.empty() || heap_.front().when > until) {
    now_ = std::max(now_, until);
    return false;
  }
  std::pop_heap(heap_.begin(), heap_.end(), later);
  Entry entry = std::move(heap_.back());
  heap_.pop_back();
  now_ = entry.when;
  entry.job();
  return true;
}

}  // namespace ginnel::sim
