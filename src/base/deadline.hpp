// When a machine wants to be woken, and why: `ginnel -vv` and the traces of failed tests print the reason.
#pragma once
#include <optional>
#include <string_view>

#include "base/instant.hpp"

namespace ginnel {

struct Deadline {
  Instant when;
  std::string_view why;  ///< a literal
};

/// The earlier of two deadlines that may not exist.
inline std::optional<Deadline> earlier(std::optional<Deadline> a, std::optional<Deadline> b) {
  if (!a) return b;
  if (!b) return a;
  return b->when < a->when ? b : a;
}

}  // namespace ginnel
