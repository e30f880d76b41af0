#include "app/bridge.hpp"

#include "drive/stream_socket.hpp"

namespace ginnel::app {

Bridge::Bridge(Loop& loop, Fd in, Fd out, quic::StreamId stream, Touched touched)
    : touched_(std::move(touched)), in_(std::move(in)), out_(std::move(out)), stream_(stream), same_(!out_) {
  auto readable = [this] { read_application(session()); };
  auto writable = [this] { write_application(session()); };
  if (same_) {
    in_watch_ = Loop::Watch(loop, in_.get(), readable, writable);
  } else {
    in_watch_ = Loop::Watch(loop, in_.get(), readable);
    out_watch_ = Loop::Watch(loop, out_.get(), {}, writable);
  }
  in_watch_.want_read(true);
}

void Bridge::stream_readable(quic::Session* s) {
  if (!s) return abandon();
  if (auto code = s->reset_by_peer(stream_)) {
    if (on_reset_by_peer) on_reset_by_peer(*code);
    s->reset(stream_, *code);
    return abandon();
  }
  write_application(s);
}

void Bridge::stream_writable(quic::Session* s) {
  if (read_ended_ || !s) return;
  in_watch_.want_read(true);
}

void Bridge::stream_stopped() {
  if (read_ended_) return;
  read_ended_ = true;
  in_watch_.want_read(false);
}

void Bridge::release() {
  in_watch_.reset();
  out_watch_.reset();
  in_.reset();
  out_.reset();
}

void Bridge::abandon() {
  read_ended_ = write_ended_ = true;
  in_watch_.reset();
  out_watch_.reset();
  if (same_ && in_) stream_socket::abort(std::move(in_));
  in_.reset();
  out_.reset();
}

void Bridge::read_application(quic::Session* s) {
  if (!s) return abandon();
  if (read_ended_) return in_watch_.want_read(false);
  bool any = false;
  for (;;) {
    MutableBytes room = s->reserve(stream_);
    if (room.empty()) {  // enough waits to be sent: StreamWritable tells when to go on
      in_watch_.want_read(false);
      break;
    }
    auto got = stream_socket::read(in_.get(), room);
    if (got.n > 0) {
      s->commit(stream_, got.n);
      any = true;
      if (got.n < room.size()) break;  // it is empty now, most likely: save the call that would say so
      continue;
    }
    if (got.eof) {
      s->finish(stream_);
      read_ended_ = true;
      in_watch_.want_read(false);
      any = true;
    } else if (!got.blocked) {
      return application_reset(s);
    }
    break;
  }
  if (any) touched_();
}

void Bridge::write_application(quic::Session* s) {
  if (!s) return abandon();
  auto& watch = same_ ? in_watch_ : out_watch_;
  int fd = same_ ? in_.get() : out_.get();
  bool any = false, blocked = false;
  while (!write_ended_) {
    Bytes bytes = s->received(stream_);
    if (bytes.empty()) {
      if (s->finished_by_peer(stream_)) {
        write_ended_ = true;
        if (same_)
          stream_socket::shutdown_write(fd);
        else
          out_watch_.reset(), out_.reset();
      }
      break;
    }
    auto put = stream_socket::write(fd, bytes);
    if (put.n > 0) {
      s->consume(stream_, put.n);
      bytes_out_ += put.n;
      any = true;
      if (put.n == bytes.size()) continue;
    }
    blocked = put.n > 0 || put.blocked;
    if (!blocked) return application_reset(s);
    break;
  }
  if (watch) watch.want_write(blocked);
  if (any) touched_();
}

void Bridge::application_reset(quic::Session* s) {
  s->reset(stream_, quic::Code::reset);
  abandon();
  touched_();
}

}  // namespace ginnel::app
