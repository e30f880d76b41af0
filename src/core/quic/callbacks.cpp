#include "core/quic/callbacks.hpp"

#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <utility>

#include "core/crypto/mac.hpp"
#include "core/quic/stream.hpp"
#include "core/quic/tls.hpp"

namespace ginnel::quic {

struct Callbacks {
  static Session& self(void* user) { return *static_cast<Session*>(user); }

  static int decrypt(uint8_t* dest, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* ctx, const uint8_t* in,
                     size_t in_size, const uint8_t* nonce, size_t nonce_size, const uint8_t* aad, size_t aad_size) {
    int bad = ngtcp2_crypto_decrypt_cb(dest, aead, ctx, in, in_size, nonce, nonce_size, aad, aad_size);
    if (bad != 0 || aad_size < 1) return bad;
    if (aad[0] & 0x80) {
      decrypted.handshake = true;
    } else {  // RFC 9001 section 5.3: the header without its protection; the packet number ends it (RFC 9000 section 17.3)
      size_t length = 1 + (aad[0] & 3u);
      if (aad_size < 1 + length) return bad;
      decrypted.number = 0;
      for (size_t i = aad_size - length; i < aad_size; ++i) decrypted.number = decrypted.number << 8 | aad[i];
      decrypted.number_bits = 8 * length;
    }
    return 0;
  }

  /// After the handshake TLS has nothing to say between us: no tickets (RFC 8446 section 4.6), and key updates are QUIC's.
  static int recv_crypto_data(ngtcp2_conn* conn, ngtcp2_encryption_level level, uint64_t offset, const uint8_t* data,
                              size_t size, void* user) {
    if (self(user).tls_->session) return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, size, user);
    ngtcp2_conn_set_tls_alert(conn, GNUTLS_A_UNEXPECTED_MESSAGE);
    return NGTCP2_ERR_CRYPTO;
  }

  static int handshake_completed(ngtcp2_conn*, void* user) {
    Session& s = self(user);
    auto key = s.tls_->peer_key();  // also here, as GnuTLS may skip the hook (facts/transport 8.15)
    if (!key || (s.config_.expected_peer && *key != *s.config_.expected_peer)) return NGTCP2_ERR_CALLBACK_FAILURE;
    s.peer_ = *key;
    s.connected_ = true;
    s.events_.push_back(Connected{*key});
    return 0;
  }

  static int recv_stream_data(ngtcp2_conn*, uint32_t flags, int64_t id, uint64_t, const uint8_t* data, size_t size,
                              void* user, void* stream_user) {
    Session& s = self(user);
    auto* stream = static_cast<Session::Stream*>(stream_user);
    if (!stream) stream = s.find(id);
    if (!stream) return 0;
    if (stream->read_ended) {
      s.credit_owed_ += size;
      return 0;
    }
    if (size > 0) {
      stream->in.append({data, size});
      s.buffered_ += size;
      s.credit_owed_ += size;
    }
    if (flags & NGTCP2_STREAM_DATA_FLAG_FIN) stream->fin_received = true;
    s.announce_readable(*stream);
    return 0;
  }

  static int acked_stream_data(ngtcp2_conn*, int64_t id, uint64_t, uint64_t size, void* user, void* stream_user) {
    Session& s = self(user);
    s.acknowledged_ += size;
    auto* stream = static_cast<Session::Stream*>(stream_user);
    if (!stream) stream = s.find(id);
    if (!stream || stream->write_ended) return 0;
    stream->out.pop(size);
    stream->sent -= size;
    return 0;
  }

  static int stream_open(ngtcp2_conn* conn, int64_t id, void* user) {
    Session& s = self(user);
    if (!ngtcp2_is_bidi_stream(id)) return NGTCP2_ERR_CALLBACK_FAILURE;  // our transport parameters allow none
    ngtcp2_conn_set_stream_user_data(conn, id, &s.add_stream(id));
    s.events_.push_back(StreamOpened{id});
    return 0;
  }

  static int stream_close(ngtcp2_conn* conn, uint32_t, int64_t id, uint64_t, void* user, void*) {
    Session& s = self(user);
    Session::Stream* stream = s.find(id);
    if (!stream) return 0;
    if (!ngtcp2_conn_is_local_stream(conn, id)) ngtcp2_conn_extend_max_streams_bidi(conn, 1);
    stream->closed = true;
    stream->write_ended = true;
    stream->out.clear();
    stream->sent = 0;
    if (stream->active) std::erase(s.active_, stream);
    stream->active = false;
    if (stream->in.empty()) s.announce_closed(*stream);  // otherwise when the rest was read: Session::consume
    return 0;
  }

