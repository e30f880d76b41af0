// Answers Binding requests (RFC 8489) on the server's UDP port: no state, no authentication, and never an answer more
// than 1.6 times (IPv4) or 2.2 times (IPv6) the request, the protocol's own floor.
#pragma once
#include <optional>

#include "base/address.hpp"
#include "base/bytes.hpp"

namespace ginnel::stun {

/// The answer to a Binding request from `from`, written into room (at least 64 bytes); nothing if it deserves none.
/// `instance` changes with every start of the server and is told to those who ask (wire/stun.hpp).
std::optional<Bytes> answer_binding(Bytes request, const Address& from, uint32_t instance, MutableBytes room);

}  // namespace ginnel::stun
