// Do lines do to real traffic what their text says? Counted rather than timed, and with bounds that a busy machine does
// not break: a packet may be late, but not lost, and never early.
#include <sys/socket.h>
#include <unistd.h>

#include <set>
#include <sstream>

#include "lab/plan_file.hpp"
#include "lab/topology.hpp"
#include "tests/lab/harness.hpp"
#include "tests/lab/mirror.hpp"

namespace ginnel::lab {
namespace {

/// Two public machines with the core between them; the line of `near` is the one under test.
struct TwoHosts {
  explicit TwoHosts(const std::string& spec) {
    auto plan = plan_of({.hosts = {"near", "far"}, .links = {"near=" + spec}});
    plan->hosts[0].ipv6 = plan->hosts[1].ipv6 = Host::has_ipv6();
    lab.build(*complete_plan(*plan));
  }
  const Host& near() { return lab.host("near"); }
  const Host& far() { return lab.host("far"); }

  Lab lab;
};

/// What ping says at its end; its exit code tells of loss, which is no error here.
std::string ping(const Host& host, const std::string& arguments) {
  Process process = host.start(Command{.argv = words("ping " + arguments), .err = {Stream::null}});
  return process.read_all(in(60s));
}

/// The number in front of a word: "17 received".
int number_before(const std::string& text, const std::string& word) {
  const size_t at = text.find(" " + word);
  if (at == std::string::npos) return 0;
  const size_t begin = text.find_last_not_of("0123456789", at - 1) + 1;
  return std::atoi(text.substr(begin, at - begin).c_str());
}

struct Arrivals {
  int count = 0, doubles = 0, overtaken = 0;
  std::set<int> numbers;
};

constexpr const char* kEnd = "end";  ///< said by the far side's own host when all has been sent

/// Prints what arrives; ends when half a second has brought nothing more after the end was said.
int print_arrivals(const std::string& address) {
  const int fd = udp_socket(address, 7001);
  std::puts("ready");
  std::fflush(stdout);
  char text[16];
  for (ssize_t n; (n = ::recv(fd, text, sizeof text, 0)) > 0;) {
    const std::string said(text, static_cast<size_t>(n));
    if (said != kEnd) {
      std::puts(said.c_str());
      continue;
    }
    const timeval patience{.tv_sec = 0, .tv_usec = 500'000};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  return 0;
}

/// Sends numbered datagrams from near to far and counts what becomes of them.
Arrivals send_numbered(const Host& near, const Host& far, int count) {
  const std::string to = far.address;
  Process sink = far.start([to] { return print_arrivals(to); });
  EXPECT_EQ(sink.read_line(in(5s)), "ready");
  near.run(Command{.body =
                       [to, count] {
                         const int fd = udp_socket("0.0.0.0", 40000);
                         for (int i = 0; i < count; ++i) {
                           char text[16];
                           std::snprintf(text, sizeof text, "%07d", i);
                           send_to(fd, text, to, 7001);
                           ::poll(nullptr, 0, i % 20 == 0 ? 1 : 0);  // so that no queue of the kernel overflows
                         }
                         return 0;
                       }},
           30s);
  far.run(Command{.body = [to] { return send_to(udp_socket("0.0.0.0", 40000), kEnd, to, 7001) ? 0 : 1; }});
  Arrivals out;
  std::set<int>& seen = out.numbers;
  int latest = -1;
  while (auto line = sink.read_line(in(10s))) {
    const int number = std::atoi(line->c_str());
    ++out.count;
    out.doubles += !seen.insert(number).second;
    out.overtaken += number < latest;
    latest = std::max(latest, number);
  }
  return out;
}

TEST(LabImpairments, NothingLosesNothing) {
  in_sandbox([] {
    TwoHosts net("");
    const Arrivals got = send_numbered(net.near(), net.far(), 1000);
    EXPECT_EQ(got.count, 1000);
    EXPECT_EQ(got.doubles + got.overtaken, 0);
  });
}

TEST(LabImpairments, DelayIsNeverLess) {
  in_sandbox([] {
    TwoHosts net("delay=25ms");
    Process mirror = start_mirror(net.far(), net.far().address);
    const auto seen = ask(net.near(), std::vector(20, Question{net.far().address}));
    ASSERT_EQ(seen.size(), 20u);
    double least = 1e9;
    for (const Seen& s : seen) least = std::min(least, s.rtt_ms);
    EXPECT_GE(least, 50.0);
    EXPECT_LE(least, 60.0) << "the luckiest of twenty";
  });
}

TEST(LabImpairments, LossIsAboutItsShare) {
  in_sandbox([] {
    TwoHosts net("loss=30%");
    const Arrivals got = send_numbered(net.near(), net.far(), 2000);
    EXPECT_NEAR(got.count, 1400, 110) << "five standard deviations";
    EXPECT_EQ(got.doubles + got.overtaken, 0);
  });
}

TEST(LabImpairments, DirectionsDiffer) {
  in_sandbox([] {
    TwoHosts net("");
    net.lab.set_link("near", {.up = spec_of("loss=100%")});
    EXPECT_EQ(send_numbered(net.near(), net.far(), 50).count, 0);
    net.lab.set_link("near", {.down = spec_of("loss=100%")});
    EXPECT_EQ(send_numbered(net.near(), net.far(), 50).count, 50);
  });
}

TEST(LabImpairments, DuplicatesAndReordering) {
  in_sandbox([] {
    TwoHosts net("delay=1ms,duplicate=20%,reorder=20%:5ms");
    const Arrivals got = send_numbered(net.near(), net.far(), 1000);
    EXPECT_NEAR(got.doubles, 200, 65);
    EXPECT_EQ(got.count - got.doubles, 1000);
    EXPECT_GT(got.overtaken, 20);
  });
}

TEST(LabImpairments, WrongBitsAreCaughtByTheKernelsChecksums) {
  in_sandbox([] {
    TwoHosts net("corrupt=50%");
    const Arrivals got = send_numbered(net.near(), net.far(), 1000);
    // a bit in the Ethernet-less frame: nearly every one is covered by a checksum
    EXPECT_LT(got.count, 650);
    EXPECT_GT(got.count, 350);
  });
}

TEST(LabImpairments, RateIsAnUpperBound) {
  in_sandbox([] {
    for (const char* spec : {"rate=20mbit", "rate=200mbit"}) {  // a wire, and the kernel's token buckets
      TwoHosts net(spec);
      Process server = net.far().start(Command{.argv = words("iperf3 -s -1 -p 5201")});
      // not by a connection: that would be the one that it serves
      ASSERT_TRUE(wait_until([&] { return net.far().run("ss -Hltn").find(":5201") != std::string::npos; }, in(10s)));
      const std::string json = net.near().run(Command{.argv = words("iperf3 -J -t 2 -c far -p 5201")}, 60s);
      const size_t at = json.find("\"bits_per_second\":", json.find("\"sum_received\""));
      ASSERT_NE(at, std::string::npos) << json;
      const double mbit = std::stod(json.substr(at + 18, 30)) / 1e6;
      const double limit = std::string(spec) == "rate=20mbit" ? 20 : 200;
      EXPECT_LT(mbit, limit * 1.1) << spec;
      EXPECT_GT(mbit, limit / 20) << spec;
    }
  });
}

TEST(LabImpairments, MtuIsAnnouncedOrABlackHole) {
  in_sandbox([] {
    TwoHosts net("mtu=1400");
    EXPECT_EQ(number_before(ping(net.near(), "-n -c 2 -i 0.2 -W 2 -M do -s 1372 203.0.113.11"), "received"), 2)
        << "1400 pass";
    const std::string told = ping(net.near(), "-n -c 2 -i 0.2 -W 2 -M do -s 1373 203.0.113.11");
    EXPECT_EQ(number_before(told, "received"), 0);
    EXPECT_NE(told.find("mtu = 1400"), std::string::npos) << told;
    EXPECT_EQ(number_before(ping(net.near(), "-n -c 2 -i 0.2 -W 2 -M dont -s 3000 203.0.113.11"), "received"), 2)
        << "in pieces";
    if (Host::has_ipv6()) {
      const std::string six = ping(net.near(), "-6 -n -c 3 -i 0.2 -W 2 -M do -s 1400 " + net.far().address6);
      EXPECT_NE(six.find("mtu=1400"), std::string::npos) << six;
    }
    net.lab.set_link("near", both_ways("mtu=1300,icmp=off"));
    const std::string silent = ping(net.near(), "-n -c 2 -i 0.2 -W 1 -M do -s 1290 203.0.113.11");
    EXPECT_EQ(number_before(silent, "received"), 0);
    EXPECT_EQ(silent.find("mtu ="), std::string::npos) << silent;
  });
}

TEST(LabImpairments, SameSeedLosesTheSame) {
  const auto arrived = [](uint64_t seed) {
    Lab lab("ginnel", seed);
    lab.build(*plan_of({.hosts = {"near", "far"}, .links = {"near=loss=50%"}}));
    return send_numbered(lab.host("near"), lab.host("far"), 64).numbers;
  };
  in_sandbox([&] {
    const auto first = arrived(5);
    EXPECT_EQ(arrived(5), first);
    EXPECT_LT(first.size(), 64u);
    EXPECT_NE(arrived(6), first);
  });
}

}  // namespace
}  // namespace ginnel::lab
