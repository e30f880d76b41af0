// The lab itself, before any ginnel runs in it: who reaches whom, do its events happen, do NATs in series and IPv6 work
// as a plan says. A UDP mirror stands in for every program.
#include "lab/topology.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/error.hpp"
#include "lab/plan_file.hpp"
#include "tests/lab/harness.hpp"
#include "tests/lab/mirror.hpp"

namespace ginnel::lab {
namespace {

Plan plan(const std::string& text) {
  auto parsed = parse_plan(text, "test");
  if (!parsed) throw LabError(parsed.error().text);
  return *parsed;
}

TEST(LabTopology, HomesReachTheServerButNotEachOther) {
  in_sandbox([] {
    Lab lab;
    const Host& server = lab.add_host("server", "203.0.113.10");
    Site& a = lab.add_site("home-a", {.address = "198.51.100.20"});
    Site& b = lab.add_site("home-b", {.address = "192.0.2.40", .subnet = "10.0.0.0/24", .machines = 2});
    const Host* hosts[] = {&server, &a.machine(), &b.machine(0), &b.machine(1)};
    std::vector<Process> mirrors;
    for (const Host* host : hosts) mirrors.push_back(start_mirror(*host, host->address));
    for (const Host* host : hosts) EXPECT_NE(ask(*host, {server.address}), "-") << host->name();
    EXPECT_EQ(ask(b.machine(0), {"10.0.0.3"}), "40000");
    EXPECT_EQ(ask(a.machine(), {b.address()}), "-");
    EXPECT_EQ(ask(server, {a.address()}), "-");
  });
}

TEST(LabTopology, EventsHappen) {
  in_sandbox([] {
    Lab lab;
    const Host& server = lab.add_host("server", "203.0.113.10");
    Site& home = lab.add_site("home", {.address = "198.51.100.20", .udp_blocked = true});
    Process mirror = start_mirror(server, server.address);
    const auto answer = [&] { return ask(home.machine(), {server.address}); };
    const auto happen = [&](const char* what) { lab.apply(*parse_change(what)); };
    EXPECT_EQ(answer(), "-");
    happen("allow-udp home.gw");
    EXPECT_EQ(answer(), "40000");
    happen("blackhole home.gw server");
    EXPECT_EQ(answer(), "-");
    happen("heal server home.gw");
    EXPECT_EQ(answer(), "40000");
    happen("blackhole server home.gw one-way");
    EXPECT_EQ(answer(), "-");
    happen("blackhole server home.gw one-way");
    happen("heal home.gw server");
    EXPECT_EQ(answer(), "40000");
    happen("cut server");
    EXPECT_EQ(answer(), "-");
    happen("mend server");
    happen("cut home");
    EXPECT_EQ(answer(), "-") << "a machine's own line, inside";
    happen("mend home");
    happen("link home.gw up loss=100%");
    EXPECT_EQ(answer(), "-");
    happen("link home.gw none");
    happen("reboot home.gw");
    happen("address home.gw 198.51.100.99");
    EXPECT_EQ(answer(), "40000");
    EXPECT_EQ(home.address(), "198.51.100.99");
    EXPECT_THROW(happen("reboot server"), LabError) << "it is no NAT";
    EXPECT_THROW(happen("cut nobody"), LabError);
  });
}

TEST(LabTopology, NatsInSeries) {
  in_sandbox([] {
    Lab lab;
    lab.build(plan(R"(
[host.server]
[nat.carrier]
kind = "symmetric"
[nat.flat-1]
behind = "carrier"
[nat.flat-2]
behind = "carrier"
[host.alice]
behind = "flat-1"
[host.bob]
behind = "flat-2"
[host.phone]
behind = "carrier"
)"));
    const Host& server = lab.host("server");
    Process mirror = start_mirror(server, server.address);
    const auto port = [&](const char* host) { return ask(lab.host(host), {server.address}); };
    EXPECT_NE(port("alice"), "-");
    EXPECT_NE(port("alice"), "40000") << "the carrier's NAT chose it";
    EXPECT_NE(port("bob"), "-");
    EXPECT_NE(port("phone"), "-");
    lab.change_address("flat-1", "100.64.0.77");
    EXPECT_NE(port("alice"), "-");
    lab.cut("carrier");
    EXPECT_EQ(port("bob"), "-");
    lab.mend("carrier");
    lab.blackhole("alice", "server");
    EXPECT_EQ(port("bob"), "-") << "the core knows them by one address";
  });
}

TEST(LabTopology, Ipv6InItsThreeStates) {
  in_sandbox([] {
    if (!Host::has_ipv6()) GTEST_SKIP() << "this kernel has no IPv6";
    Lab lab;
    lab.build(plan(R"(
[host.server]
ipv6 = true
[nat.both]
ipv6 = "firewall"
[host.alice]
behind = "both"
[nat.six]
ipv4 = false
ipv6 = "open"
[host.bob]
behind = "six"
[nat.broken]
ipv6 = "broken"
[host.carol]
behind = "broken"
[nat.inner]
behind = "six"
ipv4 = false
ipv6 = "firewall"
[host.dave]
behind = "inner"
)"));
    const Host& server = lab.host("server");
    Process four = start_mirror(server, server.address), six = start_mirror(server, server.address6);
    const auto port6 = [&](const char* host) { return ask(lab.host(host), {server.address6}); };
    EXPECT_EQ(ask(lab.host("alice"), {server.address}), "40000");
    EXPECT_EQ(port6("alice"), "40000");
    EXPECT_EQ(port6("bob"), "40000");
    EXPECT_EQ(port6("dave"), "40000");
    EXPECT_EQ(port6("carol"), "-");
    EXPECT_EQ(ask(lab.host("carol"), {server.address}), "40000");
    const auto reached = [&](const char* host) {
      Process mirror = start_mirror(lab.host(host), lab.host(host).address6);
      return ask(server, {lab.host(host).address6});
    };
    EXPECT_EQ(reached("alice"), "-") << "a firewall is in between";
    EXPECT_EQ(reached("bob"), "40000");
    lab.blackhole("six", "server");
    EXPECT_EQ(port6("bob"), "-");
    lab.heal("six", "server");
    EXPECT_EQ(port6("bob"), "40000");
  });
}

TEST(LabTopology, NamesAreKnownToPrograms) {
  in_sandbox([] {
    Lab lab;
    lab.add_host("server", "203.0.113.10");
    Site& home = lab.add_site("home", {.address = "198.51.100.20"});
    EXPECT_TRUE(home.machine().run("getent hosts server").starts_with("203.0.113.10 "));
  });
}

TEST(LabTopology, WhatTheKernelSegmentedArrivesWhole) {
  in_sandbox([] {
    constexpr int kParts = 8, kSize = 1200;
    for (const char* spec : {"delay=2ms", "delay=2ms,loss=0.000001%"}) {  // as a train, and apart
      Lab lab;
      const Host& server = lab.add_host("server", "203.0.113.10");
      Site& home = lab.add_site("home", {.address = "198.51.100.20", .link = both_ways(spec)});
      Process sink = server.start([&server] {
        const int fd = udp_socket(server.address, 7001);
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
        const int fd = udp_socket("0.0.0.0", 40000);
        const int size = kSize;
        if (::setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size) != 0) throw_errno("UDP_SEGMENT");
        return send_to(fd, bytes, server.address, 7001) ? 0 : 1;
      }});
      EXPECT_EQ(sink.wait(in(5s)), 0) << spec;
    }
  });
}

TEST(LabSandbox, LeavesNothingAndPassesTheResult) {
  std::string why;
  const int code = run_in_sandbox([] { return 42; }, &why);
  if (code == exit_no_sandbox) GTEST_SKIP() << why;
  EXPECT_EQ(code, 42);
  EXPECT_EQ(run_in_sandbox([]() -> int { throw LabError("meant to be seen"); }), 1);
  EXPECT_EQ(run_in_sandbox([]() -> int { throw LabError("meant to be seen, too", Errc::usage); }), 2);
  EXPECT_EQ(run_in_sandbox([] { return ::kill(::getpid(), SIGTERM); }), 128 + SIGTERM);
  EXPECT_NE(::access("/run/lab", F_OK), 0);
}

}  // namespace
}  // namespace ginnel::lab
