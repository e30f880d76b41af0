#include "core/quic/tls.hpp"

#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

namespace ginnel::quic {

namespace {

// AES-128-GCM first: on machines without AES instructions GnuTLS's ChaCha20 is slow as well (facts: 7x), so there is
// nothing to gain by another order. No compatibility mode: RFC 9001 section 8.4 forbids it.
constexpr char priority[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-X25519:"
    "+GROUP-SECP256R1:-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK:%DISABLE_TLS13_COMPAT_MODE";

// RFC 8410: an Ed25519 key in SubjectPublicKeyInfo and in PKCS#8 is a fixed prefix and 32 bytes.
constexpr std::array<uint8_t, 12> spki_prefix = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr std::array<uint8_t, 16> pkcs8_prefix = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                                  0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

template <size_t N>
std::vector<uint8_t> der(const std::array<uint8_t, N>& prefix, Bytes key) {
  std::vector<uint8_t> out(prefix.begin(), prefix.end());
  out.insert(out.end(), key.begin(), key.end());
  return out;
}

gnutls_datum_t datum(std::vector<uint8_t>& bytes) { return {bytes.data(), static_cast<unsigned>(bytes.size())}; }

}  // namespace

Session::Tls::Tls(const crypto::Identity& self, bool dialler, const std::string& alpn, std::optional<PublicKey> expected_key,
                  ngtcp2_conn** conn)
    : expected(std::move(expected_key)) {
  ref.get_conn = [](ngtcp2_crypto_conn_ref* r) {
    return *static_cast<Tls*>(r->user_data)->conn_slot;
  };
  ref.user_data = this;
  conn_slot = conn;

  gnutls_certificate_allocate_credentials(&credentials);
  std::vector<uint8_t> spki = der(spki_prefix, self.public_key().bytes);
  std::vector<uint8_t> pkcs8 = der(pkcs8_prefix, self.seed());
  gnutls_datum_t public_part = datum(spki), private_part = datum(pkcs8);
  [[maybe_unused]] int bad = gnutls_certificate_set_rawpk_key_mem(credentials, &public_part, &private_part,
                                                                  GNUTLS_X509_FMT_DER, nullptr, 0, nullptr, 0, 0);
  assert(bad == 0);
  std::fill(pkcs8.begin(), pkcs8.end(), uint8_t{0});

  unsigned flags = GNUTLS_ENABLE_RAWPK | GNUTLS_NO_TICKETS | GNUTLS_NO_AUTO_SEND_TICKET | GNUTLS_NO_END_OF_EARLY_DATA;
  gnutls_init(&session, (dialler ? GNUTLS_CLIENT : GNUTLS_SERVER) | flags);
  bad = gnutls_priority_set_direct(session, priority, nullptr);
  assert(bad == 0);
  if (dialler)
    ngtcp2_crypto_gnutls_configure_client_session(session);
  else
    ngtcp2_crypto_gnutls_configure_server_session(session);
  gnutls_session_set_ptr(session, &ref);
  gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
  if (!dialler) gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
  gnutls_session_set_verify_function(session, &Tls::verify);
  gnutls_datum_t protocol{reinterpret_cast<unsigned char*>(const_cast<char*>(alpn.data())),
                          static_cast<unsigned>(alpn.size())};
  gnutls_alpn_set_protocols(session, &protocol, 1, GNUTLS_ALPN_MANDATORY);
}

void Session::Tls::release() {
  if (!session) return;
  gnutls_deinit(std::exchange(session, nullptr));
  gnutls_certificate_free_credentials(std::exchange(credentials, nullptr));
}

int Session::Tls::verify(gnutls_session_t session) {
  auto* ref = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session));
  auto* tls = static_cast<Tls*>(ref->user_data);
  auto key = tls->peer_key();
  tls->mismatch = key && tls->expected && *key != *tls->expected;
  return key && !tls->mismatch ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

std::optional<PublicKey> Session::Tls::peer_key() const {
  if (gnutls_certificate_type_get2(session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_RAWPK) return {};
  unsigned count = 0;
  const gnutls_datum_t* spki = gnutls_certificate_get_peers(session, &count);
  if (!spki || count != 1 || spki->size != spki_prefix.size() + 32) return {};
  if (!std::equal(spki_prefix.begin(), spki_prefix.end(), spki->data)) return {};
  PublicKey key;
  std::memcpy(key.bytes.data(), spki->data + spki_prefix.size(), 32);
  return key;
}

}  // namespace ginnel::quic
