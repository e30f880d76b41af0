// The four bytes that make a packet a relayed packet: 0x20 and a route number of 24 bits. A route number means
// something only between one agent and its server; the server changes it in passing and touches nothing else.
//
//    0                   1                   2                   3
//   |0 0 1 0 0 0 0 0|              route number                     |  packet of the end-to-end session, or STUN ...
//
// The first byte keeps clear of STUN (0-3), DTLS (20-31), TURN channels (64-79) and QUIC (64-127, 192-255) as RFC 7983
// and RFC 9443 assign them; route 0 with no packet behind it is the server's "I do not know that route".
#pragma once
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace ginnel::wire {

using RouteNumber = uint32_t;  ///< 1 .. 0xffffff

inline constexpr uint8_t relay_first_byte = 0x20;
inline constexpr size_t relay_header_size = 4;
inline constexpr RouteNumber route_number_max = 0xffffff;
inline constexpr RouteNumber unknown_route = 0;

inline void put_relay_header(uint8_t* at, RouteNumber route) {
  at[0] = relay_first_byte;
  at[1] = static_cast<uint8_t>(route >> 16);
  at[2] = static_cast<uint8_t>(route >> 8);
  at[3] = static_cast<uint8_t>(route);
}

/// The route of a relay frame, or nothing if it is not one.
inline std::optional<RouteNumber> relay_route(Bytes frame) {
  if (frame.size() < relay_header_size || frame[0] != relay_first_byte) return {};
  return RouteNumber{frame[1]} << 16 | RouteNumber{frame[2]} << 8 | frame[3];
}

}  // namespace ginnel::wire
