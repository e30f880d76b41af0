// A client against the gateway's own machines, in virtual time: the race, each protocol, renewal, restarts, changes of
// address and network, conflicts, farewell. Hostile gateways: portmap_hostile_test.cpp. RFC 6887, RFC 6886, UPnP.
#include "core/portmap/client/client.hpp"

#include <gtest/gtest.h>

#include "tests/support/portmap_world.hpp"

namespace ginnel::portmap {
namespace {

using test::lan;
using test::outside_at;
using test::PortmapWorld;
using test::tcp_protocol;
using test::udp_protocol;

const Wanted udp{udp_protocol, 4000}, tcp{tcp_protocol, 4000};

/// Runs with only this protocol at the gateway.
class EachMethod : public ::testing::TestWithParam<Method> {
 protected:
  EachMethod() {
    world.pcp = GetParam() == Method::pcp;
    world.nat_pmp = GetParam() == Method::nat_pmp;
    world.upnp = GetParam() == Method::upnp;
  }
  PortmapWorld world;
};
INSTANTIATE_TEST_SUITE_P(Portmap, EachMethod, ::testing::Values(Method::pcp, Method::nat_pmp, Method::upnp),
                         [](auto& info) {
                           return std::string(info.param == Method::nat_pmp ? "natpmp" : to_string(info.param));
                         });

TEST_P(EachMethod, MapsBothProtocolsSoon) {
  auto& host = world.add_host(2, {udp, tcp});
  EXPECT_TRUE(world.run_until([&] { return host.mapped.size() == 2; }, 1s));
  EXPECT_EQ(host.external(udp), outside_at(4000));
  EXPECT_EQ(host.external(tcp), outside_at(4000));
  EXPECT_EQ(host.mapped[udp].method, GetParam());
  EXPECT_TRUE(host.mapped[udp].reachable);
  EXPECT_TRUE(world.engine.leads(udp_protocol, outside_at(4000), lan(2, 4000)));
  EXPECT_TRUE(world.engine.leads(tcp_protocol, outside_at(4000), lan(2, 4000)));
}

TEST_P(EachMethod, SaysWhatTheOthersAre) {
  auto& host = world.add_host();
  world.run(6s);
  auto told = host.all<Capabilities>();
  ASSERT_EQ(told.size(), 1u);
  for (Method m : {Method::pcp, Method::nat_pmp, Method::upnp}) {
    const auto& state = told[0].methods[static_cast<size_t>(m)];
    EXPECT_EQ(state.presence, m == GetParam() ? Presence::present : Presence::absent) << to_string(m);
    EXPECT_EQ(state.why, m == GetParam() ? "" : "no answer") << to_string(m);
  }
  EXPECT_EQ(told[0].gateway_name, GetParam() == Method::upnp ? "the lab's gateway" : "");
}

TEST_P(EachMethod, LivesForDaysByRenewing) {
  auto& host = world.add_host(2, {udp, tcp});
  world.run(49h);
  EXPECT_EQ(host.all<Mapped>().size(), 2u);
  EXPECT_TRUE(host.all<Unmapped>().empty());
  EXPECT_EQ(world.engine.forwards.size(), 2u);
  // 49 h of 2 h leases, renewed between 1/2 and 5/8 of each: 40 to 49 times.
  size_t sent = GetParam() == Method::upnp ? host.calls : host.datagrams;
  EXPECT_LT(sent, 330u) << "it asks too often";
  EXPECT_GT(sent, 80u);
}

TEST_P(EachMethod, GivesBackAtTheEnd) {
  auto& host = world.add_host(2, {udp, tcp});
  world.run(10s);
  EXPECT_EQ(world.engine.forwards.size(), 2u);
  host.client->close(world.now);
  EXPECT_FALSE(host.client->closed());
  world.run(500ms);
  EXPECT_TRUE(host.client->closed());
  EXPECT_TRUE(world.engine.forwards.empty());
  EXPECT_FALSE(host.client->next_deadline());
}

TEST_P(EachMethod, TheEndDoesNotWaitForTheDead) {
  auto& host = world.add_host();
  world.run(10s);
  world.pcp = world.nat_pmp = world.http = false;
  host.client->close(world.now);
  world.run(Client::close_limit);
  EXPECT_TRUE(host.client->closed());
}

TEST_P(EachMethod, WantsMayChange) {
  auto& host = world.add_host();
  world.run(10s);
  host.client->want(world.now, {tcp});
  world.run(1s);
  EXPECT_EQ(host.external(tcp), outside_at(4000));
  EXPECT_EQ(world.engine.forwards.size(), 1u) << "the other was given back";
  host.client->want(world.now, {tcp, udp});
  world.run(1s);
  EXPECT_EQ(world.engine.forwards.size(), 2u);
  EXPECT_EQ(host.all<Mapped>().size(), 3u);
}

TEST_P(EachMethod, ATakenPortBecomesAnother) {
  world.engine.taken = {4000};
  auto& host = world.add_host();
  world.run(2s);
  auto external = host.external(udp);
  ASSERT_TRUE(external);
  EXPECT_NE(external->port, 4000);
  EXPECT_TRUE(world.engine.leads(udp_protocol, *external, lan(2, 4000)));
}

TEST_P(EachMethod, TwoHostsThatWantTheSamePort) {
  auto& a = world.add_host(2, {udp, tcp});
  auto& b = world.add_host(3, {udp, tcp});
  world.run(30h);
  for (const Wanted& wanted : {udp, tcp}) {
    ASSERT_TRUE(a.external(wanted) && b.external(wanted));
    EXPECT_NE(a.external(wanted), b.external(wanted));
    EXPECT_TRUE(world.engine.leads(wanted.protocol, *a.external(wanted), lan(2, 4000)));
    EXPECT_TRUE(world.engine.leads(wanted.protocol, *b.external(wanted), lan(3, 4000)));
  }
  EXPECT_EQ(a.all<Mapped>().size() + b.all<Mapped>().size(), 4u) << "neither took it from the other";
}

TEST_P(EachMethod, OverQuota) {
  world.config.limits.per_host = 1;
  world.boot();
  auto& host = world.add_host(2, {udp, tcp});
  world.run(10s);
  EXPECT_EQ(host.mapped.size(), 1u);
  EXPECT_TRUE(host.all<NoMapping>().empty()) << "one works";
  world.config.limits.per_host = 9;
  world.boot();
  world.run(2h);
  EXPECT_EQ(host.mapped.size(), 2u) << "it was asked for again";
}

TEST_P(EachMethod, APrivateOutsideAddressIsTold) {
  for (const char* address : {"10.1.2.3:0", "100.64.0.9:0", "192.168.178.20:0", "172.16.5.5:0"}) {
    world.external = *Address::parse(address);
    world.boot();
    auto& host = world.add_host();
    world.run(2s);
    ASSERT_TRUE(host.external(udp)) << address;
    EXPECT_FALSE(host.mapped[udp].reachable) << address;
    host.client->close(world.now);
    world.run(2s);
  }
}

TEST_P(EachMethod, AGatewayWithoutAnAddressMapsNothingUntilItHasOne) {
  world.service->set_external(world.now, {});
  auto& host = world.add_host();
  world.run(10s);
  EXPECT_TRUE(host.mapped.empty());
  auto told = host.all<NoMapping>();
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told[0].methods[static_cast<size_t>(GetParam())].why, "the gateway has no outside address");
  world.service->set_external(world.now, test::gateway_outside);
  world.run(31min);
  EXPECT_EQ(host.external(udp), outside_at(4000));
}

TEST_P(EachMethod, SurvivesARestartOfTheGateway) {
  auto& host = world.add_host();
  world.run(10min);
  world.boot();
  EXPECT_TRUE(world.engine.forwards.empty());
  // PCP and NAT-PMP announce it; UPnP notices when it renews.
  world.run(GetParam() == Method::upnp ? 80min : 3s);
  EXPECT_TRUE(world.engine.leads(udp_protocol, outside_at(4000), lan(2, 4000)));
  EXPECT_TRUE(host.all<Unmapped>().empty());
}

TEST_P(EachMethod, ANewOutsideAddressIsTold) {
  auto& host = world.add_host();
  world.run(10min);
  world.external = Address::v4(198, 51, 100, 8, 0);
  world.service->set_external(world.now, world.external);
  world.run(GetParam() == Method::upnp ? 80min : 3s);
  EXPECT_EQ(host.external(udp), world.external.with_port(4000));
  EXPECT_TRUE(world.engine.leads(udp_protocol, world.external.with_port(4000), lan(2, 4000)));
}

TEST_P(EachMethod, AChangeOfNetworkBeginsAnew) {
  auto& host = world.add_host();
  world.run(10s);
  host.client->set_network(world.now, {});
  world.run(10s);
  EXPECT_TRUE(host.mapped.empty());
  EXPECT_EQ(host.all<Unmapped>().at(0).why, "the network changed");
  // Back in the same network: the gateway still has the old mapping, and its owner is known by the nonce.
  host.client->set_network(world.now, world.network_of(host));
  world.run(2s);
  EXPECT_EQ(host.external(udp), outside_at(4000));
  // With another address of its own.
  host.address = lan(9, 0);
  host.client->set_network(world.now, world.network_of(host));
  world.run(2s);
  ASSERT_TRUE(host.external(udp));
  EXPECT_TRUE(world.engine.leads(udp_protocol, *host.external(udp), lan(9, 4000)));
}

TEST_P(EachMethod, TheGatewayGoesSilentAndComesBack) {
  auto& host = world.add_host();
  world.run(10s);
  world.pcp = world.nat_pmp = world.upnp = world.http = false;
  world.run(2h);
  EXPECT_TRUE(host.mapped.empty());
  EXPECT_EQ(host.all<Unmapped>().size(), 1u);
  EXPECT_FALSE(host.all<NoMapping>().empty());
  world.boot();
  world.pcp = GetParam() == Method::pcp;
  world.nat_pmp = GetParam() == Method::nat_pmp;
  world.upnp = GetParam() == Method::upnp;
  world.http = true;
  world.run(40min);
  EXPECT_EQ(host.external(udp), outside_at(4000));
}

// ---- the race

TEST(PortmapRace, PcpBeforeNatPmpBeforeUpnp) {
  struct {
    bool pcp, nat_pmp, upnp;
    Method expected;
  } cases[] = {{true, true, true, Method::pcp},
               {true, false, true, Method::pcp},
               {false, true, true, Method::nat_pmp},
               {false, false, true, Method::upnp}};
  for (const auto& c : cases) {
    PortmapWorld world;
    world.pcp = c.pcp;
    world.nat_pmp = c.nat_pmp;
    world.upnp = c.upnp;
    auto& host = world.add_host();
    EXPECT_TRUE(world.run_until([&] { return !host.mapped.empty(); }, 1s));
    EXPECT_EQ(host.client->method(), c.expected);
    world.run(5min);
    EXPECT_EQ(host.all<Mapped>().size(), 1u);
    EXPECT_EQ(world.engine.forwards.size(), 1u) << "one mapping, not one a protocol";
  }
}

TEST(PortmapRace, ALateBetterOneIsWaitedForOnlyShortly) {
  for (Duration late : {200ms, 400ms}) {  // the first probe is lost; the second goes out after 250 ms
    PortmapWorld world;
    world.pcp = false;
    auto& host = world.add_host();
    world.run(late);
    world.pcp = true;
    world.run(2s);
    EXPECT_EQ(host.client->method(), late < Client::grace ? Method::pcp : Method::nat_pmp);
  }
}

TEST(PortmapRace, NobodyAnswersIsKnownInTwoAndAHalfSeconds) {
  PortmapWorld world;
  world.pcp = world.nat_pmp = world.upnp = false;
  auto& host = world.add_host();
  Instant begin = world.now;
  EXPECT_TRUE(world.run_until([&] { return !host.all<NoMapping>().empty(); }, 5s));
  EXPECT_LE(world.now - begin, 2500ms);
  NoMapping told = host.all<NoMapping>().at(0);
  for (const auto& state : told.methods) {
    EXPECT_EQ(state.presence, Presence::absent);
    EXPECT_EQ(state.why, "no answer");
  }
  size_t sent = host.datagrams;
  EXPECT_LE(sent, 24u);
  world.run(10min - 3s);
  EXPECT_EQ(host.datagrams, sent) << "and then it is quiet for ten minutes at least";
  world.run(20min);
  EXPECT_GT(host.datagrams, sent);
  world.run(24h);
  EXPECT_LT(host.datagrams, 24u * 150u);
}

TEST(PortmapRace, ANatPmpGatewaySaysThatItHasNoPcp) {
  PortmapWorld world;
  world.on_datagram = [&](auto& host, const Address& to, Bytes bytes) {
    if (to.port != 5351 || bytes[0] != 2) return false;
    std::array<uint8_t, 16> room;
    Bytes error = wire::put_nat_pmp_error(bytes[1], wire::NatPmpResult::unsupported_version, 5, room);
    world.inject(host, test::gateway_inside.with_port(5351), error);
    return true;
  };
  auto& host = world.add_host();
  EXPECT_TRUE(world.run_until([&] { return !host.mapped.empty(); }, 100ms)) << "no need to wait for PCP";
  EXPECT_EQ(host.client->method(), Method::nat_pmp);
  world.run(6s);
  EXPECT_EQ(host.all<Capabilities>().at(0).methods[0].why, "the gateway speaks NAT-PMP only");
}

TEST(PortmapRace, APcpGatewayWithoutNatPmp) {
  PortmapWorld world;
  world.upnp = false;
  world.on_datagram = [&](auto& host, const Address& to, Bytes bytes) {
    if (to.port != 5351 || bytes[0] != 0) return false;
    std::array<uint8_t, wire::pcp_message_max> room;
    world.inject(host, test::gateway_inside.with_port(5351),
                 wire::put_pcp_error(bytes, wire::PcpResult::unsupp_version, 1800, 0, room));
    return true;
  };
  auto& host = world.add_host();
  world.run(6s);
  EXPECT_EQ(host.client->method(), Method::pcp);
  EXPECT_EQ(host.all<Capabilities>().at(0).methods[1].why, "the gateway speaks PCP only");
}

TEST(PortmapRace, OneThatAnswersButMapsNothingIsPassedOver) {
  PortmapWorld world;
  world.on_datagram = [&](auto& host, const Address& to, Bytes bytes) {
    if (to.port != 5351 || bytes[0] != 2 || bytes[1] != 1) return false;
    std::array<uint8_t, wire::pcp_message_max> room;
    world.inject(host, test::gateway_inside.with_port(5351),
                 wire::put_pcp_error(bytes, wire::PcpResult::not_authorized, 1800, 0, room));
    return true;
  };
  auto& host = world.add_host(2, {udp, tcp});
  world.run(2s);
  EXPECT_EQ(host.client->method(), Method::nat_pmp);
  EXPECT_EQ(host.mapped.size(), 2u);
  world.nat_pmp = world.upnp = false;
  auto& other = world.add_host(3);
  world.run(10s);
  auto told = other.all<NoMapping>();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].methods[0].presence, Presence::present);
  EXPECT_EQ(told[0].methods[0].why, "the gateway does not allow it");
}

