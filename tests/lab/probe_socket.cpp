#include "tests/lab/probe_socket.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drive/socket_address.hpp"
#include "lab/error.hpp"
#include "lab/time.hpp"

namespace ginnel::lab {
namespace {

/// A socket made in the host's namespace; the test itself stays where it is.
Fd socket_in(const Host& host, int type, bool v6) {
  static const int home = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (::setns(host.netns(), CLONE_NEWNET) != 0) throw_errno("cannot enter " + host.name());
  Fd fd(::socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::setns(home, CLONE_NEWNET) != 0) throw_errno("cannot come back from " + host.name());
  if (!fd) throw_errno("cannot make a socket in " + host.name());
  return fd;
}

void bind_to(const Fd& fd, const Address& address) {
  int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  SocketAddress raw(address);
  if (::bind(fd.get(), raw.data(), raw.size()) != 0) throw_errno("cannot bind to " + address.to_string());
}

bool wait_for(int fd, short events, Duration patience) {
  pollfd one{fd, events, 0};
  return ::poll(&one, 1, poll_ms(in(patience))) > 0;
}

void connect_to(int fd, const Address& to) {
  SocketAddress raw(to);
  if (::connect(fd, raw.data(), raw.size()) != 0 && errno != EINPROGRESS)
    throw_errno("cannot connect to " + to.to_string());
}

}  // namespace

Address at(const std::string& ip, uint16_t port) {
  auto out = Address::parse((ip.find(':') == ip.npos ? ip : "[" + ip + "]") + ":" + std::to_string(port));
  if (!out) throw LabError(ip + " is no address");
  return *out;
}

// ---- UDP

UdpProbe::UdpProbe(const Host& host, const Address& bind) : fd_(socket_in(host, SOCK_DGRAM, bind.v6)) {
  bind_to(fd_, bind);
}

void UdpProbe::send(const Address& to, const std::string& text) {
  SocketAddress raw(to);
  ::sendto(fd_.get(), text.data(), text.size(), 0, raw.data(), raw.size());  // a refusal is learned elsewhere
}

std::optional<UdpProbe::Datagram> UdpProbe::receive(Duration patience) {
  const Time deadline = in(patience);
  do {
    SocketAddress from;
    socklen_t size = SocketAddress::room();
    std::string text(65536, '\0');
    const ssize_t n = ::recvfrom(fd_.get(), text.data(), text.size(), 0, from.data(), &size);
    if (n >= 0) return Datagram{from.address(), text.substr(0, static_cast<size_t>(n))};
  } while (wait_for(fd_.get(), POLLIN, std::max<Duration>(deadline - now(), Duration(0))) && now() < deadline);
  return {};
}

void UdpProbe::connect(const Address& to) { connect_to(fd_.get(), to); }

void UdpProbe::always_set_df() {
  int always = IP_PMTUDISC_DO;
  ::setsockopt(fd_.get(), IPPROTO_IP, IP_MTU_DISCOVER, &always, sizeof always);
}

int UdpProbe::take_error(Duration patience) {
  int error = 0;
  socklen_t size = sizeof error;
  wait_for(fd_.get(), POLLERR, patience);
  ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

int UdpProbe::path_mtu() {
  int mtu = 0;
  socklen_t size = sizeof mtu;
  ::getsockopt(fd_.get(), IPPROTO_IP, IP_MTU, &mtu, &size);
  return mtu;
}

Address UdpProbe::address() const { return local_address_of(fd_.get()); }

// ---- TCP

TcpProbe::TcpProbe(const Host& host, const Address& bind) : fd_(socket_in(host, SOCK_STREAM, bind.v6)) {
  bind_to(fd_, bind);
}

void TcpProbe::listen() {
  if (::listen(fd_.get(), 64) != 0) throw_errno("cannot listen");
}

std::optional<TcpProbe> TcpProbe::accept(Duration patience) {
  if (!wait_for(fd_.get(), POLLIN, patience)) return {};
  Fd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return {};
  return TcpProbe(std::move(fd));
}

void TcpProbe::begin_connect(const Address& to) { connect_to(fd_.get(), to); }

int TcpProbe::await_connected(Duration patience) {
  if (!wait_for(fd_.get(), POLLOUT, patience)) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

bool TcpProbe::write(const std::string& text) {
  return ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

std::string TcpProbe::read(size_t size, Duration patience) {
  std::string out;
  const Time deadline = in(patience);
  while (out.size() < size && wait_for(fd_.get(), POLLIN, std::max<Duration>(deadline - now(), Duration(0)))) {
    std::string chunk(size - out.size(), '\0');
    const ssize_t n = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
    if (n <= 0) break;
    out.append(chunk, 0, static_cast<size_t>(n));
  }
  return out;
}

bool TcpProbe::at_end(Duration patience) {
  char byte;
  return wait_for(fd_.get(), POLLIN, patience) && ::recv(fd_.get(), &byte, 1, 0) == 0;
}

bool TcpProbe::was_reset(Duration patience) {
  char byte;
  return wait_for(fd_.get(), POLLIN, patience) && ::recv(fd_.get(), &byte, 1, 0) < 0 && errno == ECONNRESET;
}

void TcpProbe::half_close() { ::shutdown(fd_.get(), SHUT_WR); }

void TcpProbe::reset() {
  linger hard{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  fd_.reset();
}

Address TcpProbe::address() const { return local_address_of(fd_.get()); }

Address TcpProbe::peer() const {
  SocketAddress raw;
  socklen_t size = SocketAddress::room();
  return ::getpeername(fd_.get(), raw.data(), &size) == 0 ? raw.address() : Address{};
}

}  // namespace ginnel::lab
