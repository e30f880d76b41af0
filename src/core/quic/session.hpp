// One QUIC connection (RFC 9000) between two keys, over whatever carries its packets. ngtcp2 sees one fixed, synthetic
// address pair for ever: which carrier a packet takes is decided above, and a change of carrier is invisible here
// (docs/decisions/001). Callbacks of the C library end in session.cpp; outside there are only inputs and polls.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>

#include "base/byte_queue.hpp"
#include "base/deadline.hpp"
#include "base/instant.hpp"
#include "base/public_key.hpp"
#include "base/rng.hpp"
#include "core/crypto/identity.hpp"

struct ngtcp2_conn;

namespace ginnel::quic {

using StreamId = int64_t;
/// Leads every connection id that we issue, so that packets find their session whatever address they come from.
using Tag = uint32_t;
inline constexpr size_t connection_id_size = 8;

/// Why a stream ended early, or a session. Sent as application error codes (RFC 9000 section 20.2).
enum class Code : uint64_t {
  none = 0,
  reset = 0x10,         ///< the application's connection was reset
  refused = 0x11,       ///< the service refused the connection
  unreachable = 0x12,   ///< the service cannot be reached, or timed out
  forbidden = 0x13,     ///< the capability is not valid for this service
  expired = 0x14,       ///< the ticket has expired
  malformed = 0x15,     ///< the peer broke the protocol
  closing = 0x16,       ///< the process ends
  replaced = 0x17,      ///< a newer session took this one's place
  too_many = 0x18,      ///< a limit
};

struct SessionConfig {
  std::string alpn;                            ///< RFC 9001 section 8.1: mandatory; tells peer and server sessions apart
  std::optional<PublicKey> expected_peer;      ///< anybody else is turned away in the handshake
  Duration idle_timeout = 1h;                  ///< nothing authentic heard for so long; each end counts for itself
  Duration keep_alive = Duration::zero();      ///< send a PING after so long a silence; zero: never
  Duration handshake_timeout = 10s;
  Duration initial_rtt = 100ms;                ///< RFC 9002's 333 ms costs 3 s when two first flights are lost
  bool impatient = false;                      ///< probes at least each second, or two round trips, while something is unacknowledged
  uint64_t streams_max = 1024;                 ///< how many the peer may have open at once
  uint64_t stream_window = 64 * 1024;          ///< first flow-control window of a stream; grows while it is read
  uint64_t stream_window_max = 8 * 1024 * 1024;
  uint64_t buffered_max = 32 * 1024 * 1024;    ///< received and unread over all streams: beyond it the peer must wait
  std::shared_ptr<ChunkPool> chunks = {};      ///< of all sessions of one thread; nothing: it has its own
};

struct Connected { PublicKey peer; };                     ///< handshake done, the peer's key is proven
struct StreamOpened { StreamId id; };                     ///< by the peer
struct StreamReadable { StreamId id; };                   ///< bytes, the end, or a reset are there: look at received()
struct StreamWritable { StreamId id; };                   ///< room again after reserve() gave none
struct StreamStopped { StreamId id; };                    ///< the peer wants no more of our bytes
/// Both directions ended; the id is no longer valid. How the peer's direction ended is said here again: whoever gets
/// events in batches may find the stream gone when it looks for the end.
struct StreamClosed { StreamId id; bool finished = false; std::optional<Code> reset = {}; };
struct Closed {
  enum class Why { local, peer, idle, reset, wrong_key, handshake, error } why;
  Code code = Code::none;  ///< of the peer's CONNECTION_CLOSE
  std::string text;
};
using Event = std::variant<Connected, StreamOpened, StreamReadable, StreamWritable, StreamStopped, StreamClosed, Closed>;

/// Packets written into one buffer, each `segment` bytes (headroom included), the last may be shorter.
struct Train {
  size_t size = 0;
  size_t segment = 0;
};

class Session {
 public:
  static std::unique_ptr<Session> dial(Instant now, const crypto::Identity& self, SessionConfig config, Tag tag, Rng& rng);
  /// From a client's first packet; nothing if it is not an acceptable Initial. `retried` is set when that packet
  /// carries a Retry token that was verified (core/quic/door.hpp).
  struct Retried { std::array<uint8_t, 20> original_dcid; size_t original_dcid_size; };
  static std::unique_ptr<Session> accept(Instant now, const crypto::Identity& self, SessionConfig config, Tag tag, Rng& rng,
                                         Bytes first_packet, const std::optional<Retried>& retried = {});
  ~Session();
  Session(const Session&) = delete;

