// Many things of one kind, each named by a small number that stays while it lives. Knows chunks and a free list;
// refuses to grow beyond its limit, and never moves what it holds. No RFC.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "core/nat/index_table.hpp"

namespace ginnel::nat {

/// T has a default value, `uint32_t next` that the free list borrows, and `bool used`.
template <typename T>
class Slab {
 public:
  explicit Slab(uint32_t limit) : limit_(limit) {}

  T& operator[](uint32_t index) { return chunks_[index / chunk][index % chunk]; }
  const T& operator[](uint32_t index) const { return chunks_[index / chunk][index % chunk]; }

  void set_limit(uint32_t limit) { limit_ = limit; }
  bool full() const { return size_ >= limit_; }
  /// no_index when full.
  uint32_t take() {
    if (full()) return no_index;
    if (free_ == no_index) {
      if (end_ % chunk == 0) chunks_.push_back(std::make_unique_for_overwrite<T[]>(chunk));
      free_ = end_++;
      (*this)[free_].next = no_index;
    }
    uint32_t index = free_;
    free_ = (*this)[index].next;
    (*this)[index] = T{};
    (*this)[index].used = true;
    ++size_;
    return index;
  }
  void give(uint32_t index) {
    (*this)[index].used = false;
    (*this)[index].next = free_;
    free_ = index;
    --size_;
  }
  void clear() {
    chunks_.clear();
    free_ = no_index;
    end_ = size_ = 0;
  }

  [[gnu::always_inline]] void prefetch(uint32_t index) const { __builtin_prefetch(&(*this)[index], 1); }
  uint32_t size() const { return size_; }
  uint32_t end() const { return end_; }  ///< no index is as large
  size_t memory() const { return chunks_.size() * (chunk * sizeof(T) + sizeof(void*)); }

 private:
  static constexpr uint32_t chunk = 128;

  std::vector<std::unique_ptr<T[]>> chunks_;
  uint32_t limit_;
  uint32_t free_ = no_index;
  uint32_t end_ = 0;
  uint32_t size_ = 0;
};

}  // namespace ginnel::nat
