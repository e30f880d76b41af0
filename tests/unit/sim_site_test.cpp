// What a place on the simulated internet forbids and has, and what may be done to it.
#include <gtest/gtest.h>

#include "sim/site.hpp"
#include "sim/world.hpp"
#include "tests/support/sim_net.hpp"

namespace ginnel::test {
namespace {

using sim::SiteConfig;
using sim::SiteId;
using sim::World;

TEST(SimSite, bordersForbid) {
  SimNet net;
  SiteId home = net.world.add_site("home", sim::full_cone);
  PuppetHost a(net.world, home);
  a.open();
  Address at = net.seen(a);
  net.world.config(home).udp_out = false;
  EXPECT_FALSE(net.arrives(a, net.server.ip().with_port(3478), net.server, "out"));
  EXPECT_TRUE(net.arrives(net.server, at, a, "in"));
  net.world.block_udp(home, true);
  EXPECT_FALSE(net.arrives(net.server, at, a, "in too"));
  net.world.block_udp(home, false);
  EXPECT_TRUE(net.arrives(net.server, at, a, "again"));
  net.world.config(home).udp_bits_per_second = 1e6;
  for (int i = 0; i < 1000; ++i) a.udp(net.server.ip().with_port(3478), std::string(1000, 'x'));
  net.world.clock.run_for(1s);
  size_t passed =
      static_cast<size_t>(std::count_if(net.server.machine().heard.begin(), net.server.machine().heard.end(),
                                        [](auto& h) { return h.text.size() == 1000; }));
  EXPECT_GE(passed, 10u);
  EXPECT_LE(passed, 30u);
}

TEST(SimSite, firewallsOpenFromInside) {
  SimNet net;
  SiteId site = net.world.add_site("office", sim::stateful_firewall());
  PuppetHost a(net.world, site), b(net.world, net.world.add_site("open", sim::public_site()));
  EXPECT_TRUE(a.ip().same_ip(net.world.outside(site)));
  Address at = a.ip().with_port(a.open().port), bt = b.ip().with_port(b.open().port);
  EXPECT_EQ(net.seen(a), at);
  EXPECT_EQ(net.seen(b), bt);
  EXPECT_FALSE(net.arrives(b, at, a, "b1"));
  EXPECT_TRUE(net.arrives(a, bt, b, "a1"));
  EXPECT_TRUE(net.arrives(b, at, a, "b2"));
}

TEST(SimSite, publicHostsOfOneSiteAreNeighbours) {
  SimNet net;
  SiteId site = net.world.add_site("datacentre", sim::public_site());
  PuppetHost a(net.world, site), b(net.world, site);
  a.open();
  Address to = b.ip().with_port(b.open().port);
  Instant sent = net.world.clock.now();
  EXPECT_TRUE(net.arrives(a, to, b, "hello", 1));
  EXPECT_EQ(b.machine().heard.back().when - sent, 200us);
}

TEST(SimSite, bridgesLeadNowhereAndOwnAddressesBack) {
  SimNet net;
  SiteConfig config = sim::full_cone;
  config.bridges = {{Address::v4(172, 17, 0, 1, 0)}};
  PuppetHost a(net.world, net.world.add_site("a", config));
  uint16_t port = a.open().port;
  EXPECT_EQ(a.stack().addresses().back(), Address::v4(172, 17, 0, 1, 0));
  EXPECT_TRUE(net.arrives(a, Address::v4(172, 17, 0, 1, port), a, "myself"));
  uint64_t before = net.world.internet.counters.packets;
  EXPECT_FALSE(net.arrives(a, Address::v4(172, 17, 3, 4, port), a, "nowhere"));
  EXPECT_EQ(net.world.internet.counters.packets, before);
}

TEST(SimSite, equalPrivateNetworksDoNotMeet) {
  SimNet net;
  SiteConfig config = sim::full_cone;
  config.lan = Address::v4(192, 168, 1, 0, 0);
  PuppetHost a(net.world, net.world.add_site("a", config)), b(net.world, net.world.add_site("b", config));
  a.open(5000), b.open(5000);
  EXPECT_TRUE(a.ip().same_ip(b.ip()));
  EXPECT_TRUE(net.arrives(a, b.ip().with_port(5000), a, "to whom"));  // itself
  EXPECT_FALSE(b.heard("to whom"));
  EXPECT_FALSE(net.arrives(a, Address::v4(192, 168, 1, 77, 5000), b, "neighbour"));
  EXPECT_EQ(net.world.gateway(1).engine().mapping_count(), 0u);  // it never left the LAN
}

TEST(SimSite, movesAndReboots) {
  SimNet net;
  SiteId home = net.world.add_site("home", sim::full_cone);
  PuppetHost a(net.world, home);
  a.open();
  Address before = net.seen(a);
  net.world.move(home);
  EXPECT_FALSE(net.arrives(net.server, before, a, "old"));
  Address after = net.seen(a);
  EXPECT_FALSE(after.same_ip(before));
  EXPECT_TRUE(net.arrives(net.server, after, a, "new"));
  net.world.reboot_nat(home, false);
  EXPECT_FALSE(net.arrives(net.server, after, a, "forgotten"));
  EXPECT_EQ(net.seen(a), after);
  net.world.reboot_nat(home, true);
  EXPECT_NE(net.seen(a), after);
  SiteId open = net.world.add_site("open", sim::public_site());
  PuppetHost b(net.world, open);
  b.open();
  Address b_before = net.seen(b);
  net.world.move(open);
  EXPECT_NE(net.seen(b), b_before);
}

TEST(SimSite, aHomeMovesBehindItsCarrier) {
  SimNet net;
  SiteConfig config = sim::full_cone;
  config.carrier = net.world.add_carrier("carrier", {{sim::preset("cgn")}});
  SiteId home = net.world.add_site("home", config);
  PuppetHost a(net.world, home);
  a.open();
  Address before = net.seen(a), middle = net.world.gateway(home).outside().front();
  net.world.move(home);
  EXPECT_NE(net.world.gateway(home).outside().front(), middle);
  EXPECT_FALSE(net.arrives(net.server, before, a, "old"));
  EXPECT_TRUE(net.arrives(net.server, net.seen(a), a, "new"));
}

TEST(SimSite, aNatMayChangeItsMind) {
  SimNet net;
  SiteId home = net.world.add_site("home", sim::full_cone);
  PuppetHost a(net.world, home), b(net.world, net.world.add_site("b", sim::public_site()));
  a.open(), b.open();
  EXPECT_TRUE(net.arrives(b, net.seen(a), a, "stranger"));
  net.world.gateway(home).change(sim::preset("symmetric"));
  EXPECT_FALSE(net.arrives(b, net.seen(a), a, "stranger again"));
}

TEST(SimSite, linesAndLansAreLinks) {
  SimNet net;
  SiteId carrier = net.world.add_carrier("carrier", {{sim::preset("cgn")}});
  SiteConfig config = sim::full_cone;
  config.carrier = carrier;
  SiteId home = net.world.add_site("home", config);
  PuppetHost a(net.world, home), b(net.world, home);
  a.open(), b.open();
  net.world.line_up(home).cut = true;
  EXPECT_FALSE(net.arrives(a, net.server.ip().with_port(3478), net.server, "up"));
  net.world.line_up(home).cut = false;
  Address at = net.seen(a);
  net.world.line_down(home).cut = true;
  EXPECT_FALSE(net.arrives(net.server, at, a, "down"));
  Address to = b.ip().with_port(b.stack().udp_port(0, false));
  EXPECT_TRUE(net.arrives(a, to, b, "beside"));
  net.world.lan(home).config.datagram_max = 1000;
  EXPECT_FALSE(net.arrives(a, to, b, std::string(1001, 'x')));
  EXPECT_TRUE(net.arrives(a, to, b, std::string(1000, 'x')));
}

TEST(SimSite, aGatewayIsSmallAsLongAsItHasLittleToDo) {
  for (const nat::Behaviour& behaviour : nat::presets()) {
    SimNet net;
    SiteId home = net.world.add_site("home", sim::behind(behaviour));
    PuppetHost a(net.world, home);
    a.open();
    EXPECT_LT(net.world.gateway(home).engine().memory(), 32u * 1024) << behaviour.name;
    net.seen(a);
    EXPECT_LT(net.world.gateway(home).engine().memory(), 64u * 1024) << behaviour.name;
  }
}

TEST(SimSite, socketsAreManyAndClose) {
  SimNet net;
  PuppetHost a(net.world, net.world.add_site("a", sim::full_cone));
  a.open();
  for (SocketId id = 1; id <= 256; ++id) a.order(OpenUdp{id, false});
  net.world.clock.run_for(1ms);
  ASSERT_EQ(a.machine().sockets.size(), 256u);
  Address ninth = net.seen(a, 9), tenth = net.seen(a, 10);
  EXPECT_NE(ninth, tenth);
  EXPECT_TRUE(net.arrives(net.server, ninth, a, "to the ninth"));
  EXPECT_EQ(a.machine().heard.back().socket, 9u);
  a.order(CloseUdp{9, false});
  EXPECT_FALSE(net.arrives(net.server, ninth, a, "to nobody"));
  EXPECT_EQ(a.stack().refused, 1u);
  a.order(OpenUdp{9, false});
  net.world.clock.run_for(1ms);
  EXPECT_NE(a.machine().sockets[9].port, 0);
}

TEST(SimSite, theServerHasSeveralSockets) {
  sim::WorldConfig config;
  config.server.second_port = config.server.second_address = true;
  World world(1, config);
  std::vector<Address> at = world.server_addresses();
  ASSERT_EQ(at.size(), 4u);
  EXPECT_EQ(at[0], Address::v4(203, 0, 113, 1, 3478));
  EXPECT_EQ(at[3], Address::v4(203, 0, 113, 2, 3479));
  PuppetHost server(world, world.host(0));
  for (SocketId id = 0; id < 4; ++id) EXPECT_EQ(server.stack().open_udp(id, at[id]), at[id]);
  PuppetHost a(world, world.add_site("a", sim::symmetric));
  a.open();
  std::vector<Address> seen;
  for (SocketId id = 0; id < 4; ++id) {
    seen.push_back(reflexive(world, a, server, at[id]));
    EXPECT_EQ(server.machine().heard.back().socket, id);
    server.udp(seen.back(), "from " + std::to_string(id), id);
    world.clock.run_for(1s);
    EXPECT_EQ(a.heard_from("from " + std::to_string(id)), at[id]);
  }
  EXPECT_NE(seen[0], seen[1]);
}

TEST(SimSite, sleepersHearNothing) {
  SimNet net;
  PuppetHost a(net.world, net.world.add_site("a", sim::full_cone));
  a.open();
  Address at = net.seen(a);
  a.host().set_asleep(true);
  EXPECT_FALSE(net.arrives(net.server, at, a, "wake up"));
  a.udp(net.server.ip().with_port(3478), "later");
  net.world.clock.run_for(1s);
  EXPECT_FALSE(net.server.heard("later"));
  a.host().set_asleep(false);
  net.world.clock.run_for(1s);
  EXPECT_TRUE(net.server.heard("later"));
  EXPECT_TRUE(net.arrives(net.server, at, a, "good morning"));
}

TEST(SimSite, aRouterMayBeAHost) {
  SimNet net;
  SiteId home = net.world.add_site("home", sim::port_restricted);
  PuppetHost a(net.world, home), router(net.world, net.world.add_router(home));
  a.open(), router.open(5351);
  EXPECT_TRUE(net.arrives(a, router.ip().with_port(5351), router, "map a port"));
  EXPECT_TRUE(net.arrives(router, router.heard_from("map a port"), a, "done"));
  // What such a router does then.
  Address inside = a.ip().with_port(a.stack().udp_port(0, false)), outside = net.world.outside(home).with_port(7000);
  ASSERT_TRUE(net.world.gateway(home).engine().add_forward(17, outside, inside));
  EXPECT_TRUE(net.arrives(net.server, outside, a, "forwarded"));
}

}  // namespace
}  // namespace ginnel::test
