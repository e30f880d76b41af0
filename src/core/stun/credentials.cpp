// Short-term credentials: one password, used as the key itself (no SASLprep: ours are ice-chars). Knows where a message
// is signed and where it is checked; refuses to know whose password it is. RFC 8489 sections 9.1, 14.5.
#include "core/stun/credentials.hpp"

#include <vector>

#include "core/crypto/mac.hpp"

namespace ginnel::stun {

Bytes sign(wire::StunWriter& message, std::string_view password) {
  message.integrity(crypto::hmac_sha1(as_bytes(password), message.integrity_input()));
  message.fingerprint();
  return message.finish();
}

bool verify(Bytes datagram, const wire::StunMessage& message, std::string_view password) {
  if (!message.integrity) return false;
  std::vector<uint8_t> room(message.integrity_offset);  // less than the datagram
  Bytes input = wire::stun_integrity_input(datagram, message, room);
  return crypto::equal(crypto::hmac_sha1(as_bytes(password), input), *message.integrity);
}

}  // namespace ginnel::stun
