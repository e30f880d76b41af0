// The agent's session with its server: which carrier, how soon, and what happens when the server goes or lies.
#include "core/rendezvous/server_link.hpp"

#include <gtest/gtest.h>

#include "tests/support/rendezvous_world.hpp"

namespace ginnel::test {
namespace {

using rendezvous::LinkDown;
using rendezvous::LinkFailed;
using rendezvous::LinkUp;
using rendezvous::ServerLink;

class Link : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_FALSE(world.stuck) << "a deadline in the past"; }
  LinkAgent& up(bool tcp = false) {
    LinkAgent& agent = world.add_link(1);
    agent.udp = !tcp;
    EXPECT_TRUE(world.run_until([&] { return agent.link.up(); }));
    world.run(1s);
    return agent;
  }
  void suspect(LinkAgent& agent) {
    agent.link.send(wire::Register{});  // as a node does: something that must be acknowledged
    agent.link.suspect(world.now);
  }
  std::vector<Instant> times_of_failure(const LinkAgent& agent) {
    std::vector<Instant> out;
    for (auto& [when, event] : agent.events)
      if (std::holds_alternative<LinkFailed>(event)) out.push_back(when);
    return out;
  }
  RendezvousWorld world;
};

TEST_F(Link, UdpConnectsFirstAfterOneRoundTripAndTcpIsNotTried) {
  LinkAgent& agent = world.add_link(1);
  Instant begin = world.now;
  ASSERT_TRUE(world.run_until([&] { return agent.link.up(); }));
  EXPECT_EQ(world.now - begin, 21ms) << "the name takes 1 ms";
  world.run(10s);
  EXPECT_EQ(agent.tcp_dials, 0u);
  EXPECT_EQ(agent.link.carrier()->tcp, 0u);
  EXPECT_EQ(agent.count<LinkUp>(), 1u);
}

TEST_F(Link, WhereUdpIsDeadTcpIsUsedAfterItsHeadStart) {
  LinkAgent& agent = world.add_link(1);
  agent.udp = false;
  Instant begin = world.now;
  ASSERT_TRUE(world.run_until([&] { return agent.link.up(); }));
  EXPECT_NE(agent.link.carrier()->tcp, 0u);
  EXPECT_GE(world.now - begin, ServerLink::tcp_after);
  EXPECT_LE(world.now - begin, ServerLink::tcp_after + 50ms) << "two more round trips";
  EXPECT_TRUE(agent.link.owns(agent.link.carrier()->tcp));
  world.run(1min);
  EXPECT_EQ(agent.count<LinkUp>(), 1u);
  EXPECT_EQ(agent.count<LinkFailed>(), 0u);
}

TEST_F(Link, AFamilyThatIsDeadCostsAQuarterOfASecond) {
  world.resolved = {*Address::parse("[2001:db8::1]:3478"), world.server_address};
  LinkAgent& agent = world.add_link(1);
  Instant begin = world.now;
  ASSERT_TRUE(world.run_until([&] { return agent.link.up(); }));
  EXPECT_EQ(agent.link.carrier()->server, world.server_address);
  EXPECT_LE(world.now - begin, ServerLink::other_family_after + 25ms);
  EXPECT_EQ(agent.tcp_open.size(), 0u) << "what was begun beside it is ended";
}

TEST_F(Link, AServerWithAnotherKeyIsNotTrustedAndNotAskedAgain) {
  for (bool tcp_too : {true, false}) {
    RendezvousWorld w;
    wire::ServerUrl wrong = w.url();
    wrong.key = crypto::Identity::generate(w.rng).public_key();
    LinkAgent& agent = w.add_link(1, {}, wrong);
    agent.tcp = tcp_too;
    Instant begin = w.now;
    ASSERT_TRUE(w.run_until([&] { return agent.count<LinkFailed>() > 0; }));
    EXPECT_LE(w.now - begin, tcp_too ? 1s : 8s);
    EXPECT_EQ(agent.last<LinkFailed>()->error.code, Errc::wrong_key);
    EXPECT_EQ(agent.count<LinkUp>(), 0u);
    w.run(1s);
    size_t sent = agent.sent_udp.size(), dials = agent.tcp_dials;
    w.run(5min);
    EXPECT_EQ(agent.sent_udp.size(), sent);
    EXPECT_EQ(agent.tcp_dials, dials);
    EXPECT_EQ(agent.count<LinkFailed>(), 1u);
  }
}

