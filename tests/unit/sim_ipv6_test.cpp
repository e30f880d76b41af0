// IPv6 in the simulated world: global addresses behind the engine's stateful filter, past every NAT of IPv4.
#include <gtest/gtest.h>

#include "sim/site.hpp"
#include "sim/world.hpp"
#include "tests/support/sim_puppet.hpp"

namespace ginnel::test {
namespace {

using sim::Ipv6;
using sim::SiteConfig;
using sim::SiteId;
using sim::World;

SiteConfig with_ipv6(SiteConfig config, Ipv6 ipv6 = Ipv6::works) {
  config.ipv6 = ipv6;
  return config;
}

Address v6_of(PuppetHost& host) {
  for (const Address& a : host.stack().addresses())
    if (a.v6) return a;
  return {};
}

struct Two {
  Two(const SiteConfig& a_site, const SiteConfig& b_site)
      : sa(world.add_site("a", a_site)), sb(world.add_site("b", b_site)), a(world, sa), b(world, sb) {
    at = v6_of(a).with_port(a.open(0, true).port);
    bt = v6_of(b).with_port(b.open(0, true).port);
  }
  bool arrives(PuppetHost& from, const Address& to, PuppetHost& there, const std::string& text, uint8_t hops = 0) {
    from.udp(to, text, 0, hops);
    world.clock.run_for(1s);
    return there.heard(text);
  }
  World world{1};
  SiteId sa, sb;
  PuppetHost a, b;
  Address at, bt;
};

TEST(SimIpv6, filtersOpenFromInsideAndChangeNothing) {
  Two t(with_ipv6(sim::symmetric), with_ipv6(sim::symmetric));
  EXPECT_TRUE(t.at.v6);
  EXPECT_FALSE(t.arrives(t.a, t.bt, t.b, "a1"));
  EXPECT_TRUE(t.arrives(t.b, t.at, t.a, "b1"));
  EXPECT_EQ(t.a.heard_from("b1"), t.bt);
  EXPECT_TRUE(t.arrives(t.a, t.bt, t.b, "a2"));
  EXPECT_EQ(t.b.heard_from("a2"), t.at);
}

TEST(SimIpv6, publicHostsAreReached) {
  Two t(with_ipv6(sim::symmetric), with_ipv6(sim::public_site()));
  EXPECT_TRUE(t.arrives(t.a, t.bt, t.b, "a1"));
  EXPECT_TRUE(t.arrives(t.b, t.at, t.a, "b1"));
}

TEST(SimIpv6, brokenOnesLookWellAndReachNobody) {
  for (const SiteConfig& site : {sim::full_cone, sim::public_site()}) {
    Two t(with_ipv6(site, Ipv6::broken), with_ipv6(sim::public_site()));
    EXPECT_TRUE(t.at.v6);
    EXPECT_FALSE(t.arrives(t.a, t.bt, t.b, "a1"));
    EXPECT_FALSE(t.arrives(t.b, t.at, t.a, "b1"));
  }
  Two t(sim::full_cone, with_ipv6(sim::full_cone));
  EXPECT_FALSE(t.at.v6);  // none: no address
}

TEST(SimIpv6, oneLanIsOneLink) {
  Two t(with_ipv6(sim::full_cone), with_ipv6(sim::full_cone));
  PuppetHost c(t.world, t.sa);
  Address ct = v6_of(c).with_port(c.open(0, true).port);
  Instant sent = t.world.clock.now();
  EXPECT_TRUE(t.arrives(t.a, ct, c, "neighbour"));
  EXPECT_EQ(c.machine().heard.back().when - sent, 200us);
}

TEST(SimIpv6, itPassesTheCarriersNat) {
  World world(1);
  SiteId carrier = world.add_carrier("carrier", {{sim::preset("strict")}, Ipv6::works});
  SiteConfig home = with_ipv6(sim::symmetric), phone = with_ipv6(sim::public_site());
  home.carrier = phone.carrier = carrier;
  PuppetHost a(world, world.add_site("home", home)), b(world, world.add_site("phone", phone)),
      c(world, world.add_site("open", with_ipv6(sim::public_site())));
  Address at = v6_of(a).with_port(a.open(0, true).port), bt = v6_of(b).with_port(b.open(0, true).port),
          ct = v6_of(c).with_port(c.open(0, true).port);
  auto arrives = [&](PuppetHost& from, const Address& to, PuppetHost& there, const std::string& text) {
    from.udp(to, text);
    world.clock.run_for(1s);
    return there.heard(text);
  };
  EXPECT_TRUE(arrives(a, ct, c, "a1"));
  EXPECT_TRUE(arrives(c, at, a, "c1"));
  EXPECT_FALSE(arrives(c, bt, b, "c2"));  // the carrier filters for its phones
  EXPECT_TRUE(arrives(b, ct, c, "b1"));
  EXPECT_EQ(c.heard_from("b1"), bt);
  EXPECT_TRUE(arrives(c, bt, b, "c3"));
  EXPECT_EQ(world.gateway(carrier).engine().mapping_count(), 0u);
  // Their lines are the same for both families.
  world.line_up(1 + carrier).config.delay = 3ms, world.line_down(2 + carrier).config.delay = 4ms;
  b.udp(at, "hole");
  Instant sent = world.clock.now();
  EXPECT_TRUE(arrives(a, bt, b, "neighbour"));
  EXPECT_EQ(b.machine().heard.back().when - sent, 7ms);
  world.line_up(1 + carrier).cut = true;
  EXPECT_FALSE(arrives(a, ct, c, "cut"));
}

TEST(SimIpv6, tcpPunchesThroughFilters) {
  Two t(with_ipv6(sim::symmetric), with_ipv6(sim::symmetric));
  TcpId one = t.a.connect(v6_of(t.b).with_port(7000), 7000), other = t.b.connect(v6_of(t.a).with_port(7000), 7000);
  t.world.clock.run_for(1s);
  EXPECT_TRUE(t.a.tcp(one).connected);
  EXPECT_TRUE(t.b.tcp(other).connected);
  t.a.send(one, "hello");
  t.world.clock.run_for(1s);
  EXPECT_EQ(t.b.tcp(other).received, "hello");
}

TEST(SimIpv6, hopLimitsEndOnTheWay) {
  Two t(with_ipv6(sim::full_cone), with_ipv6(sim::full_cone));
  EXPECT_FALSE(t.arrives(t.a, t.bt, t.b, "opener", 3));
  EXPECT_EQ(t.world.internet.counters.expired, 1u);
  EXPECT_TRUE(t.arrives(t.b, t.at, t.a, "b1", 11));
}

TEST(SimIpv6, theServerHasItToo) {
  sim::WorldConfig config;
  config.server.ipv6 = true;
  World world(1, config);
  ASSERT_EQ(world.commons.server.size(), 2u);
  EXPECT_TRUE(world.commons.server[1].v6);
  PuppetHost server(world, world.host(0)), a(world, world.add_site("a", with_ipv6(sim::full_cone)));
  server.open(3478, true);
  server.listen(3478, true);
  a.open(0, true);
  EXPECT_EQ(reflexive(world, a, server, world.commons.server[1]).ip_to_string(), v6_of(a).ip_to_string());
  TcpId id = a.connect(world.commons.server[1]);
  world.clock.run_for(1s);
  EXPECT_TRUE(a.tcp(id).connected);
}

}  // namespace
}  // namespace ginnel::test
