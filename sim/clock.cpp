#include "sim/clock.hpp"

#include <algorithm>

namespace ginnel::sim {

void Schedule::at(Instant when, Job job) {
  uint32_t place;
  if (free_.empty()) {
    place = static_cast<uint32_t>(jobs_.size());
    jobs_.push_back(std::move(job));
  } else {
    place = free_.back();
    free_.pop_back();
    jobs_[place] = std::move(job);
  }
  heap_.push_back({std::max(when, now_), next_order_++, place});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

bool Schedule::step(Instant until) {
  if (heap_.empty() || heap_.front().when > until) {
    now_ = std::max(now_, until);
    return false;
  }
  std::pop_heap(heap_.begin(), heap_.end(), later);
  Entry entry = heap_.back();
  heap_.pop_back();
  now_ = entry.when;
  Job job = std::move(jobs_[entry.place]);  // out of the way: it may queue others while it runs
  free_.push_back(entry.place);
  ++done_;
  job();
  return true;
}

}  // namespace ginnel::sim
