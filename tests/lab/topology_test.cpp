// The lab itself, before any ginnel runs in it: do its NATs translate as they claim, do its lines delay and limit as
// asked, do its events happen. A UDP mirror that tells the asker's port back stands in for every program.
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/error.hpp"
#include "lab/topology.hpp"
#include "tests/lab/harness.hpp"

namespace ginnel::lab {
namespace {

sockaddr_in to_sockaddr(const std::string& ip, uint16_t port) {
  sockaddr_in out{.sin_family = AF_INET, .sin_port = htons(port)};
  ::inet_pton(AF_INET, ip.c_str(), &out.sin_addr);
  return out;
}

int udp_socket(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sockaddr_in at = to_sockaddr("0.0.0.0", port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) throw_errno("bind");
  return fd;
}

/// Answers each datagram with the port that it came from, as text: a STUN server in four lines.
Process start_mirror(const Host& host, uint16_t port) {
  Process mirror = host.start([port]() -> int {
    const int fd = udp_socket(port);
    std::puts("ready");
    std::fflush(stdout);
    for (char byte;;) {
      sockaddr_in from{};
      socklen_t size = sizeof from;
      if (::recvfrom(fd, &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &size) < 0) return 1;
      const std::string text = std::to_string(ntohs(from.sin_port));
      ::sendto(fd, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  });
  EXPECT_EQ(mirror.read_line(in(5s)), "ready");
  return mirror;
}

struct Seen {
  std::string port;  ///< the asker's, as the mirror saw it; "-" if no answer came
  double rtt_ms = 0;
};

/// Asks mirrors at these addresses from one socket on port 40000.
std::vector<Seen> ask(const Host& host, const std::vector<std::pair<std::string, uint16_t>>& mirrors) {
  Process asker = host.start([mirrors] {
    const int fd = udp_socket(40000);
    const timeval patience{.tv_sec = 0, .tv_usec = 500'000};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (const auto& [ip, port] : mirrors) {
      const sockaddr_in to = to_sockaddr(ip, port);
      const Time start = now();
      ::sendto(fd, "?", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
      char answer[16] = "-";
      const ssize_t n = ::recv(fd, answer, sizeof answer - 1, 0);
      std::printf("%.*s %f\n", n > 0 ? static_cast<int>(n) : 1, answer, ms_since(start));
    }
    return 0;
  });
  std::vector<Seen> out;
  while (auto line = asker.read_line(in(10s))) {
    out.push_back({line->substr(0, line->find(' ')), std::stod(line->substr(line->find(' ')))});
  }
  return out;
}

std::string ask(const Host& host, const std::string& ip) { return ask(host, {{ip, 7001}}).at(0).port; }

TEST(LabTopology, HomesReachTheServerButNotEachOther) {
  in_sandbox([] {
    Lab lab;
    const Host& server = lab.add_host("server", "203.0.113.10");
    Site& a = lab.add_site("home-a", {.address = "198.51.100.20"});
    Site& b = lab.add_site("home-b", {.address = "192.0.2.40", .subnet = "10.0.0.0/24", .machines = 2});
    const Host* hosts[] = {&server, &a.machine(), &b.machine(0), &b.machine(1)};
    std::vector<Process> mirrors;
    for (const Host* host : hosts) mirrors.push_back(start_mirror(*host, 7001));
    for (const Host* host : hosts) EXPECT_NE(ask(*host, server.address), "-") << host->name();
    EXPECT_EQ(ask(b.machine(0), "10.0.0.3"), "40000");
    EXPECT_EQ(ask(a.machine(), b.address()), "-");
    EXPECT_EQ(ask(server, a.address()), "-");
  });
}

TEST(LabTopology, HomeKeepsThePortAndSymmetricDoesNot) {
  in_sandbox([] {
    Lab lab;
    const Host& one = lab.add_host("one", "203.0.113.10");
    const Host& two = lab.add_host("two", "203.0.113.11");
    Process mirrors[] = {start_mirror(one, 7001), start_mirror(two, 7002)};
    const std::vector<std::pair<std::string, uint16_t>> both{{one.address, 7001}, {two.address, 7002}};
    Site& home = lab.add_site("home", {.address = "198.51.100.20"});
    for (const Seen& seen : ask(home.machine(), both)) EXPECT_EQ(seen.port, "40000");
    Site& symmetric = lab.add_site("symmetric", {.nat = "symmetric", .address = "198.51.100.21"});
    const auto seen = ask(symmetric.machine(), both);
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_NE(seen[0].port, seen[1].port);
  });
}

TEST(LabTopology, EventsHappen) {
  in_sandbox([] {
    Lab lab;
    const Host& server = lab.add_host("server", "203.0.113.10");
    Site& home = lab.add_site("home", {.address = "198.51.100.20", .udp_blocked = true});
    Process mirror = start_mirror(server, 7001);
    const auto answer = [&] { return ask(home.machine(), server.address); };
    EXPECT_EQ(answer(), "-");
    lab.allow_udp(home.name());
    EXPECT_EQ(answer(), "40000");
    lab.blackhole(home.name(), server.name());
    EXPECT_EQ(answer(), "-");
    lab.heal(home.name(), server.name());
    lab.cut(server.name());
    EXPECT_EQ(answer(), "-");
    lab.mend(server.name());
    lab.reboot_nat(home.name());
    lab.change_address(home.name(), "198.51.100.99");
    EXPECT_EQ(answer(), "40000");
    EXPECT_EQ(home.address(), "198.51.100.99");
  });
}

TEST(LabTopology, AWireDelaysToTheMillisecond) {
  in_sandbox([] {
    Lab lab;
    const Host& far = lab.add_host("far", "203.0.113.10", both_ways("delay=25ms"));
    const Host& near = lab.add_host("near", "203.0.113.11");
    Process mirror = start_mirror(far, 7001);
    const auto seen = ask(near, std::vector(20, std::pair(far.address, uint16_t(7001))));
    ASSERT_EQ(seen.size(), 20u);
    double least = 1e9;
    for (const Seen& s : seen) least = std::min(least, s.rtt_ms);
    EXPECT_GE(least, 50.0);
    EXPECT_LE(least, 52.0);
  });
}

TEST(LabTopology, AWireCarriesWhatWasSegmentedByTheKernel) {
  in_sandbox([] {
    constexpr int kParts = 8, kSize = 1200;
    Lab lab;
    const Host& server = lab.add_host("server", "203.0.113.10");
    Site& home = lab.add_site("home", {.address = "198.51.100.20", .link = both_ways("delay=2ms")});
    Process sink = server.start([] {
      const int fd = udp_socket(7001);
      std::puts("ready");
      std::fflush(stdout);
      char bytes[4096];
      for (int i = 0; i < kParts; ++i) {
        const ssize_t n = ::recv(fd, bytes, sizeof bytes, 0);
        if (n != kSize || bytes[0] != 'a' + i || bytes[kSize - 1] != 'a' + i) return 1;
      }
      return 0;
    });
    ASSERT_EQ(sink.read_line(in(5s)), "ready");
    home.machine().run(Command{.body = [&server] {
      std::string bytes;
      for (int i = 0; i < kParts; ++i) bytes += std::string(kSize, static_cast<char>('a' + i));
      const int fd = udp_socket(40000);
      const int size = kSize;
      if (::setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size) != 0) throw_errno("UDP_SEGMENT");
      const sockaddr_in to = to_sockaddr(server.address, 7001);
      const auto n = ::sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
      return n == kParts * kSize ? 0 : 1;
    }});
    EXPECT_EQ(sink.wait(in(5s)), 0);
  });
}

TEST(LabSandbox, LeavesNothingAndPassesTheResult) {
  std::string why;
  const int code = run_in_sandbox([] { return 42; }, &why);
  if (code == exit_no_sandbox) GTEST_SKIP() << why;
  EXPECT_EQ(code, 42);
  EXPECT_EQ(run_in_sandbox([]() -> int { throw LabError("meant to be seen"); }), 1);
  EXPECT_EQ(run_in_sandbox([] { return ::kill(::getpid(), SIGTERM); }), 128 + SIGTERM);
  EXPECT_NE(::access("/run/lab", F_OK), 0);
}

}  // namespace
}  // namespace ginnel::lab
