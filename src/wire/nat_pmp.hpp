// NAT-PMP messages as bytes and values. Knows layout and lengths; refuses to know who may ask for what (core/portmap).
// RFC 6886 sections 3.2 (public address), 3.3 (mappings), 3.5 (results). Ports as of PCP (wire/pcp.hpp), which begins
// with another version.
#pragma once
#include <cstdint>
#include <optional>
#include <variant>

#include "base/address.hpp"
#include "base/bytes.hpp"

namespace ginnel::wire {

inline constexpr uint8_t nat_pmp_version = 0;
inline constexpr size_t nat_pmp_message_max = 16;

enum class NatPmpOpcode : uint8_t { public_address = 0, map_udp = 1, map_tcp = 2 };

enum class NatPmpResult : uint16_t {  // section 3.5
  success = 0,
  unsupported_version = 1,
  refused = 2,          ///< "not authorized"
  network_failure = 3,  ///< the gateway itself has no address
  out_of_resources = 4,
  unsupported_opcode = 5,
};

struct NatPmpRequest {
  NatPmpOpcode opcode = NatPmpOpcode::public_address;
  uint16_t internal_port = 0;  ///< of mappings, as the rest; 0 with lifetime 0: delete all
  uint16_t external_port = 0;  ///< suggested
  uint32_t lifetime = 0;       ///< seconds; 0: delete
  bool operator==(const NatPmpRequest&) const = default;
};

struct NatPmpResponse {
  NatPmpOpcode opcode = NatPmpOpcode::public_address;
  NatPmpResult result = NatPmpResult::success;
  uint32_t epoch = 0;          ///< seconds since the gateway lost its state
  Address address;             ///< of public_address; port 0
  uint16_t internal_port = 0;  ///< of mappings, as the rest
  uint16_t external_port = 0;
  uint32_t lifetime = 0;
  bool operator==(const NatPmpResponse&) const = default;
};

/// What a server makes of a datagram: nothing (drop it in silence), the error to answer with, or a request.
using NatPmpIncoming = std::variant<std::monostate, NatPmpResult, NatPmpRequest>;
NatPmpIncoming parse_nat_pmp_request(Bytes datagram);

/// Nothing if it is not one whole response. Errors may be cut after the epoch (section 3.5); fields are zero then.
std::optional<NatPmpResponse> parse_nat_pmp_response(Bytes datagram);

/// These write into room (nat_pmp_message_max bytes) and return what they wrote.
Bytes put_nat_pmp_request(const NatPmpRequest& request, MutableBytes room);
Bytes put_nat_pmp_response(const NatPmpResponse& response, MutableBytes room);
/// For a request that could not be read: its opcode (any), the result, the epoch.
Bytes put_nat_pmp_error(uint8_t opcode, NatPmpResult result, uint32_t epoch, MutableBytes room);

}  // namespace ginnel::wire
