// One IPv4 packet on its way through: what was read of it, and how its addresses are changed in place. Knows headers
// and checksums; refuses to know mappings. RFC 3022 section 4.1 (headers to change), RFC 1624 (how).
#pragma once
#include <cstdint>

#include "base/bytes.hpp"
#include "core/nat/mapping_table.hpp"
#include "core/nat/tcp_state.hpp"
#include "wire/icmp.hpp"
#include "wire/ip.hpp"

namespace ginnel::nat {

/// What hands know of a packet that the packet itself does not say (virtio-net header).
struct Offload {
  uint16_t wire_size = 0;         ///< the largest IP packet this will be cut into; 0: it is not cut
  bool partial_checksum = false;  ///< the transport checksum covers only the pseudo header so far
};

struct Packet {
  enum class Kind : uint8_t { ports, query, error, other, later_fragment };

  MutableBytes bytes;  ///< exactly the packet, without padding behind it
  Offload offload;
  wire::Ipv4Header ip;
  Kind kind = Kind::other;
  uint8_t icmp_type = 0;
  uint16_t source_port = 0;  ///< or identifier of a query, in both
  uint16_t destination_port = 0;
  Segment segment;        ///< of TCP
  bool refreshes = true;  ///< may it prolong its session?
  bool refuses = false;   ///< a RST that is all that one side of the connection has ever sent, or heard

  uint8_t* transport() { return bytes.data() + ip.size; }
  size_t transport_size() const { return bytes.size() - ip.size; }
  bool is_tcp() const { return ip.protocol == wire::ip_protocol_tcp && kind == Kind::ports; }
  uint16_t wire_size() const { return offload.wire_size ? offload.wire_size : ip.total; }

  /// As its sender's side sees the flow: near is the source.
  FlowKey from_source() const {
    return {
        {ip.source, source_port}, {ip.destination, kind == Kind::query ? uint16_t{0} : destination_port}, ip.protocol};
  }
  /// As the receiver's side sees it: near is the destination.
  FlowKey from_destination() const {
    return {
        {ip.destination, destination_port}, {ip.source, kind == Kind::query ? uint16_t{0} : source_port}, ip.protocol};
  }
};

enum class ParseFault : uint8_t { none, malformed, bad_checksum, unsupported };
/// Reads a packet that begins with version 4. Transport headers have to be whole, also in a first fragment (RFC 1858).
ParseFault parse_packet(MutableBytes bytes, Offload offload, Packet& out);

/// Only the addresses and ports of a whole, unfragmented UDP or TCP packet, unchecked, for prefetching; protocol 0 if
/// it is something else.
FlowKey peek_flow(Bytes bytes, bool from_source);

/// Changes the source endpoint (port or identifier, if the packet has one), with all checksums that cover it.
void set_source(Packet& packet, const Endpoint& to);
void set_destination(Packet& packet, const Endpoint& to);
void decrement_ttl(Packet& packet);
/// Is the transport checksum right, as far as it can be told: not of a fragment, nor where hands will finish it?
bool checksum_right(Packet& packet);
void set_ip_id(Packet& packet, uint16_t id);

}  // namespace ginnel::nat
