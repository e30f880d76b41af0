// ICMP messages: which are queries, which are errors, and how a gateway writes an error, an echo reply or a reset of
// its own. Knows layout and who must never be answered; refuses to know why one is sent. RFC 792, RFC 1812
// section 4.3.2, RFC 4443.
#pragma once
#include <cstdint>

#include "base/bytes.hpp"
#include "wire/ip.hpp"

namespace ginnel::wire {

inline constexpr size_t icmp_header_size = 8;
inline constexpr size_t icmp_checksum_at = 2;
inline constexpr size_t icmp_id_at = 4;
inline constexpr uint8_t icmp_echo_reply = 0;
inline constexpr uint8_t icmp_unreachable = 3;
inline constexpr uint8_t icmp_source_quench = 4;
inline constexpr uint8_t icmp_redirect = 5;
inline constexpr uint8_t icmp_echo = 8;
inline constexpr uint8_t icmp_time_exceeded = 11;
inline constexpr uint8_t icmp_parameter_problem = 12;
inline constexpr uint8_t icmp_timestamp = 13;
inline constexpr uint8_t icmp_timestamp_reply = 14;
// Codes of icmp_unreachable.
inline constexpr uint8_t icmp_host_unreachable = 1;
inline constexpr uint8_t icmp_protocol_unreachable = 2;
inline constexpr uint8_t icmp_port_unreachable = 3;
inline constexpr uint8_t icmp_fragmentation_needed = 4;
inline constexpr uint8_t icmp_prohibited = 13;

inline bool icmp_is_request(uint8_t type) { return type == icmp_echo || type == icmp_timestamp; }
inline bool icmp_is_reply(uint8_t type) { return type == icmp_echo_reply || type == icmp_timestamp_reply; }
inline bool icmp_is_error(uint8_t type) {
  return type == icmp_unreachable || type == icmp_time_exceeded || type == icmp_parameter_problem;
}

/// Of every error that is generated: RFC 1812 section 4.3.2.3, as much of the packet as fits into 576 bytes.
inline constexpr size_t icmp_error_max = 576;

/// May `packet` be answered with an error at all? Not an ICMP error, not a later fragment, nothing sent to or from
/// many (RFC 1812 section 4.3.2.7).
bool icmp_may_answer(Bytes packet, const Ipv4Header& ip);

/// An ICMP error about `packet`, from `from` to its sender; returns its size. `rest` is the second word of the header
/// (the MTU, RFC 1191 section 4). Room: icmp_error_max bytes.
size_t put_icmp_error(uint8_t* room, uint32_t from, uint8_t type, uint8_t code, uint32_t rest, Bytes packet,
                      const Ipv4Header& ip);
/// The reset that a closed port answers a segment with (RFC 9293 section 3.10.7.1); 40 bytes.
size_t put_tcp_reset(uint8_t* room, Bytes packet, const Ipv4Header& ip);

/// An ICMPv6 error about `packet` (RFC 4443 section 2.4: within 1280 bytes), from `from` (16 bytes) to its sender.
inline constexpr size_t icmp6_error_max = 1280;
size_t put_icmp6_error(uint8_t* room, const uint8_t* from, uint8_t type, uint8_t code, uint32_t rest, Bytes packet);

}  // namespace ginnel::wire
