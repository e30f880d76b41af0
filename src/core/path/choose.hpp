// Which of the living ways carries the data, and why: a pure function of what was measured. Direct and relayed ways
// are judged by the same number; the relay only pays for being somebody else's machine.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "base/carrier.hpp"
#include "base/instant.hpp"

namespace ginnel::path {

inline constexpr Duration dwell = 5s;  ///< no second change of mind within this time, unless the way in use died

struct Way {
  Carrier carrier;
  std::optional<Duration> rtt;  ///< smallest of late; unknown: not measured yet
  double loss = 0;              ///< share of lost checks, of late
  bool avoid = false;           ///< it answers, but was seen to carry far too little
};

struct Choice {
  Carrier carrier;
  std::string_view why;  ///< a literal, for people
};

/// `ways` are those that are alive. Nothing if there is none, or if `current` is to be kept.
std::optional<Choice> choose(std::span<const Way> ways, const std::optional<Carrier>& current, Instant now,
                             std::optional<Instant> changed_mind_at);

}  // namespace ginnel::path
