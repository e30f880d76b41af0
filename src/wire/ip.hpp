// Headers of IPv4 and IPv6 as values. Knows layout, lengths and the IPv4 header checksum; refuses to know routes, and
// reads no further than the first header that is not IP's own. RFC 791 section 3.1, RFC 8200 sections 3 and 4.
#pragma once
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace ginnel::wire {

inline constexpr uint8_t ip_protocol_icmp = 1;
inline constexpr uint8_t ip_protocol_tcp = 6;
inline constexpr uint8_t ip_protocol_udp = 17;
inline constexpr uint8_t ip_protocol_icmp6 = 58;

inline constexpr size_t ipv4_header_min = 20;
inline constexpr size_t ipv6_header_size = 40;
// Where fields stand in an IPv4 header.
inline constexpr size_t ipv4_total_at = 2;
inline constexpr size_t ipv4_id_at = 4;
inline constexpr size_t ipv4_fragment_at = 6;
inline constexpr size_t ipv4_ttl_at = 8;
inline constexpr size_t ipv4_checksum_at = 10;
inline constexpr size_t ipv4_source_at = 12;
inline constexpr size_t ipv4_destination_at = 16;
inline constexpr uint16_t ipv4_dont_fragment = 0x4000;
inline constexpr uint16_t ipv4_more_fragments = 0x2000;

inline int ip_version(Bytes packet) { return packet.empty() ? 0 : packet[0] >> 4; }

struct Ipv4Header {
  uint8_t size = 0;  ///< with options
  uint8_t tos = 0;   ///< precedence, or DS field and ECN (RFC 2474, RFC 3168)
  uint8_t ttl = 0;
  uint8_t protocol = 0;
  bool dont_fragment = false;
  bool more_fragments = false;
  uint16_t total = 0;
  uint16_t id = 0;
  uint16_t offset = 0;  ///< of this fragment, in bytes
  uint32_t source = 0;
  uint32_t destination = 0;

  bool is_fragment() const { return more_fragments || offset != 0; }
};

enum class IpFault : uint8_t { none, malformed, bad_checksum };

/// Reads the header at the front; the packet may be longer than its total length (padding), not shorter.
IpFault parse_ipv4(Bytes packet, Ipv4Header& out);
/// The same for a packet that an ICMP error quotes: its tail may be cut off (RFC 792).
IpFault parse_quoted_ipv4(Bytes quoted, Ipv4Header& out);

/// A 20-byte header with its checksum; `room` has at least that.
void put_ipv4(uint8_t* room, const Ipv4Header& header);

struct Ipv6Header {
  uint8_t protocol = 0;  ///< of the first header that is not an extension
  uint8_t hop_limit = 0;
  size_t transport = 0;         ///< where that header begins
  size_t total = 0;             ///< of the whole packet
  bool later_fragment = false;  ///< a fragment other than the first: no transport header in it
  bool fragment = false;
};

/// Walks hop-by-hop, routing, destination and fragment headers (RFC 8200 section 4), at most eight; nothing if the
/// packet is cut, a jumbogram, or longer than that.
std::optional<Ipv6Header> parse_ipv6(Bytes packet);

}  // namespace ginnel::wire
