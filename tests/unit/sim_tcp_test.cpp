// The simulated hosts' TCP: that bytes arrive whole whatever links and NATs do, and that ends are told as kernels tell.
#include <gtest/gtest.h>

#include "sim/site.hpp"
#include "sim/world.hpp"
#include "tests/support/sim_puppet.hpp"

namespace ginnel::test {
namespace {

using sim::LinkConfig;
using sim::SiteConfig;
using sim::SiteId;
using sim::World;

std::string noise(size_t size, uint64_t seed = 1) {
  sim::Random random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random.next());
  return out;
}

/// Two public hosts, 20 ms apart.
struct Pair {
  explicit Pair(const SiteConfig& a_site = sim::public_site(), const SiteConfig& b_site = sim::public_site(),
                uint64_t seed = 1)
      : world(seed),
        server(world, world.host(0)),
        sa(world.add_site("a", a_site)),
        sb(world.add_site("b", b_site)),
        a(world, sa),
        b(world, sb) {}
  /// A connection from a to b's port 80; its two ends.
  std::pair<TcpId, TcpId> connect() {
    b.listen(80);
    TcpId near = a.connect(world.outside(sb).with_port(80));
    world.clock.run_for(1s);
    return {near, b.accepted()};
  }
  /// All of it there, in order; how long it took.
  Duration transfer(TcpId from, TcpId to, const std::string& bytes, Duration limit) {
    Instant begin = world.clock.now();
    for (size_t at = 0; at < bytes.size(); at += 10'000) a.send(from, bytes.substr(at, 10'000));
    world.clock.run_until([&] { return b.tcp(to).received.size() >= bytes.size(); }, limit);
    EXPECT_TRUE(b.tcp(to).received == bytes) << b.tcp(to).received.size() << " of " << bytes.size();
    return world.clock.now() - begin;
  }
  World world;
  PuppetHost server;
  SiteId sa, sb;
  PuppetHost a, b;
};

TEST(SimTcp, connectsInOneRoundTrip) {
  Pair p;
  p.b.listen(80);
  Instant begin = p.world.clock.now();
  TcpId id = p.a.connect(p.b.ip().with_port(80));
  p.world.clock.run_for(1s);
  EXPECT_TRUE(p.a.tcp(id).connected);
  EXPECT_EQ(p.a.tcp(id).since - begin, 20ms);
  ASSERT_NE(p.b.accepted(), 0u);
  const auto& accepted = p.b.tcp(p.b.accepted());
  EXPECT_EQ(accepted.since - begin, 30ms);
  EXPECT_EQ(accepted.from, p.a.tcp(id).local);
  EXPECT_EQ(accepted.local, p.b.ip().with_port(80));
  EXPECT_GE(p.b.accepted(), TcpId{1} << 31);
}

