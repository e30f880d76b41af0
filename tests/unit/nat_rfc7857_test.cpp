// RFC 7857, the updates to the three older documents, section by section; and what RFC 6888 adds for carriers. Met by
// the behaviour named in each test, broken by a knob.
#include <gtest/gtest.h>

#include <set>

#include "tests/support/nat_fixture.hpp"

namespace ginnel::test {
namespace {

using nat::Behaviour, nat::Depends, nat::PortChoice;

const Address a = host(2, 4000), b = host(3, 4000);
const Address s11 = server(1, 1000), s22 = server(2, 2000);

bool passes_after(Nat& nat, const Address& at, Duration how_long) {
  nat.wait(how_long);
  return nat.in(tcp(s11, at, ack, 5001, 1001, "x")).has_value();
}

TEST(Rfc7857, Section2_1_TcpStateMachine_Met) {
  Nat nat;
  Address at = nat.connect(a, s11);
  EXPECT_TRUE(passes_after(nat, at, 7439s)) << "established";
  EXPECT_TRUE(nat.out(tcp(a, s11, fin | ack, 1005, 5002)));
  EXPECT_TRUE(passes_after(nat, at, 7439s)) << "half-closed: data may still come";
  EXPECT_TRUE(nat.in(tcp(s11, at, fin | ack, 5002, 1006)));
  EXPECT_FALSE(passes_after(nat, at, 241s)) << "closed";
}
TEST(Rfc7857, Section2_1_TcpStateMachine_Broken) {
  Behaviour k;
  k.timers.tcp_half_closed = 60s;
  Nat nat(k);
  Address at = nat.connect(a, s11);
  EXPECT_TRUE(nat.out(tcp(a, s11, fin | ack, 1005, 5001)));
  EXPECT_FALSE(passes_after(nat, at, 61s)) << "it forgets who may still send";
}
TEST(Rfc7857, Section2_2_SeparateTimers_Met) {
  Behaviour k;
  k.timers.tcp_half_open = 100s;
  k.timers.tcp_closing = 50s;
  Nat nat(k);
  Address half = nat.map_tcp(a, s11);
  nat.wait(99s);
  EXPECT_TRUE(nat.in(tcp(s11, half, syn | ack, 1, 1001)));
  Nat other(k);
  half = other.map_tcp(a, s11);
  other.wait(101s);
  EXPECT_FALSE(other.in(tcp(s11, half, syn | ack, 1, 1001)));
}
TEST(Rfc7857, Section2_3_ResetIsTranslatedAndLingers_Met) {
  Nat nat;
  Address at = nat.connect(a, s11);
  EXPECT_TRUE(nat.in(tcp(s11, at, rst, 5001)));
  EXPECT_TRUE(passes_after(nat, at, 200s)) << "a forged reset ends nothing";
  EXPECT_TRUE(passes_after(nat, at, 3600s)) << "what followed it made the connection whole again";
  EXPECT_TRUE(nat.in(tcp(s11, at, rst, 5001)));
  EXPECT_FALSE(passes_after(nat, at, 241s));
}
TEST(Rfc7857, Section2_3_ResetIsTranslatedAndLingers_Broken) {
  Behaviour k;
  k.timers.tcp_reset = 1s;
  Nat nat(k);
  Address at = nat.connect(a, s11);
  EXPECT_TRUE(nat.in(tcp(s11, at, rst, 5001)));
  EXPECT_FALSE(passes_after(nat, at, 2s));
}
TEST(Rfc7857, Section3_PortOverlapping_Met) {
  Behaviour k = behaviour("symmetric");
  k.ports.overloading = true;
  k.ports.choice = PortChoice::preserve_then_random;
  Nat nat(k);
  EXPECT_EQ(nat.map(a, s11), nat.map(b, s22));
  EXPECT_NE(nat.map(host(4, 4000), s11), nat.map(a, s11));
}
TEST(Rfc7857, Section4_PairedPoolingByHost_Met) {
  Nat nat({}, 3);
  Address first = nat.map(a, s11);
  EXPECT_TRUE(nat.map_tcp(host(2, 9), s22).same_ip(first)) << "whatever the protocol";
  EXPECT_TRUE(source_of(*nat.out(query(host(2, 77), s22))).same_ip(first));
}
TEST(Rfc7857, Section5_MappingsPerProtocol_Met) {
  Behaviour k;
  k.ports.choice = PortChoice::random;
  Nat nat(k);
  EXPECT_NE(nat.map(a, s11).port, nat.map_tcp(a, s11).port);
}
TEST(Rfc7857, Section6_FiltersPerProtocol_Met) {
  Nat nat(behaviour("full-cone"));
  Address at = nat.map(a, s11);
  EXPECT_TRUE(nat.reaches(s22, at));
  EXPECT_FALSE(nat.in(tcp(s22, at, syn)));
}

bool alive_after_refused(bool knob) {
  Behaviour k = behaviour("port-restricted");
  k.refused_refreshes = knob;
  k.refresh = nat::Refresh::both;
  Nat nat(k);
  Address at = nat.map(a, s11);
  nat.wait(250s);
  EXPECT_FALSE(nat.reaches(s22, at));
  nat.wait(250s);
  return nat.reaches(s11, at);
}
TEST(Rfc7857, Section7_RefusedInboundDoesNotRefresh_Met) { EXPECT_FALSE(alive_after_refused(false)); }
TEST(Rfc7857, Section7_RefusedInboundDoesNotRefresh_Broken) { EXPECT_TRUE(alive_after_refused(true)); }

bool alive_after_error(bool knob) {
  Behaviour k;
  k.errors_refresh = knob;
  Nat nat(k);
  Address at = nat.map(a, s11);
  auto p = nat.in(udp(s11, at));
  nat.wait(250s);
  EXPECT_TRUE(nat.out(icmp_error(host(2, 0), s11, 3, 3, *p)));
  nat.wait(250s);
  return nat.reaches(s11, at);
}
TEST(Rfc7857, Section7_1_OutboundErrorsDoNotRefresh_Met) { EXPECT_FALSE(alive_after_error(false)); }
TEST(Rfc7857, Section7_1_OutboundErrorsDoNotRefresh_Broken) { EXPECT_TRUE(alive_after_error(true)); }
TEST(Rfc7857, Section7_1_OutboundResetsDoNotRefresh_Met) {
  Nat nat(behaviour("full-cone"));
  Address at = nat.map_tcp(a, s11);
  nat.wait(200s);
  EXPECT_TRUE(nat.in(tcp(s22, at, syn, 7)));
  EXPECT_TRUE(nat.out(tcp(a, s22, rst | ack, 0, 8)));
  nat.wait(50s);
  EXPECT_FALSE(nat.in(tcp(s22, at, syn, 7))) << "the mapping was made 250 s ago and nothing from inside prolonged it";
}

TEST(Rfc7857, Section8_ParityMayBeDisabled_Met) { EXPECT_FALSE(Behaviour{}.ports.keep_parity); }

TEST(Rfc7857, Section9_ChangedPortsAreRandom_Met) {
  Nat nat;
  std::set<int> steps;
  int before = nat.map(host(2, 4000), s11).port;
  for (uint8_t i = 3; i < 33; ++i) {
    int port = nat.map(host(i, 4000), s11).port;
    steps.insert(port - before);
    before = port;
  }
  EXPECT_GT(steps.size(), 25u);
}
TEST(Rfc7857, Section9_ChangedPortsAreRandom_Broken) {
  Nat nat(behaviour("symmetric-sequential"));
  uint16_t first = nat.map(a, s11).port;
  EXPECT_EQ(nat.map(a, s22).port, first + 1);
  EXPECT_EQ(nat.map(b, s22).port, first + 2);
}
TEST(Rfc7857, Section9_SequentialPerHostAndStep_Broken) {
  Behaviour k = behaviour("symmetric-sequential");
  k.ports.per_host = true;
  k.ports.step = 2;
  Nat nat(k);
  uint16_t of_a = nat.map(a, s11).port;
  nat.map(b, s11);
  EXPECT_EQ(nat.map(a, s22).port, of_a + 2);
}

std::set<uint16_t> ids_of_two_hosts(bool fresh) {
  Behaviour k;
  k.fresh_ip_id = fresh;
  Nat nat(k);
  std::set<uint16_t> ids;
  for (const Address& from : {a, b}) ids.insert(get16(*nat.out(without_df(udp(from, s11))), 4));
  return ids;
}
TEST(Rfc7857, Section10_IpIdsDoNotCollide_Met) {
  EXPECT_EQ(ids_of_two_hosts(true).size(), 2u);
  Nat nat;
  EXPECT_EQ(get16(*nat.out(udp(a, s11)), 4), 0x1234) << "RFC 6864: an atomic datagram's id means nothing";
  auto pieces = fragments_of(udp(a, s11, std::string(2000, 'x')), 800);
  uint16_t id = get16(*nat.out(pieces[0]), 4);
  EXPECT_EQ(get16(*nat.out(pieces[1]), 4), id);
}
TEST(Rfc7857, Section10_IpIdsDoNotCollide_Broken) { EXPECT_EQ(ids_of_two_hosts(false).size(), 1u); }

TEST(Rfc7857, Section11_QueryMappingEndsWithItsLastSession_Met) {
  Nat nat;
  nat.out(query(host(2, 7), s11));
  EXPECT_EQ(nat.gateway->mapping_count(), 1u);
  nat.wait(61s);
  EXPECT_EQ(nat.gateway->mapping_count(), 0u);
}
TEST(Rfc7857, Section12_BasicNatPassesQueriesFromOutside_Met) {
  Nat nat(behaviour("basic"), 2);
  Address at = nat.map(a, s11);
  auto p = nat.in(query(server(3, 99), at.with_port(0)));
  ASSERT_TRUE(p);
  EXPECT_EQ(destination_of(*p).ip_to_string(), "10.0.0.2");
  auto back = nat.out(query(host(2, 0), server(3, 99), 0));
  ASSERT_TRUE(back);
  EXPECT_TRUE(source_of(*back).same_ip(at));
}

TEST(Rfc6888, Req4_PortsPerSubscriber_Met) {
  Behaviour k = behaviour("cgn");
  k.ports_per_host = 10;
  k.new_mappings_per_second = 0;
  Nat nat(k, 2);
  for (uint16_t i = 0; i < 10; ++i) EXPECT_NE(nat.map(host(2, static_cast<uint16_t>(1000 + i)), s11), Address{});
  EXPECT_EQ(nat.map(host(2, 5000), s11), Address{});
  EXPECT_EQ(nat.last.why, nat::Drop::host_limit);
  EXPECT_NE(nat.map(host(3, 5000), s11), Address{}) << "others are not touched";
}
TEST(Rfc6888, Req4_RateOfNewMappings_Met) {
  Behaviour k = behaviour("cgn");
  k.new_mappings_per_second = 20;
  Nat nat(k);
  int made = 0;
  for (uint16_t i = 0; i < 100; ++i) made += nat.map(host(2, static_cast<uint16_t>(1000 + i)), s11) != Address{};
  EXPECT_EQ(made, 20);
  nat.wait(500ms);
  for (uint16_t i = 0; i < 100; ++i) made += nat.map(host(2, static_cast<uint16_t>(2000 + i)), s11) != Address{};
  EXPECT_EQ(made, 30);
}
TEST(Rfc6888, Req8_FreedPortsRest_Met) {
  Behaviour k = behaviour("rfc");
  k.ports.choice = PortChoice::preserve;
  k.timers.port_quarantine = 120s;
  Nat nat(k);
  EXPECT_EQ(nat.map(a, s11).port, 4000);
  nat.wait(301s);
  EXPECT_EQ(nat.map(b, s11), Address{});
  nat.wait(121s);
  EXPECT_EQ(nat.map(b, s11).port, 4000);
}
TEST(Rfc6888, Req11_RefusedWithAnErrorAndNobodyEvicted_Met) {
  Behaviour k = behaviour("cgn");
  k.table_size = 4;
  Nat nat(k);
  for (uint8_t i = 2; i < 6; ++i) EXPECT_NE(nat.map(host(i, 1), s11), Address{});
  Address first = nat.map(host(2, 1), s11);
  EXPECT_EQ(nat.map(host(9, 1), s11), Address{});
  auto own = nat.generated();
  ASSERT_EQ(own.size(), 1u);
  EXPECT_EQ(icmp_type(own[0].second), 3);
  EXPECT_EQ(icmp_code(own[0].second), 1);
  EXPECT_EQ(nat.map(host(2, 1), s11), first);
}
TEST(Rfc6888, Req14_PortBlocks_Met) {
  Nat nat(behaviour("cgn"));
  std::set<int> of_a, of_b;
  for (uint16_t i = 0; i < 100; ++i) {
    of_a.insert((nat.map(host(2, static_cast<uint16_t>(1000 + i)), s11).port - 1024) / 512);
    of_b.insert((nat.map(host(3, static_cast<uint16_t>(1000 + i)), s11).port - 1024) / 512);
  }
  EXPECT_EQ(of_a.size(), 1u);
  EXPECT_EQ(of_b.size(), 1u);
  EXPECT_NE(of_a, of_b);
}

}  // namespace
}  // namespace ginnel::test
