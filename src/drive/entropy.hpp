// Randomness from the kernel, for keys and everything else that must not be guessed.
#pragma once
#include <array>

#include "base/rng.hpp"

namespace ginnel {

/// getrandom() behind a pool, since most requests are 8 to 32 bytes. What is handed out is wiped from the pool. Throws
/// std::system_error if the kernel has no randomness: nothing may go on then. Not for use across fork().
class Entropy final : public Rng {
 public:
  Entropy() = default;
  ~Entropy() override;
  Entropy(const Entropy&) = delete;
  Entropy& operator=(const Entropy&) = delete;

  void fill(MutableBytes out) override;

 private:
  std::array<uint8_t, 4096> pool_;
  size_t used_ = sizeof pool_;  ///< bytes before this are spent and zero
};

}  // namespace ginnel
