// The 14 requirements of RFC 4787 for UDP, each met by the default behaviour and, where a knob allows, broken by it.
// The names of these tests are what docs/compliance.md is made of.
#include <gtest/gtest.h>

#include <set>

#include "tests/support/nat_fixture.hpp"

namespace ginnel::test {
namespace {

using nat::Behaviour, nat::Depends, nat::PortChoice, nat::Side;

const Address a = host(2, 4000), b = host(3, 4000);
const Address s11 = server(1, 1000), s12 = server(1, 2000), s21 = server(2, 1000), s22 = server(2, 2000);

Behaviour with(void (*change)(Behaviour&)) {
  Behaviour out;
  change(out);
  return out;
}

size_t different_mappings(Nat& nat) {
  std::set<Address> seen;
  for (const Address& to : {s11, s12, s21, s22}) seen.insert(nat.map(a, to));
  return seen.size();
}

TEST(Rfc4787, Req1_EndpointIndependentMapping_Met) {
  Nat nat;
  EXPECT_EQ(different_mappings(nat), 1u);
}
TEST(Rfc4787, Req1_EndpointIndependentMapping_Broken) {
  Nat by_address(with([](Behaviour& k) { k.udp.mapping = Depends::on_address, k.ports.choice = PortChoice::random; }));
  EXPECT_EQ(different_mappings(by_address), 2u);
  EXPECT_EQ(by_address.map(a, s11), by_address.map(a, s12));
  Nat by_both(behaviour("symmetric"));
  EXPECT_EQ(different_mappings(by_both), 4u);
}

size_t addresses_of_a_host(nat::Pooling pooling) {
  Behaviour k;
  k.pooling = pooling;
  Nat nat(k, 4);
  std::set<std::string> seen;
  for (uint16_t port = 0; port < 100; ++port)
    seen.insert(nat.map(host(2, static_cast<uint16_t>(5000 + port)), s11).ip_to_string());
  return seen.size();
}
TEST(Rfc4787, Req2_PairedPooling_Met) {
  EXPECT_EQ(addresses_of_a_host(nat::Pooling::paired), 1u);
  Nat nat({}, 4);
  EXPECT_FALSE(nat.map(host(2, 1), s11).same_ip(nat.map(host(3, 1), s11))) << "hosts are spread over the pool";
}
TEST(Rfc4787, Req2_PairedPooling_Broken) { EXPECT_EQ(addresses_of_a_host(nat::Pooling::arbitrary), 4u); }

TEST(Rfc4787, Req3_NoPortOverloading_Met) {
  Nat nat;
  EXPECT_NE(nat.map(a, s11), nat.map(b, s11));
  EXPECT_NE(nat.map(host(4, 5000), s11), nat.map(host(5, 5000), s22));
}
TEST(Rfc4787, Req3_NoPortOverloading_Broken) {
  Nat nat(with([](Behaviour& k) { k.ports.overloading = true; }));
  EXPECT_EQ(nat.map(a, s11), nat.map(b, s22)) << "one outside endpoint for two hosts while the remotes differ";
  EXPECT_NE(nat.map(host(4, 4000), s11), nat.map(a, s11)) << "but never towards the same remote";
  auto back = nat.in(udp(s22, outside_ip(1, 4000)));
  ASSERT_TRUE(back);
  EXPECT_EQ(destination_of(*back), b);
}

TEST(Rfc4787, Req3a_PortRangeKept_Met) {
  Nat nat(with([](Behaviour& k) { k.ports.choice = PortChoice::random; }));
  for (uint8_t i = 2; i < 50; ++i) {
    EXPECT_LT(nat.map(host(i, 500), s11).port, 1024);
    EXPECT_GE(nat.map(host(i, 40000), s11).port, 1024);
  }
}
TEST(Rfc4787, Req3a_PortRangeKept_Broken) {
  Nat nat(with([](Behaviour& k) { k.ports.choice = PortChoice::random, k.ports.keep_range_class = false; }));
  EXPECT_GE(nat.map(host(2, 500), s11).port, 1024);
}

size_t kept_parities(bool keep) {
  Behaviour k;
  k.ports.choice = PortChoice::random;
  k.ports.keep_parity = keep;
  Nat nat(k);
  size_t kept = 0;
  for (uint16_t port = 3000; port < 3040; ++port) kept += nat.map(host(2, port), s11).port % 2 == port % 2;
  return kept;
}
TEST(Rfc4787, Req4_PortParity_Met) { EXPECT_EQ(kept_parities(true), 40u); }
TEST(Rfc4787, Req4_PortParity_Broken) { EXPECT_LT(kept_parities(false), 40u); }

TEST(Rfc4787, Section4_2_3_PortContiguity_Met) {
  Nat nat(with([](Behaviour& k) { k.ports.choice = PortChoice::random, k.ports.keep_contiguity = true; }));
  uint16_t rtp = nat.map(host(2, 5004), s11).port;
  EXPECT_EQ(nat.map(host(2, 5005), s11).port, rtp + 1);
}

bool alive_after(const Behaviour& k, Duration how_long, const Address& to = s11) {
  Nat nat(k);
  Address at = nat.map(a, to);
  EXPECT_TRUE(nat.reaches(to, at));
  nat.map(a, to);
  nat.wait(how_long);
  return nat.reaches(to, at);
}
TEST(Rfc4787, Req5_MappingTimerTwoMinutes_Met) {
  EXPECT_TRUE(alive_after({}, 120s));
  EXPECT_TRUE(alive_after({}, 299s)) << "5c: five minutes";
  EXPECT_FALSE(alive_after({}, 300s));
}
TEST(Rfc4787, Req5_MappingTimerTwoMinutes_Broken) {
  EXPECT_TRUE(alive_after(with([](Behaviour& k) { k.timers.udp_two_way = 30s; }), 29s));
  EXPECT_FALSE(alive_after(with([](Behaviour& k) { k.timers.udp_two_way = 30s; }), 31s));
}
TEST(Rfc4787, Req5a_WellKnownPortsMayBeShorter_Met) {
  Behaviour k = with([](Behaviour& each) { each.timers.udp_well_known = 10s; });
  EXPECT_FALSE(alive_after(k, 11s, server(1, 53)));
  EXPECT_TRUE(alive_after(k, 120s, server(1, 5000)));
}

TEST(Rfc4787, Req6_OutboundRefresh_Met) {
  Nat nat;
  Address at = nat.map(a, s11);
  for (int i = 0; i < 4; ++i) {
    nat.wait(200s);
    nat.map(a, s11);
  }
  EXPECT_TRUE(nat.reaches(s11, at));
}
TEST(Rfc4787, Req6_OutboundRefresh_Broken) {
  Nat nat(with([](Behaviour& k) { k.refresh = nat::Refresh::in; }));
  Address at = nat.map(a, s11);
  nat.wait(200s);
  nat.map(a, s11);
  nat.wait(200s);
  EXPECT_FALSE(nat.reaches(s11, at));
}
TEST(Rfc4787, Req6a_InboundRefresh_Met) {
  for (auto refresh : {nat::Refresh::out, nat::Refresh::both}) {
    Behaviour k;
    k.refresh = refresh;
    Nat nat(k);
    Address at = nat.map(a, s11);
    nat.wait(200s);
    EXPECT_TRUE(nat.reaches(s11, at));
    nat.wait(200s);
    EXPECT_EQ(nat.reaches(s11, at), refresh == nat::Refresh::both) << "a MAY: both are allowed";
  }
}

TEST(Rfc4787, Req7_SameNetworkOnBothSides_Met) {
  Nat nat(Behaviour{}, Address::v4(10, 0, 0, 77, 0));
  Address far = Address::v4(10, 0, 0, 9, 80);  // outside, though its number lies in the inside network
  Address at = nat.map(a, far);
  EXPECT_EQ(at.ip_to_string(), "10.0.0.77");
  auto back = nat.in(udp(far, at));
  ASSERT_TRUE(back);
  EXPECT_EQ(destination_of(*back), a);
  EXPECT_EQ(source_of(*back), far);
}

std::string admitted(Depends filtering) {
  Behaviour k;
  k.udp.filtering = filtering;
  Nat nat(k);
  Address at = nat.map(a, s11);
  std::string out;
  for (const Address& from : {s11, s12, s21, s22}) out += nat.reaches(from, at) ? 'y' : 'n';
  return out;
}
TEST(Rfc4787, Req8_Filtering_Met) {
  EXPECT_EQ(admitted(Depends::on_nothing), "yyyy");
  EXPECT_EQ(admitted(Depends::on_address), "yynn");
}
TEST(Rfc4787, Req8_Filtering_Broken) { EXPECT_EQ(admitted(Depends::on_address_and_port), "ynnn"); }

TEST(Rfc4787, Req9_Hairpinning_Met) {
  Nat nat;
  Address at_a = nat.map(a, s11), at_b = nat.map(b, s11);
  nat.map(b, at_a);  // opens b's filter for a's outside address
  auto p = nat.out(udp(a, at_b));
  ASSERT_TRUE(p);
  EXPECT_EQ(nat.last.action, nat::Action::hairpin);
  EXPECT_EQ(destination_of(*p), b);
  EXPECT_EQ(source_of(*p), at_a) << "9a";
}
TEST(Rfc4787, Req9_Hairpinning_Broken) {
  Nat nat(with([](Behaviour& k) { k.hairpin = nat::Hairpin::off; }));
  Address at_b = nat.map(b, s11);
  EXPECT_FALSE(nat.out(udp(a, at_b)));
  EXPECT_EQ(nat.last.why, nat::Drop::hairpin_off);
}
TEST(Rfc4787, Req9a_ExternalSourceOfHairpin_Broken) {
  Nat nat(with([](Behaviour& k) { k.hairpin = nat::Hairpin::internal_source, k.udp.filtering = Depends::on_nothing; }));
  auto p = nat.out(udp(a, nat.map(b, s11)));
  ASSERT_TRUE(p);
  EXPECT_EQ(source_of(*p), a);
}

TEST(Rfc4787, Req10_NoApplicationGateway_Met) {
  Nat nat;
  std::string invite = "INVITE sip:x SIP/2.0\r\nContact: <sip:10.0.0.2:4000>\r\n";
  auto p = nat.out(udp(host(2, 5060), server(1, 5060), invite));
  ASSERT_TRUE(p);
  EXPECT_EQ(as_text(transport_of(*p).subspan(8)), invite);
}

TEST(Rfc4787, Req11_DeterministicUnderLoad_Met) {
  Nat nat;
  for (int i = 0; i < 10'000; ++i)
    nat.map(Address::v4(10, 1, static_cast<uint8_t>(i / 100), static_cast<uint8_t>(i % 100 + 1), 4000), s11);
  EXPECT_EQ(different_mappings(nat), 1u);
  Address at = nat.map(a, s11);
  EXPECT_FALSE(nat.reaches(server(9, 9), at));
}
TEST(Rfc4787, Req11_DeterministicUnderLoad_Broken) {
  Nat nat(behaviour("linux"));
  Address at = nat.map(a, s11);
  EXPECT_FALSE(nat.reaches(s22, at));  // a stranger, whose packet leaves its trace
  EXPECT_NE(nat.map(a, s22), at) << "the mapping changed because of what came from outside";
  EXPECT_NE(nat.map(a, s21), at) << "also towards others, from then on";
}

bool lives_through_error(nat::IcmpErrors errors) {
  Behaviour k;
  k.icmp_errors = errors;
  Nat nat(k);
  auto p = nat.out(udp(a, s11));
  Address at = source_of(*p);
  nat.in(icmp_error(server(7, 0), at, 3, 1, *p));
  nat.in(icmp_error(server(7, 0), at, 11, 0, *p));
  return nat.reaches(s11, at);
}
TEST(Rfc4787, Req12_IcmpDoesNotEndMapping_Met) { EXPECT_TRUE(lives_through_error(nat::IcmpErrors::full)); }
TEST(Rfc4787, Req12_IcmpDoesNotEndMapping_Broken) { EXPECT_FALSE(lives_through_error(nat::IcmpErrors::kills_mapping)); }
TEST(Rfc4787, Req12a_IcmpFromAnySource_Met) {
  Nat nat;
  auto p = nat.out(udp(a, s11));
  EXPECT_TRUE(nat.in(icmp_error(server(200, 0), source_of(*p), 11, 0, *p)));
}

TEST(Rfc4787, Req13_FragmentationNeeded_Met) {
  Nat nat(with([](Behaviour& k) { k.mtu_outside = 1280; }));
  PacketBytes big = udp(a, s11, std::string(1400, 'x'));
  EXPECT_FALSE(nat.out(big));
  auto own = nat.generated();
  ASSERT_EQ(own.size(), 1u);
  auto& error = own[0].second;
  EXPECT_EQ(own[0].first, Side::inside);
  EXPECT_EQ(icmp_type(error), 3);
  EXPECT_EQ(icmp_code(error), 4);
  EXPECT_EQ(get16(transport_of(error), 6), 1280) << "RFC 1191: the MTU";
  EXPECT_EQ(source_of(quoted_of(error)), a) << "as the sender sent it";
}
TEST(Rfc4787, Req13_FragmentationNeeded_Broken) {
  Nat nat(with([](Behaviour& k) { k.mtu_outside = 1280, k.too_big_answer = false; }));
  EXPECT_FALSE(nat.out(udp(a, s11, std::string(1400, 'x'))));
  EXPECT_TRUE(nat.generated().empty());
}
TEST(Rfc4787, Req13a_FragmentsWhatMayBe_Met) {
  Nat nat(with([](Behaviour& k) { k.mtu_outside = 600; }));
  std::string text(1400, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i);
  auto first = nat.out(without_df(udp(a, s11, text)));
  ASSERT_TRUE(first);
  std::vector<PacketBytes> all = {*first};
  for (auto& [side, p] : nat.generated()) all.push_back(p);
  EXPECT_EQ(all.size(), 3u);
  for (auto& f : all) EXPECT_LE(f.size(), 600u);
  auto whole = reassembled(all);
  EXPECT_TRUE(checksums_right(whole));
  EXPECT_EQ(as_text(transport_of(whole).subspan(8)), text);
}
TEST(Rfc4787, Req13a_FragmentsWhatMayBe_Broken) {
  Nat nat(with([](Behaviour& k) { k.mtu_outside = 600, k.fragment_too_big = false; }));
  EXPECT_FALSE(nat.out(without_df(udp(a, s11, std::string(1400, 'x')))));
}

/// Sends the fragments of a datagram from outside in this order; how many come out inside, in all.
size_t fragments_through(nat::Fragments mode, std::vector<size_t> order, std::vector<PacketBytes>* seen = nullptr) {
  Behaviour k;
  k.fragments = mode;
  Nat nat(k);
  Address at = nat.map(a, s11);
  auto pieces = fragments_of(udp(s11, at, std::string(2000, 'y')), 800);
  std::vector<PacketBytes> out;
  for (size_t i : order) {
    if (auto p = nat.in(pieces.at(i))) out.push_back(*p);
    for (auto& [side, p] : nat.generated()) out.push_back(p);
  }
  for (auto& p : out) EXPECT_EQ(destination_of(p).ip_to_string(), "10.0.0.2");
  if (seen) *seen = out;
  return out.size();
}
TEST(Rfc4787, Req14_OutOfOrderFragments_Met) {
  std::vector<PacketBytes> out;
  EXPECT_EQ(fragments_through(nat::Fragments::track, {0, 1, 2}), 3u);
  ASSERT_EQ(fragments_through(nat::Fragments::track, {2, 1, 0}, &out), 3u);
  EXPECT_TRUE(checksums_right(reassembled(out)));
}
TEST(Rfc4787, Req14_OutOfOrderFragments_Broken) {
  EXPECT_EQ(fragments_through(nat::Fragments::in_order, {0, 1, 2}), 3u);
  EXPECT_EQ(fragments_through(nat::Fragments::in_order, {2, 1, 0}), 1u);
  EXPECT_EQ(fragments_through(nat::Fragments::drop, {0, 1, 2}), 0u);
}
TEST(Rfc4787, Req14a_FragmentFloodIsBounded_Met) {
  Nat nat;
  Address at = nat.map(a, s11);
  size_t full = 0;
  PacketBytes last = fragments_of(udp(s11, at, std::string(2000, 'y')), 800).back();
  for (uint32_t i = 0; i < 50'000; ++i) {
    if (i == 1'000) full = nat.gateway->memory();
    put16(last, 4, static_cast<uint16_t>(i));
    put16(last, 14, static_cast<uint16_t>(i >> 3));
    fix_ip_checksum(last);
    EXPECT_FALSE(nat.in(last));
  }
  EXPECT_EQ(nat.gateway->memory(), full);
  EXPECT_TRUE(nat.reaches(s11, at));
}

}  // namespace
}  // namespace ginnel::test