TEST(PortmapRace, AnotherNatBeforeTheGateway) {
  PortmapWorld world;
  world.nat_pmp = world.upnp = false;
  auto& host = world.add_host();
  // PCP sees that the address in the request is not the one it comes from.
  host.client->set_network(world.now, Network{test::gateway_inside, Address::v4(10, 0, 0, 5, 0)});
  world.run(6s);
  EXPECT_EQ(host.all<Capabilities>().back().methods[0].why, "there is another NAT before the gateway");
}

TEST(PortmapRace, LostDatagramsAreAskedForAgain) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    PortmapWorld world(seed);
    test::SeededRng luck(seed);
    world.upnp = false;
    world.on_datagram = [&](auto&&...) { return luck.below(100) < 30; };
    auto& host = world.add_host();
    EXPECT_TRUE(world.run_until([&] { return !host.mapped.empty(); }, 10s)) << "seed " << seed;
    world.run(24h);
    EXPECT_TRUE(host.external(udp)) << "seed " << seed;
  }
}

TEST(PortmapRace, NothingIsAskedWhileNothingIsWanted) {
  PortmapWorld world;
  auto& host = world.add_host(2, {});
  world.run(1h);
  EXPECT_EQ(host.datagrams + host.calls, 0u);
  host.client->want(world.now, {udp});
  world.run(1s);
  EXPECT_TRUE(host.external(udp));
}

