// The doors to a server: in what order and when they are tried, which one wins, and how the link moves to a better one.
// Knows rendezvous/server_link and door; refuses sockets: what a network lets through is a function here.
#include <gtest/gtest.h>

#include "core/rendezvous/server_link.hpp"
#include "tests/support/rendezvous_world.hpp"

namespace ginnel::test {
namespace {

using rendezvous::Door;
using rendezvous::LinkDown;
using rendezvous::LinkFailed;
using rendezvous::LinkUp;
using rendezvous::ServerLink;
using Passage = RendezvousWorld::Passage;

/// A dial as a row: "+600 203.0.113.1:3478 plain".
std::string row(Instant begin, const std::pair<Instant, ConnectTcp>& dial) {
  const ConnectTcp& c = dial.second;
  std::string where = c.by_proxy ? "proxy to " + c.host + ":" + std::to_string(c.to.port) : c.to.to_string();
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(dial.first - begin).count();
  return "+" + std::to_string(ms) + " " + where + (c.dress == Dress::websocket ? " websocket" : " plain");
}

class Doors : public ::testing::Test {
 protected:
  Doors() { world.resolving = Duration::zero(); }
  void TearDown() override { EXPECT_FALSE(world.stuck) << "a deadline in the past"; }

  /// An agent whose network lets through what `passes` says, and no UDP.
  LinkAgent& behind(std::function<Passage(const ConnectTcp&)> passes, bool proxy = false) {
    world.doors = std::move(passes);
    LinkAgent& agent = world.add_link(1, {}, {}, proxy);
    agent.udp = false;
    return agent;
  }
  void expect_up(LinkAgent& agent, Door door, Duration within) {
    Instant begin = world.now;
    ASSERT_TRUE(world.run_until([&] { return agent.link.up(); }, 10s));
    EXPECT_EQ(agent.link.carrier()->door, door);
    EXPECT_LE(world.now - begin, within);
  }
  std::vector<std::string> rows(const LinkAgent& agent, Instant begin) {
    std::vector<std::string> out;
    for (auto& dial : agent.dialled) out.push_back(row(begin, dial));
    return out;
  }

  static Passage nothing(const ConnectTcp&) { return Passage::silent; }
  static Passage only_443(const ConnectTcp& c) {
    return c.to.port == 443 && c.dress == Dress::plain && !c.by_proxy ? Passage::open : Passage::silent;
  }
  static Passage only_tls(const ConnectTcp& c) {
    return c.to.port == 443 && c.dress == Dress::websocket && !c.by_proxy ? Passage::open : Passage::silent;
  }
  static Passage only_proxy(const ConnectTcp& c) { return c.by_proxy ? Passage::open : Passage::silent; }

