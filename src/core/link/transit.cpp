#include "core/link/transit.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace ginnel::link {

Transit::Transit(size_t bytes_max, size_t frames_max)
    : bytes_max_(std::min<size_t>(bytes_max, UINT32_MAX)),
      frames_max_(std::max<size_t>(frames_max, 1)),
      bytes_(std::make_unique_for_overwrite<uint8_t[]>(bytes_max_)),
      records_(std::make_unique_for_overwrite<Record[]>(frames_max_)),
      order_(std::make_unique_for_overwrite<uint64_t[]>(frames_max_)) {}

bool Transit::push(Instant due, Bytes frame) {
  if (frame.empty() || tail_ - head_ == frames_max_) return false;
  MutableBytes room = claim(frame.size());
  if (room.empty()) return false;
  std::memcpy(room.data(), frame.data(), frame.size());
  record(tail_) = {due, static_cast<uint32_t>(room.data() - bytes_.get()), static_cast<uint32_t>(frame.size()), false};
  uint64_t place = order_tail_++;
  for (; place > order_head_ && at(place - 1).due > due; --place) order(place) = order(place - 1);
  order(place) = tail_++;
  return true;
}

void Transit::pop() {
  assert(!empty());
  record(order(order_head_++)).gone = true;
  while (head_ != tail_ && record(head_).gone) ++head_;
  if (head_ == tail_) write_ = 0;  // keeps a quiet line's memory to a few pages
}

Bytes Transit::frame(size_t i) const {
  const Record& r = at(order_head_ + i);
  return {bytes_.get() + r.begin, r.size};
}

/// Room in one piece behind the newest frame, or at the front if there is none behind it; empty if there is none at
/// all.
MutableBytes Transit::claim(size_t size) {
  size_t oldest = head_ == tail_ ? bytes_max_ : record(head_).begin;
  bool wrapped = head_ != tail_ && write_ <= oldest;
  size_t end = wrapped ? oldest : bytes_max_;
  if (end - write_ < size) {
    if (wrapped || head_ == tail_ || oldest < size) return {};
    write_ = 0;
  }
  MutableBytes room{bytes_.get() + write_, size};
  write_ += size;
  return room;
}

}  // namespace ginnel::link