TEST(PortmapRace, LookingCostsTheGatewayNothing) {
  PortmapWorld world;
  auto& host = world.add_host(2, {});
  host.client->look(world.now);
  world.run(6s);
  ASSERT_EQ(host.all<Capabilities>().size(), 1u);
  Capabilities told = host.all<Capabilities>().at(0);
  for (const auto& state : told.methods) EXPECT_EQ(state.presence, Presence::present);
  EXPECT_TRUE(world.engine.forwards.empty());
  size_t before = host.datagrams;
  world.run(24h);
  EXPECT_EQ(host.datagrams, before);
  host.client->want(world.now, {udp});
  world.run(1s);
  EXPECT_EQ(host.external(udp), outside_at(4000)) << "what was found is used";
}

TEST(PortmapRace, SameSeedSameRun) {
  auto trace = [](uint64_t seed) {
    PortmapWorld world(seed);
    auto& host = world.add_host(2, {udp, tcp});
    world.run(12h);
    std::vector<Instant> out;
    for (const auto& [when, event] : host.events) out.push_back(when);
    out.push_back(host.client->next_deadline()->when);
    return out;
  };
  EXPECT_EQ(trace(5), trace(5));
  EXPECT_NE(trace(5), trace(6));
}

// ---- renewal

TEST(PortmapRenewal, MomentsOfRfc6887) {
  test::SeededRng rng;
  for (int i = 0; i < 1000; ++i) {
    for (Duration lifetime : {Duration(120s), Duration(2h), Duration(24h)}) {
      Duration first = renewal_after(lifetime, 0, rng), second = renewal_after(lifetime, 1, rng),
               third = renewal_after(lifetime, 2, rng);
      EXPECT_GE(first, lifetime / 2);
      EXPECT_LE(first, lifetime * 5 / 8);
      EXPECT_GE(second, lifetime * 3 / 4);
      EXPECT_LE(second, lifetime * 13 / 16);
      EXPECT_GE(third, lifetime * 7 / 8);
      EXPECT_LE(third, lifetime * 29 / 32);
    }
  }
  EXPECT_EQ(renewal_after(1s, 0, rng), Duration(1s));
  EXPECT_EQ(renewal_after(0s, 0, rng), Duration(0s));
  EXPECT_EQ(renewal_after(2h, 60, rng), Duration(2h));
}

