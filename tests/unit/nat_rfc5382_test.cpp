// The ten requirements of RFC 5382 for TCP, each met by the default behaviour and, where a knob allows, broken by it.
#include <gtest/gtest.h>

#include <set>

#include "tests/support/nat_fixture.hpp"

namespace ginnel::test {
namespace {

using nat::Behaviour, nat::Depends, nat::Side, nat::UnsolicitedSyn;

const Address a = host(2, 4000), b = host(3, 4000);
const Address s11 = server(1, 1000), s12 = server(1, 2000), s21 = server(2, 1000), s22 = server(2, 2000);

size_t different_mappings(Nat& nat) {
  std::set<Address> seen;
  for (const Address& to : {s11, s12, s21, s22}) seen.insert(nat.map_tcp(a, to));
  return seen.size();
}

TEST(Rfc5382, Req1_EndpointIndependentMapping_Met) {
  Nat nat;
  EXPECT_EQ(different_mappings(nat), 1u);
}
TEST(Rfc5382, Req1_EndpointIndependentMapping_Broken) {
  Nat nat(behaviour("symmetric"));
  EXPECT_EQ(different_mappings(nat), 4u);
}

TEST(Rfc5382, Req2_EveryValidSequence_Met) {
  Nat nat;
  Address at = nat.connect(a, s11);
  EXPECT_TRUE(nat.in(tcp(s11, at, ack, 5001, 1005, "answer")));
  EXPECT_TRUE(nat.in(tcp(s11, at, fin | ack, 5007, 1005)));
  EXPECT_TRUE(nat.out(tcp(a, s11, ack, 1005, 5008, "more after their end")));
  EXPECT_TRUE(nat.out(tcp(a, s11, fin | ack, 1025, 5008)));
  EXPECT_TRUE(nat.in(tcp(s11, at, ack, 5008, 1026)));
  EXPECT_TRUE(nat.out(tcp(a, s11, syn, 900'000))) << "the same ports again, RFC 9293 section 3.6.1";
  EXPECT_TRUE(nat.in(tcp(s11, at, syn | ack, 77, 900'001)));
}
bool simultaneous_open(const Behaviour& k) {
  Nat nat(k);
  Address at = nat.map_tcp(a, s11);
  bool ok = nat.in(tcp(s11, at, syn, 5000)).has_value();
  ok &= nat.out(tcp(a, s11, syn | ack, 1000, 5001)).has_value();
  ok &= nat.in(tcp(s11, at, syn | ack, 5000, 1001)).has_value();
  return ok && nat.out(tcp(a, s11, ack, 1001, 5001, "data"));
}
TEST(Rfc5382, Req2a_SimultaneousOpen_Met) {
  EXPECT_TRUE(simultaneous_open({}));
  EXPECT_TRUE(simultaneous_open(behaviour("linux"))) << "also with windows checked";
}
TEST(Rfc5382, Req2a_SimultaneousOpen_Broken) {
  Behaviour k;
  k.simultaneous_open = false;
  EXPECT_FALSE(simultaneous_open(k));
}
TEST(Rfc5382, Req2_ListenerAfterAbort_Broken) {  // STUNT-2; facts: Linux calls the second SYN-ACK invalid
  for (bool check : {false, true}) {
    Behaviour k;
    k.tcp_window_check = check;
    Nat nat(k);
    Address at = nat.map_tcp(a, s11);
    EXPECT_TRUE(nat.in(tcp(s11, at, syn, 5000)));
    EXPECT_EQ(nat.out(tcp(a, s11, syn | ack, 777'777, 5001)).has_value(), !check);
  }
}

std::string admitted(Depends filtering) {
  Behaviour k;
  k.tcp.filtering = filtering;
  Nat nat(k);
  Address at = nat.map_tcp(a, s11);
  std::string out;
  for (const Address& from : {s11, s12, s21, s22}) out += nat.in(tcp(from, at, syn)) ? 'y' : 'n';
  return out;
}
TEST(Rfc5382, Req3_Filtering_Met) {
  EXPECT_EQ(admitted(Depends::on_nothing), "yyyy");
  EXPECT_EQ(admitted(Depends::on_address), "yynn");
}
TEST(Rfc5382, Req3_Filtering_Broken) { EXPECT_EQ(admitted(Depends::on_address_and_port), "ynnn"); }
TEST(Rfc5382, Req3_InboundConnectionWorks_Met) {
  Nat nat(behaviour("full-cone"));
  Address at = nat.map_tcp(a, s11);
  EXPECT_TRUE(nat.in(tcp(s22, at, syn, 5000)));
  EXPECT_TRUE(nat.out(tcp(a, s22, syn | ack, 1000, 5001)));
  EXPECT_TRUE(nat.in(tcp(s22, at, ack, 5001, 1001)));
  nat.wait(7000s);
  EXPECT_TRUE(nat.in(tcp(s22, at, ack, 5001, 1001, "x")));
}

TEST(Rfc5382, Req4_UnsolicitedSynWaitsSixSeconds_Met) {
  Nat nat;
  Address at = nat.map_tcp(a, s11);
  EXPECT_FALSE(nat.in(tcp(s22, at, syn, 5000)));
  nat.wait(5900ms);
  EXPECT_TRUE(nat.generated().empty());
  nat.wait(200ms);
  auto own = nat.generated();
  ASSERT_EQ(own.size(), 1u);
  EXPECT_EQ(own[0].first, Side::outside);
  EXPECT_EQ(icmp_type(own[0].second), 3);
  EXPECT_EQ(icmp_code(own[0].second), 3);
  EXPECT_TRUE(destination_of(own[0].second).same_ip(s22));
  EXPECT_EQ(destination_of(quoted_of(own[0].second)), at);
}
TEST(Rfc5382, Req4_OutboundSynCancelsTheAnswer_Met) {
  Nat nat;
  Address at = nat.map_tcp(a, s11);
  EXPECT_FALSE(nat.in(tcp(s22, at, syn, 5000)));
  nat.wait(3s);
  EXPECT_EQ(nat.map_tcp(a, s22), at);
  nat.wait(10s);
  EXPECT_TRUE(nat.generated().empty());
  EXPECT_TRUE(nat.in(tcp(s22, at, syn, 5000))) << "and its repetition is the simultaneous open";
}
TEST(Rfc5382, Req4_UnsolicitedSynWaitsSixSeconds_Broken) {
  for (auto choice : {UnsolicitedSyn::rst, UnsolicitedSyn::icmp}) {
    Behaviour k;
    k.unsolicited_syn = choice;
    Nat nat(k);
    EXPECT_FALSE(nat.in(tcp(s22, outside_ip(1, 4444), syn, 5000)));
    auto own = nat.generated();
    ASSERT_EQ(own.size(), 1u);
    if (choice == UnsolicitedSyn::icmp) {
      EXPECT_EQ(icmp_type(own[0].second), 3);
    } else {
      EXPECT_EQ(tcp_flags(own[0].second), rst | ack);
      EXPECT_EQ(get32(transport_of(own[0].second), 8), 5001u) << "RFC 9293 section 3.10.7.1";
      EXPECT_EQ(source_of(own[0].second), outside_ip(1, 4444));
    }
  }
}
TEST(Rfc5382, Req4a_PolicyKeepsSilent_Met) {
  Nat nat(behaviour("home"));
  EXPECT_FALSE(nat.in(tcp(s22, outside_ip(1, 4444), syn, 5000)));
  nat.wait(20s);
  EXPECT_TRUE(nat.generated().empty());
}

bool established_after(const Behaviour& k, Duration how_long) {
  Nat nat(k);
  Address at = nat.connect(a, s11);
  nat.wait(how_long);
  return nat.in(tcp(s11, at, ack, 5001, 1005, "x")).has_value();
}
TEST(Rfc5382, Req5_EstablishedIdleTimeout_Met) {
  EXPECT_TRUE(established_after({}, 7439s));
  EXPECT_FALSE(established_after({}, 7441s));
}
TEST(Rfc5382, Req5_EstablishedIdleTimeout_Broken) {
  Behaviour k;
  k.timers.tcp_established = 300s;
  EXPECT_FALSE(established_after(k, 301s));
}
TEST(Rfc5382, Req5_TransitoryIdleTimeout_Met) {
  Nat nat;
  Address at = nat.map_tcp(a, s11);
  nat.wait(239s);
  EXPECT_TRUE(nat.in(tcp(s11, at, syn | ack, 1, 1001)));
}
TEST(Rfc5382, Req5_TransitoryIdleTimeout_Broken) {
  Nat nat(behaviour("linux"));
  Address at = nat.map_tcp(a, s11);
  nat.wait(121s);
  EXPECT_FALSE(nat.in(tcp(s11, at, syn | ack, 1, 1001)));
}

TEST(Rfc5382, Req6_NoApplicationGateway_Met) {
  Nat nat;
  nat.connect(a, s11);
  auto p = nat.out(tcp(a, s11, ack, 1005, 5001, "PORT 10,0,0,2,15,160\r\n"));
  ASSERT_TRUE(p);
  EXPECT_EQ(as_text(transport_of(*p).subspan(20)), "PORT 10,0,0,2,15,160\r\n");
}

TEST(Rfc5382, Req7_NoPortOverloading_Met) {
  Nat nat;
  EXPECT_NE(nat.map_tcp(a, s11), nat.map_tcp(b, s22));
}
TEST(Rfc5382, Req7_NoPortOverloading_Broken) {
  Behaviour k;
  k.ports.overloading = true;
  Nat nat(k);
  EXPECT_EQ(nat.map_tcp(a, s11), nat.map_tcp(b, s22));
}

TEST(Rfc5382, Req8_Hairpinning_Met) {
  Nat nat(behaviour("full-cone"));
  Address at_b = nat.map_tcp(b, s11);
  auto first = nat.out(tcp(a, at_b, syn, 1000));
  ASSERT_TRUE(first);
  Address at_a = source_of(*first);
  EXPECT_EQ(at_a, outside_ip(1, 4000 == at_b.port ? at_a.port : 4000));
  EXPECT_EQ(destination_of(*first), b);
  auto answer = nat.out(tcp(b, at_a, syn | ack, 5000, 1001));
  ASSERT_TRUE(answer);
  EXPECT_EQ(source_of(*answer), at_b);
  EXPECT_EQ(destination_of(*answer), a);
  EXPECT_TRUE(nat.out(tcp(a, at_b, ack, 1001, 5001, "data")));
}
TEST(Rfc5382, Req8_Hairpinning_Broken) {
  Nat nat(behaviour("linux"));
  Address at_b = nat.map_tcp(b, s11);
  EXPECT_FALSE(nat.out(tcp(a, at_b, syn)));
}

TEST(Rfc5382, Req9_TranslatesUnreachable_Met) {
  Nat nat;
  auto p = nat.out(tcp(a, s11, syn, 1000));
  auto error = nat.in(icmp_error(s11, source_of(*p), 3, 3, *p));
  ASSERT_TRUE(error);
  EXPECT_TRUE(destination_of(*error).same_ip(a));
  EXPECT_EQ(source_of(quoted_of(*error)), a);
  EXPECT_TRUE(checksums_right(quoted_of(*error)));
}
TEST(Rfc5382, Req9_TranslatesUnreachable_Broken) {
  Behaviour k;
  k.icmp_errors = nat::IcmpErrors::drop;
  Nat nat(k);
  auto p = nat.out(tcp(a, s11, syn, 1000));
  EXPECT_FALSE(nat.in(icmp_error(s11, source_of(*p), 3, 3, *p)));
}

bool lives_through_error(nat::IcmpErrors errors) {
  Behaviour k;
  k.icmp_errors = errors;
  Nat nat(k);
  Address at = nat.connect(a, s11);
  auto p = nat.out(tcp(a, s11, ack, 1005, 5001, "x"));
  nat.in(icmp_error(s11, at, 3, 3, *p));
  return nat.in(tcp(s11, at, ack, 5001, 1006, "y")).has_value();
}
TEST(Rfc5382, Req10_IcmpDoesNotEndConnection_Met) { EXPECT_TRUE(lives_through_error(nat::IcmpErrors::full)); }
TEST(Rfc5382, Req10_IcmpDoesNotEndConnection_Broken) {
  EXPECT_FALSE(lives_through_error(nat::IcmpErrors::kills_mapping));
}

TEST(NatTcp, OnlyASynOpensUnlessPickedUp) {
  Nat strict;
  EXPECT_FALSE(strict.out(tcp(a, s11, ack, 1, 1, "x")));
  EXPECT_EQ(strict.last.why, nat::Drop::tcp_no_state);
  Nat loose(behaviour("linux"));
  EXPECT_TRUE(loose.out(tcp(a, s11, ack, 1, 1, "x")));
}
TEST(NatTcp, OnlyASynFromTheOtherSideEstablishes) {
  Nat nat;
  Address at = nat.map_tcp(a, s11);
  EXPECT_TRUE(nat.in(tcp(s11, at, ack, 5000, 1001)));
  nat.wait(241s);
  EXPECT_FALSE(nat.in(tcp(s11, at, syn | ack, 5000, 1001))) << "still the transitory timer";
}
TEST(NatTcp, BlindResetIsRefusedWhenWindowsAreChecked) {
  Behaviour k;
  k.tcp_window_check = true;
  Nat nat(k);
  Address at = nat.connect(a, s11);
  EXPECT_FALSE(nat.in(tcp(s11, at, rst, 3'000'000'000u)));
  EXPECT_EQ(nat.last.why, nat::Drop::tcp_invalid);
  EXPECT_TRUE(nat.in(tcp(s11, at, rst, 5001)));
}

}  // namespace
}  // namespace ginnel::test
