// STUN messages as bytes and values (RFC 8489), with the attributes of ICE (RFC 8445 section 16.1), of behaviour
// discovery (RFC 5780 section 7) and one of our own. Knows layout only: who signs, and with what key, is core/stun's business.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/address.hpp"
#include "base/bytes.hpp"

namespace ginnel::wire {

using TransactionId = std::array<uint8_t, 12>;

enum class StunClass : uint8_t { request = 0, indication = 1, success = 2, error = 3 };  // RFC 8489 section 5

inline constexpr uint16_t stun_binding = 0x001;
inline constexpr uint32_t stun_change_ip = 4, stun_change_port = 2;  // RFC 5780 section 7.2

/// One parsed message. Views point into the datagram. Attributes after MESSAGE-INTEGRITY are ignored but for
/// FINGERPRINT (RFC 8489 section 14.5); of repeated attributes the first counts (section 14).
struct StunMessage {
  StunClass cls = StunClass::request;
  uint16_t method = stun_binding;
  TransactionId id{};

  std::optional<Address> xor_mapped_address;
  std::optional<std::string_view> username;
  std::optional<uint16_t> error_code;
  std::optional<uint32_t> priority;          // RFC 8445 section 16.1
  bool use_candidate = false;
  std::optional<uint64_t> ice_controlled;    // tie-breaker
  std::optional<uint64_t> ice_controlling;
  /// Ours, comprehension-optional 0xC47E: in a request, the wish to learn it (value ignored); in an answer, a number
  /// that changes when the server restarts.
  std::optional<uint32_t> server_instance;
  std::optional<uint32_t> change_request;    // RFC 5780 section 7.2: change_ip, change_port
  std::optional<uint16_t> response_port;     // RFC 5780 section 7.5
  std::optional<Address> response_origin;    // RFC 5780 section 7.3
  std::optional<Address> other_address;      // RFC 5780 section 7.4
  std::optional<std::array<uint8_t, 20>> integrity;  ///< MESSAGE-INTEGRITY as received
  size_t integrity_offset = 0;                       ///< where that attribute's header begins
  bool fingerprint_ok = false;                       ///< FINGERPRINT was last and right
  bool unknown_required = false;                     ///< an unknown comprehension-required attribute was seen (420)
  size_t size = 0;                                   ///< of the whole message
};

/// Nothing if the bytes are not exactly one STUN message (RFC 8489 section 6: magic cookie, length, attribute bounds),
/// or if a FINGERPRINT is present and wrong.
std::optional<StunMessage> parse_stun(Bytes datagram);

/// The bytes MESSAGE-INTEGRITY covers, with the length field as it stood when it was made (section 14.5), copied into
/// `room` (at least message.integrity_offset bytes). Call only when message.integrity is set.
Bytes stun_integrity_input(Bytes datagram, const StunMessage& message, MutableBytes room);

/// Builds one message in room it does not own. Attributes first, then at most one integrity, then fingerprint.
class StunWriter {
 public:
  StunWriter(MutableBytes room, StunClass cls, uint16_t method, const TransactionId& id);

  void xor_mapped_address(const Address& address);
  void username(std::string_view local_remote);
  void error_code(uint16_t code);  ///< no reason phrase: answers stay small
  void priority(uint32_t value);
  void use_candidate();
  void ice_controlled(uint64_t tie_breaker);
  void ice_controlling(uint64_t tie_breaker);
  void server_instance(uint32_t value);
  void change_request(uint32_t flags);
  void response_port(uint16_t port);
  void response_origin(const Address& address);
  void other_address(const Address& address);
  /// Fills with PADDING so that the finished message, with integrity and fingerprint, is `total` bytes (a multiple of
  /// four, at most 65,000); does nothing if it is already that long. Padding is zero.
  void pad_to(size_t total);

  /// Opens MESSAGE-INTEGRITY: returns what to authenticate (the length field is already as section 14.5 wants it).
  Bytes integrity_input();
  void integrity(const std::array<uint8_t, 20>& mac);
  void fingerprint();

  /// The finished message, or nothing if the room was too small.
  Bytes finish();

 private:
  void attribute(uint16_t type, Bytes value);
  void plain_address(uint16_t type, const Address& address);
  void set_length(size_t body);
  Writer out_;
  MutableBytes room_;
};

}  // namespace ginnel::wire