  static int stream_reset(ngtcp2_conn* conn, int64_t id, uint64_t, uint64_t code, void* user, void*) {
    Session& s = self(user);
    if (Session::Stream* stream = s.find(id); stream && !stream->read_ended) {
      stream->reset = static_cast<Code>(code);
      s.announce_readable(*stream);
      // A reset is of both directions, and the other side waits for ours (see Session::reset).
      ngtcp2_conn_shutdown_stream_write(conn, 0, id, code);
      stream->write_ended = true;
      stream->out.clear();
      stream->sent = 0;
    }
    return 0;
  }

  static int extend_max_stream_data(ngtcp2_conn*, int64_t id, uint64_t, void* user, void*) {
    Session& s = self(user);
    if (Session::Stream* stream = s.find(id); stream && stream->blocked) {
      stream->blocked = false;
      s.activate(*stream);
    }
    return 0;
  }

  static void rand(uint8_t* dest, size_t size, const ngtcp2_rand_ctx* context) {
    static_cast<Rng*>(context->native_handle)->fill({dest, size});
  }

  static int get_new_connection_id(ngtcp2_conn*, ngtcp2_cid* cid, uint8_t* token, size_t, void* user) {
    Session& s = self(user);
    *cid = make_connection_id(s.tag_, s.rng_);
    auto made = reset_token(s.reset_secret_, {cid->data, cid->datalen});
    std::copy(made.begin(), made.end(), token);
    return 0;
  }

  static int recv_stateless_reset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user) {
    self(user).closed_because(Closed::Why::reset, Code::none, "the other side no longer knows this session");
    return 0;
  }

  struct Decrypted {
    bool handshake = false;   ///< something with a long header
    size_t number_bits = 0;   ///< 0: nothing with a short one
    uint64_t number = 0;      ///< its packet number, cut to so many bits
  };
  static thread_local Decrypted decrypted;
};

// The decrypt hook has no user_data. Set and read within one call of Session::handle_packet.
thread_local Callbacks::Decrypted Callbacks::decrypted;

bool take_authenticated(uint64_t& next_number) {
  Callbacks::Decrypted d = std::exchange(Callbacks::decrypted, {});
  if (d.number_bits == 0) return d.handshake;
  uint64_t window = uint64_t{1} << d.number_bits;  // RFC 9000 appendix A.3
  uint64_t number = (next_number & ~(window - 1)) | d.number;
  if (number + window / 2 <= next_number)
    number += window;
  else if (number > next_number + window / 2 && number >= window)
    number -= window;
  if (number < next_number) return d.handshake;
  next_number = number + 1;
  return true;
}

ngtcp2_callbacks make_callbacks(bool dialler) {
  ngtcp2_callbacks c{};
  if (dialler) {
    c.client_initial = ngtcp2_crypto_client_initial_cb;
    c.recv_retry = ngtcp2_crypto_recv_retry_cb;
  } else {
    c.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  }
  c.recv_crypto_data = Callbacks::recv_crypto_data;
  c.encrypt = ngtcp2_crypto_encrypt_cb;
  c.decrypt = Callbacks::decrypt;
  c.hp_mask = ngtcp2_crypto_hp_mask_cb;
  c.update_key = ngtcp2_crypto_update_key_cb;
  c.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  c.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  c.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  c.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  c.handshake_completed = Callbacks::handshake_completed;
  c.recv_stream_data = Callbacks::recv_stream_data;
  c.acked_stream_data_offset = Callbacks::acked_stream_data;
  c.stream_open = Callbacks::stream_open;
  c.stream_close = Callbacks::stream_close;
  c.stream_reset = Callbacks::stream_reset;
  c.extend_max_stream_data = Callbacks::extend_max_stream_data;
  c.rand = Callbacks::rand;
  c.get_new_connection_id = Callbacks::get_new_connection_id;
  c.recv_stateless_reset = Callbacks::recv_stateless_reset;
  return c;
}

ngtcp2_cid make_connection_id(Tag tag, Rng& rng) {
  std::array<uint8_t, connection_id_size> raw;
  Writer out(raw);
  out.u32(tag);
  out.put(rng.array<connection_id_size - sizeof(Tag)>());
  ngtcp2_cid cid;
  ngtcp2_cid_init(&cid, raw.data(), raw.size());
  return cid;
}

std::array<uint8_t, 16> reset_token(Bytes reset_secret, Bytes connection_id) {
  auto mac = crypto::hmac_sha256(reset_secret, connection_id);
  std::array<uint8_t, 16> token;
  std::copy_n(mac.begin(), token.size(), token.begin());
  return token;
}

}  // namespace ginnel::quic
