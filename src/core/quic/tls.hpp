// The TLS 1.3 half of a session: GnuTLS with raw Ed25519 public keys on both ends (RFC 7250), no certificates, no
// resumption, no early data. The verify hook compares keys; a session without proof of the peer's key cannot complete.
#pragma once
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <optional>
#include <string>

#include "base/public_key.hpp"
#include "core/crypto/identity.hpp"
#include "core/quic/session.hpp"

namespace ginnel::quic {

struct Session::Tls {
  Tls(const crypto::Identity& self, bool dialler, const std::string& alpn, std::optional<PublicKey> expected,
      ngtcp2_conn** conn);
  ~Tls() { release(); }
  Tls(const Tls&) = delete;

  /// Frees what only a handshake needs, tens of kilobytes: the keys of the packets are not in it (RFC 9001 section 6: not
  /// even their updates come from TLS).
  void release();

  /// The key the peer proved to hold, once the handshake is done.
  std::optional<PublicKey> peer_key() const;

  /// GnuTLS accepts any key unless this hook says no.
  static int verify(gnutls_session_t session);

  gnutls_certificate_credentials_t credentials = nullptr;
  gnutls_session_t session = nullptr;  ///< nothing after release()
  ngtcp2_crypto_conn_ref ref{};      ///< what GnuTLS's hooks find the connection by
  ngtcp2_conn** conn_slot = nullptr;  ///< the session's pointer to it
  std::optional<PublicKey> expected;
  bool mismatch = false;             ///< the peer proved another key than expected
};

}  // namespace ginnel::quic
