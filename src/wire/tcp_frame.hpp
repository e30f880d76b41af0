// Packets on a TCP connection: two bytes of length, then the packet (as RFC 4571 does). The same packets as on UDP, but
// they may be larger.
#pragma once
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace ginnel::wire {

inline constexpr size_t tcp_frame_header_size = 2;
inline constexpr size_t tcp_packet_max = 16000 + 4;  ///< a full end-to-end packet behind a relay header

inline void put_tcp_frame_header(uint8_t* at, size_t packet_size) {
  at[0] = static_cast<uint8_t>(packet_size >> 8);
  at[1] = static_cast<uint8_t>(packet_size);
}

/// The first packet in `stream`, if it is there whole. A length of 0 or above tcp_packet_max breaks the connection.
struct TcpFrame {
  MutableBytes packet;  ///< empty: not whole yet
  bool broken = false;
};
TcpFrame next_tcp_frame(MutableBytes stream);

/// Does a stream begin with TLS instead? A client speaks first there, with a handshake record: type 22, version 3.x (RFC
/// 8446 section 5.1). Read as a length that is 5,632 or more, and no first packet is that long: it is QUIC's, or STUN.
inline constexpr size_t tls_prefix_size = 2;
inline bool begins_with_tls(Bytes stream) { return stream.size() >= tls_prefix_size && stream[0] == 22 && stream[1] == 3; }

}  // namespace ginnel::wire
