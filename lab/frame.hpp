// What a wire has to know of the Ethernet frames it carries, and what a router at its entry does with those that are
// too big: answers them, or cuts them in pieces. Knows layouts; holds nothing and sends nothing. RFC 791 section 3.2,
// RFC 1191 section 4, RFC 4443 section 3.2.
#pragma once
#include <cstdint>
#include <functional>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "wire/icmp.hpp"

namespace ginnel::lab {

inline constexpr size_t ethernet_header = 14;

/// The IP packet in a frame. Nothing for what the line itself lives on (ARP, IPv6 neighbour discovery): that is not
/// part of the long way that a wire stands for.
Bytes packet_in(Bytes frame);
/// UDP, or a fragment of it.
bool is_udp(Bytes packet);
/// Turns one bit of its packet round; `bit` is taken modulo their number.
void flip_bit(MutableBytes frame, uint64_t bit);

/// Who answers for a line whose MTU is exceeded.
struct RouterAddresses {
  Address v4, v6;
};

inline constexpr size_t too_big_max = ethernet_header + wire::icmp6_error_max;
/// Writes the frame that tells the sender to send less; returns its size, 0 if this frame must not be answered. Room:
/// too_big_max bytes.
size_t put_too_big(Bytes frame, uint32_t mtu, const RouterAddresses& router, uint8_t* room);

/// Is it a packet that routers may cut in pieces (IPv4 without DF)?
bool may_be_fragmented(Bytes frame);
/// Gives the pieces, each a frame in `room` until the next one.
void fragment(Bytes frame, uint32_t mtu, MutableBytes room, const std::function<void(Bytes)>& each);

}  // namespace ginnel::lab
