// Frames on their way, held in the order of their arrival: bytes in one ring, their instants in another, both made once
// and never grown. Frames that keep their order cost nothing but a copy; one that comes later than those behind it is
// moved back past them. Refuses to know why a frame is late.
#pragma once
#include <cstdint>
#include <memory>

#include "base/bytes.hpp"
#include "base/instant.hpp"

namespace ginnel::link {

class Transit {
 public:
  /// Room for this much at once, whichever is full first. Pages that no frame has needed yet are not touched.
  Transit(size_t bytes_max, size_t frames_max);

  // ---- commands
  /// False: full. A frame of no bytes is not held either.
  bool push(Instant due, Bytes frame);
  /// The first one leaves.
  void pop();

  // ---- getters
  size_t size() const { return static_cast<size_t>(order_tail_ - order_head_); }
  bool empty() const { return order_head_ == order_tail_; }
  /// The i-th to arrive, i < size(); valid until it is popped.
  Bytes frame(size_t i) const;
  Instant due(size_t i) const { return at(order_head_ + i).due; }

 private:
  struct Record {
    Instant due;
    uint32_t begin = 0, size = 0;
    bool gone = false;
  };

  Record& record(uint64_t number) { return records_[number % frames_max_]; }
  uint64_t& order(uint64_t place) const { return order_[place % frames_max_]; }
  const Record& at(uint64_t place) const { return records_[order(place) % frames_max_]; }
  MutableBytes claim(size_t size);

  size_t bytes_max_, frames_max_;
  std::unique_ptr<uint8_t[]> bytes_;
  std::unique_ptr<Record[]> records_;  ///< in the order in which they came
  std::unique_ptr<uint64_t[]> order_;  ///< their numbers, in the order of arrival
  uint64_t head_ = 0, tail_ = 0;       ///< numbers of the oldest frame whose bytes are held, and of the next one
  uint64_t order_head_ = 0, order_tail_ = 0;
  size_t write_ = 0;  ///< where the next frame's bytes go
};

}  // namespace ginnel::link
