// What one hands to the other side: one URL that says who, where and what, and proves that one may.
//
//   ginnel://HOST:PORT/BASE32
//
// BASE32 holds: version (1 byte, 1) | peer key (32) | server key (32) | service id (8) | limits (1 flags byte, then, if
// flag 1 is set, the expiry as u32 minutes since 1970) | proof (16) | checksum (4, CRC-32 of HOST:PORT and all before).
// The proof is a MAC over service id and limits by a secret that only the exposing side knows: it can issue tickets
// with other limits without remembering them. The checksum only tells a typing error from a refusal.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/public_key.hpp"
#include "base/result.hpp"
#include "wire/server_url.hpp"

namespace ginnel::wire {

using ServiceId = std::array<uint8_t, 8>;

/// What the bearer shows to the exposing peer, inside the end-to-end session.
struct Capability {
  ServiceId service{};
  std::optional<uint32_t> expires_minutes;  ///< since 1970-01-01 UTC
  std::array<uint8_t, 16> proof{};

  /// Service id and limits as they stand in the ticket: what the proof is a MAC of.
  std::vector<uint8_t> signed_part() const;
  /// Reads what signed_part() wrote and the proof behind it; nothing if it is cut off or has a flag we do not know.
  static std::optional<Capability> read(Reader& in);
  bool operator==(const Capability&) const = default;
};

struct Ticket {
  PublicKey peer;
  ServerUrl server;
  Capability capability;

  static Result<Ticket> parse(std::string_view text);  ///< errors are Errc::bad_ticket and say what is wrong with it
  std::string to_string() const;
  bool operator==(const Ticket&) const = default;
};

}  // namespace ginnel::wire
