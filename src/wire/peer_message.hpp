// What two peers say to each other on stream 0 of their end-to-end session, where no server can read or change it.
// Framed like signals: u16 length of what follows, u8 type, fields; unknown types are skipped.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "wire/ticket.hpp"

namespace ginnel::wire {

inline constexpr size_t candidates_max = 32;
inline constexpr size_t peer_message_size_max = 2048;

enum class CandidateType : uint8_t { host = 0, server_reflexive = 1, peer_reflexive = 2 };

struct Candidate {
  CandidateType type{};
  uint32_t priority = 0;
  Address address;
  bool operator==(const Candidate&) const = default;
};

/// The dialler's first word: what it wants and why it may.
struct Hello { Capability capability; };
/// The other side's answer; its application streams count from then on.
struct Welcome {};

/// All candidates of the sender as they are now, and the credentials for checks towards it (RFC 8445 section 5.3:
/// ufrag at least 24 bits, password at least 128 bits of randomness). A new ufrag restarts ICE.
struct Candidates {
  std::string ufrag;     ///< 4 .. 32 characters of ice-char
  std::string password;  ///< 22 .. 64 characters of ice-char
  std::vector<Candidate> candidates;
};

using PeerMessage = std::variant<Hello, Welcome, Candidates>;

std::vector<uint8_t> encode(const PeerMessage& message);

struct PeerMessageResult {
  std::optional<PeerMessage> message;  ///< nothing: unknown type, skipped
  size_t size = 0;                     ///< bytes used; 0: not whole yet
  bool malformed = false;
};
PeerMessageResult next_peer_message(Bytes stream);

}  // namespace ginnel::wire
