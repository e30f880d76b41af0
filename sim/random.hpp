// Randomness of a simulated world: the same seed gives the same world, everywhere. Knows splitmix64 (Steele, Lea, Flood
// 2014); refuses to be unpredictable, so it must never be linked into the program. Every machine and every link draws
// from a fork of its own, so that one more draw here changes nothing there.
#pragma once
#include <cstdint>

#include "base/instant.hpp"
#include "base/rng.hpp"

namespace ginnel::sim {

inline uint64_t splitmix64(uint64_t z) {
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

class Random final : public Rng {
 public:
  explicit Random(uint64_t seed) : state_(splitmix64(seed + 0x632be59bd9b4e019ull)) {}

  void fill(MutableBytes out) override {
    uint64_t word = 0;
    for (size_t i = 0; i < out.size(); ++i, word >>= 8) {
      if (i % 8 == 0) word = next();
      out[i] = static_cast<uint8_t>(word);
    }
  }
  uint64_t next() { return splitmix64(state_ += 0x9e3779b97f4a7c15ull); }
  bool chance(double p) { return p > 0 && static_cast<double>(next() >> 11) * 0x1.0p-53 < p; }
  /// Both ends included.
  uint64_t between(uint64_t low, uint64_t high) { return low + next() % (high - low + 1); }
  Duration between(Duration low, Duration high) {
    return low + Duration(static_cast<int64_t>(next() % static_cast<uint64_t>((high - low).count() + 1)));
  }
  Random fork() { return Random(next()); }

 private:
  uint64_t state_;
};

}  // namespace ginnel::sim
