// Who somebody is: an Ed25519 public key, shown in base32 (52 characters).
#pragma once
#include <array>
#include <compare>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/base32.hpp"
#include "base/bytes.hpp"

namespace ginnel {

struct PublicKey {
  std::array<uint8_t, 32> bytes{};

  static std::optional<PublicKey> parse(std::string_view text) {
    auto raw = parse_base32(text);
    if (!raw || raw->size() != 32) return {};
    PublicKey key;
    std::memcpy(key.bytes.data(), raw->data(), 32);
    return key;
  }
  std::string to_string() const { return base32(bytes); }
  std::string short_name() const { return to_string().substr(0, 8); }  ///< for people, never for decisions

  auto operator<=>(const PublicKey&) const = default;
};

}  // namespace ginnel