  // ---- inputs
  /// One datagram. True if something in it was authentic and newer than all before; packets that cannot be decrypted
  /// are dropped silently.
  bool handle_packet(Instant now, MutableBytes datagram);
  void handle_timeout(Instant now);
  /// The path is back, or another one carries us now: send what is in flight again without waiting out the probe
  /// timeout, which ngtcp2 backs off without a cap (facts: an outage of 20 s cost 13 s more).
  void wake(Instant now);
  /// Nothing carries us: time stands still for the library until resume(). Otherwise its probe timer would back off, and
  /// the first acknowledgement after an outage of minutes would be taken for a round trip of minutes.
  void pause(Instant now);
  void resume(Instant now);

  // ---- commands
  /// Nothing while the peer's limit is reached or the handshake is not done.
  std::optional<StreamId> open_stream();
  /// Room for bytes to send: write into it, then commit. Empty while enough is waiting: StreamWritable tells when.
  MutableBytes reserve(StreamId id);
  void commit(StreamId id, size_t n);
  /// Convenience for small messages; ignores the limit of reserve().
  void send(StreamId id, Bytes bytes);
  void release(StreamId id);                ///< after StreamClosed: forget it
  void finish(StreamId id);                 ///< no more bytes from us (FIN)
  void reset(StreamId id, Code code);       ///< both directions, at once
  /// Bytes that arrived and were not consumed: the first contiguous piece.
  Bytes received(StreamId id) const;
  void consume(StreamId id, size_t n);      ///< gives the peer new credit
  /// How much may be received and unread; may grow while the session lives.
  void set_buffered_max(uint64_t bytes);
  /// The next train holds CONNECTION_CLOSE, then nothing follows; poll once more after closed() for that.
  void close(Code code, std::string text);

  // ---- polls
  /// Writes as many packets as there are, as congestion control, pacing and the room allow, each at most `packet_size`
  /// (at least 1,200) behind `headroom` free bytes. An empty train: nothing to send now.
  Train write(Instant now, MutableBytes room, size_t packet_size, size_t headroom);
  std::optional<Event> poll_event();
  std::optional<Deadline> next_deadline() const;

  // ---- getters
  Tag tag() const { return tag_; }
  bool connected() const { return connected_; }
  bool closed() const { return closed_; }
  bool is_dialler() const { return dialler_; }
  const PublicKey& peer() const { return peer_; }
  bool finished_by_peer(StreamId id) const;             ///< received() is all that will ever come
  std::optional<Code> reset_by_peer(StreamId id) const;
  bool has_stream(StreamId id) const { return streams_.contains(id); }
  size_t unacknowledged(StreamId id) const;             ///< bytes given to send that the peer has not confirmed
  size_t stream_count() const { return streams_.size(); }
  size_t buffered() const { return buffered_; }
  uint64_t acknowledged() const { return acknowledged_; }  ///< bytes of streams, all that ever were
  bool backlogged() const { return !active_.empty(); }     ///< more could be sent if the path took it
  uint64_t bytes_in_flight() const;                     ///< sent and neither acknowledged nor lost
  Duration smoothed_rtt() const;

 private:
  friend struct Callbacks;
  struct Stream;
  struct Tls;
  Session(Instant now, const crypto::Identity& self, SessionConfig config, Tag tag, Rng& rng);

  uint64_t to_ts(Instant now) const;
  bool impatient() const;
  Stream* find(StreamId id) const;
  Stream& add_stream(StreamId id);
  void activate(Stream& stream);
  void announce_readable(Stream& stream);
  void announce_closed(Stream& stream);
  void extend_session_window();
  size_t write_packet(uint64_t ts, MutableBytes out);
  Train write_close(uint64_t ts, MutableBytes room, size_t packet_size, size_t headroom);
  void fail(int library_error);
  void closed_because(Closed::Why why, Code code, std::string text);

  SessionConfig config_;
  Tag tag_;
  Rng& rng_;
  bool dialler_ = false;
  bool connected_ = false;
  bool closed_ = false;
  PublicKey peer_;
  Instant began_, heard_, nudge_;  ///< created; last authentic packet; when to hurry the handshake again
  std::array<uint8_t, 32> reset_secret_;
  Duration shift_{};             ///< ngtcp2's clock runs ahead of ours by this: see wake() and pause()
  std::optional<Instant> paused_;
  uint64_t next_number_ = 0;     ///< one above the highest packet number that was authentic
  ngtcp2_conn* conn_ = nullptr;
  std::unique_ptr<Tls> tls_;
  std::unordered_map<StreamId, std::unique_ptr<Stream>> streams_;
  std::deque<Stream*> active_;   ///< have something to send and may; each takes its turn
  std::deque<Event> events_;
  uint64_t acknowledged_ = 0;
  size_t buffered_ = 0;          ///< received and not consumed, all streams
  size_t credit_owed_ = 0;       ///< received, but the session window was not extended yet
  std::string close_text_;
  std::optional<Code> close_code_;
  int close_error_ = 0;          ///< ngtcp2's number when the library ended the session
};

}  // namespace ginnel::quic