TEST(PortmapEpoch, Pcp) {
  PcpDialect pcp;  // RFC 6887 section 8.5
  EXPECT_FALSE(pcp.forgot(100, 110, 10s));
  EXPECT_FALSE(pcp.forgot(100, 99, 0s)) << "two answers that overtook each other";
  EXPECT_TRUE(pcp.forgot(100, 98, 0s));
  EXPECT_TRUE(pcp.forgot(1, 0, 4s)) << "a gateway that restarts soon after it started";
  EXPECT_TRUE(pcp.forgot(1000, 0, 10s));
  EXPECT_FALSE(pcp.forgot(0, 1600, 1500s)) << "a clock that is 1/16 fast";
  EXPECT_TRUE(pcp.forgot(0, 1700, 1500s));
  EXPECT_FALSE(pcp.forgot(0, 1410, 1500s)) << "or slow";
  EXPECT_TRUE(pcp.forgot(0, 1300, 1500s)) << "it restarted in between";
  EXPECT_TRUE(pcp.forgot(UINT32_MAX, 0, 1s));
  EXPECT_TRUE(pcp.forgot(0, UINT32_MAX, 1s));
}

TEST(PortmapEpoch, NatPmp) {
  NatPmpDialect nat_pmp;  // RFC 6886 section 3.6
  EXPECT_FALSE(nat_pmp.forgot(100, 110, 10s));
  EXPECT_FALSE(nat_pmp.forgot(100, 98, 0s));
  EXPECT_TRUE(nat_pmp.forgot(100, 97, 0s));
  EXPECT_FALSE(nat_pmp.forgot(0, 875, 1000s));
  EXPECT_TRUE(nat_pmp.forgot(0, 872, 1000s));
  EXPECT_FALSE(nat_pmp.forgot(0, UINT32_MAX, 1s)) << "a fast clock is no loss";
}

}  // namespace
}  // namespace ginnel::portmap
