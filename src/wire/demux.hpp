// What a datagram is, told by its first byte (RFC 7983, RFC 9443).
#pragma once
#include "base/bytes.hpp"
#include "wire/relay_frame.hpp"

namespace ginnel::wire {

enum class PacketKind { stun, relay, quic, unknown };

inline PacketKind packet_kind(Bytes datagram) {
  if (datagram.empty()) return PacketKind::unknown;
  uint8_t first = datagram[0];
  if (first <= 3) return PacketKind::stun;
  if (first == relay_first_byte) return PacketKind::relay;
  if ((first >= 64 && first <= 127) || first >= 192) return PacketKind::quic;
  return PacketKind::unknown;
}

}  // namespace ginnel::wire
