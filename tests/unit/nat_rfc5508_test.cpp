// The eleven requirements of RFC 5508 for ICMP, each met by the default behaviour and, where a knob allows, broken.
#include <gtest/gtest.h>

#include "tests/support/nat_fixture.hpp"

namespace ginnel::test {
namespace {

using nat::Behaviour, nat::Side;

const Address a = host(2, 4000), b = host(3, 4000);
const Address s11 = server(1, 1000), s22 = server(2, 2000);

TEST(Rfc5508, Req1_QueriesPass_Met) {
  Nat nat;
  for (uint8_t type : {8, 13}) {
    auto p = nat.out(query(host(2, 77), s11, type));
    ASSERT_TRUE(p);
    auto back = nat.in(query(s11, source_of(*p), static_cast<uint8_t>(type == 8 ? 0 : 14)));
    ASSERT_TRUE(back);
    EXPECT_EQ(destination_of(*back), host(2, 77));
  }
}
TEST(Rfc5508, Req1a_IdentifierIsTheSameForAllHosts_Met) {
  Nat nat;
  EXPECT_EQ(source_of(*nat.out(query(host(2, 77), s11))), source_of(*nat.out(query(host(2, 77), s22))));
  EXPECT_NE(source_of(*nat.out(query(host(3, 77), s11))), source_of(*nat.out(query(host(2, 77), s11))));
}
TEST(Rfc5508, Req1a_IdentifierIsTheSameForAllHosts_Broken) {
  Behaviour k;
  k.icmp.mapping = nat::Depends::on_address;
  Nat nat(k);
  EXPECT_NE(source_of(*nat.out(query(host(2, 77), s11))), source_of(*nat.out(query(host(2, 77), s22))));
}

bool query_lives(const Behaviour& k, Duration how_long) {
  Nat nat(k);
  auto p = nat.out(query(host(2, 77), s11));
  nat.wait(how_long);
  return nat.in(query(s11, source_of(*p), 0)).has_value();
}
TEST(Rfc5508, Req2_QueryTimer_Met) {
  EXPECT_TRUE(query_lives({}, 59s));
  EXPECT_FALSE(query_lives({}, 61s));
}
TEST(Rfc5508, Req2_QueryTimer_Broken) { EXPECT_FALSE(query_lives(behaviour("linux"), 31s)); }

TEST(Rfc5508, Req3_BadChecksumIsDropped_Met) {
  Nat nat;
  auto p = nat.out(udp(a, s11));
  auto error = icmp_error(server(5, 0), source_of(*p), 3, 1, *p);
  error[22] ^= 1;
  EXPECT_FALSE(nat.in(error));
  EXPECT_EQ(nat.last.why, nat::Drop::bad_checksum);
}
TEST(Rfc5508, Req3a_BadQuotedHeaderIsDropped_Met) {
  Nat nat;
  auto p = nat.out(udp(a, s11));
  Address at = source_of(*p);
  (*p)[10] ^= 1;
  EXPECT_FALSE(nat.in(icmp_error(server(5, 0), at, 3, 1, *p)));
}
TEST(Rfc5508, Req3b_QuotedOptionsAreSkipped_Met) {
  Nat nat;
  auto p = nat.out(udp(a, s11));
  PacketBytes quoted = *p;
  quoted[0] = 0x46;
  quoted.insert(quoted.begin() + 20, {1, 1, 1, 0});
  put16(quoted, 2, static_cast<uint16_t>(quoted.size()));
  fix_ip_checksum(quoted);
  auto error = nat.in(icmp_error(server(5, 0), source_of(*p), 3, 1, quoted));
  ASSERT_TRUE(error);
  EXPECT_EQ(source_of(quoted_of(*error)), a);
}
TEST(Rfc5508, Req3c_QuotedTransportChecksumIsNotVerified_Met) {
  Nat nat;
  auto p = nat.out(udp(a, s11));
  (*p)[26] ^= 1;
  EXPECT_TRUE(nat.in(icmp_error(server(5, 0), outside_ip(1, 4000), 3, 1, *p)));
}
TEST(Rfc5508, Req3d_ExtensionsAreLeftAlone_Met) {  // RFC 4884: behind the quoted packet, padded to 128 bytes
  Nat nat;
  auto p = nat.out(udp(a, s11));
  PacketBytes quoted = *p;
  quoted.resize(128);
  quoted.insert(quoted.end(), {0x20, 0, 0, 0, 0, 8, 1, 1, 1, 2, 3, 4});
  auto error = nat.in(icmp_error(server(5, 0), source_of(*p), 11, 0, quoted));
  ASSERT_TRUE(error);
  Bytes inner = quoted_of(*error);
  EXPECT_TRUE(std::equal(inner.end() - 12, inner.end(), quoted.end() - 12));
  EXPECT_TRUE(checksums_right(inner.first(p->size())));
}

TEST(Rfc5508, Req4_ErrorFromOutside_Met) {
  Nat nat;
  PacketBytes original = udp(a, s11, "payload");
  auto p = nat.out(original);
  for (auto [type, code] : {std::pair<uint8_t, uint8_t>{3, 4}, {3, 13}, {11, 0}, {12, 0}}) {
    auto error = nat.in(icmp_error(server(5, 0), source_of(*p), type, code, *p, 1280));
    ASSERT_TRUE(error);
    EXPECT_EQ(icmp_type(*error), type) << "4b";
    EXPECT_EQ(icmp_code(*error), code) << "4b";
    EXPECT_EQ(get16(transport_of(*error), 6), 1280);
    EXPECT_EQ(source_of(quoted_of(*error)), a) << "4a";
    EXPECT_TRUE(checksums_right(quoted_of(*error))) << "4a";
    EXPECT_TRUE(destination_of(*error).same_ip(a)) << "4c";
    EXPECT_TRUE(source_of(*error).same_ip(server(5, 0)));
  }
  EXPECT_FALSE(nat.in(icmp_error(server(5, 0), outside_ip(), 3, 1, udp(outside_ip(1, 9999), s11)))) << "no mapping";
  EXPECT_TRUE(nat.in(icmp_error(server(5, 0), outside_ip(), 3, 1, Bytes(*p).first(28)))) << "64 bits are enough";
}
TEST(Rfc5508, Req4_ErrorFromOutside_Broken) {
  Behaviour k;
  k.icmp_errors = nat::IcmpErrors::outer_only;
  Nat nat(k);
  auto p = nat.out(udp(a, s11));
  auto error = nat.in(icmp_error(server(5, 0), source_of(*p), 3, 1, *p));
  ASSERT_TRUE(error);
  EXPECT_EQ(source_of(quoted_of(*error)), source_of(*p)) << "not what the host sent";
}
TEST(Rfc5508, Req4_ErrorAboutAQuery_Met) {
  Nat nat;
  nat.out(query(host(3, 77), s11));
  auto p = nat.out(query(host(2, 77), s11));
  auto error = nat.in(icmp_error(server(5, 0), outside_ip(), 11, 0, *p));
  ASSERT_TRUE(error);
  EXPECT_EQ(source_of(quoted_of(*error)), host(2, 77));
  EXPECT_TRUE(checksums_right(quoted_of(*error)));
}

TEST(Rfc5508, Req5_ErrorFromInside_Met) {
  Nat nat;
  Address at = nat.map(a, s11);
  auto p = nat.in(udp(s11, at));
  auto error = nat.out(icmp_error(host(2, 0), s11, 3, 3, *p));
  ASSERT_TRUE(error);
  EXPECT_EQ(icmp_type(*error), 3);
  EXPECT_EQ(icmp_code(*error), 3);
  EXPECT_EQ(destination_of(quoted_of(*error)), at);
  EXPECT_TRUE(checksums_right(quoted_of(*error)));
  EXPECT_TRUE(source_of(*error).same_ip(outside_ip())) << "5c: the NAT's own address";
  EXPECT_FALSE(nat.out(icmp_error(host(2, 0), s11, 3, 3, udp(s11, host(9, 9))))) << "no mapping";
}
TEST(Rfc5508, Req5c_BasicNatUsesTheMappedAddress_Met) {
  Nat nat(behaviour("basic"), 4);
  nat.map(b, s11);
  Address at = nat.map(a, s11);
  EXPECT_FALSE(at.same_ip(outside_ip(1)));
  auto p = nat.in(udp(s11, at));
  auto error = nat.out(icmp_error(host(2, 0), s11, 3, 3, *p));
  ASSERT_TRUE(error);
  EXPECT_TRUE(source_of(*error).same_ip(at));
}

TEST(Rfc5508, Req6_ErrorsNeitherRefreshNorDelete_Met) {
  Nat nat;
  auto p = nat.out(query(host(2, 77), s11));
  Address at = source_of(*p);
  nat.wait(50s);
  EXPECT_TRUE(nat.in(icmp_error(server(5, 0), at, 3, 1, *p)));
  EXPECT_TRUE(nat.in(query(s11, at, 0)));
  nat.wait(11s);
  EXPECT_FALSE(nat.in(query(s11, at, 0)));
}
TEST(Rfc5508, Req6_ErrorsNeitherRefreshNorDelete_Broken) {
  Behaviour k;
  k.icmp_errors = nat::IcmpErrors::kills_mapping;
  Nat nat(k);
  auto p = nat.out(query(host(2, 77), s11));
  EXPECT_TRUE(nat.in(icmp_error(server(5, 0), source_of(*p), 3, 1, *p)));
  EXPECT_FALSE(nat.in(query(s11, source_of(*p), 0)));
}

TEST(Rfc5508, Req7_HairpinnedErrors_Met) {
  Nat nat(behaviour("full-cone"));
  Address at_b = nat.map(b, s11);
  auto p = nat.out(udp(a, at_b));  // b sees it come from a's outside endpoint
  ASSERT_TRUE(p);
  auto error = nat.out(icmp_error(host(3, 0), source_of(*p), 3, 3, *p));
  ASSERT_TRUE(error);
  EXPECT_EQ(nat.last.action, nat::Action::hairpin);
  EXPECT_TRUE(destination_of(*error).same_ip(a)) << "7a";
  EXPECT_EQ(source_of(quoted_of(*error)), a);
  EXPECT_EQ(destination_of(quoted_of(*error)), at_b);
  EXPECT_TRUE(checksums_right(quoted_of(*error)));
}
TEST(Rfc5508, Req7_HairpinnedQueriesUnderBasicNat_Met) {
  Nat nat(behaviour("basic"), 4);
  Address at_a = nat.map(a, s11), at_b = nat.map(b, s11);
  auto p = nat.out(query(host(2, 77), at_b.with_port(0)));
  ASSERT_TRUE(p);
  EXPECT_TRUE(destination_of(*p).same_ip(b));
  EXPECT_TRUE(source_of(*p).same_ip(at_a));
  auto back = nat.out(query(host(3, 0), at_a.with_port(77), 0));
  ASSERT_TRUE(back);
  EXPECT_TRUE(destination_of(*back).same_ip(a));
}

TEST(Rfc5508, Req8_ProhibitedWhenOutOfResources_Met) {
  Behaviour k;
  k.ports_per_host = 1;
  Nat nat(k);
  nat.map(a, s11);
  EXPECT_FALSE(nat.out(udp(host(2, 4001), s11)));
  auto own = nat.generated();
  ASSERT_EQ(own.size(), 1u);
  EXPECT_EQ(own[0].first, Side::inside);
  EXPECT_EQ(icmp_type(own[0].second), 3);
  EXPECT_EQ(icmp_code(own[0].second), 13);
}
TEST(Rfc5508, Req8_ProhibitedWhenOutOfResources_Broken) {
  Behaviour k;
  k.ports_per_host = 1;
  k.limit_answer = nat::LimitAnswer::silent;
  Nat nat(k);
  nat.map(a, s11);
  EXPECT_FALSE(nat.out(udp(host(2, 4001), s11)));
  EXPECT_TRUE(nat.generated().empty());
}
TEST(Rfc5508, Req9_PolicySuppressesOwnErrors_Met) {
  Behaviour k;
  k.generated_per_second = 0;
  Nat nat(k);
  EXPECT_FALSE(nat.out(with_ttl(udp(a, s11), 1)));
  EXPECT_TRUE(nat.generated().empty());
}

TEST(Rfc5508, Req10_TimeExceededAndEcho_Met) {
  Nat nat;
  EXPECT_FALSE(nat.out(with_ttl(udp(a, s11), 1)));
  EXPECT_FALSE(nat.in(query(server(4, 5), outside_ip())));
  auto own = nat.generated();
  ASSERT_EQ(own.size(), 2u);
  EXPECT_EQ(icmp_type(own[0].second), 11);
  EXPECT_EQ(own[0].first, Side::inside);
  EXPECT_EQ(icmp_type(own[1].second), 0) << "the outside address answers an echo";
  EXPECT_EQ(own[1].first, Side::outside);
  EXPECT_EQ(destination_of(own[1].second), server(4, 5));
}
TEST(Rfc5508, Req10_EchoIsAnsweredInsideWhateverTheOutsideGets_Met) {
  Nat nat(behaviour("home"));
  EXPECT_FALSE(nat.in(query(server(4, 5), outside_ip())));
  EXPECT_TRUE(nat.generated().empty());
  EXPECT_FALSE(nat.out(query(host(2, 5), outside_ip())));
  auto own = nat.generated();
  ASSERT_EQ(own.size(), 1u);
  EXPECT_EQ(icmp_type(own[0].second), 0);
  EXPECT_EQ(own[0].first, Side::inside);
}
TEST(Rfc5508, Req10e_NoErrorAboutErrorsOrFragments_Met) {
  Nat nat;
  auto p = nat.out(udp(a, s11));
  EXPECT_FALSE(nat.out(with_ttl(icmp_error(host(2, 0), s11, 3, 3, udp(s11, a)), 1)));
  EXPECT_FALSE(nat.out(with_ttl(fragments_of(udp(a, s11, std::string(100, 'x')), 64)[1], 1)));
  EXPECT_TRUE(nat.generated().empty());
}
TEST(Rfc5508, Req10f_OwnErrorsAreRateLimited_Met) {
  Behaviour k;
  k.generated_per_second = 10;
  Nat nat(k);
  size_t answers = 0;
  for (int i = 0; i < 100; ++i) {
    nat.out(with_ttl(udp(a, s11), 1));
    answers += nat.generated().size();
  }
  EXPECT_EQ(answers, 10u);
}
TEST(Rfc5508, Req11_OtherTypesAreDropped_Met) {
  Nat nat;
  auto p = nat.out(udp(a, s11));
  for (uint8_t type : {4, 5, 9, 10, 15, 40})
    EXPECT_FALSE(nat.in(icmp_error(server(5, 0), source_of(*p), type, 0, *p))) << int{type};
}

}  // namespace
}  // namespace ginnel::test
