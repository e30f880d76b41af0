// A flat hash table from keys to slab indices. Knows 32-bit hashes and linear probing with backward-shift deletion;
// refuses to know the keys: whoever searches says what is the same. No RFC.
#pragma once
#include <cstdint>
#include <vector>

namespace ginnel::nat {

inline constexpr uint32_t no_index = UINT32_MAX;

class IndexTable {
 public:
  IndexTable() : slots_(smallest) {}

  /// The index whose hash is equal and for which same(index) holds, or no_index.
  template <typename Same>
  uint32_t find(uint32_t hash, Same same) const {
    for (size_t i = hash & mask();; i = (i + 1) & mask()) {
      const Slot& slot = slots_[i];
      if (slot.index == no_index) return no_index;
      if (slot.hash == hash && same(slot.index)) return slot.index;
    }
  }
  /// Equal keys may be there several times; find() gives any of them for which same() holds.
  void insert(uint32_t hash, uint32_t index) {
    if ((size_ + 1) * 5 > slots_.size() * 4) grow();
    place({hash, index});
    ++size_;
  }
  void erase(uint32_t hash, uint32_t index) {
    size_t hole = hash & mask();
    for (; slots_[hole].index != index; hole = (hole + 1) & mask())
      if (slots_[hole].index == no_index) return;
    for (size_t i = (hole + 1) & mask(); slots_[i].index != no_index; i = (i + 1) & mask()) {
      size_t home = slots_[i].hash & mask();
      if (((i - home) & mask()) < ((i - hole) & mask())) continue;  // it would move in front of its home
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole].index = no_index;
    --size_;
  }
  void clear() {
    slots_.assign(smallest, Slot{});
    size_ = 0;
  }

  // Inlined by force: g++ 12 takes a function that only prefetches for one without effect, and drops the call.
  [[gnu::always_inline]] void prefetch(uint32_t hash) const { __builtin_prefetch(&slots_[hash & mask()]); }
  /// A guess without looking at keys, for prefetching what it points to.
  uint32_t guess(uint32_t hash) const {
    for (size_t i = hash & mask();; i = (i + 1) & mask())
      if (slots_[i].index == no_index || slots_[i].hash == hash) return slots_[i].index;
  }

  size_t size() const { return size_; }
  size_t memory() const { return slots_.size() * sizeof(Slot); }

 private:
  static constexpr size_t smallest = 64;
  struct Slot {
    uint32_t hash = 0;
    uint32_t index = no_index;
  };

  size_t mask() const { return slots_.size() - 1; }
  void place(Slot slot) {
    size_t i = slot.hash & mask();
    while (slots_[i].index != no_index) i = (i + 1) & mask();
    slots_[i] = slot;
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.index != no_index) place(slot);
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
};

}  // namespace ginnel::nat
