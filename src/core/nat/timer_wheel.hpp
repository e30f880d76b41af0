// When to look again at things that are named by small numbers: setting and cancelling cost the same however many there
// are. Knows ticks of 67 ms (2^26 ns), rounded up, in four wheels; refuses to know what is due, and allows to be early:
// who is called looks at the real time and sets itself again. No RFC.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/instant.hpp"
#include "core/nat/index_table.hpp"

namespace ginnel::nat {

class TimerWheel {
 public:
  TimerWheel() { heads_.fill(no_index); }

  /// Replaces an earlier time of the same index.
  void set(uint32_t index, Instant now, Instant when);
  void cancel(uint32_t index);
  /// One index whose tick has come (or whose far wheel turned: early), cancelled thereby; no_index when there is none.
  uint32_t take_due(Instant now);
  /// When take_due may have something: never later than the first timer's tick.
  std::optional<Instant> next() const;
  void clear();

  size_t size() const { return size_; }
  size_t memory() const { return links_.size() * sizeof(Link) + sizeof *this; }

 private:
  // Level 0 has 256 slots of one tick (17 s in all); levels 1 to 3 have 64 slots of 17 s, 18 min, 19.5 h.
  static constexpr int tick_bits = 26;
  static constexpr int levels = 4;
  static constexpr int shift[levels] = {0, 8, 14, 20};
  static constexpr uint32_t first[levels] = {0, 256, 320, 384};
  static constexpr uint32_t slots = 448;
  static constexpr uint32_t is_head = 0x80000000;
  struct Link {
    uint32_t next = no_index;
    uint32_t previous = no_index;  ///< no_index: not set; is_head | slot: the first of that slot
  };

  static uint32_t slots_of(int level) { return level == 0 ? 256 : 64; }
  uint32_t slot_at(int level, int64_t tick) const {
    return first[level] + (static_cast<uint32_t>(tick >> shift[level]) & (slots_of(level) - 1));
  }
  uint32_t current() const;
  int64_t next_tick() const;

  std::array<uint32_t, slots> heads_;
  std::vector<Link> links_;
  int64_t tick_ = 0;  ///< the one being served
  size_t size_ = 0;
};

}  // namespace ginnel::nat
