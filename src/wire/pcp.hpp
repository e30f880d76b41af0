// PCP messages as bytes and values: what a host asks its gateway for, and what it is given. Knows layout, lengths and
// which option may stand where; refuses to know who may ask for what (core/portmap). RFC 6887 sections 7, 10, 11,
// 12, 13.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"

namespace ginnel::wire {

inline constexpr uint16_t pcp_server_port = 5351;  // section 19.1; NAT-PMP has the same two
inline constexpr uint16_t pcp_client_port = 5350;  // of multicast announcements
inline constexpr uint8_t pcp_version = 2;
inline constexpr size_t pcp_header_size = 24;
inline constexpr size_t pcp_message_max = 1100;  // section 7

using PcpNonce = std::array<uint8_t, 12>;

enum class PcpOpcode : uint8_t { announce = 0, map = 1, peer = 2 };  // section 19.2

enum class PcpResult : uint8_t {  // section 7.4
  success = 0,
  unsupp_version = 1,
  not_authorized = 2,
  malformed_request = 3,
  unsupp_opcode = 4,
  unsupp_option = 5,
  malformed_option = 6,
  network_failure = 7,
  no_resources = 8,
  unsupp_protocol = 9,
  user_ex_quota = 10,
  cannot_provide_external = 11,
  address_mismatch = 12,
  excessive_remote_peers = 13,
};

/// Fields of MAP, which PEER begins with too: sections 11.1 and 12.1.
struct PcpMapping {
  PcpNonce nonce{};
  uint8_t protocol = 0;        ///< as in IP; 0: all
  uint16_t internal_port = 0;  ///< 0: all
  Address external;            ///< suggested in a request, assigned in a response
  bool operator==(const PcpMapping&) const = default;
};

/// Who may send through a mapping: section 13.3.
struct PcpFilter {
  uint8_t prefix = 0;  ///< of the address as 128 bits (IPv4: 96 and more); 0: forget the filters before
  Address remote;      ///< port 0: any
  bool operator==(const PcpFilter&) const = default;
};

struct PcpOptions {
  std::optional<Address> third_party;  ///< section 13.1; port 0
  bool prefer_failure = false;         ///< section 13.2
  std::vector<PcpFilter> filters;      ///< as many as a message holds
  bool operator==(const PcpOptions&) const = default;
};

struct PcpRequest {
  PcpOpcode opcode = PcpOpcode::announce;
  uint32_t lifetime = 0;  ///< seconds
  Address client;         ///< as the client knows itself; port 0
  PcpMapping mapping;     ///< of MAP and PEER
  Address peer;           ///< of PEER: the remote endpoint
  PcpOptions options;
  bool operator==(const PcpRequest&) const = default;
};

struct PcpResponse {
  uint8_t version = pcp_version;
  PcpOpcode opcode = PcpOpcode::announce;
  PcpResult result = PcpResult::success;
  uint32_t lifetime = 0;  ///< seconds: granted, or of the error
  uint32_t epoch = 0;     ///< seconds since the server lost its state
  PcpMapping mapping;     ///< of MAP and PEER
  Address peer;           ///< of PEER
  PcpOptions options;     ///< those the server processed; not read back
  bool operator==(const PcpResponse&) const = default;
};

/// What a server makes of a datagram: nothing (it is to be dropped in silence), the error to answer with, or a request.
using PcpIncoming = std::variant<std::monostate, PcpResult, PcpRequest>;
PcpIncoming parse_pcp_request(Bytes datagram);

/// Nothing if it is not one whole response. One of another version is only believed to say unsupp_version (section 9);
/// then nothing but version and result is set.
std::optional<PcpResponse> parse_pcp_response(Bytes datagram);

/// These write into room (pcp_message_max bytes) and return what they wrote.
Bytes put_pcp_request(const PcpRequest& request, MutableBytes room);
Bytes put_pcp_response(const PcpResponse& response, MutableBytes room);
/// An error is the request itself with another header (section 8.3), so that the client knows which one failed. Of an
/// unknown version only the header is repeated.
Bytes put_pcp_error(Bytes request, PcpResult result, uint32_t lifetime, uint32_t epoch, MutableBytes room);

}  // namespace ginnel::wire
