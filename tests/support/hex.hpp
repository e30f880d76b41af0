// Bytes as RFCs print them. Knows pairs of hex digits and skips white space; refuses anything else by assertion, as the
// text is always a literal in a test. No RFC.
#pragma once
#include <cassert>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace ginnel::test {

inline std::vector<uint8_t> from_hex(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::vector<uint8_t> out;
  int half = -1;
  for (char c : text) {
    if (c == ' ' || c == '\n') continue;
    size_t value = digits.find(c);
    assert(value != digits.npos);
    if (half < 0) {
      half = static_cast<int>(value);
    } else {
      out.push_back(static_cast<uint8_t>(half << 4 | static_cast<int>(value)));
      half = -1;
    }
  }
  assert(half < 0);
  return out;
}

inline std::string to_hex(Bytes bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (uint8_t byte : bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

}  // namespace ginnel::test
