// One stream inside a session: what waits to be sent or acknowledged, what arrived and was not read. Internal to quic/.
#pragma once
#include <optional>

#include "base/byte_queue.hpp"
#include "core/quic/session.hpp"

namespace ginnel::quic {

struct Session::Stream {
  // How much may wait unsent: enough to fill the largest trains while the application is woken again, and what a slow
  // reader on the other side costs us.
  static constexpr size_t unsent_max = 256 * 1024;

  Stream(StreamId stream_id, ChunkPool& pool) : id(stream_id), out(pool), in(pool) {}

  size_t unsent() const { return out.size() - sent; }
  bool wants_to_send() const { return !write_ended && (opening || unsent() > 0 || (fin && !fin_sent)); }

  StreamId id;

  ByteQueue out;               ///< given to send and not acknowledged
  size_t sent = 0;             ///< of those, how many were put in packets at least once
  bool opening = false;        ///< the peer must learn of it even if the application is silent: a service may speak first
  bool fin = false;
  bool fin_sent = false;
  bool write_ended = false;    ///< reset by us, or stopped by the peer
  bool active = false;         ///< in the session's active list
  bool blocked = false;        ///< by the peer's flow control
  bool starved = false;        ///< reserve() gave nothing: owes a StreamWritable
  uint32_t turn = 0;           ///< bytes sent since its turn began

  ByteQueue in;
  bool fin_received = false;
  bool read_ended = false;     ///< we do not want the rest
  bool announced = false;      ///< a StreamReadable is in the queue
  bool closed = false;         ///< QUIC is done with it; it lives until it was read
  bool close_announced = false;  ///< StreamClosed is told once, whatever the application still does to it
  std::optional<Code> reset;   ///< by the peer
};

}  // namespace ginnel::quic
