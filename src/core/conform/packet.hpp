// One IPv4 packet as a conformance script thinks of it: what goes into it, and what was found in one that arrived.
// Knows layouts and checksums; refuses to know what a NAT does to them. RFC 791, 768, 9293, 792.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "wire/icmp.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace ginnel::conform {

using PacketBytes = std::vector<uint8_t>;

struct Packet {
  uint8_t protocol = wire::ip_protocol_udp;
  Address source, destination;  ///< with ports; of an ICMP query both ports are its identifier
  uint8_t ttl = 64;
  uint8_t tos = 0;
  uint16_t id = 0;
  bool dont_fragment = true;
  bool more_fragments = false;
  uint16_t offset = 0;  ///< in bytes; of a later fragment only the header and the payload mean anything

  uint8_t flags = 0;  ///< of TCP
  uint32_t sequence = 0, acknowledgement = 0;

  uint8_t type = 0, code = 0;  ///< of ICMP
  uint32_t rest = 0;           ///< of an ICMP error: the second word of its header

  PacketBytes payload;  ///< data; of an ICMP error the quoted packet; of a fragment what follows the IP header
  bool checksums_right = true;

  bool is_fragment() const { return more_fragments || offset != 0; }
  bool is_query() const;
  bool is_error() const;
  std::string_view text() const { return as_text(payload); }
};

PacketBytes write(const Packet& packet);
/// Nothing if it is no IPv4 packet, cut off, or too short for its protocol.
std::optional<Packet> read(Bytes bytes);
/// The same of what an ICMP error quotes: it may end after 8 bytes of its transport header, and then has no payload.
std::optional<Packet> read_quoted(Bytes bytes);

Packet udp(const Address& from, const Address& to, std::string_view payload);
Packet tcp(const Address& from, const Address& to, uint8_t flags, uint32_t sequence, uint32_t acknowledgement = 0,
           std::string_view payload = {});
/// `identifier` travels in the port of both endpoints.
Packet echo(const Address& from, const Address& to, uint16_t identifier, std::string_view payload);
Packet echo_reply(const Address& from, const Address& to, uint16_t identifier, std::string_view payload);
Packet icmp_error(const Address& from, const Address& to, uint8_t type, uint8_t code, Bytes quoted, uint32_t rest = 0);

/// `packet` (no fragment itself) cut into fragments of at most `step` bytes, a multiple of 8.
std::vector<PacketBytes> cut(const Packet& packet, size_t step);

/// Writes the header checksum of the packet anew, after a change by hand.
void mend_header(MutableBytes packet);

}  // namespace ginnel::conform
