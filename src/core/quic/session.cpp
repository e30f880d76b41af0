#include "core/quic/session.hpp"

#include <netinet/in.h>
#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <utility>

#include "core/crypto/mac.hpp"
#include "core/quic/callbacks.hpp"
#include "core/quic/stream.hpp"
#include "core/quic/tls.hpp"

namespace ginnel::quic {

namespace {

constexpr size_t packet_size_max = 16000;  // the largest carrier's (facts/transport 2); write() caps each packet
constexpr Duration probe_wait_max = 1s;  // of the impatient: ngtcp2's probe timeout doubles without a limit
constexpr uint32_t turn_bytes = 64 * 1024;  // what a stream may send before the next one's turn

// The one address pair that ngtcp2 ever sees, on both ends (docs/decisions/001).
struct FixedPath {
  sockaddr_in local{}, remote{};
  ngtcp2_path path{};
  FixedPath() {
    local.sin_family = remote.sin_family = AF_INET;
    local.sin_addr.s_addr = remote.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    local.sin_port = htons(1);
    remote.sin_port = htons(2);
    path.local = {reinterpret_cast<ngtcp2_sockaddr*>(&local), sizeof local};
    path.remote = {reinterpret_cast<ngtcp2_sockaddr*>(&remote), sizeof remote};
  }
};
const ngtcp2_path& fixed_path() {
  static const FixedPath fixed;
  return fixed.path;
}

ngtcp2_settings make_settings(const SessionConfig& config, uint64_t ts, Rng& rng) {
  ngtcp2_settings s;
  ngtcp2_settings_default(&s);
  s.cc_algo = NGTCP2_CC_ALGO_CUBIC;
  s.initial_ts = ts;
  s.initial_rtt = static_cast<uint64_t>(config.initial_rtt.count());
  s.handshake_timeout = UINT64_MAX;  // ours to watch, as the idle time: wake() moves ngtcp2's clock
  s.max_tx_udp_payload_size = packet_size_max;
  s.no_tx_udp_payload_size_shaping = 1;  // the carrier decides, packet by packet
  s.no_pmtud = 1;                        // likewise; safe because the address pair never changes (facts 8.2)
  s.max_stream_window = config.stream_window_max;
  s.rand_ctx.native_handle = &rng;
  return s;
}

ngtcp2_transport_params make_params(const SessionConfig& config) {
  ngtcp2_transport_params p;
  ngtcp2_transport_params_default(&p);
  p.initial_max_stream_data_bidi_local = config.stream_window;
  p.initial_max_stream_data_bidi_remote = config.stream_window;
  p.initial_max_data = config.buffered_max;
  p.initial_max_streams_bidi = config.streams_max;
  p.disable_active_migration = 1;
  return p;
}

}  // namespace

Session::Session(Instant now, const crypto::Identity& self, SessionConfig config, Tag tag, Rng& rng)
    : config_(std::move(config)), tag_(tag), rng_(rng), began_(now), heard_(now), nudge_(now + probe_wait_max),
      reset_secret_(self.derive("stateless reset")) {
  if (!config_.chunks) config_.chunks = std::make_shared<ChunkPool>();
}

std::unique_ptr<Session> Session::dial(Instant now, const crypto::Identity& self, SessionConfig config, Tag tag, Rng& rng) {
  std::unique_ptr<Session> s(new Session(now, self, std::move(config), tag, rng));
  s->dialler_ = true;
  ngtcp2_callbacks callbacks = make_callbacks(true);
  ngtcp2_settings settings = make_settings(s->config_, s->to_ts(now), rng);
  ngtcp2_transport_params params = make_params(s->config_);
  ngtcp2_cid scid = make_connection_id(tag, rng), dcid;
  auto random = rng.array<16>();
  ngtcp2_cid_init(&dcid, random.data(), random.size());
  if (ngtcp2_conn_client_new(&s->conn_, &dcid, &scid, &fixed_path(), NGTCP2_PROTO_VER_V1, &callbacks, &settings, &params,
                             nullptr, s.get()) != 0)
    return nullptr;
  s->tls_ = std::make_unique<Tls>(self, true, s->config_.alpn, s->config_.expected_peer, &s->conn_);
  ngtcp2_conn_set_tls_native_handle(s->conn_, s->tls_->session);
  if (s->config_.keep_alive > Duration::zero())
    ngtcp2_conn_set_keep_alive_timeout(s->conn_, static_cast<uint64_t>(s->config_.keep_alive.count()));
  return s;
}

std::unique_ptr<Session> Session::accept(Instant now, const crypto::Identity& self, SessionConfig config, Tag tag, Rng& rng,
                                         Bytes first_packet, const std::optional<Retried>& retried) {
  ngtcp2_pkt_hd header;
  if (first_packet.size() < 1200 || ngtcp2_accept(&header, first_packet.data(), first_packet.size()) != 0) return nullptr;
  std::unique_ptr<Session> s(new Session(now, self, std::move(config), tag, rng));
  ngtcp2_callbacks callbacks = make_callbacks(false);
  ngtcp2_settings settings = make_settings(s->config_, s->to_ts(now), rng);
  ngtcp2_transport_params params = make_params(s->config_);
  params.original_dcid_present = 1;
  params.original_dcid = header.dcid;
  if (retried) {
    ngtcp2_cid_init(&params.original_dcid, retried->original_dcid.data(), retried->original_dcid_size);
    params.retry_scid = header.dcid;
    params.retry_scid_present = 1;
    settings.token = header.token;
    settings.tokenlen = header.tokenlen;
    settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
  }
  ngtcp2_cid scid = make_connection_id(tag, rng);
  params.stateless_reset_token_present = 1;
  auto token = reset_token(s->reset_secret_, {scid.data, scid.datalen});
  std::copy(token.begin(), token.end(), params.stateless_reset_token);
  if (ngtcp2_conn_server_new(&s->conn_, &header.scid, &scid, &fixed_path(), header.version, &callbacks, &settings, &params,
                             nullptr, s.get()) != 0)
    return nullptr;
  s->tls_ = std::make_unique<Tls>(self, false, s->config_.alpn, s->config_.expected_peer, &s->conn_);
  ngtcp2_conn_set_tls_native_handle(s->conn_, s->tls_->session);
  return s;
}

Session::~Session() { ngtcp2_conn_del(conn_); }

uint64_t Session::to_ts(Instant now) const {
  return static_cast<uint64_t>((paused_.value_or(now).time_since_epoch() + shift_).count());
}

// ---- inputs

bool Session::handle_packet(Instant now, MutableBytes datagram) {
  if (closed_) return false;
  uint64_t forget = 0;
  take_authenticated(forget);
  ngtcp2_pkt_info info{};
  int bad = ngtcp2_conn_read_pkt(conn_, &fixed_path(), &info, datagram.data(), datagram.size(), to_ts(now));
  bool authentic = take_authenticated(next_number_);
  if (authentic) heard_ = now;
  if (bad != 0 && !closed_) fail(bad);
  if (connected_ && tls_->session) {
    tls_->release();
    ngtcp2_conn_set_tls_native_handle(conn_, nullptr);
  }
  if (!closed_) extend_session_window();
  return authentic;
}

void Session::handle_timeout(Instant now) {
  if (closed_) return;
  if (!connected_ && now >= began_ + config_.handshake_timeout)
    return closed_because(Closed::Why::handshake, Code::none, "no answer");
  if (connected_ && now >= heard_ + config_.idle_timeout)
    return closed_because(Closed::Why::idle, Code::none, "nothing was heard for too long");
  if (paused_) return;
  if (now >= nudge_ && impatient()) wake(now), nudge_ = now + probe_wait_max;
  if (ngtcp2_conn_get_expiry(conn_) > to_ts(now)) return;
  if (int bad = ngtcp2_conn_handle_expiry(conn_, to_ts(now)); bad != 0) fail(bad);
}

void Session::pause(Instant now) {
  if (!paused_) paused_ = now;
}

void Session::resume(Instant now) {
  if (!paused_) return;
  shift_ -= now - *std::exchange(paused_, std::nullopt);
  nudge_ = now + probe_wait_max;
}

void Session::wake(Instant now) {
  if (closed_ || paused_ || bytes_in_flight() == 0) return;
  // With neither idle nor handshake timer, what expires while something is in flight is a loss or probe timer, but for
  // an acknowledgement that is held back for 25 ms at most (RFC 9000 section 18.2): that one does not count.
  for (int i = 0; i < 3 && !closed_; ++i) {
    uint64_t ts = to_ts(now), expiry = ngtcp2_conn_get_expiry(conn_);
    if (expiry == UINT64_MAX) return;
    Duration jump(expiry > ts ? expiry - ts : 0);
    shift_ += jump;
    if (int bad = ngtcp2_conn_handle_expiry(conn_, to_ts(now)); bad != 0) return fail(bad);
    if (jump > 25ms) return;
  }
}

// ---- commands

std::optional<StreamId> Session::open_stream() {
  if (closed_ || !connected_) return {};
  StreamId id;
  if (ngtcp2_conn_open_bidi_stream(conn_, &id, nullptr) != 0) return {};
  Stream& stream = add_stream(id);
  ngtcp2_conn_set_stream_user_data(conn_, id, &stream);
  stream.opening = true;
  activate(stream);
  return id;
}

MutableBytes Session::reserve(StreamId id) {
  Stream* s = find(id);
  if (!s || s->write_ended || s->fin) return {};
  if (s->unsent() >= Stream::unsent_max) {
    s->starved = true;
    return {};
  }
  return s->out.reserve();
}

void Session::commit(StreamId id, size_t n) {
  Stream* s = find(id);
  if (!s || n == 0) return;
  s->out.commit(n);
  activate(*s);
}

void Session::send(StreamId id, Bytes bytes) {
  Stream* s = find(id);
  if (!s || s->write_ended || s->fin) return;
  s->out.append(bytes);
  activate(*s);
}

void Session::release(StreamId id) {
  if (Stream* s = find(id); s && s->closed) streams_.erase(id);
}

void Session::finish(StreamId id) {
  Stream* s = find(id);
  if (!s || s->write_ended || s->fin) return;
  s->fin = true;
  activate(*s);
}

void Session::reset(StreamId id, Code code) {
  Stream* s = find(id);
  if (!s) return;
  // Without STOP_SENDING: with bytes missing below it, ngtcp2 1.11 then drops what comes and never closes the stream. The
  // other side's session answers a reset by its own.
  if (!closed_ && !s->closed) ngtcp2_conn_shutdown_stream_write(conn_, 0, id, static_cast<uint64_t>(code));
  s->write_ended = s->read_ended = true;
  s->out.clear();
  s->sent = 0;
  buffered_ -= s->in.size();
  s->in.clear();
  if (s->closed && !closed_) announce_closed(*s);
}

Bytes Session::received(StreamId id) const {
  Stream* s = find(id);
  return s ? s->in.front() : Bytes{};
}

void Session::consume(StreamId id, size_t n) {
  Stream* s = find(id);
  if (!s || n == 0) return;
  s->in.pop(n);
  buffered_ -= n;
  if (closed_) return;
  if (!s->closed) ngtcp2_conn_extend_max_stream_offset(conn_, id, n);
  extend_session_window();
  if (s->closed && s->in.empty()) announce_closed(*s);
}

void Session::set_buffered_max(uint64_t bytes) {
  if (closed_ || bytes <= config_.buffered_max) return;
  ngtcp2_conn_extend_max_offset(conn_, bytes - config_.buffered_max);
  config_.buffered_max = bytes;
  extend_session_window();
}

void Session::close(Code code, std::string text) {
  if (closed_ || close_code_) return;
  close_code_ = code;
  close_text_ = std::move(text);
}

// ---- polls

Train Session::write(Instant now, MutableBytes room, size_t packet_size, size_t headroom) {
  uint64_t ts = to_ts(now);
  if (close_code_ || close_error_ != 0) return write_close(ts, room, packet_size, headroom);
  Train train;
  if (closed_ || paused_) return train;
  uint64_t flying = bytes_in_flight();
  size_t packets_max = std::max<size_t>(1, ngtcp2_conn_get_send_quantum(conn_) / packet_size);
  packets_max = std::min<size_t>(packets_max, 64);
  for (size_t packets = 0; packets < packets_max && room.size() >= headroom + packet_size; ++packets) {
    size_t n = write_packet(ts, room.subspan(headroom, packet_size));
    if (n == 0) break;
    if (train.size == 0) train.segment = headroom + n;
    train.size += headroom + n;
    room = room.subspan(headroom + n);
    if (n < packet_size) break;  // offload wants equal segments; only the last may be shorter
  }
  // Twice the round trip is later than the first probe: what is hurried are its repetitions.
  if (bytes_in_flight() > flying) nudge_ = now + std::max<Duration>(probe_wait_max, 2 * smoothed_rtt());
  if (train.size > 0) ngtcp2_conn_update_pkt_tx_time(conn_, ts);  // once a train: facts/transport 8.7
  return train;
}

Train Session::write_close(uint64_t ts, MutableBytes room, size_t packet_size, size_t headroom) {
  ngtcp2_ccerr error;
  if (close_error_ == NGTCP2_ERR_CRYPTO)
    ngtcp2_ccerr_set_tls_alert(&error, ngtcp2_conn_get_tls_alert(conn_), nullptr, 0);
  else if (close_error_ != 0)
    ngtcp2_ccerr_set_liberr(&error, close_error_, nullptr, 0);
  else
    ngtcp2_ccerr_set_application_error(&error, static_cast<uint64_t>(*close_code_),
                                       reinterpret_cast<const uint8_t*>(close_text_.data()), close_text_.size());
  auto n = ngtcp2_conn_write_connection_close(conn_, nullptr, nullptr, room.data() + headroom, packet_size, &error, ts);
  if (close_code_) closed_because(Closed::Why::local, *close_code_, close_text_);
  close_code_.reset();
  close_error_ = 0;
  if (n <= 0) return {};
  return {headroom + static_cast<size_t>(n), headroom + static_cast<size_t>(n)};
}

size_t Session::write_packet(uint64_t ts, MutableBytes out) {
  while (!closed_) {
    Stream* stream = active_.empty() ? nullptr : active_.front();
    std::array<ngtcp2_vec, 4> pieces;
    size_t count = 0, total = 0;
    uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
    if (stream) {
      for (size_t at = stream->sent; count < pieces.size() && total < out.size(); ++count) {
        Bytes piece = stream->out.at(at);
        if (piece.empty()) break;
        pieces[count] = {const_cast<uint8_t*>(piece.data()), piece.size()};
        at += piece.size();
        total += piece.size();
      }
      if (stream->fin && total == stream->unsent()) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
    }
    ngtcp2_ssize taken = -1;
    ngtcp2_ssize n = ngtcp2_conn_writev_stream(conn_, nullptr, nullptr, out.data(), out.size(), &taken, flags,
                                               stream ? stream->id : -1, pieces.data(), count, ts);
    if (stream && taken >= 0) {
      stream->opening = false;
      stream->sent += static_cast<size_t>(taken);
      stream->turn += static_cast<uint32_t>(taken);
      if ((flags & NGTCP2_WRITE_STREAM_FLAG_FIN) && static_cast<size_t>(taken) == total) stream->fin_sent = true;
      if (stream->starved && stream->unsent() <= Stream::unsent_max / 2) {
        stream->starved = false;
        events_.push_back(StreamWritable{stream->id});
      }
    }
    if (n == NGTCP2_ERR_STREAM_DATA_BLOCKED && stream) stream->blocked = true;
    if ((n == NGTCP2_ERR_STREAM_SHUT_WR || n == NGTCP2_ERR_STREAM_NOT_FOUND) && stream) {
      stream->write_ended = true;  // STOP_SENDING came: ngtcp2 answered it and has no callback for it
      events_.push_back(StreamStopped{stream->id});
    }
    if (stream && (!stream->wants_to_send() || stream->blocked)) {
      active_.pop_front();
      stream->active = false;
    } else if (stream && stream->turn >= turn_bytes) {
      stream->turn = 0;
      active_.pop_front();
      active_.push_back(stream);
    }
    if (n >= 0) return static_cast<size_t>(n);
    bool more = n == NGTCP2_ERR_WRITE_MORE || n == NGTCP2_ERR_STREAM_DATA_BLOCKED || n == NGTCP2_ERR_STREAM_SHUT_WR ||
                n == NGTCP2_ERR_STREAM_NOT_FOUND;
    if (!more) fail(static_cast<int>(n));
    if (!more) return 0;
  }
  return 0;
}

std::optional<Event> Session::poll_event() {
  if (events_.empty()) return {};
  Event event = std::move(events_.front());
  events_.pop_front();
  if (auto* readable = std::get_if<StreamReadable>(&event)) {
    if (Stream* s = find(readable->id)) s->announced = false;
  } else if (auto* closed = std::get_if<StreamClosed>(&event)) {
    if (Stream* s = find(closed->id)) {
      closed->finished = s->fin_received;
      closed->reset = s->reset;
    }
  }
  return event;
}

std::optional<Deadline> Session::next_deadline() const {
  if (closed_) return {};
  uint64_t expiry = paused_ ? UINT64_MAX : ngtcp2_conn_get_expiry(conn_);
  Deadline next = connected_ ? Deadline{heard_ + config_.idle_timeout, "quic: idle"}
                             : Deadline{began_ + config_.handshake_timeout, "quic: handshake"};
  if (impatient()) next = *earlier(next, Deadline{nudge_, "quic: hurry a probe"});
  if (expiry == UINT64_MAX) return next;
  return earlier(next, Deadline{Instant(Duration(expiry) - shift_), "quic: loss, pacing or acknowledgement"});
}

// ---- getters

bool Session::finished_by_peer(StreamId id) const {
  Stream* s = find(id);
  return s && s->fin_received;
}

std::optional<Code> Session::reset_by_peer(StreamId id) const {
  Stream* s = find(id);
  return s ? s->reset : std::nullopt;
}

size_t Session::unacknowledged(StreamId id) const {
  Stream* s = find(id);
  return s ? s->out.size() : 0;
}

uint64_t Session::bytes_in_flight() const {
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn_, &info);
  return info.bytes_in_flight;
}

