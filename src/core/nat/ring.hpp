// A bounded queue whose places are used again, so that nothing is allocated once it has been as full as it gets. Knows
// order; refuses more than its limit. No RFC.
#pragma once
#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace ginnel::nat {

template <typename T>
class Ring {
 public:
  explicit Ring(size_t limit) : limit_(limit) {}

  /// The place of a new last one, with whatever stood there before; nullptr when full.
  T* push() {
    if (size_ == limit_) return nullptr;
    if (size_ == places_.size()) grow();
    return &places_[(head_ + size_++) % places_.size()];
  }
  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  T& operator[](size_t i) { return places_[(head_ + i) % places_.size()]; }
  const T& operator[](size_t i) const { return places_[(head_ + i) % places_.size()]; }
  void pop() {
    head_ = (head_ + 1) % places_.size();
    --size_;
  }
  void clear() { head_ = size_ = 0; }
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  size_t memory() const { return places_.size() * sizeof(T); }

 private:
  void grow() {
    std::vector<T> more(std::min(limit_, places_.empty() ? size_t{8} : places_.size() * 2));
    for (size_t i = 0; i < size_; ++i) more[i] = std::move((*this)[i]);
    places_ = std::move(more);
    head_ = 0;
  }
  std::vector<T> places_;
  size_t limit_;
  size_t head_ = 0;
  size_t size_ = 0;
};

}  // namespace ginnel::nat
