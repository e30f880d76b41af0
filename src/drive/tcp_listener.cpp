#include "drive/tcp_listener.hpp"

#include <cerrno>

#include "drive/socket_address.hpp"

namespace ginnel {

Result<TcpListener> TcpListener::open(const Address& bind, Port port) {
  Fd fd(::socket(bind.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return bind_error(errno, "TCP", bind);
  int on = 1;
  // So that a restarted server does not wait for its old connections to leave TIME_WAIT.
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (port == Port::shared) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (bind.v6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  SocketAddress raw(bind);
  if (::bind(fd.get(), raw.data(), raw.size()) != 0) return bind_error(errno, "TCP", bind);
  // With SO_REUSEADDR two sockets may share a port until one listens: that one has it.
  if (::listen(fd.get(), backlog) != 0) return bind_error(errno, "TCP", bind);
  return TcpListener(std::move(fd));
}

TcpListener::TcpListener(Fd listening) : fd_(std::move(listening)), local_(local_address_of(fd_.get())) {}

std::optional<std::pair<Fd, Address>> TcpListener::accept() {
  out_of_files_ = false;
  for (int attempt = 0; attempt < backlog; attempt++) {
    SocketAddress from;
    socklen_t size = SocketAddress::room();
    Fd fd(::accept4(fd_.get(), from.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) return std::pair{std::move(fd), from.address()};
    switch (errno) {
      case EAGAIN:
        return {};
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        out_of_files_ = true;
        return {};
      default:
        continue;  // that connection died while it waited (accept(2) lists the errors); the next may be well
    }
  }
  return {};
}

}  // namespace ginnel