TEST(SimTcp, carriesBytesBothWaysThroughNats) {
  SiteConfig home = sim::port_restricted;
  home.nats.push_back({sim::preset("cgn")});
  Pair p(home);
  auto [near, far] = p.connect();
  ASSERT_NE(far, 0u);
  EXPECT_TRUE(p.b.tcp(far).from.same_ip(p.world.outside(p.sa)));
  p.transfer(near, far, noise(300'000), 10s);
  std::string back = noise(50'000, 2);
  p.b.send(far, back);
  p.world.clock.run_for(2s);
  EXPECT_TRUE(p.a.tcp(near).received == back);
  EXPECT_EQ(p.a.stack().tcp().repeated, 0u);
}

TEST(SimTcp, lossAndReorderingCostTimeOnly) {
  uint64_t repeated = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Pair p(sim::port_restricted, sim::full_cone, seed);
    LinkConfig link;
    link.loss = 0.1;
    link.jitter = 20ms;
    link.reorder = true;
    p.world.set_way(p.sa, 0, link);
    p.server.listen(80);
    TcpId near = p.a.connect(p.server.ip().with_port(80));
    p.world.clock.run_for(8s);
    TcpId far = p.server.accepted();
    ASSERT_NE(far, 0u) << seed;
    std::string bytes = noise(200'000, seed);
    for (size_t at = 0; at < bytes.size(); at += 7'000) p.a.send(near, bytes.substr(at, 7'000));
    p.world.clock.run_until([&] { return p.server.tcp(far).received.size() >= bytes.size(); }, 60s);
    EXPECT_TRUE(p.server.tcp(far).received == bytes) << seed << ": " << p.server.tcp(far).received.size();
    repeated += p.a.stack().tcp().repeated;
    p.a.close(near);
    p.world.clock.run_for(20s);
    EXPECT_EQ(p.server.tcp(far).closed, "the other side closed the connection");
  }
  EXPECT_GT(repeated, 20u);
}

TEST(SimTcp, fillsARateAndItsQueue) {
  Pair p;
  LinkConfig link;
  link.bits_per_second = 20e6;
  link.queue_bytes = 64 * 1024;
  p.world.set_way(p.sa, p.sb, link);
  auto [near, far] = p.connect();
  Duration took = p.transfer(near, far, noise(1'000'000), 20s);
  EXPECT_GE(to_ms(took), 400);  // what the rate gives
  EXPECT_LE(to_ms(took), 1200);
}

TEST(SimTcp, sequenceNumbersMayWrap) {
  // Some of many first numbers lie within a megabyte of the end.
  Pair p;
  for (int i = 0; i < 8; ++i) {
    auto [near, far] = p.connect();
    p.transfer(near, far, noise(20'000, static_cast<uint64_t>(i)), 5s);
  }
}

TEST(SimTcp, closedPortsRefuse) {
  Pair p;
  Instant begin = p.world.clock.now();
  TcpId id = p.a.connect(p.b.ip().with_port(81));
  p.world.clock.run_for(21ms);
  EXPECT_EQ(p.a.tcp(id).closed, "connection refused");
  EXPECT_LE(p.world.clock.now() - begin, 21ms);
  p.b.listen(81);
  p.world.clock.run_for(1ms);
  EXPECT_EQ(p.b.machine().listens.back().port, 81);
  p.b.order(StopListening{false});
  id = p.a.connect(p.b.ip().with_port(81));
  p.world.clock.run_for(1s);
  EXPECT_EQ(p.a.tcp(id).closed, "connection refused");
}

TEST(SimTcp, silenceIsGivenUpAfterTenSeconds) {
  Pair p(sim::public_site(), sim::port_restricted);
  TcpId id = p.a.connect(p.world.outside(p.sb).with_port(80));
  p.world.clock.run_for(9900ms);
  EXPECT_EQ(p.a.tcp(id).closed, "");
  EXPECT_EQ(p.a.stack().tcp().segments_sent, 4u);  // at once, after 1, 3, 7 s
  p.world.clock.run_for(200ms);
  EXPECT_EQ(p.a.tcp(id).closed, p.world.outside(p.sb).with_port(80).to_string() + " did not answer");
  EXPECT_EQ(p.a.stack().tcp().connection_count(), 0u);
}

TEST(SimTcp, onePortListensAndDials) {
  Pair p(sim::full_cone, sim::full_cone);
  p.a.listen(5000);
  p.server.listen(443), p.server.listen(3478);
  TcpId first = p.a.connect(p.server.ip().with_port(443), 5000);
  p.world.clock.run_for(1s);
  TcpId second = p.a.connect(p.server.ip().with_port(3478), 5000);
  p.world.clock.run_for(1s);
  EXPECT_EQ(p.a.tcp(first).local.port, 5000);
  EXPECT_EQ(p.a.tcp(second).local.port, 5000);
  Address seen = p.server.tcp(p.server.accepted()).from;
  EXPECT_EQ(p.server.tcp(p.server.accepted()).local.port, 3478);
  TcpId third = p.b.connect(seen);
  p.world.clock.run_for(1s);
  EXPECT_TRUE(p.b.tcp(third).connected);
  EXPECT_NE(p.a.accepted(), 0u);
  // The same two ends twice: as Linux, address in use.
  TcpId fourth = p.a.connect(p.server.ip().with_port(443), 5000);
  p.world.clock.run_for(1s);
  EXPECT_EQ(p.a.tcp(fourth).closed, "cannot connect: address in use");
  // And nobody else may listen there.
  p.a.listen(5000);
  p.world.clock.run_for(1ms);
  EXPECT_EQ(p.a.machine().listens.back().port, 0);
}

// ---- ends

TEST(SimTcp, aCloseFlushesAndIsHeard) {
  Pair p;
  auto [near, far] = p.connect();
  std::string bytes = noise(100'000);
  p.a.send(near, bytes);
  p.a.close(near);
  p.world.clock.run_for(5s);
  EXPECT_TRUE(p.b.tcp(far).received == bytes);
  EXPECT_EQ(p.b.tcp(far).closed, "the other side closed the connection");
  EXPECT_EQ(p.a.tcp(near).closed, "");  // its own doing
  EXPECT_EQ(p.b.stack().tcp().connection_count(), 0u);
  EXPECT_EQ(p.a.stack().tcp().connection_count(), 1u);  // TIME-WAIT
  p.world.clock.run_for(60s);
  EXPECT_EQ(p.a.stack().tcp().connection_count(), 0u);
  EXPECT_EQ(p.a.stack().tcp().resets_sent + p.b.stack().tcp().resets_sent, 0u);
}

TEST(SimTcp, bothMayCloseAtOnce) {
  Pair p;
  auto [near, far] = p.connect();
  p.a.close(near), p.b.close(far);
  p.world.clock.run_for(62s);
  EXPECT_EQ(p.a.stack().tcp().connection_count() + p.b.stack().tcp().connection_count(), 0u);
  EXPECT_EQ(p.a.stack().tcp().resets_sent + p.b.stack().tcp().resets_sent, 0u);
}

TEST(SimTcp, theKilledReset) {
  Pair p;
  auto [near, far] = p.connect();
  p.b.host().kill();
  p.world.clock.run_for(1s);
  EXPECT_EQ(p.a.tcp(near).closed, "the other side reset the connection");
  TcpId again = p.a.connect(p.b.ip().with_port(80));
  p.world.clock.run_for(1s);
  EXPECT_EQ(p.a.tcp(again).closed, "connection refused");
}

TEST(SimTcp, unansweredBytesEndItAfterTenSeconds) {
  Pair p;
  auto [near, far] = p.connect();
  p.world.cut(p.sa, p.sb, true);
  p.a.send(near, "hello?");
  p.world.clock.run_for(9900ms);
  EXPECT_EQ(p.a.tcp(near).closed, "");
  p.world.clock.run_for(200ms);
  EXPECT_EQ(p.a.tcp(near).closed, "the connection timed out");
  EXPECT_EQ(p.b.tcp(far).closed, "");  // it has nothing to say, and no keepalive
  p.world.cut(p.sa, p.sb, false);
  p.b.send(far, "still there?");
  p.world.clock.run_for(1s);
  EXPECT_EQ(p.b.tcp(far).closed, "the other side reset the connection");
}

TEST(SimTcp, aShortCutIsMended) {
  Pair p;
  auto [near, far] = p.connect();
  p.world.cut(p.sa, p.sb, true);
  p.a.send(near, "hello?");
  p.world.clock.run_for(5s);
  p.world.cut(p.sa, p.sb, false);
  p.world.clock.run_for(4s);
  EXPECT_EQ(p.b.tcp(far).received, "hello?");
}

TEST(SimTcp, aNatThatForgotIsSilentOrPicksUp) {
  for (bool picks_up : {false, true}) {
    SiteConfig home = sim::port_restricted;
    home.nats[0].behaviour.tcp_pickup = picks_up;
    Pair p(home);
    auto [near, far] = p.connect();
    p.world.reboot_nat(p.sa, false);
    p.b.send(far, "are you there?");
    p.a.send(near, "hello?");
    p.world.clock.run_for(12s);
    EXPECT_EQ(p.a.tcp(near).closed, picks_up ? "" : "the connection timed out");
    EXPECT_EQ(p.b.tcp(far).received, picks_up ? "hello?" : "");
    EXPECT_EQ(p.a.tcp(near).received, picks_up ? "are you there?" : "");
  }
}

// ---- the queue

TEST(SimTcp, aFullQueueSaysSoAndTellsWhenThereIsRoom) {
  Pair p;
  LinkConfig link;
  link.bits_per_second = 10e6;
  p.world.set_way(p.sa, p.sb, link);
  auto [near, far] = p.connect();
  std::string bytes = noise(600'000), sent;
  for (size_t at = 0; at < bytes.size() && p.a.tcp(near).full == 0; at += 20'000) {
    p.a.send(near, bytes.substr(at, 20'000));
    sent += bytes.substr(at, 20'000);
  }
  EXPECT_EQ(p.a.tcp(near).full, 1);
  EXPECT_GT(sent.size(), sim::TcpSocket::queue_full);
  EXPECT_LT(sent.size(), sim::TcpSocket::queue_full + 60'000);
  EXPECT_EQ(p.a.tcp(near).writable, 0);
  p.world.clock.run_until([&] { return p.a.tcp(near).writable > 0; }, 5s);
  EXPECT_EQ(p.a.tcp(near).writable, 1);
  EXPECT_GT(p.b.tcp(far).received.size(), 100'000u);
  p.world.clock.run_for(5s);
  EXPECT_TRUE(p.b.tcp(far).received == sent);
  // Beyond the limit nothing is taken at all.
  p.world.cut(p.sa, p.sb, true);
  for (int i = 0; i < 50; ++i) p.a.send(near, std::string(50'000, 'x'));
  p.world.cut(p.sa, p.sb, false);
  p.world.clock.run_for(8s);
  size_t taken = p.b.tcp(far).received.size() - sent.size();
  EXPECT_LE(taken, sim::TcpSocket::queue_max + sim::TcpCongestion::window_max);  // waiting, and under way
  EXPECT_GE(taken, 1'000'000u);
}

TEST(SimTcp, whatIsNotUsedComesAgain) {
  Pair p;
  auto [near, far] = p.connect();
  p.b.machine().takes_at_once = 3;
  p.a.send(near, "abcde");
  p.world.clock.run_for(1s);
  EXPECT_EQ(p.b.tcp(far).received, "abc");
  p.a.send(near, "fgh");
  p.world.clock.run_for(1s);
  EXPECT_EQ(p.b.tcp(far).received, "abcdef");
  p.b.machine().takes_at_once = 0;
  p.a.send(near, std::string(sim::TcpSocket::leftover_max, 'x'));
  p.world.clock.run_for(2s);
  EXPECT_EQ(p.b.tcp(far).closed, "the other side sent a frame that is too long");
  EXPECT_EQ(p.a.tcp(near).closed, "the other side reset the connection");
}

TEST(SimTcp, bytesMayBeSentBeforeItIsOpen) {
  Pair p;
  p.b.listen(80);
  TcpId id = p.a.connect(p.b.ip().with_port(80));
  p.a.send(id, "early");
  p.world.clock.run_for(1s);
  EXPECT_EQ(p.b.tcp(p.b.accepted()).received, "early");
}

TEST(SimTcp, bordersLetSomePortsThrough) {
  SiteConfig office = sim::port_restricted.without_udp();
  office.tcp_ports = {80, 443};
  Pair p(office);
  p.server.listen(443), p.server.listen(3478);
  TcpId good = p.a.connect(p.server.ip().with_port(443)), bad = p.a.connect(p.server.ip().with_port(3478));
  p.world.clock.run_for(11s);
  EXPECT_TRUE(p.a.tcp(good).connected);
  EXPECT_NE(p.a.tcp(bad).closed.find("did not answer"), std::string::npos);
  p.a.open();
  p.server.open(3478);
  p.a.udp(p.server.ip().with_port(3478), "udp");
  p.world.clock.run_for(1s);
  EXPECT_FALSE(p.server.heard("udp"));
}

TEST(SimTcp, aBorderMayHoldItBack) {
  SiteConfig slow = sim::port_restricted;
  slow.tcp_bits_per_second = 1e6;
  Pair p(slow);
  auto [near, far] = p.connect();
  Duration took = p.transfer(near, far, noise(200'000), 60s);
  EXPECT_GE(to_ms(took), 1'400);
}

TEST(SimTcp, aSleeperGoesOnWhereItWas) {
  Pair p;
  auto [near, far] = p.connect();
  p.b.host().set_asleep(true);
  p.a.send(near, "psst");
  p.world.clock.run_for(3s);
  EXPECT_EQ(p.b.tcp(far).received, "");
  p.b.host().set_asleep(false);
  p.world.clock.run_for(5s);
  EXPECT_EQ(p.b.tcp(far).received, "psst");
}

}  // namespace
}  // namespace ginnel::test
