#include "drive/tcp_connection.hpp"

#include <cassert>
#include <cerrno>

#include "drive/socket_address.hpp"
#include "drive/tcp_options.hpp"

namespace ginnel {

namespace {

constexpr size_t scratch_bytes = 256 * 1024;

/// One for all connections of the thread: only one is read at a time, and what is not consumed is copied away.
MutableBytes scratch() {
  static thread_local std::unique_ptr<uint8_t[]> memory(new uint8_t[scratch_bytes]);
  return {memory.get(), scratch_bytes};
}

/// One local port that listens and dials out several times at once: RFC 5382 section 5.3 is what it relies on.
bool bind_shared(int fd, bool v6, uint16_t port) {
  int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  Address any;
  any.v6 = v6;
  if (v6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  SocketAddress raw(any.with_port(port));
  return ::bind(fd, raw.data(), raw.size()) == 0;
}

void release(std::vector<uint8_t>& bytes) { std::vector<uint8_t>().swap(bytes); }

}  // namespace

TcpConnection::TcpConnection(Loop& loop, Fd accepted, Callbacks callbacks)
    : loop_(loop), shared_(std::make_shared<Shared>(Shared{std::move(callbacks)})), fd_(std::move(accepted)) {
  SocketAddress remote;
  socklen_t size = SocketAddress::room();
  if (::getpeername(fd_.get(), remote.data(), &size) == 0) remote_ = remote.address();
  set_packet_options(fd_.get());
  start_watch();
  watch_.want_read(true);
}

TcpConnection::TcpConnection(Loop& loop, const Address& to, Callbacks callbacks, uint16_t from_port)
    : loop_(loop), shared_(std::make_shared<Shared>(Shared{std::move(callbacks)})), remote_(to) {
  start_connect(from_port);
}

std::unique_ptr<TcpConnection> TcpConnection::connect(Loop& loop, const Address& to, Callbacks callbacks,
                                                      uint16_t from_port) {
  return std::unique_ptr<TcpConnection>(new TcpConnection(loop, to, std::move(callbacks), from_port));
}

TcpConnection::~TcpConnection() {
  shared_->dead = true;
  watch_.reset();
}

void TcpConnection::start_watch() {
  watch_ = Loop::Watch(
      loop_, fd_.get(), [this] { on_readable(); }, [this] { on_writable(); });
}

void TcpConnection::start_connect(uint16_t from_port) {
  connecting_ = true;
  fd_.reset(::socket(remote_.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_) return finish_later("no socket for " + remote_.to_string() + ": " + errno_text(errno));
  set_packet_options(fd_.get());
  if (from_port != 0 && !bind_shared(fd_.get(), remote_.v6, from_port))
    return finish_later("cannot leave from port " + std::to_string(from_port) + ": " + errno_text(errno));
  SocketAddress raw(remote_);
  if (::connect(fd_.get(), raw.data(), raw.size()) != 0 && errno != EINPROGRESS)
    return finish_later("cannot connect to " + remote_.to_string() + ": " + errno_text(errno));
  start_watch();
  watch_.want_write(true);
  limit_ = Loop::Timer(loop_, [this] { finish(remote_.to_string() + " did not answer"); });
  limit_.set(loop_.now() + connect_limit);
}

void TcpConnection::connected() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) return finish("cannot connect to " + remote_.to_string() + ": " + errno_text(error));
  connecting_ = false;
  limit_.cancel();
  watch_.want_read(true);
  auto shared = shared_;
  if (shared->callbacks.on_connected) shared->callbacks.on_connected(local_address_of(fd_.get()));
  if (!shared->dead && !failed_) after_flush();
}

void TcpConnection::on_readable() {
  if (failed_) return;
  MutableBytes room = scratch();
  std::copy(leftover_.begin(), leftover_.end(), room.begin());
  ssize_t n = ::recv(fd_.get(), room.data() + leftover_.size(), room.size() - leftover_.size(), 0);
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) finish(errno_text(errno));
    return;
  }
  if (n == 0) return finish("the other side closed the connection");
  // While closing, the other side's last words only keep the kernel from answering them with a reset.
  if (!closing_) deliver(room.first(leftover_.size() + static_cast<size_t>(n)));
}

