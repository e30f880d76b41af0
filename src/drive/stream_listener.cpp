#include "drive/stream_listener.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include <cerrno>

#include "drive/socket_address.hpp"
#include "drive/unix_address.hpp"

namespace ginnel {

namespace {

/// A file that refuses connections was left by a program that died.
bool is_stale(const UnixAddress& address) {
  Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return probe && ::connect(probe.get(), address.data(), address.size) != 0 && errno == ECONNREFUSED;
}

bool is_socket_file(const std::string& path) {
  struct stat info;
  return ::lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

Error unix_error(int error, const std::string& path) {
  switch (error) {
    case EADDRINUSE:
      return {Errc::in_use,
              path + " exists already and is in use. Choose another path, or stop the program that has it."};
    case EACCES:
    case EPERM:
    case EROFS:
      return {Errc::permission, path + " may not be created by this user. Choose a path in a directory of yours."};
    case ENOENT:
    case ENOTDIR:
      return {Errc::usage, "The directory of " + path + " does not exist. Create it first."};
    default:
      return {Errc::internal, path + " cannot be opened: " + errno_text(error) + "."};
  }
}

}  // namespace

Result<StreamListener> StreamListener::open(const Address& bind) {
  auto listener = TcpListener::open(bind);
  if (!listener) return listener.error();
  return StreamListener(std::move(*listener), {});
}

Result<StreamListener> StreamListener::open_unix(const std::string& path) {
  auto raw = UnixAddress::make(path);
  if (!raw) return Error{Errc::usage, "The socket path '" + path + "' is empty or longer than 107 bytes. Use another."};
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return unix_error(errno, path);
  // Before bind: Linux gives the file this mode, and there is no moment in which others could connect.
  ::fchmod(fd.get(), 0600);
  bool abstract = path[0] == '@';
  int failed = ::bind(fd.get(), raw->data(), raw->size);
  if (failed && errno == EADDRINUSE && !abstract && is_socket_file(path) && is_stale(*raw)) {
    ::unlink(path.c_str());
    failed = ::bind(fd.get(), raw->data(), raw->size);
  }
  if (failed || ::listen(fd.get(), TcpListener::backlog) != 0) return unix_error(errno, path);
  return StreamListener(TcpListener(std::move(fd)), abstract ? std::string() : path);
}

StreamListener::StreamListener(StreamListener&& other) noexcept
    : listener_(std::move(other.listener_)), path_(std::exchange(other.path_, {})) {}

StreamListener& StreamListener::operator=(StreamListener&& other) noexcept {
  std::swap(listener_, other.listener_);
  std::swap(path_, other.path_);
  return *this;
}

StreamListener::~StreamListener() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

std::optional<Fd> StreamListener::accept() {
  auto accepted = listener_.accept();
  if (!accepted) return {};
  int on = 1;
  ::setsockopt(accepted->first.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // refused by unix sockets, rightly
  return std::move(accepted->first);
}

}  // namespace ginnel
