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

/// How the sender knows of an address of its own (RFC 8445 section 5.1.1, and two that its user or its router gave).
enum class CandidateType : uint8_t {
  host = 0,
  server_reflexive = 1,
  peer_reflexive = 2,
  mapped = 3,     ///< the router was asked for it: PCP, NAT-PMP, UPnP
  forwarded = 4,  ///< a forward made by hand
};
enum class Transport : uint8_t { udp = 0, tcp = 1 };

struct Candidate {
  CandidateType type{};
  uint32_t priority = 0;
  Address address;
  Transport transport = Transport::udp;
  bool operator==(const Candidate&) const = default;
};

/// The dialler's first word: what it wants and why it may.
struct Hello { Capability capability; };
/// The other side's answer; its application streams count from then on.
struct Welcome {};

/// How the sender's NAT maps (RFC 4787 section 4.1, RFC 5382 section 4.1), as far as the sender knows.
enum class NatMapping : uint8_t { unknown = 0, none = 1, endpoint_independent = 2, endpoint_dependent = 3 };
/// Where the external ports of new mappings come from (RFC 4787 section 4.2), told from some that were made.
struct PortPattern {
  enum class Kind : uint8_t { unknown, preserving, sequential, block, random } kind{};
  int16_t step = 0;            ///< sequential: from one mapping to the next
  uint16_t rate = 0;           ///< sequential: mappings of others a second
  uint16_t low = 0, high = 0;  ///< block, random: the range; sequential: the last one seen, twice
  bool operator==(const PortPattern&) const = default;
};
struct NatView {
  NatMapping udp{}, tcp{};
  bool udp_blocked = false;  ///< it reaches its server by TCP only
  PortPattern udp_ports;
  bool operator==(const NatView&) const = default;
};

/// All candidates of the sender as they are now, and the credentials for checks towards it (RFC 8445 section 5.3:
/// ufrag at least 24 bits, password at least 128 bits of randomness). A new ufrag restarts ICE.
///
/// Who gets a new generation opens its own NAT towards it first, by packets that do not reach the other side, and then
/// says so (`opened`); who is told that checks at once. So no packet of a check ever meets a NAT that did not expect it:
/// some remember such packets and give the answer another port (docs/decisions/010).
struct Candidates {
  std::string ufrag;     ///< 4 .. 32 characters of ice-char
  std::string password;  ///< 22 .. 64 characters of ice-char
  uint32_t generation = 1;  ///< grows whenever the sender wants its candidates tried anew
  uint32_t opened = 0;      ///< the receiver's generation that the sender has opened its NAT for
  bool fresh = false;       ///< these are of a fresh socket: use one, too
  bool tcp = false;         ///< TCP is to be tried as well
  NatView nat;
  std::vector<Candidate> candidates;
};

/// How the port of a symmetric NAT is found (docs/decisions/011); diagonal: both are symmetric, and sequential.
enum class SearchKind : uint8_t { prediction = 1, birthday = 2, diagonal = 3 };

/// The sender's NAT gives each destination another port. It has opened it towards the receiver's address, from `sockets`
/// sockets, and asks to be looked for at `ip`, among the ports from `low` to `high`, each `step` apart. Diagonal: one port,
/// which one of those sockets will have; the receiver opens its own NAT towards it, and answers with an offer of the same
/// token.
struct SearchOffer {
  SearchKind kind{};
  uint64_t token = 0;     ///< in every probe, so that it is recognised
  Address ip;             ///< port 0
  uint16_t low = 0, high = 0, step = 1, sockets = 1;
};
/// The search is over, found or not, or the receiver of the offer does not take part.
struct SearchEnd {
  uint64_t token = 0;
  uint16_t probes = 0;    ///< that the sender spent
  bool refused = false;
};

using PeerMessage = std::variant<Hello, Welcome, Candidates, SearchOffer, SearchEnd>;

std::vector<uint8_t> encode(const PeerMessage& message);

struct PeerMessageResult {
  std::optional<PeerMessage> message;  ///< nothing: unknown type, skipped
  size_t size = 0;                     ///< bytes used; 0: not whole yet
  bool malformed = false;
};
PeerMessageResult next_peer_message(Bytes stream);

}  // namespace ginnel::wire
