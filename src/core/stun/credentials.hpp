// Short-term credentials (RFC 8489 section 9.1): sign with a password, check with a password.
#pragma once
#include <string_view>

#include "base/bytes.hpp"
#include "wire/stun.hpp"

namespace ginnel::stun {

/// Adds MESSAGE-INTEGRITY and FINGERPRINT and returns the finished message.
Bytes sign(wire::StunWriter& message, std::string_view password);
/// True if the message carries MESSAGE-INTEGRITY made with this password.
bool verify(Bytes datagram, const wire::StunMessage& message, std::string_view password);

}  // namespace ginnel::stun
