// One direction of a line as a machine that decides: each packet is told when it will arrive, once or twice, whole or
// with a wrong bit, or why it never will. Knows sizes and times; refuses to know contents, so it holds no packet: a
// transit.hpp holds them on the way, and the simulator's schedule does. Draws nothing for what is not asked for, so the
// same seed gives the same fates.
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "base/instant.hpp"
#include "base/rng.hpp"
#include "core/link/spec.hpp"

namespace ginnel::link {

struct Fate {
  enum class Kind : uint8_t { carried, cut, too_big, overflowed, lost };

  Kind kind = Kind::carried;
  uint8_t copies = 0;  ///< that arrive: 0 to 2
  std::array<Instant, 2> due{};
  std::optional<uint64_t> wrong_bit;  ///< of the first copy: to be taken modulo its bits
};

class Lane {
 public:
  /// The caller keeps `rng`.
  explicit Lane(Rng& rng) : rng_(&rng) {}

  // ---- inputs
  /// A packet of `size` bytes, counted as IP counts them, starts now.
  Fate offer(Instant now, size_t size);
  /// Only the rate: when the last of these bytes will have left. For a stream that waits in place of being dropped.
  Instant occupy(Instant now, size_t size);

  // ---- commands
  /// What is on its way stays so.
  void set_spec(const Spec& spec);
  void set_cut(bool cut) { cut_ = cut; }

  // ---- getters
  const Spec& spec() const { return spec_; }
  bool is_cut() const { return cut_; }
  /// When everything that was offered has left.
  Instant free_at() const { return free_at_; }

 private:
  bool chance(double probability);
  bool is_lost();
  Instant arrival(Instant left);

  Rng* rng_;
  Spec spec_;
  bool cut_ = false;
  bool losing_ = false;     ///< in Gilbert's bad state
  Instant free_at_{};       ///< when the last queued packet has left
  Instant last_arrival_{};  ///< of those that keep the order
};

}  // namespace ginnel::link