bool Session::impatient() const { return !paused_ && (!connected_ || config_.impatient) && bytes_in_flight() > 0; }

Duration Session::smoothed_rtt() const {
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn_, &info);
  return Duration(info.smoothed_rtt);
}

// ---- inside

Session::Stream* Session::find(StreamId id) const {
  auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

Session::Stream& Session::add_stream(StreamId id) {
  return *streams_.emplace(id, std::make_unique<Stream>(id, *config_.chunks)).first->second;
}

void Session::activate(Stream& stream) {
  if (stream.active || stream.blocked || !stream.wants_to_send()) return;
  stream.active = true;
  stream.turn = 0;
  active_.push_back(&stream);
}

void Session::announce_readable(Stream& stream) {
  if (std::exchange(stream.announced, true)) return;
  events_.push_back(StreamReadable{stream.id});
}

void Session::announce_closed(Stream& stream) {
  if (!std::exchange(stream.close_announced, true)) events_.push_back(StreamClosed{stream.id});
}

void Session::extend_session_window() {
  // The session's window follows what arrived, not what was read: a stream that nobody reads holds its own window back
  // and no other. Only when all unread bytes together are too many must the peer wait.
  if (credit_owed_ == 0 || buffered_ > config_.buffered_max) return;
  ngtcp2_conn_extend_max_offset(conn_, std::exchange(credit_owed_, 0));
}

void Session::fail(int library_error) {
  using Why = Closed::Why;
  switch (library_error) {
    case NGTCP2_ERR_DRAINING: {
      const ngtcp2_ccerr* e = ngtcp2_conn_get_ccerr(conn_);
      bool application = e->type == NGTCP2_CCERR_TYPE_APPLICATION;
      // 0x100 + TLS alert (RFC 9001 section 4.8): 42 bad_certificate is how the other end says "not your key".
      bool wrong_key = !application && (e->error_code == 0x100 + 42 || e->error_code == 0x100 + 116);
      closed_because(wrong_key ? Why::wrong_key : Why::peer, application ? static_cast<Code>(e->error_code) : Code::none,
                     std::string(reinterpret_cast<const char*>(e->reason), e->reasonlen));
      break;
    }
    case NGTCP2_ERR_CLOSING: closed_because(Why::local, Code::none, {}); break;
    case NGTCP2_ERR_IDLE_CLOSE: closed_because(Why::idle, Code::none, "nothing was heard for too long"); break;
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT: closed_because(Why::handshake, Code::none, "no answer"); break;
    case NGTCP2_ERR_DROP_CONN: closed_because(Why::error, Code::none, "dropped"); break;
    case NGTCP2_ERR_RETRY: closed_because(Why::error, Code::none, "retry"); break;
    default:
      closed_because(tls_ && tls_->mismatch ? Why::wrong_key : Why::error, Code::none, ngtcp2_strerror(library_error));
      close_error_ = library_error;  // write() owes the peer a CONNECTION_CLOSE
      break;
  }
}

void Session::closed_because(Closed::Why why, Code code, std::string text) {
  if (std::exchange(closed_, true)) return;
  events_.push_back(Closed{why, code, std::move(text)});
}

}  // namespace ginnel::quic
