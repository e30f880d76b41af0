// Message authentication, by GnuTLS.
#pragma once
#include <array>

#include "base/bytes.hpp"

namespace ginnel::crypto {

std::array<uint8_t, 20> hmac_sha1(Bytes key, Bytes message);    // for STUN: RFC 8489 section 14.5 leaves no choice
std::array<uint8_t, 32> hmac_sha256(Bytes key, Bytes message);
/// In time that does not depend on the contents.
bool equal(Bytes a, Bytes b);

}  // namespace ginnel::crypto
