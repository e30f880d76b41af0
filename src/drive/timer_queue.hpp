// Which timer is next. Pure bookkeeping for Loop: no clock, no kernel, and no allocation when a timer is set again.
#pragma once
#include <cstdint>
#include <set>
#include <utility>

#include "base/instant.hpp"

namespace ginnel {

/// Orders entries by instant, equal instants by who was set first. T is a pointer-like value the queue does not own.
template <typename T>
class TimerQueue {
  struct Key {
    Instant when;
    uint64_t order;
    T timer;
    bool operator<(const Key& other) const { return when != other.when ? when < other.when : order < other.order; }
  };
  using Set = std::set<Key>;

 public:
  /// A timer's place in the queue. It keeps its tree node while it is not set, which is what saves the allocation.
  class Slot {
    friend TimerQueue;
    typename Set::iterator place_;
    typename Set::node_type spare_;
    bool set_ = false;

   public:
    bool set() const { return set_; }
    Instant when() const { return place_->when; }  ///< only while set
  };

  void insert(Slot& slot, Instant when, T timer) {
    remove(slot);
    Key key{when, next_order_++, std::move(timer)};
    if (slot.spare_) {
      slot.spare_.value() = std::move(key);
      slot.place_ = set_.insert(std::move(slot.spare_)).position;
    } else {
      slot.place_ = set_.insert(std::move(key)).first;
    }
    slot.set_ = true;
  }
  void remove(Slot& slot) {
    if (!slot.set_) return;
    slot.spare_ = set_.extract(slot.place_);
    slot.set_ = false;
  }

  bool empty() const { return set_.empty(); }
  Instant earliest() const { return set_.begin()->when; }
  const T& front() const { return set_.begin()->timer; }
  /// Entries inserted from now on have an order of at least this.
  uint64_t next_order() const { return next_order_; }
  uint64_t front_order() const { return set_.begin()->order; }

 private:
  Set set_;
  uint64_t next_order_ = 0;
};

}  // namespace ginnel