TEST_F(Link, AnImpostorOnOneCarrierDoesNotSpoilTheOtherForLater) {
  wire::ServerUrl url = world.url();
  crypto::Identity right = world.server_key;
  world.server_key = crypto::Identity::generate(world.rng);
  world.restart();
  LinkAgent& agent = world.add_link(1, {}, url);
  world.run(300ms);  // on UDP somebody else answered
  world.server_key = right;
  world.restart();
  ASSERT_TRUE(world.run_until([&] { return agent.link.up(); }, 5s));
  world.restart();
  EXPECT_TRUE(world.run_until([&] { return agent.count<LinkUp>() == 2; }, 10s)) << "it must still come back";
}

TEST_F(Link, WhereNobodyIsItSaysSoAndTriesAgainLessAndLessOften) {
  world.server_gone = true;
  LinkAgent& agent = world.add_link(1);
  world.run(10min);
  EXPECT_EQ(agent.last<LinkFailed>()->error.code, Errc::unreachable);
  auto failed = times_of_failure(agent);
  ASSERT_GE(failed.size(), 10u);
  EXPECT_LE(failed.size(), 60u);
  EXPECT_LE(failed[1] - failed[0], 8s);
  EXPECT_GE(failed.back() - failed[failed.size() - 2], (failed[1] - failed[0]) + 5s);
  for (size_t i = 1; i < failed.size(); ++i) EXPECT_LE(failed[i] - failed[i - 1], 21s);
  world.server_gone = false;
  Instant back = world.now;
  ASSERT_TRUE(world.run_until([&] { return agent.link.up(); }, 1min));
  EXPECT_LE(world.now - back, ServerLink::backoff_max * 5 / 4 + ServerLink::attempt_limit);
}

TEST_F(Link, ANameWithoutAnAddressIsSaidAndAskedAgain) {
  world.resolved = {};
  LinkAgent& agent = world.add_link(1);
  world.run(5s);
  ASSERT_GE(agent.count<LinkFailed>(), 2u);
  EXPECT_NE(agent.last<LinkFailed>()->error.text.find("server.example"), std::string::npos);
  EXPECT_TRUE(agent.sent_udp.empty());
  world.resolved = {world.server_address};
  EXPECT_TRUE(world.run_until([&] { return agent.link.up(); }, 15s));
}

TEST_F(Link, ASuspicionThatProvesWrongChangesNothing) {
  for (bool tcp : {false, true}) {
    RendezvousWorld w;
    LinkAgent& agent = w.add_link(1);
    agent.udp = !tcp;
    ASSERT_TRUE(w.run_until([&] { return agent.link.up(); }));
    auto carrier = agent.link.carrier();
    size_t dials = agent.tcp_dials;
    for (int i = 0; i < 5; ++i) {
      agent.link.send(wire::Register{});
      agent.link.suspect(w.now);
      w.run(10s);
    }
    EXPECT_EQ(agent.count<LinkDown>(), 0u);
    EXPECT_EQ(agent.count<LinkUp>(), 1u);
    EXPECT_EQ(agent.link.carrier(), carrier);
    EXPECT_EQ(agent.tcp_dials, dials) << "the proof came before TCP's turn";
  }
}

TEST_F(Link, AfterAnOutageTheProofDoesNotWaitForABackedOffTimer) {
  LinkAgent& agent = up();
  agent.tcp = false;
  world.server_cut = true;
  agent.link.send(wire::Register{});
  world.run(5s);
  world.server_cut = false;
  Instant back = world.now;
  agent.link.suspect(world.now);
  ASSERT_TRUE(world.run_until([&] { return agent.count<wire::Registered>(back) > 0; }, 5s));
  EXPECT_LE(world.now - back, 100ms);
  EXPECT_EQ(agent.count<LinkDown>(), 0u);
}

TEST_F(Link, ASuspectedServerThatIsGoneIsDroppedInOneAndAHalfSeconds) {
  for (bool tcp : {false, true}) {
    RendezvousWorld w;
    LinkAgent& agent = w.add_link(1);
    agent.udp = !tcp;
    ASSERT_TRUE(w.run_until([&] { return agent.link.up(); }));
    w.server_cut = true;
    Instant cut = w.now;
    agent.link.send(wire::Register{});
    agent.link.suspect(w.now);
    ASSERT_TRUE(w.run_until([&] { return agent.count<LinkDown>() > 0; }));
    EXPECT_LE(w.now - cut, 1500ms);
    w.run(1min);
    EXPECT_FALSE(agent.link.up());
    w.server_cut = false;
    EXPECT_TRUE(w.run_until([&] { return agent.link.up(); }, 20s));
    EXPECT_FALSE(w.stuck);
  }
}

