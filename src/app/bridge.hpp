// Joins one application connection to one stream: bytes both ways, end to end, half-close to half-close, reset to
// reset. Copies nothing itself: the socket reads into the stream's buffer and writes out of it.
#pragma once
#include <functional>

#include "core/quic/session.hpp"
#include "drive/fd.hpp"
#include "drive/loop.hpp"

namespace ginnel::app {

class Bridge {
 public:
  /// Called when bytes were given to or taken from the session: there may be packets to send.
  using Touched = std::function<void()>;
  /// `in` and `out` may be the same descriptor (a socket) or two (stdin and stdout).
  Bridge(Loop& loop, Fd in, Fd out, quic::StreamId stream, Touched touched);

  /// Each gets the session, or null when it is gone. False: the bridge is done with its descriptors.
  void stream_readable(quic::Session* session);
  void stream_writable(quic::Session* session);
  void stream_stopped();
  /// The session ended under us: an honest reset, never a fake end.
  void abandon();
  /// Both directions ended well: close the descriptors the ordinary way.
  void release();

  quic::StreamId stream() const { return stream_; }
  std::function<quic::Session*()> session;  ///< set by the owner; used when a descriptor is ready
  std::function<void(quic::Code)> on_reset_by_peer;  ///< may be empty
  std::function<void()> on_done;            ///< may be empty: both directions ended and everything was confirmed
  bool done() const { return read_ended_ && write_ended_; }
  uint64_t bytes_out() const { return bytes_out_; }

 private:
  void read_application(quic::Session* s);
  void write_application(quic::Session* s);
  void application_reset(quic::Session* s);

  Touched touched_;
  Fd in_, out_;
  Loop::Watch in_watch_, out_watch_;  // one watch when in and out are one socket
  quic::StreamId stream_;
  bool same_;
  bool read_ended_ = false;   ///< of the application's bytes
  bool write_ended_ = false;  ///< towards the application
  uint64_t bytes_out_ = 0;
};

}  // namespace ginnel::app
