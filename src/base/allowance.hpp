// So many at once, then one each interval: what a remote may cause us to do. One instant of state.
#pragma once
#include <algorithm>

#include "base/instant.hpp"

namespace ginnel {

class Allowance {
 public:
  /// `at_once` > 0.
  Allowance(int at_once, Duration each) : ahead_(each * (at_once - 1)), each_(each) {}

  bool take(Instant now) {
    if (now < next()) return false;
    booked_ = std::max(booked_, now) + each_;
    return true;
  }
  /// When one may be taken.
  Instant next() const { return booked_ - ahead_; }

 private:
  Duration ahead_, each_;
  Instant booked_{};  ///< up to where the intervals are used up
};

}  // namespace ginnel
