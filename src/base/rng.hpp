// Randomness is given, like time. drive/entropy fills from the kernel, sim/ from a seed.
#pragma once
#include <array>
#include <cstdint>

#include "base/bytes.hpp"

namespace ginnel {

class Rng {
 public:
  virtual ~Rng() = default;
  virtual void fill(MutableBytes out) = 0;

  uint64_t u64() {
    std::array<uint8_t, 8> raw;
    fill(raw);
    return Reader(raw).u64();
  }
  /// Uniform enough for jitter and port choice; bound > 0.
  uint64_t below(uint64_t bound) { return u64() % bound; }
  template <size_t N>
  std::array<uint8_t, N> array() {
    std::array<uint8_t, N> out;
    fill(out);
    return out;
  }
};

}  // namespace ginnel
