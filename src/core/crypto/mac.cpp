// HMAC and comparison, a thin skin over GnuTLS. Knows two hashes; refuses to go on without them: a MAC that could not
// be computed must never look like a MAC, so failure ends the process. RFC 2104; RFC 8489 section 14.5 for the use of
// SHA-1.
#include "core/crypto/mac.hpp"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <cstdlib>

namespace ginnel::crypto {

namespace {

template <size_t N>
std::array<uint8_t, N> hmac(gnutls_mac_algorithm_t algorithm, Bytes key, Bytes message) {
  static constexpr uint8_t nothing = 0;  // GnuTLS takes no null pointers, not even for no bytes
  std::array<uint8_t, N> out;
  if (gnutls_hmac_get_len(algorithm) != N ||
      gnutls_hmac_fast(algorithm, key.empty() ? &nothing : key.data(), key.size(),
                       message.empty() ? &nothing : message.data(), message.size(), out.data()) != 0)
    std::abort();
  return out;
}

}  // namespace

std::array<uint8_t, 20> hmac_sha1(Bytes key, Bytes message) { return hmac<20>(GNUTLS_MAC_SHA1, key, message); }

std::array<uint8_t, 32> hmac_sha256(Bytes key, Bytes message) { return hmac<32>(GNUTLS_MAC_SHA256, key, message); }

bool equal(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || gnutls_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace ginnel::crypto
