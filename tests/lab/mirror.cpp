#include "tests/lab/mirror.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <ostream>

#include "lab/error.hpp"
#include "lab/subnet.hpp"

namespace ginnel::lab {
namespace {

constexpr uint16_t kAskerPort = 40000;
constexpr timeval kPatience{.tv_sec = 0, .tv_usec = 500'000};

struct Socket {
  sockaddr_storage raw{};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* data() { return reinterpret_cast<sockaddr*>(&raw); }
  uint16_t port() const {
    return ntohs(raw.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&raw)->sin6_port
                                           : reinterpret_cast<const sockaddr_in*>(&raw)->sin_port);
  }
};

Socket endpoint(const std::string& address, uint16_t port) {
  Socket out;
  if (is_ipv6(address)) {
    auto* six = reinterpret_cast<sockaddr_in6*>(&out.raw);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    ::inet_pton(AF_INET6, address.c_str(), &six->sin6_addr);
    out.size = sizeof *six;
  } else {
    auto* four = reinterpret_cast<sockaddr_in*>(&out.raw);
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    ::inet_pton(AF_INET, address.c_str(), &four->sin_addr);
    out.size = sizeof *four;
  }
  return out;
}

int open_bound(int type, const std::string& address, uint16_t port) {
  Socket at = endpoint(address, port);
  const int fd = ::socket(at.raw.ss_family, type | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, at.data(), at.size) != 0) throw_errno("cannot bind to " + address);
  return fd;
}

std::string any_like(const std::string& address) { return is_ipv6(address) ? "::" : "0.0.0.0"; }

void say_ready() {
  std::puts("ready");
  std::fflush(stdout);
}

int reflect(const std::string& address, const std::string& other, uint16_t port) {
  const int here = open_bound(SOCK_DGRAM, address, port);
  const int beside = open_bound(SOCK_DGRAM, address, static_cast<uint16_t>(port + 100));
  const int elsewhere = other.empty() ? here : open_bound(SOCK_DGRAM, other, port);
  say_ready();
  for (char wish;;) {
    Socket from;
    if (::recvfrom(here, &wish, 1, 0, from.data(), &from.size) < 0) return 1;
    const int out = wish == 'p' ? beside : wish == 'a' ? elsewhere : here;
    const std::string text = std::to_string(from.port());
    ::sendto(out, text.data(), text.size(), 0, from.data(), from.size);
  }
}

}  // namespace

Process start_mirror(const Host& host, const std::string& address, const std::string& other, uint16_t port) {
  Process mirror = host.start([=] { return reflect(address, other, port); });
  if (mirror.read_line(in(5s)) != "ready") throw LabError("a mirror on " + host.name() + " did not start");
  return mirror;
}

Process start_asking(const Host& host, const std::vector<Question>& questions) {
  return host.start([questions] {
    const int fd = open_bound(SOCK_DGRAM, any_like(questions.at(0).address), kAskerPort);
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    for (const auto& question : questions) {
      Socket to = endpoint(question.address, question.port);
      const Time start = now();
      const char wish = static_cast<char>(question.from);
      ::sendto(fd, &wish, 1, 0, to.data(), to.size);
      char answer[16] = "-";
      const ssize_t n = ::recv(fd, answer, sizeof answer - 1, 0);
      std::printf("%.*s %f\n", n > 0 ? static_cast<int>(n) : 1, answer, ms_since(start));
    }
    return 0;
  });
}

std::vector<Seen> answers(Process& asker) {
  std::vector<Seen> out;
  while (auto line = asker.read_line(in(10s))) {
    out.push_back({line->substr(0, line->find(' ')), std::stod(line->substr(line->find(' ')))});
  }
  return out;
}

std::vector<Seen> ask(const Host& host, const std::vector<Question>& questions) {
  Process asker = start_asking(host, questions);
  return answers(asker);
}

std::string ask(const Host& host, const Question& question) { return ask(host, std::vector{question}).at(0).port; }

int udp_socket(const std::string& address, uint16_t port) { return open_bound(SOCK_DGRAM, address, port); }

bool send_to(int fd, const std::string& bytes, const std::string& address, uint16_t port) {
  Socket to = endpoint(address, port);
  return ::sendto(fd, bytes.data(), bytes.size(), 0, to.data(), to.size) == static_cast<ssize_t>(bytes.size());
}

void knock(const Host& host, uint16_t from_port, const std::string& address, uint16_t port) {
  host.run(
      Command{.body = [&] { return send_to(udp_socket(any_like(address), from_port), "x", address, port) ? 0 : 1; }});
}

Door knock_tcp(const Host& host, const std::string& address, uint16_t port) {
  Process client = host.start([&] {
    const int fd = ::socket(is_ipv6(address) ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    Socket to = endpoint(address, port);
    const int result = ::connect(fd, to.data(), to.size);
    return static_cast<int>(result == 0 ? Door::open : errno == ECONNREFUSED ? Door::refused : Door::silent);
  });
  return static_cast<Door>(client.wait(in(10s)).value_or(-1));
}

std::ostream& operator<<(std::ostream& out, Door door) {
  return out << (door == Door::open ? "open" : door == Door::refused ? "refused" : "silent");
}

Process start_listener(const Host& host, const std::string& address, uint16_t port) {
  Process listener = host.start([=]() -> int {
    const int fd = open_bound(SOCK_STREAM, address, port);
    if (::listen(fd, 16) != 0) throw_errno("cannot listen");
    say_ready();
    while (true) ::close(::accept(fd, nullptr, nullptr));
  });
  if (listener.read_line(in(5s)) != "ready") throw LabError("a listener on " + host.name() + " did not start");
  return listener;
}

}  // namespace ginnel::lab