  RendezvousWorld world;
};

TEST_F(Doors, AreTriedInThisOrder) {
  LinkAgent& agent = behind(nothing);
  Instant begin = world.now;
  world.run(6s);
  EXPECT_EQ(rows(agent, begin),
            (std::vector<std::string>{"+600 203.0.113.1:3478 plain", "+900 203.0.113.1:443 plain",
                                      "+1200 203.0.113.1:443 websocket", "+1500 203.0.113.1:3478 websocket"}));
  EXPECT_FALSE(agent.sent_udp.empty());
}

TEST_F(Doors, ThroughAProxyAreTriedBesideTheOthersAndByName) {
  LinkAgent& agent = behind(nothing, true);
  Instant begin = world.now;
  world.run(6s);
  std::vector<std::string> by_proxy, direct;
  for (auto& dial : agent.dialled) (dial.second.by_proxy ? by_proxy : direct).push_back(row(begin, dial));
  EXPECT_EQ(by_proxy, (std::vector<std::string>{"+900 proxy to server.example:443 websocket",
                                                "+1200 proxy to server.example:443 plain",
                                                "+1500 proxy to server.example:3478 plain"}));
  EXPECT_EQ(direct.size(), 4u);
}

TEST_F(Doors, AreNotTriedTwiceWhereTheServersOwnPortIs443) {
  world.server_address.port = 443;
  world.resolved = {world.server_address};
  LinkAgent& agent = behind(nothing, true);
  Instant begin = world.now;
  world.run(6s);
  std::vector<std::string> got = rows(agent, begin);
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got,
            (std::vector<std::string>{"+1200 203.0.113.1:443 websocket", "+1200 proxy to server.example:443 plain",
                                      "+600 203.0.113.1:443 plain", "+900 proxy to server.example:443 websocket"}));
}

TEST_F(Doors, OfTheOtherFamilyFollowAQuarterOfASecondLater) {
  world.resolved = {*Address::parse("[2001:db8::1]:3478"), world.server_address};
  LinkAgent& agent = behind(nothing);
  Instant begin = world.now;
  world.run(6s);
  auto got = rows(agent, begin);
  ASSERT_EQ(got.size(), 8u);
  EXPECT_EQ(got[0], "+600 [2001:db8::1]:3478 plain");
  EXPECT_EQ(got[1], "+850 203.0.113.1:3478 plain");
  EXPECT_EQ(got[2], "+900 [2001:db8::1]:443 plain");
}

TEST_F(Doors, WhereOnlyPort443PassesItIsUsed) {
  LinkAgent& agent = behind(only_443);
  expect_up(agent, Door::tcp_443, 950ms);
  EXPECT_EQ(agent.link.carrier()->server, world.server_address.with_port(443));
  EXPECT_EQ(agent.tcp_open.size(), 1u) << "what was begun beside it is ended";
  world.run(1min);
  EXPECT_EQ(agent.count<LinkUp>(), 1u);
  EXPECT_EQ(agent.count<LinkDown>(), 0u);
}

TEST_F(Doors, WhereOnlyTlsPassesAWebSocketIsUsed) { expect_up(behind(only_tls), Door::websocket_443, 1250ms); }

TEST_F(Doors, WhereTheServerHasNoPort443TheWebSocketIsOnItsOwn) {
  auto passes = [](const ConnectTcp& c) {
    return c.dress == Dress::websocket && c.to.port == 3478 ? Passage::open : Passage::silent;
  };
  expect_up(behind(passes), Door::websocket, 1550ms);
}

TEST_F(Doors, WhereOnlyAProxyLeadsOutItIsUsed) {
  LinkAgent& agent = behind(only_proxy, true);
  expect_up(agent, Door::proxy_websocket_443, 950ms);
  EXPECT_TRUE(agent.link.carrier()->server.is_unspecified()) << "only the proxy knows";
}

TEST_F(Doors, AProxyThatLetsOnlyPlainPort443ThroughIsUsedToo) {
  auto passes = [](const ConnectTcp& c) {
    return c.by_proxy && c.dress == Dress::plain && c.to.port == 443 ? Passage::open : Passage::refused;
  };
  expect_up(behind(passes, true), Door::proxy_tcp_443, 1250ms);
}

TEST_F(Doors, ThroughAProxyDoNotWaitForAName) {
  world.resolving = 20s;
  LinkAgent& agent = behind(only_proxy, true);
  expect_up(agent, Door::proxy_websocket_443, 950ms);
  EXPECT_EQ(agent.dialled.size(), 1u);
  world.run(40s);
  EXPECT_EQ(agent.dialled.size(), 5u) << "the direct ones, once there is an address";
  EXPECT_EQ(agent.count<LinkUp>(), 1u);
  EXPECT_EQ(agent.count<LinkFailed>(), 0u);
}

TEST_F(Doors, ANameThatIsLookedUpForEverIsNoReasonToSayNothing) {
  world.resolving = 1h;
  world.refusal = "the proxy allows no connection there (403)";
  LinkAgent& agent = behind([](const ConnectTcp&) { return Passage::refused; }, true);
  ASSERT_TRUE(world.run_until([&] { return agent.count<LinkFailed>() > 0; }, 10s));
  EXPECT_NE(agent.last<LinkFailed>()->error.text.find("(403)"), std::string::npos);
  EXPECT_TRUE(world.run_until([&] { return agent.dialled.size() > 3; }, 5s)) << "it asks the proxy again";
}

TEST_F(Doors, ThroughAProxyNeedNoAddress) {
  world.resolved = {};
  LinkAgent& agent = behind(only_proxy, true);
  expect_up(agent, Door::proxy_websocket_443, 950ms);
  EXPECT_EQ(agent.count<LinkFailed>(), 0u);
  world.run(10min);  // and looks for better doors meanwhile
  EXPECT_EQ(agent.count<LinkFailed>(), 0u);
  EXPECT_EQ(agent.count<LinkUp>(), 1u);
}

TEST_F(Doors, TheNextIsTriedAtOnceWhenOneIsRefused) {
  auto passes = [](const ConnectTcp& c) { return only_tls(c) == Passage::open ? Passage::open : Passage::refused; };
  LinkAgent& agent = behind(passes);
  expect_up(agent, Door::websocket_443, 750ms);  // RFC 8305 section 5
}

TEST_F(Doors, AnAgentWithAProxyUsesUdpWhereThatAnswers) {
  world.doors = [](const ConnectTcp&) { return Passage::open; };
  LinkAgent& agent = world.add_link(1, {}, {}, true);
  expect_up(agent, Door::udp, 25ms);
  world.run(10min);
  EXPECT_EQ(agent.tcp_dials, 0u);
}

TEST_F(Doors, TcpThatAnswersIsNotOvertakenByAProxy) {
  LinkAgent& agent = behind([](const ConnectTcp&) { return Passage::open; }, true);
  agent.one_way = 70ms;
  expect_up(agent, Door::tcp, 900ms);
}

TEST_F(Doors, FromAPoorOneTheLinkMovesToUdpWhenThatAnswers) {
  LinkAgent& agent = behind(only_proxy, true);
  expect_up(agent, Door::proxy_websocket_443, 950ms);
  agent.udp = true;
  agent.link.prefer_udp(world.now, world.server_address);
  world.run(1s);
  EXPECT_EQ(agent.link.carrier()->door, Door::udp);
  EXPECT_EQ(agent.count<LinkDown>(), 0u);
  EXPECT_TRUE(agent.tcp_open.empty());
  EXPECT_EQ(world.server->agent_count(), 1u);
}

TEST_F(Doors, FromAPoorOneTheLinkMovesToABetterOneThatOpens) {
  LinkAgent& agent = behind(only_tls);
  expect_up(agent, Door::websocket_443, 1250ms);
  world.run(10s);
  world.doors = [](const ConnectTcp&) { return Passage::open; };
  Instant opened = world.now;
  size_t before = agent.dialled.size();
  ASSERT_TRUE(world.run_until([&] { return agent.link.carrier() && agent.link.carrier()->door == Door::tcp; }, 10min));
  EXPECT_LE(world.now - opened, ServerLink::look_again + 1s);
  world.run(100ms);
  EXPECT_EQ(agent.count<LinkDown>(), 0u) << "it moved, it did not fall";
  EXPECT_EQ(agent.tcp_open.size(), 1u);
  EXPECT_EQ(world.server->agent_count(), 1u);
  EXPECT_EQ(agent.dialled.size(), before + 1) << "a worse one is not tried, nor one behind the winner";
}

TEST_F(Doors, AsLongAsNoneOpensALookCostsOnlyTheBetterOnes) {
  LinkAgent& agent = behind(only_443);
  expect_up(agent, Door::tcp_443, 950ms);
  size_t before = agent.dialled.size();
  world.run(ServerLink::look_again * 3 + 30s);
  ASSERT_EQ(agent.dialled.size(), before + 3);
  for (size_t i = before; i < agent.dialled.size(); ++i) EXPECT_EQ(agent.dialled[i].second.to.port, 3478);
  EXPECT_EQ(agent.count<LinkUp>(), 1u);
  EXPECT_EQ(agent.count<LinkFailed>(), 0u);
}

TEST_F(Doors, ALinkLostWhileItLooksForABetterDoorComesBackByTheOld) {
  LinkAgent& agent = behind(only_tls);
  expect_up(agent, Door::websocket_443, 1250ms);
  Instant up = world.now;
  ASSERT_TRUE(world.run_until([&] { return agent.dialled.back().first > up; }, ServerLink::look_again + 2s));
  Instant lost = world.now;
  world.break_tcp(world.server_side(agent), "reset by peer");
  ASSERT_TRUE(world.run_until([&] { return agent.count<LinkUp>() == 2; }, 10s));
  EXPECT_EQ(agent.link.carrier()->door, Door::websocket_443);
  EXPECT_LE(world.now - lost, 1300ms) << "as in any round, not after the one under way";
}

TEST_F(Doors, WhereUdpDiesAndOnlyTlsPassesTheLinkIsBackInTwoSeconds) {
  world.doors = only_tls;
  LinkAgent& agent = world.add_link(1);
  expect_up(agent, Door::udp, 25ms);
  agent.udp = false;
  Instant cut = world.now;
  agent.link.send(wire::Register{});
  agent.link.suspect(world.now);
  ASSERT_TRUE(world.run_until([&] { return agent.count<LinkUp>() == 2; }));
  EXPECT_EQ(agent.link.carrier()->door, Door::websocket_443);
  EXPECT_LE(world.now - cut, 2s);
}

TEST_F(Doors, FailureSaysWhatTheProxySaid) {
  world.refusal = "the proxy http://10.0.0.1:3128 wants http://USER:PASSWORD@HOST:PORT (407)";
  LinkAgent& agent = behind([](const ConnectTcp& c) { return c.by_proxy ? Passage::refused : Passage::silent; }, true);
  ASSERT_TRUE(world.run_until([&] { return agent.count<LinkFailed>() > 0; }, 10s));
  const Error& error = agent.last<LinkFailed>()->error;
  EXPECT_EQ(error.code, Errc::unreachable);
  EXPECT_NE(error.text.find("server.example:3478"), std::string::npos) << error.text;
  EXPECT_NE(error.text.find("nor on port 443"), std::string::npos) << error.text;
  EXPECT_NE(error.text.find(world.refusal), std::string::npos) << error.text;
}

TEST_F(Doors, WithoutANameOrAProxyThatHelpsBothAreSaid) {
  world.resolved = {};
  world.refusal = "the proxy cannot reach it (502)";
  LinkAgent& agent = behind([](const ConnectTcp&) { return Passage::refused; }, true);
  ASSERT_TRUE(world.run_until([&] { return agent.count<LinkFailed>() > 0; }, 10s));
  const std::string& text = agent.last<LinkFailed>()->error.text;
  EXPECT_NE(text.find("the name server.example has no address"), std::string::npos) << text;
  EXPECT_NE(text.find("(502)"), std::string::npos) << text;
  EXPECT_TRUE(world.run_until([&] { return agent.count<LinkFailed>() > 3; }, 1min)) << "it tries again";
}

TEST_F(Doors, SomebodyElseOnPort443IsNoReasonToGiveUp) {
  wire::ServerUrl url = world.url();
  crypto::Identity right = world.server_key;
  world.server_key = crypto::Identity::generate(world.rng);
  world.restart();
  world.doors = only_443;
  LinkAgent& agent = world.add_link(1, {}, url);
  agent.udp = false;
  ASSERT_TRUE(world.run_until([&] { return agent.count<LinkFailed>() > 0; }, 10s));
  EXPECT_EQ(agent.last<LinkFailed>()->error.code, Errc::unreachable);
  world.server_key = right;
  world.restart();
  agent.udp = true;
  EXPECT_TRUE(world.run_until([&] { return agent.link.up(); }, 20s));
}

TEST_F(Doors, BehindBoxesTheLinkSpeaksTwiceAMinuteAndNoticesSilence) {
  LinkAgent& agent = behind(only_proxy, true);
  expect_up(agent, Door::proxy_websocket_443, 950ms);
  world.run(5s);
  for (int i = 0; i < 4; ++i) {  // some end what is silent for a minute
    size_t before = agent.sent_tcp;
    world.run(30s);
    EXPECT_GT(agent.sent_tcp, before);
  }
  EXPECT_EQ(agent.count<LinkUp>(), 1u);
  world.server_cut = true;  // and the proxy goes on as if nothing had happened
  Instant cut = world.now;
  ASSERT_TRUE(world.run_until([&] { return agent.count<LinkDown>() > 0; }, 5min));
  EXPECT_LE(world.now - cut, 80s);
}

}  // namespace
}  // namespace ginnel::test
