// Where the fields of a UDP header stand. Knows layout; refuses to know what a datagram carries. RFC 768.
#pragma once
#include <cstddef>

namespace ginnel::wire {

inline constexpr size_t udp_header_size = 8;
inline constexpr size_t udp_source_at = 0;
inline constexpr size_t udp_destination_at = 2;
inline constexpr size_t udp_length_at = 4;
inline constexpr size_t udp_checksum_at = 6;  ///< 0: the sender made none

}  // namespace ginnel::wire
