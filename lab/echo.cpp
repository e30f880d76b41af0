#include "lab/echo.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "lab/error.hpp"

namespace ginnel::lab {
namespace {

sockaddr_in socket_address(const std::string& address, uint16_t port) {
  sockaddr_in out{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
  ::inet_pton(AF_INET, address.c_str(), &out.sin_addr);
  return out;
}

void echo(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  char chunk[4096];
  for (ssize_t n; (n = ::recv(fd, chunk, sizeof chunk, 0)) > 0;) {
    if (::send(fd, chunk, static_cast<size_t>(n), MSG_NOSIGNAL) != n) break;
  }
  ::close(fd);
}

}  // namespace

int dial(const std::string& address, uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in to = socket_address(address, port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return fd;
  ::close(fd);
  return -1;
}

Process start_echo(const Host& host, uint16_t port) {
  Process server = host.start([port]() -> int {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in at = socket_address("0.0.0.0", port);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 || ::listen(fd, 64) != 0)
      throw_errno("listen");
    if (::write(STDOUT_FILENO, "ready\n", 6) != 6) return 1;
    while (true) {
      const int connection = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return 1;
      std::thread(echo, connection).detach();
    }
  });
  if (server.read_line(in(5s)) != "ready") throw LabError("the echo on " + host.name() + " did not start");
  return server;
}

Process start_prober(const Host& host, uint16_t port) {
  return host.start([port] {
    int fd = -1;
    if (!wait_until([&] { return (fd = dial("127.0.0.1", port)) >= 0; }, in(20s), std::chrono::milliseconds(1)))
      return 1;
    char byte = 'x';
    if (::send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || ::recv(fd, &byte, 1, 0) != 1) return 1;
    std::printf("%lld\n", static_cast<long long>(now().time_since_epoch().count()));
    std::fflush(stdout);
    return ::pause();
  });
}

Time echo_moment(const std::string& line) { return Time(Time::duration(std::stoll(line))); }

}  // namespace ginnel::lab
