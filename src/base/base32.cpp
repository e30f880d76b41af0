#include "base/base32.hpp"

namespace ginnel {

namespace {
constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz234567";
}

std::string base32(Bytes bytes) {
  std::string out;
  out.reserve((bytes.size() * 8 + 4) / 5);
  uint32_t bits = 0;
  int have = 0;
  for (uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    have += 8;
    while (have >= 5) out += alphabet[bits >> (have -= 5) & 31];
  }
  if (have > 0) out += alphabet[bits << (5 - have) & 31];
  return out;
}

std::optional<std::vector<uint8_t>> parse_base32(std::string_view text) {
  std::vector<uint8_t> out;
  out.reserve(text.size() * 5 / 8);
  uint32_t bits = 0;
  int have = 0;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    size_t value = alphabet.find(c);
    if (value == alphabet.npos) return {};
    bits = bits << 5 | static_cast<uint32_t>(value);
    have += 5;
    if (have >= 8) out.push_back(static_cast<uint8_t>(bits >> (have -= 8)));
  }
  if (have >= 5 || (bits & ((1u << have) - 1)) != 0) return {};  // one text for one value
  return out;
}

}  // namespace ginnel
