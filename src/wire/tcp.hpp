// Where the fields of a TCP header stand, and its flags. Knows layout; refuses to know connections. RFC 9293
// section 3.1.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ginnel::wire {

inline constexpr size_t tcp_header_min = 20;
inline constexpr size_t tcp_source_at = 0;
inline constexpr size_t tcp_destination_at = 2;
inline constexpr size_t tcp_sequence_at = 4;
inline constexpr size_t tcp_acknowledgement_at = 8;
inline constexpr size_t tcp_offset_at = 12;  ///< upper four bits, in words
inline constexpr size_t tcp_flags_at = 13;
inline constexpr size_t tcp_checksum_at = 16;

inline constexpr uint8_t tcp_fin = 0x01;
inline constexpr uint8_t tcp_syn = 0x02;
inline constexpr uint8_t tcp_rst = 0x04;
inline constexpr uint8_t tcp_ack = 0x10;

}  // namespace ginnel::wire
