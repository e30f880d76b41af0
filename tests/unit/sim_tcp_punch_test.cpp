// Two hosts behind NATs dial each other from ports that also listen: when both SYNs leave in time they meet
// (RFC 9293 figure 8), and what NATs do to the one that comes too early decides what happens else.
#include <gtest/gtest.h>

#include "sim/site.hpp"
#include "sim/world.hpp"
#include "tests/support/sim_puppet.hpp"

namespace ginnel::test {
namespace {

using sim::SiteConfig;
using sim::SiteId;
using sim::World;

constexpr uint16_t a_port = 5001, b_port = 5002;

/// Two sites, each with a connection from its punching port to the server, which knows where that is seen from.
struct Punch {
  Punch(const SiteConfig& a_site, const SiteConfig& b_site, uint64_t seed = 1)
      : world(seed),
        server(world, world.host(0)),
        sa(world.add_site("a", a_site)),
        sb(world.add_site("b", b_site)),
        a(world, sa),
        b(world, sb) {
    server.listen(3478);
    a.listen(a_port), b.listen(b_port);
    sim::LinkConfig way;
    way.delay = 20ms;
    world.set_way(sa, sb, way);
    at = mapped(a, a_port);
    bt = mapped(b, b_port);
  }
  Address mapped(PuppetHost& of, uint16_t port) {
    of.connect(server.ip().with_port(3478), port);
    world.clock.run_for(1s);
    TcpId accepted = server.accepted();
    return accepted ? server.tcp(accepted).from : Address{};
  }
  /// a dials at once, b later (or the other way round, if negative); both try for `tries` times, 1 s apart if refused.
  bool punch(Duration lag, int tries = 1) {
    world.clock.after(std::max<Duration>(-lag, 0ns), [this, tries] { attempt(a, bt, a_port, tries); });
    world.clock.after(std::max<Duration>(lag, 0ns), [this, tries] { attempt(b, at, b_port, tries); });
    return world.clock.run_until([this] { return one() != 0 && other() != 0; }, 9s);
  }
  void attempt(PuppetHost& from, const Address& to, uint16_t port, int tries) {
    TcpId id = from.connect(to, port);
    if (tries > 1)
      world.clock.after(1s, [this, &from, to, port, tries, id] {
        if (!from.tcp(id).closed.empty()) attempt(from, to, port, tries - 1);
      });
  }
  /// The id of the connection that stands at a (b), dialled or accepted.
  TcpId one() { return standing(a, bt); }
  TcpId other() { return standing(b, at); }
  static TcpId standing(PuppetHost& host, const Address& to) {
    for (const auto& [id, c] : host.machine().tcp) {
      const sim::TcpSocket* socket = host.stack().tcp().find(id);
      if (socket && socket->remote() == to && (c.connected || c.accepted) && c.closed.empty()) return id;
    }
    return 0;
  }
  bool speaks() {
    a.send(one(), "from a"), b.send(other(), "from b");
    world.clock.run_for(1s);
    return a.tcp(one()).received == "from b" && b.tcp(other()).received == "from a";
  }
  World world;
  PuppetHost server;
  SiteId sa, sb;
  PuppetHost a, b;
  Address at, bt;
};

TEST(SimTcpPunch, bothSynsMeet) {
  Punch p(sim::port_restricted, sim::port_restricted);
  ASSERT_TRUE(p.punch(0ms));
  EXPECT_TRUE(p.a.stack().tcp().find(p.one())->simultaneous());
  EXPECT_TRUE(p.b.stack().tcp().find(p.other())->simultaneous());
  EXPECT_TRUE(p.speaks());
  EXPECT_EQ(p.a.stack().tcp().resets_sent, 0u);
}

TEST(SimTcpPunch, silentNatsForgiveALag) {
  for (Duration lag : {-500ms, -100ms, -15ms, 15ms, 100ms, 500ms}) {
    Punch p(sim::port_restricted, sim::port_restricted);
    Instant begin = p.world.clock.now();
    ASSERT_TRUE(p.punch(lag)) << to_ms(lag);
    EXPECT_TRUE(p.speaks());
    // The SYN that came too early was dropped; the later side's opens both NATs and meets the earlier one's listener or
    // its waiting SYN.
    EXPECT_LE(to_ms(p.world.clock.now() - begin), 2600);
    EXPECT_EQ(p.a.tcp(p.one()).closed, "");
  }
}

TEST(SimTcpPunch, anOpenNatNeedsOnlyOneSide) {
  Punch p(sim::full_cone, sim::port_restricted);
  TcpId id = p.b.connect(p.at, b_port);
  p.world.clock.run_for(1s);
  EXPECT_TRUE(p.b.tcp(id).connected);
  EXPECT_NE(p.a.accepted(), 0u);
}

SiteConfig resetting() {
  SiteConfig out = sim::port_restricted;
  out.nats[0].behaviour.unsolicited_syn = nat::UnsolicitedSyn::rst;
  return out;
}

TEST(SimTcpPunch, pastResettingNatsTheSynsCrossOnTheWay) {
  Punch p(resetting(), resetting());
  ASSERT_TRUE(p.punch(5ms));
  EXPECT_TRUE(p.a.stack().tcp().find(p.one())->simultaneous());
  EXPECT_TRUE(p.speaks());
}

TEST(SimTcpPunch, whoWasRefusedMustListen) {
  // b's NAT resets a's SYN. Yet a's NAT knows the connection now, and lets b's SYN in: whom does it find?
  Punch p(resetting(), resetting());
  ASSERT_TRUE(p.punch(100ms));
  EXPECT_TRUE(p.a.tcp(p.one()).accepted);
  EXPECT_TRUE(p.speaks());
  Punch q(resetting(), resetting());
  q.a.order(StopListening{false});
  EXPECT_FALSE(q.punch(100ms));
  EXPECT_EQ(q.b.machine().tcp.rbegin()->second.closed, "connection refused");
  // Who tries again may come at the right time.
  Punch r(resetting(), resetting());
  r.a.order(StopListening{false}), r.b.order(StopListening{false});
  EXPECT_TRUE(r.punch(990ms, 4));
}

TEST(SimTcpPunch, aNatThatKnowsNoSimultaneousOpenPreventsIt) {
  SiteConfig broken = sim::port_restricted;
  broken.nats[0].behaviour.simultaneous_open = false;
  Punch p(broken, broken);
  EXPECT_FALSE(p.punch(0ms));
}

TEST(SimTcpPunch, symmetricNatsPreventIt) {
  Punch p(sim::symmetric, sim::port_restricted);
  EXPECT_FALSE(p.punch(0ms));
}

TEST(SimTcpPunch, twoPortsBehindOneHairpin) {
  sim::SiteConfig home = sim::full_cone;
  World world(1);
  PuppetHost server(world, world.host(0));
  server.listen(3478);
  SiteId site = world.add_site("home", home);
  PuppetHost a(world, site), b(world, site);
  b.listen(b_port);
  b.connect(server.ip().with_port(3478), b_port);
  world.clock.run_for(1s);
  Address bt = server.tcp(server.accepted()).from;
  TcpId id = a.connect(bt);
  world.clock.run_for(1s);
  EXPECT_TRUE(a.tcp(id).connected);
  ASSERT_NE(b.accepted(), 0u);
  EXPECT_TRUE(b.tcp(b.accepted()).from.same_ip(world.outside(site)));
}

TEST(SimTcpPunch, lossDelaysAMeeting) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Punch p(sim::port_restricted, sim::port_restricted, seed);
    sim::LinkConfig way;
    way.delay = 20ms;
    way.loss = 0.3;
    p.world.set_way(p.sa, p.sb, way);
    if (!p.punch(0ms)) continue;  // ten seconds may be too short
    way.loss = 0;
    p.world.set_way(p.sa, p.sb, way);
    EXPECT_TRUE(p.speaks()) << seed;
  }
}

}  // namespace
}  // namespace ginnel::test
