// Answers Binding requests (RFC 8489) on the server's ports: no state, no authentication, and never an answer more than
// 1.6 times (IPv4) or 2.2 times (IPv6) the request, the protocol's own floor. With a second port, and perhaps a second
// address, it shows what a NAT does (RFC 5780).
#pragma once
#include <array>
#include <optional>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/input.hpp"

namespace ginnel::stun {

/// Where one family of the server's sockets can be reached: bit 0 of a SocketId is the second port, bit 1 the second
/// address. Port 0: there is no such socket. In answers 0.0.0.0 stands for "the address you asked".
using Faces = std::array<Address, 4>;

struct BindingAnswer {
  Bytes bytes;
  SocketId socket = 0;  ///< to answer from (RFC 5780 section 7.2)
  Address to;           ///< the sender, or another port of its (RFC 5780 section 7.5)
};

/// The answer to a Binding request from `from` on `socket`, written into room (at least 96 bytes); nothing if it
/// deserves none. `instance` changes with every start of the server and is told to those who ask (wire/stun.hpp).
std::optional<BindingAnswer> answer_binding(Bytes request, const Address& from, SocketId socket, const Faces& faces,
                                            uint32_t instance, MutableBytes room);

}  // namespace ginnel::stun
