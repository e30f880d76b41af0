// From seed to key pair. Knows how to make GnuTLS compute an Ed25519 public key (it has no call for it: the seed is
// dressed as PKCS #8, imported, and the public half exported); refuses to know where the seed is kept. RFC 8032 section
// 5.1.5, RFC 8410 section 7.
#include "core/crypto/identity.hpp"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <algorithm>
#include <stdexcept>

#include "core/crypto/mac.hpp"

namespace ginnel::crypto {

namespace {

// Every seed is a valid private key, so a refusal can only be a GnuTLS without Ed25519 (FIPS mode). Identities are made
// at start-up, where exceptions may be.
void check(int code) {
  if (code < 0)
    throw std::runtime_error(std::string("GnuTLS on this machine cannot use Ed25519 keys (") + gnutls_strerror(code) +
                             "): install GnuTLS 3.7 or later, not in FIPS mode.");
}

PublicKey public_key_of(const Identity::Seed& seed) {
  // RFC 8410 section 7: PrivateKeyInfo, version 0, id-Ed25519, and the seed as an octet string in an octet string.
  std::array<uint8_t, 16 + 32> der = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                      0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
  std::copy(seed.begin(), seed.end(), der.begin() + 16);
  const gnutls_datum_t encoded = {der.data(), static_cast<unsigned>(der.size())};

  gnutls_x509_privkey_t raw = nullptr;
  check(gnutls_x509_privkey_init(&raw));
  std::unique_ptr<gnutls_x509_privkey_int, decltype(&gnutls_x509_privkey_deinit)> key(raw, gnutls_x509_privkey_deinit);
  check(gnutls_x509_privkey_import2(raw, &encoded, GNUTLS_X509_FMT_DER, nullptr, GNUTLS_PKCS_PLAIN));
  gnutls_memset(der.data(), 0, der.size());

  gnutls_ecc_curve_t curve;
  gnutls_datum_t x = {}, no_y = {}, no_k = {};
  check(gnutls_x509_privkey_export_ecc_raw(raw, &curve, &x, &no_y, &no_k));
  PublicKey out;
  bool whole = curve == GNUTLS_ECC_CURVE_ED25519 && x.size == out.bytes.size();
  if (whole) std::copy_n(x.data, x.size, out.bytes.begin());
  gnutls_free(x.data);
  gnutls_free(no_y.data);
  if (no_k.data) gnutls_memset(no_k.data, 0, no_k.size);
  gnutls_free(no_k.data);
  check(whole ? 0 : GNUTLS_E_INTERNAL_ERROR);
  return out;
}

}  // namespace

Identity::Identity(const Seed& seed) : seed_(seed), public_key_(public_key_of(seed)) {}

std::array<uint8_t, 32> Identity::derive(std::string_view label) const { return hmac_sha256(seed_, as_bytes(label)); }

}  // namespace ginnel::crypto