TEST_F(Link, WhereOnlyUdpDiedTcpTakesOverBeforeTheLinkIsGivenUp) {
  LinkAgent& agent = up();
  world.server_udp = false;
  Instant cut = world.now;
  suspect(agent);
  ASSERT_TRUE(world.run_until([&] { return agent.count<LinkUp>() == 2; }));
  EXPECT_LE(world.now - cut, 1500ms);
  EXPECT_NE(agent.link.carrier()->tcp, 0u);
  EXPECT_EQ(agent.count<LinkDown>(), 0u);
  world.run(20s);
  EXPECT_TRUE(agent.link.up());
}

TEST_F(Link, UdpThatIsBackIsPreferred) {
  LinkAgent& agent = up(true);
  agent.link.prefer_udp(world.now, world.server_address);  // too early: it stays where it is
  world.run(10s);
  EXPECT_NE(agent.link.carrier()->tcp, 0u);
  EXPECT_EQ(agent.count<LinkDown>(), 0u);
  agent.udp = true;
  agent.link.prefer_udp(world.now, world.server_address);
  world.run(100ms);
  ASSERT_TRUE(agent.link.carrier());
  EXPECT_EQ(agent.link.carrier()->tcp, 0u);
  EXPECT_EQ(agent.count<LinkDown>(), 0u) << "it moved, it did not fall";
  EXPECT_TRUE(agent.tcp_open.empty());
  EXPECT_EQ(world.server->agent_count(), 1u);
  agent.link.prefer_udp(world.now, world.server_address);
  world.run(10s);
  EXPECT_EQ(agent.count<LinkUp>(), 2u);
}

TEST_F(Link, ATcpConnectionThatBreaksIsMadeAgain) {
  LinkAgent& agent = up(true);
  Instant begin = world.now;
  world.break_tcp(world.server_side(agent), "reset by peer");
  ASSERT_TRUE(world.run_until([&] { return agent.count<LinkUp>() == 2; }));
  EXPECT_LE(world.now - begin, 1s);
  EXPECT_EQ(agent.count<LinkDown>(), 1u);
}

TEST_F(Link, ARestartedServerIsFoundAgainOnUdp) {
  LinkAgent& agent = up();
  world.restart();
  Instant begin = world.now;
  suspect(agent);
  ASSERT_TRUE(world.run_until([&] { return agent.count<LinkUp>() == 2; }));
  EXPECT_LE(world.now - begin, 500ms) << "the reset says at once that the session is gone";
}

TEST_F(Link, AChangeOfOurOwnAddressDoesNotEndTheSession) {
  LinkAgent& agent = up();
  agent.address = Address::v4(198, 51, 100, 9, 999);
  suspect(agent);
  world.run(10s);
  EXPECT_EQ(agent.count<LinkDown>(), 0u);
  EXPECT_EQ(agent.last<wire::Registered>()->observed, agent.address);
}

TEST_F(Link, AServerThatMovedIsFoundByItsName) {
  LinkAgent& agent = up();
  world.server_address = Address::v4(203, 0, 113, 77, 3478);
  world.resolved = {world.server_address};
  Instant begin = world.now;
  suspect(agent);
  ASSERT_TRUE(world.run_until([&] { return agent.count<LinkUp>() == 2; }, 1min));
  EXPECT_EQ(agent.link.carrier()->server, world.server_address);
  EXPECT_LE(world.now - begin, 9s);
}

TEST_F(Link, ATcpConnectionThatSpeaksAnotherLanguageIsClosed) {
  LinkAgent& agent = world.add_link(1);
  agent.udp = false;
  ASSERT_TRUE(world.run_until([&] { return !agent.tcp_open.empty(); }));
  agent.link.handle_tcp_closed(world.now, *agent.tcp_open.begin(), "the server sent garbage");  // it is we who end it
  world.run(1ms);
  EXPECT_TRUE(agent.tcp_open.empty()) << "or each round would leave an open descriptor behind";
}

TEST_F(Link, ClosingTellsTheServer) {
  LinkAgent& agent = up();
  agent.link.close();
  world.run(50ms);
  EXPECT_EQ(world.server->agent_count(), 0u);
}

TEST_F(Link, PacketsFromElsewhereAreNotTheLinks) {
  LinkAgent& agent = up();
  Octets packet(100, 0x45);
  EXPECT_FALSE(agent.link.handle_udp(world.now, Address::v4(198, 51, 100, 1, 3478), packet));
  EXPECT_TRUE(agent.link.handle_udp(world.now, world.server_address, packet));
  EXPECT_TRUE(agent.link.up());
}

}  // namespace
}  // namespace ginnel::test