void TcpConnection::deliver(MutableBytes bytes) {
  auto shared = shared_;
  size_t consumed = shared->callbacks.on_received(bytes);
  assert(consumed <= bytes.size());
  if (shared->dead) return;
  Bytes rest = bytes.subspan(consumed);
  if (rest.empty() || closing_) {
    if (leftover_.capacity()) release(leftover_);
  } else if (rest.size() > leftover_max) {
    finish("the other side sent a frame that is too long");
  } else {
    leftover_.assign(rest.begin(), rest.end());
  }
}

TcpConnection::Queued TcpConnection::send(Bytes bytes) {
  if (closing_ || failed_) return Queued::refused;
  if (queued() + bytes.size() > queue_max) {
    owes_writable_ = true;
    return Queued::refused;
  }
  if (!connecting_ && queued() == 0) {
    ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
      finish_later(errno_text(errno));
      return Queued::refused;
    }
    if (n > 0) bytes = bytes.subspan(static_cast<size_t>(n));
  }
  if (bytes.empty()) return Queued::ok;
  enqueue(bytes);
  watch_.want_write(true);
  if (queued() <= queue_full) return Queued::ok;
  owes_writable_ = true;
  return Queued::full;
}

void TcpConnection::enqueue(Bytes bytes) {
  if (queue_head_ > 0 && queue_.size() + bytes.size() > queue_.capacity()) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(queue_head_));
    queue_head_ = 0;
  }
  queue_.insert(queue_.end(), bytes.begin(), bytes.end());
}

bool TcpConnection::flush() {
  while (queued() > 0) {
    ssize_t n = ::send(fd_.get(), queue_.data() + queue_head_, queued(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN || errno == ENOBUFS;
    queue_head_ += static_cast<size_t>(n);
  }
  release(queue_);
  queue_head_ = 0;
  return true;
}

void TcpConnection::on_writable() {
  if (failed_) return;
  if (connecting_) return connected();
  after_flush();
}

void TcpConnection::after_flush() {
  if (!flush()) return finish(errno_text(errno));
  watch_.want_write(queued() > 0);
  if (closing_) {
    if (queued() == 0) ::shutdown(fd_.get(), SHUT_WR);
  } else if (owes_writable_ && queued() < queue_writable) {
    owes_writable_ = false;
    if (shared_->callbacks.on_writable) std::shared_ptr(shared_)->callbacks.on_writable();
  }
}

void TcpConnection::close() {
  if (closing_) return;
  closing_ = true;
  if (failed_) return;
  if (connecting_) return finish_later("closed");
  limit_ = Loop::Timer(loop_, [this] { finish("closed"); });
  limit_.set(loop_.now() + close_limit);
  watch_.want_write(true);  // flush from the loop: close() may be called from any depth
}

Fd TcpConnection::detach() {
  assert(queued() == 0 && !connecting_);
  failed_ = true;
  watch_.reset();
  limit_.reset();
  return std::move(fd_);
}

void TcpConnection::finish(const std::string& why) {
  if (shared_->dead) return;
  failed_ = true;
  watch_.reset();
  limit_.reset();
  fd_.reset();
  release(queue_);
  release(leftover_);
  queue_head_ = 0;
  auto shared = shared_;
  // Taken out, so that it cannot come twice.
  if (auto on_closed = std::exchange(shared->callbacks.on_closed, nullptr)) on_closed(why);
}

void TcpConnection::finish_later(std::string why) {
  failed_ = true;
  loop_.post([this, shared = shared_, why = std::move(why)] {
    if (!shared->dead) finish(why);
  });
}

}  // namespace ginnel
