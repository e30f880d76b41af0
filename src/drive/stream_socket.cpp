#include "drive/stream_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "drive/socket_address.hpp"
#include "drive/unix_address.hpp"

namespace ginnel::stream_socket {

namespace {

bool is_reset(int error) { return error == ECONNRESET || error == ECONNABORTED || error == EPIPE; }
bool is_blocked(int error) { return error == EAGAIN || error == EINTR || error == ENOBUFS; }

Error connect_failure(int error, const std::string& to) {
  switch (error) {
    case ECONNREFUSED:
      return {Errc::refused, "Nothing accepts connections at " + to + ". Is the service running?"};
    case ENOENT:
      return {Errc::refused, "There is no socket at " + to + ". Is the service running?"};
    case EAGAIN:  // unix domain: the queue of waiting connections is full
      return {Errc::refused, to + " has too many waiting connections. Try again."};
    case EACCES:
    case EPERM:
      return {Errc::permission, to + " may not be connected to by this user: " + errno_text(error) + "."};
    default:
      return {Errc::unreachable, to + " cannot be reached: " + errno_text(error) + "."};
  }
}

Result<Fd> begin(int family, const sockaddr* raw, socklen_t size, const std::string& to) {
  Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return Error{Errc::unreachable, "No socket for " + to + ": " + errno_text(errno) + "."};
  if (::connect(fd.get(), raw, size) != 0 && errno != EINPROGRESS) return connect_failure(errno, to);
  return fd;
}

}  // namespace

Result<Fd> connect(const Address& to) {
  SocketAddress raw(to);
  Result<Fd> fd = begin(to.v6 ? AF_INET6 : AF_INET, raw.data(), raw.size(), to.to_string());
  int on = 1;
  if (fd) ::setsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

Result<Fd> connect_unix(const std::string& path) {
  auto raw = UnixAddress::make(path);
  if (!raw) return Error{Errc::usage, "The socket path '" + path + "' is empty or longer than 107 bytes. Use another."};
  return begin(AF_UNIX, raw->data(), raw->size, path);
}

std::optional<Error> connect_error(int fd, const std::string& to) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (!error) return {};
  return connect_failure(error, to);
}

ReadResult read(int fd, MutableBytes room) {
  ssize_t n = ::read(fd, room.data(), room.size());
  if (n > 0) return {.n = static_cast<size_t>(n)};
  if (n == 0 || errno == EIO) return {.eof = true};  // EIO: the terminal hung up
  if (is_blocked(errno)) return {.blocked = true};
  if (is_reset(errno)) return {.reset = true};
  return {.error = errno};
}

WriteResult write(int fd, Bytes bytes) {
  ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (n < 0 && errno == ENOTSOCK) n = ::write(fd, bytes.data(), bytes.size());
  if (n >= 0) return {.n = static_cast<size_t>(n)};
  if (is_blocked(errno)) return {.blocked = true};
  if (is_reset(errno)) return {.reset = true};
  return {.error = errno};
}

void shutdown_write(int fd) { ::shutdown(fd, SHUT_WR); }

void abort(Fd fd) {
  linger now{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace ginnel::stream_socket
