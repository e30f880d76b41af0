// What breaks in the middle of a transfer and must not be felt above: the direct path, the server. Every byte is
// compared, the longest silence is measured at the receiver and printed.
#include "tests/lab/harness.hpp"
#include "tests/lab/stream.hpp"
#include "tests/lab/two_homes.hpp"

namespace ginnel::lab {
namespace {

constexpr uint64_t kGb = 1'000'000'000;
constexpr double kLeaveWithinMs =
    2500;  ///< DESIGN.md section 5 asks for 2 s; the rest is the relay's first round trips

Transfer::Outcome finish_intact(Transfer& transfer, const char* what) {
  const auto outcome = transfer.finish(in(80s));
  EXPECT_EQ(outcome.fault, "");
  std::printf("  %s: %.0f MB in %.2f s, %.0f Mbit/s, longest gap %.0f ms\n", what,
              static_cast<double>(outcome.bytes) / 1e6, outcome.seconds, outcome.mbit_s(), outcome.longest_gap_ms);
  return outcome;
}

/// What the agents told, for whoever must find out why a test failed.
void tell_if_failed(std::initializer_list<Agent*> agents) {
  if (!::testing::Test::HasFailure()) return;
  for (Agent* agent : agents) {
    agent->pump();
    std::printf("%s said:\n%s", agent->name().c_str(), agent->said().c_str());
    for (const Event& event : agent->events()) std::printf("  %s\n", event.line.c_str());
  }
}

TEST(LabFaults, DirectPathBlackholedInTheMiddleOfAGigabyte) {
  in_sandbox([] {
    TwoHomes net;
    Process source = start_source(net.a.machine(), 8000);
    Agent connect = net.connect();
    Transfer transfer(net.b.machine(), 9000, kGb);
    ASSERT_TRUE(connect.wait_direct(in(10s))) << connect.said();
    ASSERT_TRUE(transfer.wait_share(0.25, in(60s)));
    connect.pump();
    const size_t before = connect.events().size();
    net.lab.blackhole(net.a.name(), net.b.name());
    const Time lost = now();
    const Event* relay = connect.wait_path("relay", in(10s), before);
    EXPECT_TRUE(relay) << connect.said();
    if (relay) std::printf("  back on the relay %.0f ms after the path was lost\n", to_ms(relay->at - lost));
    EXPECT_LT(finish_intact(transfer, "blackholed").longest_gap_ms, kLeaveWithinMs);
  });
}

TEST(LabFaults, DirectPathComesBackAfterABlackhole) {
  in_sandbox([] {
    TwoHomes net;
    Process source = start_source(net.a.machine(), 8000);
    Agent connect = net.connect();
    ASSERT_EQ(Transfer(net.b.machine(), 9000, 1000).finish(in(10s)).fault, "");
    ASSERT_TRUE(connect.wait_direct(in(10s))) << connect.said();
    size_t before = connect.events().size();
    net.lab.blackhole(net.a.name(), net.b.name());
    ASSERT_TRUE(connect.wait_path("relay", in(20s), before)) << "an idle session should notice, too";
    before = connect.events().size();
    net.lab.heal(net.a.name(), net.b.name());
    EXPECT_TRUE(connect.wait_direct(in(30s), before)) << connect.said();
    tell_if_failed({&net.expose, &connect});
    EXPECT_EQ(Transfer(net.b.machine(), 9000, 1000).finish(in(10s)).fault, "");
  });
}

TEST(LabFaults, ServerKilledInTheMiddleOfADirectTransfer) {
  in_sandbox([] {
    TwoHomes net;
    Process source = start_source(net.a.machine(), 8000);
    Agent connect = net.connect();
    Transfer transfer(net.b.machine(), 9000, kGb);
    ASSERT_TRUE(connect.wait_direct(in(10s))) << connect.said();
    ASSERT_TRUE(transfer.wait_share(0.25, in(60s)));
    net.kill_and_restart_server();
    EXPECT_LT(finish_intact(transfer, "server restarted, direct").longest_gap_ms, 1000);
  });
}

TEST(LabFaults, ServerKilledInTheMiddleOfARelayedTransfer) {
  in_sandbox([] {
    TwoHomes net({}, {}, both_ways("rate=400mbit"));
    Process source = start_source(net.a.machine(), 8000);
    Agent connect = net.connect({"--relay-only"});
    Transfer transfer(net.b.machine(), 9000, kGb / 4);
    ASSERT_TRUE(transfer.wait_share(0.25, in(60s)));
    net.kill_and_restart_server();
    finish_intact(transfer, "server restarted, relayed");
    tell_if_failed({&net.expose, &connect, &net.server_agent});
  });
}

TEST(LabFaults, HomeRouterRebootsAndChangesItsAddress) {
  in_sandbox([] {
    TwoHomes net;
    Process source = start_source(net.a.machine(), 8000);
    Agent connect = net.connect();
    Transfer transfer(net.b.machine(), 9000, kGb);
    ASSERT_TRUE(connect.wait_direct(in(10s))) << connect.said();
    ASSERT_TRUE(transfer.wait_share(0.25, in(60s)));
    net.lab.change_address(net.b.name(), "192.0.2.41");
    finish_intact(transfer, "another public address at home B");
  });
}

}  // namespace
}  // namespace ginnel::lab
