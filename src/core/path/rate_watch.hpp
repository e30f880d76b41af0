// Notices that a path answers and yet carries too little: throttled, or broken for bulk. Compares what is delivered now,
// while more waits to be sent, with what this session was given before, on this path or another. Small probes cannot see
// it (facts: a provider that throttles UDP after a burst; direct paths kept although data does not pass).
#pragma once
#include <deque>
#include <optional>

#include "base/carrier.hpp"
#include "base/instant.hpp"

namespace ginnel::path {

class RateWatch {
 public:
  static constexpr Duration window = 1s;          ///< one sample
  static constexpr int slow_samples = 3;          ///< in a row make a suspicion
  static constexpr double collapse = 0.25;        ///< of the best of late
  static constexpr Duration memory = 5min;        ///< how long a best counts
  static constexpr double floor = 32'000;         ///< bytes/s; below it nothing is compared

  /// How many bytes were acknowledged so far, and whether more is waiting. Call it at least each window while busy.
  void note(Instant now, const Carrier& carrier, uint64_t acknowledged, bool backlogged);
  /// The path in use delivers far less than this session was given before.
  bool suspicious() const { return slow_in_a_row_ >= slow_samples; }
  /// Bytes a second, of the last full window with a backlog on this carrier.
  std::optional<double> rate_of(const Carrier& carrier) const;
  /// When to call note() again; nothing while no window is under way.
  std::optional<Instant> next() const { return began_ ? std::optional(*began_ + window) : std::nullopt; }

 private:
  struct Seen { Carrier carrier; double best, last; Instant when; };
  static constexpr size_t seen_max = 8;

  double best(Instant now) const;

  std::optional<Instant> began_;
  Carrier carrier_;
  uint64_t from_ = 0;
  int slow_in_a_row_ = 0;
  std::deque<Seen> seen_;
};

}  // namespace ginnel::path
