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

}  // namespace ginnel::wire
