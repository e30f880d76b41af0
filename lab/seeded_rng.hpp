// Randomness of the lab's lines: the same seed loses the same packets, as far as the same packets come. Refuses to be
// unpredictable, so nothing but a line may draw from it.
#pragma once
#include <cstring>
#include <random>

#include "base/rng.hpp"

namespace ginnel::lab {

class SeededRng final : public Rng {
 public:
  explicit SeededRng(uint64_t seed) : generator_(seed) {}

  void fill(MutableBytes out) override {
    while (!out.empty()) {
      const uint64_t word = generator_();
      const size_t n = out.size() < sizeof word ? out.size() : sizeof word;
      std::memcpy(out.data(), &word, n);
      out = out.subspan(n);
    }
  }

 private:
  std::mt19937_64 generator_;
};

}  // namespace ginnel::lab
