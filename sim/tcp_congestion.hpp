// How much a TCP connection may have under way, and how long it waits for an answer: Reno (RFC 5681) with the recovery
// of RFC 6582, and the timer of RFC 6298. Knows amounts and times; refuses to know segments.
#pragma once
#include <algorithm>
#include <cstddef>
#include <optional>

#include "base/instant.hpp"

namespace ginnel::sim {

class TcpCongestion {
 public:
  static constexpr size_t segment = 1460;  ///< what one packet of the network carries
  static constexpr size_t window_max = 512 * 1024;
  /// Our segments stand for many packets each, so a second repetition is as telling as the third in RFC 5681.
  static constexpr int repeats_to_believe = 2;

  size_t window() const { return std::min(window_, window_max); }
  bool recovering() const { return recovering_; }

  void acknowledged(size_t bytes) {
    repeats_ = 0;
    if (recovering_) return;
    window_ += window_ < threshold_ ? bytes : std::max<size_t>(1, segment * bytes / window_);
    window_ = std::min(window_, 2 * window_max);
  }
  /// The same acknowledgement again; true: something is lost, send it again.
  bool repeated(size_t under_way) {
    if (recovering_) {
      window_ += segment;
      return false;
    }
    if (++repeats_ < repeats_to_believe) return false;
    threshold_ = std::max(under_way / 2, 2 * segment);
    window_ = threshold_;
    return recovering_ = true;
  }
  void recovered() {
    recovering_ = false;
    window_ = threshold_;
  }
  void timed_out(size_t under_way) {
    threshold_ = std::max(under_way / 2, 2 * segment);
    window_ = segment;
    recovering_ = false;
    repeats_ = 0;
  }

 private:
  size_t window_ = 10 * segment;  // RFC 6928
  size_t threshold_ = window_max;
  int repeats_ = 0;
  bool recovering_ = false;
};

class TcpTimeout {
 public:
  static constexpr Duration smallest = 200ms;  // as Linux; RFC 6298 (2.4) has 1 s
  static constexpr Duration first = 1s;

  Duration value() const { return value_; }
  void add(Duration sample) {
    if (!smoothed_) {
      smoothed_ = sample;
      varies_ = sample / 2;
    } else {
      Duration off = *smoothed_ > sample ? *smoothed_ - sample : sample - *smoothed_;
      varies_ = (varies_ * 3 + off) / 4;
      smoothed_ = (*smoothed_ * 7 + sample) / 8;
    }
    settle();
  }
  void back_off() { value_ *= 2; }
  /// Something new was acknowledged.
  void settle() { value_ = smoothed_ ? std::max(smallest, *smoothed_ + 4 * varies_) : first; }

 private:
  std::optional<Duration> smoothed_;
  Duration varies_{};
  Duration value_ = first;
};

}  // namespace ginnel::sim
