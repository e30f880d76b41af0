// What connects through which NATs, with the real binary: the first byte always comes over the relay, and a direct path
// is found exactly where one exists. Both homes use the same private addresses, as homes do.
#include "tests/lab/harness.hpp"
#include "tests/lab/stream.hpp"
#include "tests/lab/two_homes.hpp"

namespace ginnel::lab {
namespace {

constexpr uint64_t kMb = 1'000'000;

void expect_intact(const Transfer::Outcome& outcome) {
  EXPECT_EQ(outcome.fault, "");
  std::printf("  %.0f MB in %.2f s: %.0f Mbit/s, longest gap %.0f ms\n", static_cast<double>(outcome.bytes) / 1e6,
              outcome.seconds, outcome.mbit_s(), outcome.longest_gap_ms);
}

TEST(LabTraversal, TwoHomesGoDirectByUdpPunch) {
  in_sandbox([] {
    TwoHomes net({}, {}, both_ways("delay=10ms"));
    Process source = start_source(net.a.machine(), 8000);
    Agent connect = net.connect();
    Transfer transfer(net.b.machine(), 9000, 300 * kMb);
    const Event* relay = connect.wait_path("relay", in(10s));
    const Event* direct = connect.wait_path("udp-punch", in(10s));
    expect_intact(transfer.finish(in(60s)));
    ASSERT_TRUE(relay) << connect.said();
    ASSERT_TRUE(direct) << connect.said();
    EXPECT_LT(relay->at, direct->at);
    EXPECT_EQ(direct->text("transport"), "udp");
    EXPECT_TRUE(direct->text("remote").starts_with("198.51.100.20:")) << direct->line;
    EXPECT_TRUE(net.expose.wait_path("udp-punch", in(5s))) << "expose should name the same path";
    std::printf("  direct %.0f ms after relayed\n", to_ms(direct->at - relay->at));
  });
}

TEST(LabTraversal, DifferentSubnetsToo) {
  in_sandbox([] {
    TwoHomes net({.subnet = "192.168.1.0/24"}, {.subnet = "10.0.0.0/24"});
    Process source = start_source(net.a.machine(), 8000);
    Agent connect = net.connect();
    Transfer transfer(net.b.machine(), 9000, 20 * kMb);
    EXPECT_TRUE(connect.wait_path("udp-punch", in(10s))) << connect.said();
    expect_intact(transfer.finish(in(60s)));
  });
}

const Link kSlow = both_ways("rate=50mbit");  // so that the traffic lasts longer than five seconds

// One side's NAT gives each destination another random port: nobody can tell which one, but both together find it.
void finds_a_port_by_search(const char* a, const char* b) {
  TwoHomes net({.nat = a, .link = kSlow}, {.nat = b, .link = kSlow}, both_ways("delay=10ms"));
  Process source = start_source(net.a.machine(), 8000);
  Agent connect = net.connect();
  Transfer transfer(net.b.machine(), 9000, 40 * kMb);
  const Event* relay = connect.wait_path("relay", in(10s));
  const Event* direct = connect.wait_path("birthday", in(15s));
  expect_intact(transfer.finish(in(60s)));
  ASSERT_TRUE(relay) << connect.said();
  ASSERT_TRUE(direct) << connect.said();
  EXPECT_EQ(direct->text("transport"), "udp");
  EXPECT_TRUE(direct->text("remote").starts_with("198.51.100.20:")) << direct->line;
  EXPECT_TRUE(net.expose.wait_path("birthday", in(5s))) << "expose should name the same path";
  std::printf("  found %.0f ms after relayed\n", to_ms(direct->at - relay->at));
}

TEST(LabTraversal, SymmetricAgainstHomeIsSearchedFor) {
  in_sandbox([] { finds_a_port_by_search("symmetric", "home"); });
}

TEST(LabTraversal, HomeAgainstSymmetricIsSearchedFor) {
  in_sandbox([] { finds_a_port_by_search("home", "symmetric"); });
}

void stays_on_relay(const char* a, const char* b, const Words& arguments) {
  TwoHomes net({.nat = a, .link = kSlow}, {.nat = b, .link = kSlow});
  Process source = start_source(net.a.machine(), 8000);
  Agent connect = net.connect(arguments);
  Transfer transfer(net.b.machine(), 9000, 40 * kMb);
  EXPECT_TRUE(connect.wait_path("relay", in(10s))) << connect.said();
  const Event* direct = connect.wait_direct(in(5s));
  EXPECT_FALSE(direct) << direct->line;
  expect_intact(transfer.finish(in(60s)));
  net.expose.pump();
  for (const Event& e : net.expose.events()) EXPECT_FALSE(e.is_direct()) << e.line;
}

TEST(LabTraversal, NoSearchStaysOnTheRelay) {
  in_sandbox([] { stays_on_relay("symmetric", "home", {"--no-search"}); });
}

TEST(LabTraversal, SymmetricAgainstSymmetricStaysOnTheRelay) {
  in_sandbox([] { stays_on_relay("symmetric", "symmetric", {}); });
}

bool relayed_by_tcp(const Event& e) {
  return e.is("path") && e.text("technique") == "relay" && e.text("transport") == "tcp";
}

// Relayed at once, and a moment later on a punched TCP connection (RFC 5382 REQ-2).
void punches_tcp(const SiteOptions& a, const SiteOptions& b) {
  TwoHomes net(a, b);
  Process source = start_source(net.a.machine(), 8000);
  Agent connect = net.connect();
  Agent& blocked = b.udp_blocked ? connect : net.expose;
  expect_intact(Transfer(net.b.machine(), 9000, 100 * kMb).finish(in(60s)));
  EXPECT_TRUE(blocked.wait_for(relayed_by_tcp, in(5s))) << blocked.said();
  ASSERT_TRUE(connect.wait_path("tcp-punch", in(15s))) << connect.said();
  ASSERT_TRUE(net.expose.wait_path("tcp-punch", in(15s))) << net.expose.said();
  expect_intact(Transfer(net.b.machine(), 9000, 100 * kMb).finish(in(60s)));
  EXPECT_EQ(connect.last_path()->text("technique"), "tcp-punch");
  EXPECT_EQ(connect.last_path()->text("transport"), "tcp");
}

TEST(LabTraversal, UdpBlockedAtTheClientPunchesTcp) {
  in_sandbox([] { punches_tcp({}, {.udp_blocked = true}); });
}

TEST(LabTraversal, UdpBlockedAtTheServicePunchesTcp) {
  in_sandbox([] { punches_tcp({.udp_blocked = true}, {}); });
}

TEST(LabTraversal, UdpBlockedAtBothPunchesTcp) {
  in_sandbox([] { punches_tcp({.udp_blocked = true}, {.udp_blocked = true}); });
}

TEST(LabTraversal, UdpBlockedAndRelayOnlyStaysOnTheRelaysTcp) {
  in_sandbox([] {
    TwoHomes net({}, {.udp_blocked = true});
    Process source = start_source(net.a.machine(), 8000);
    Agent connect = net.connect({"--relay-only"});
    expect_intact(Transfer(net.b.machine(), 9000, 100 * kMb).finish(in(60s)));
    EXPECT_TRUE(connect.wait_for(relayed_by_tcp, in(5s))) << connect.said();
    EXPECT_FALSE(connect.wait_direct(now()));
  });
}

}  // namespace
}  // namespace ginnel::lab
