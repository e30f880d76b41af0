// Which packets arrive where, through which NATs: chains, shared NATs, hairpins, LANs, times to live.
#include <gtest/gtest.h>

#include "sim/site.hpp"
#include "sim/world.hpp"
#include "tests/support/packets.hpp"
#include "tests/support/sim_net.hpp"

namespace ginnel::test {
namespace {

using sim::SiteConfig;
using sim::SiteId;

TEST(SimInternet, packetsAreRealOnes) {
  sim::Packet packet;
  sim::put_udp(packet, Address::v4(10, 0, 0, 1, 1000), Address::v4(203, 0, 113, 1, 3478), 7, as_bytes("hello"));
  EXPECT_TRUE(checksums_right(packet.bytes()));
  EXPECT_EQ(source_of(packet.bytes()), Address::v4(10, 0, 0, 1, 1000));
  EXPECT_EQ(destination_of(packet.bytes()), Address::v4(203, 0, 113, 1, 3478));
  EXPECT_EQ(packet.bytes()[8], 7);
  EXPECT_TRUE(sim::pass_hops(packet.bytes(), 6));
  EXPECT_TRUE(checksums_right(packet.bytes()));
  EXPECT_FALSE(sim::pass_hops(packet.bytes(), 1));
  sim::put_tcp(packet, Address::v4(10, 0, 0, 1, 1000), Address::v4(203, 0, 113, 1, 80), {5, 6, 0x12});
  EXPECT_TRUE(checksums_right(packet.bytes()));
  EXPECT_EQ(tcp_flags(packet.bytes()), 0x12);
  sim::PacketView view;
  auto v6 = [](const char* text) { return *Address::parse(text); };
  sim::put_udp(packet, v6("[2001:db8::1]:1"), v6("[2001:db8::2]:2"), 64, as_bytes("odd"));
  ASSERT_TRUE(sim::read_packet(packet.bytes(), view));
  EXPECT_EQ(view.to, v6("[2001:db8::2]:2"));
  Bytes udp = view.transport;
  uint64_t sum = plain_sum(packet.bytes().subspan(8, 32)) + 17u + udp.size();
  EXPECT_EQ(plain_sum(udp, static_cast<uint32_t>((sum & 0xffff) + (sum >> 16))), 0xffff);
}

TEST(SimInternet, aHomeIsSeenAtItsOutsideAddress) {
  SimNet net;
  SiteId home = net.world.add_site("home", sim::port_restricted);
  PuppetHost a(net.world, home);
  EXPECT_TRUE(a.ip().is_private());
  Address local = a.open(41'000);
  Address outside = net.seen(a);
  EXPECT_TRUE(outside.same_ip(net.world.outside(home)));
  EXPECT_EQ(outside.port, local.port);
  EXPECT_TRUE(net.arrives(net.server, outside, a, "back"));
  EXPECT_FALSE(net.arrives(net.server, outside.with_port(9), a, "elsewhere"));
}

TEST(SimInternet, twoHomesPunchAndASymmetricOneDoesNot) {
  SimNet net;
  PuppetHost a(net.world, net.world.add_site("a", sim::port_restricted));
  PuppetHost b(net.world, net.world.add_site("b", sim::port_restricted));
  PuppetHost c(net.world, net.world.add_site("c", sim::symmetric));
  for (auto* host : {&a, &b, &c}) host->open();
  Address at = net.seen(a), bt = net.seen(b), ct = net.seen(c);
  EXPECT_FALSE(net.arrives(a, bt, b, "a1"));
  EXPECT_TRUE(net.arrives(b, at, a, "b1"));
  EXPECT_TRUE(net.arrives(a, bt, b, "a2"));
  EXPECT_FALSE(net.arrives(a, ct, c, "a3"));
  EXPECT_FALSE(net.arrives(c, at, a, "c1"));
  EXPECT_FALSE(net.arrives(a, ct, c, "a4"));
}

TEST(SimInternet, mappingsEndInVirtualTime) {
  SimNet net;
  PuppetHost a(net.world, net.world.add_site("a", sim::port_restricted));
  a.open();
  Address at = net.seen(a);
  net.world.clock.run_for(50s);
  EXPECT_TRUE(net.arrives(net.server, at, a, "in time"));
  net.world.clock.run_for(20s);  // incoming packets refresh nothing
  EXPECT_FALSE(net.arrives(net.server, at, a, "too late"));
  EXPECT_EQ(net.world.gateway(1).engine().mapping_count(), 0u);
}

TEST(SimInternet, aLanIsDirectUnlessIsolated) {
  for (bool isolated : {false, true}) {
    SimNet net;
    SiteConfig config = sim::full_cone;
    config.isolated = isolated;
    SiteId home = net.world.add_site("home", config);
    PuppetHost a(net.world, home), b(net.world, home);
    Address to = b.ip().with_port(b.open().port);
    a.open();
    EXPECT_EQ(net.arrives(a, to, b, "hello"), !isolated);
    EXPECT_EQ(b.heard_from("hello").same_ip(a.ip()), !isolated);
    EXPECT_FALSE(net.seen(a).is_unspecified());
    // By the outside address it works either way: the router is no neighbour's wireless card.
    Address outside = net.seen(b);
    EXPECT_TRUE(net.arrives(a, outside, b, "round the corner"));
    EXPECT_EQ(b.heard_from("round the corner"), net.seen(a));
  }
}

TEST(SimInternet, hairpinsAsTheEngineIsTold) {
  for (auto hairpin : {nat::Hairpin::off, nat::Hairpin::external_source, nat::Hairpin::internal_source}) {
    SimNet net;
    SiteConfig config = sim::full_cone;
    config.nats[0].behaviour.hairpin = hairpin;
    SiteId home = net.world.add_site("home", config);
    PuppetHost a(net.world, home), b(net.world, home);
    a.open(), b.open();
    Address outside = net.seen(b);
    EXPECT_EQ(net.arrives(a, outside, b, "x"), hairpin != nat::Hairpin::off);
    EXPECT_EQ(b.heard_from("x").same_ip(a.ip()), hairpin == nat::Hairpin::internal_source);
  }
}

TEST(SimInternet, chainsOfNats) {
  SimNet net;
  SiteConfig chain = sim::port_restricted;
  chain.nats.push_back(chain.nats[0]);
  chain.nats.push_back({sim::preset("cgn")});
  SiteId home = net.world.add_site("home", chain), other = net.world.add_site("other", sim::port_restricted);
  PuppetHost a(net.world, home), b(net.world, other);
  a.open(), b.open();
  Address at = net.seen(a), bt = net.seen(b);
  EXPECT_TRUE(at.same_ip(net.world.outside(home)));
  for (size_t layer : {0, 1, 2}) EXPECT_EQ(net.world.gateway(home, layer).engine().mapping_count(), 1u);
  net.arrives(a, bt, b, "a1");
  EXPECT_TRUE(net.arrives(b, at, a, "b1"));
  EXPECT_TRUE(net.arrives(a, bt, b, "a2"));
}

TEST(SimInternet, homesBehindOneCarrierMeetAtIt) {
  for (bool isolated : {false, true}) {
    SimNet net;
    SiteId carrier = net.world.add_carrier("carrier", {{sim::preset("cgn")}, sim::Ipv6::none, isolated});
    SiteConfig config = sim::full_cone;
    config.carrier = carrier;
    config.line.delay = 3ms;
    SiteId home = net.world.add_site("a", config), other = net.world.add_site("b", config);
    PuppetHost a(net.world, home), b(net.world, other);
    a.open(), b.open();
    Address bt = net.seen(b);
    EXPECT_TRUE(bt.same_ip(net.world.outside(other)));
    EXPECT_TRUE(net.seen(a).same_ip(bt));  // one address for both
    Instant sent = net.world.clock.now();
    EXPECT_TRUE(net.arrives(a, bt, b, "hairpin"));
    EXPECT_EQ(b.machine().heard.back().when - sent, 6ms);  // up one line, down the other
    EXPECT_EQ(b.heard_from("hairpin"), net.seen(a));
    // Or in the middle, at the other home's address there, where its own NAT listens.
    Address middle = net.world.gateway(other).outside().front().with_port(
        net.world.gateway(other)
            .engine()
            .outside_of(net.world.clock.now(), 17, b.ip().with_port(b.stack().udp_port(0, false)))
            ->port);
    EXPECT_EQ(middle.ip[0], 100);
    EXPECT_EQ(net.arrives(a, middle, b, "middle"), !isolated);
    EXPECT_THROW(net.world.link(home, other), std::invalid_argument);
  }
}

TEST(SimInternet, aPhoneIsAlmostNakedBehindItsCarrier) {
  SimNet net;
  SiteId carrier = net.world.add_carrier("carrier", {{sim::preset("port-restricted")}});
  SiteConfig config = sim::public_site();
  config.carrier = carrier;
  PuppetHost phone(net.world, net.world.add_site("phone", config));
  EXPECT_EQ(phone.ip().ip[0], 100);
  phone.open();
  EXPECT_TRUE(net.seen(phone).same_ip(net.world.outside(carrier)));
}

TEST(SimInternet, lowTimesToLiveOpenTheOwnNatOnly) {
  for (bool answers : {false, true}) {
    sim::WorldConfig config;
    config.answers_expired = answers;
    SimNet net(config);
    PuppetHost a(net.world, net.world.add_site("a", sim::port_restricted));
    PuppetHost b(net.world, net.world.add_site("b", sim::port_restricted));
    a.open(), b.open();
    Address at = net.seen(a), bt = net.seen(b);
    EXPECT_FALSE(net.arrives(a, bt, b, "opener", 3));
    EXPECT_EQ(net.world.internet.counters.expired, 1u);
    EXPECT_TRUE(net.arrives(b, at, a, "b1"));  // a's NAT is open, and b's NAT never saw a stranger
    auto& drops = net.world.gateway(2).engine().counters();
    EXPECT_EQ(drops.dropped(nat::Drop::filtered) + drops.dropped(nat::Drop::no_mapping), 0u);
    // One for the own gateway, eight routers, one for the other's gateway, one to be there.
    EXPECT_FALSE(net.arrives(a, bt, b, "short", 10));
    EXPECT_TRUE(net.arrives(a, bt, b, "enough", 11));
    net.world.set_hops(1, 2, 20);
    EXPECT_FALSE(net.arrives(a, bt, b, "far", 11));
    EXPECT_EQ(net.world.gateway(1).engine().counters().dropped(nat::Drop::icmp_error), 0u);
  }
}

TEST(SimInternet, aRouterThatSaysSoEndsMappingsOfTheNaive) {
  for (bool answers : {false, true}) {
    sim::WorldConfig config;
    config.answers_expired = answers;
    SimNet net(config);
    SiteConfig naive = sim::port_restricted;
    naive.nats[0].behaviour.icmp_errors = nat::IcmpErrors::kills_mapping;
    PuppetHost a(net.world, net.world.add_site("a", naive));
    PuppetHost b(net.world, net.world.add_site("b", sim::port_restricted));
    a.open();
    net.seen(a);
    EXPECT_EQ(net.world.gateway(1).engine().mapping_count(), 1u);
    a.udp(net.world.outside(2).with_port(999), "opener", 0, 3);
    net.world.clock.run_for(1s);
    EXPECT_EQ(net.world.gateway(1).engine().mapping_count(), answers ? 0u : 1u);
  }
}

TEST(SimInternet, anEngineAnswersForItself) {
  SimNet net;
  SiteConfig linux = sim::behind("linux");
  SiteId home = net.world.add_site("home", linux);
  PuppetHost a(net.world, home);
  // A SYN to the gateway itself: RST, so that the dialler is refused within a round trip.
  TcpId id = net.server.connect(net.world.outside(home).with_port(80));
  net.world.clock.run_for(1s);
  EXPECT_EQ(net.server.tcp(id).closed, "connection refused");
  // With the RFC's own behaviour after six seconds, by ICMP (RFC 5382 REQ-4).
  SiteId strict = net.world.add_site("strict", sim::behind("rfc"));
  id = net.server.connect(net.world.outside(strict).with_port(80));
  net.world.clock.run_for(5900ms);
  EXPECT_EQ(net.server.tcp(id).closed, "");
  net.world.clock.run_for(200ms);
  EXPECT_EQ(net.server.tcp(id).closed, "connection refused");
}

}  // namespace
}  // namespace ginnel::test
