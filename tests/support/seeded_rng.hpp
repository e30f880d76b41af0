// Randomness for tests: the same seed gives the same run, everywhere. Knows splitmix64 (Steele, Lea, Flood 2014);
// refuses to be unpredictable, so it must never leave tests/ and fuzz/. No RFC.
#pragma once
#include <cstdint>

#include "base/rng.hpp"

namespace ginnel::test {

class SeededRng : public Rng {
 public:
  explicit SeededRng(uint64_t seed = 1) : state_(seed) {}

  void fill(MutableBytes out) override {
    uint64_t word = 0;
    for (size_t i = 0; i < out.size(); ++i, word >>= 8) {
      if (i % 8 == 0) word = next();
      out[i] = static_cast<uint8_t>(word);
    }
  }

 private:
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
  }
  uint64_t state_;
};

}  // namespace ginnel::test
