// What tests/differential found out by asking the kernel the same questions, one thing a test: where the engine was
// wrong, and what the preset `linux` has to do as netfilter does.
#include <gtest/gtest.h>

#include "core/nat/tcp_state.hpp"
#include "tests/support/nat_fixture.hpp"

namespace ginnel::test {
namespace {

using nat::Behaviour, nat::Drop, nat::Side;

const Address a = host(2, 4000), b = host(3, 4000);
const Address s11 = server(1, 1000), s12 = server(1, 2000), s22 = server(2, 2000);

PacketBytes with_wrong_checksum(PacketBytes p) {
  p[protocol_of(p) == 6 ? 36 : 26] ^= 1;
  return p;
}
PacketBytes only_one(Nat& nat) {
  auto own = nat.generated();
  EXPECT_EQ(own.size(), 1u);
  return own.empty() ? PacketBytes(28) : own[0].second;
}

// ---- what is for the gateway itself

TEST(NatKernel, TtlCountsOnlyWhereAPacketIsForwarded) {  // RFC 1812 section 5.3.1
  Nat nat(behaviour("linux"));
  EXPECT_FALSE(nat.in(with_ttl(query(server(4, 5), outside_ip()), 1)));
  EXPECT_EQ(icmp_type(only_one(nat)), 0) << "for the gateway itself: answered";
  EXPECT_FALSE(nat.in(with_ttl(udp(s22, outside_ip(1, 999)), 1)));
  EXPECT_EQ(icmp_type(only_one(nat)), 3);
  Address at = nat.map(a, s11);
  EXPECT_FALSE(nat.in(with_ttl(udp(s11, at), 1)));
  PacketBytes error = only_one(nat);
  EXPECT_EQ(icmp_type(error), 11);
  EXPECT_EQ(destination_of(quoted_of(error)), at) << "as the sender sent it";
}

TEST(NatKernel, NobodyElseSendsFromOurAddress) {
  Nat nat;
  Address at = nat.map(a, s11);
  EXPECT_FALSE(nat.out(udp(outside_ip(1, 7), s11)));
  EXPECT_EQ(nat.last.why, Drop::bad_address);
  EXPECT_FALSE(nat.in(udp(at, at))) << "from and to itself";
  EXPECT_EQ(nat.last.why, Drop::bad_address);
}

TEST(NatKernel, ClosedPortsAnswerBothSides) {
  Nat nat(behaviour("linux"));
  nat.gateway->set_inside_address(host(1, 0));
  EXPECT_FALSE(nat.out(udp(a, outside_ip(1, 53))));
  PacketBytes error = only_one(nat);
  EXPECT_EQ(icmp_code(error), 3);
  EXPECT_TRUE(source_of(error).same_ip(outside_ip())) << "from the address that was asked";
  EXPECT_FALSE(nat.out(tcp(a, outside_ip(1, 80), syn)));
  EXPECT_EQ(tcp_flags(only_one(nat)), rst | ack);
  EXPECT_FALSE(nat.in(ip_packet(s11, outside_ip(), 253, std::vector<uint8_t>(8))));
  EXPECT_EQ(icmp_code(only_one(nat)), 2) << "protocol unreachable";
  EXPECT_FALSE(nat.in(tcp(s11, outside_ip(1, 80), ack, 5, 6)));
  EXPECT_EQ(tcp_flags(only_one(nat)), rst) << "a segment from the middle of nothing";
  EXPECT_FALSE(nat.in(tcp(s11, outside_ip(1, 80), rst, 5)));
  EXPECT_TRUE(nat.generated().empty());
}

// ---- broken packets

TEST(NatKernel, NothingBeginsWithABrokenPacket) {
  Nat nat(behaviour("linux"));
  EXPECT_FALSE(nat.out(with_wrong_checksum(udp(a, s11))));
  EXPECT_EQ(nat.last.why, Drop::bad_checksum);
  EXPECT_EQ(nat.gateway->mapping_count(), 0u);
  EXPECT_FALSE(nat.in(with_wrong_checksum(udp(s22, outside_ip(1, 9)))));
  EXPECT_FALSE(nat.in(with_wrong_checksum(tcp(s22, outside_ip(1, 9), syn))));
  EXPECT_TRUE(nat.generated().empty()) << "nor is one answered";
  EXPECT_EQ(nat.gateway->session_count(), 0u);
}

TEST(NatKernel, NothingBeginsWithAPacketThatIsTooBig) {
  Behaviour k;
  k.mtu_outside = 1280;
  Nat nat(k);
  EXPECT_FALSE(nat.out(udp(a, s11, std::string(1400, 'x'))));
  EXPECT_EQ(nat.gateway->mapping_count(), 0u);
}

// ---- errors

TEST(NatKernel, AnErrorGoesToTheSenderOfWhatItQuotes) {
  Nat nat(behaviour("full-cone"), 2);
  auto out = nat.out(udp(a, s11));
  Address at = source_of(*out);
  EXPECT_FALSE(nat.in(icmp_error(s11, outside_ip(at.same_ip(outside_ip(1)) ? 2 : 1), 3, 3, *out)));
  auto in = nat.in(udp(s11, at));
  EXPECT_FALSE(nat.out(icmp_error(a, s22, 3, 3, *in))) << "the NAT is not to throw stones for others";
  EXPECT_TRUE(nat.out(icmp_error(a, s11, 3, 3, *in)));
}

TEST(NatKernel, AnErrorHasToPassTheFilterOfWhatItQuotes) {
  for (const char* name : {"full-cone", "restricted", "port-restricted"}) {
    Nat nat(behaviour(name));
    Address at = nat.map(a, s11);
    auto about = [&](const Address& remote) {
      return nat.in(icmp_error(server(9, 0), at, 11, 0, udp(at, remote))).has_value();
    };
    EXPECT_TRUE(about(s11));
    EXPECT_EQ(about(s12), std::string_view(name) != "port-restricted") << name;
    EXPECT_EQ(about(s22), std::string_view(name) == "full-cone") << name;
  }
}

// ---- ports

TEST(NatKernel, TheNewestMappingIsTheOneForNewRemotes) {
  Nat nat(behaviour("linux"));
  Address first = nat.map(a, s11);
  nat.map(b, s22);  // the same port, while remotes differ
  Address second = nat.map(a, s22);
  EXPECT_NE(second, first) << "b has that one towards s22";
  EXPECT_EQ(nat.map(a, s12), second) << "and from now on it is the way to others";
  EXPECT_EQ(nat.map(a, s11), first) << "but not for what stands";
  EXPECT_TRUE(nat.reaches(s11, first));
}

TEST(NatKernel, StrangersThatWereRefusedLeaveNothing) {
  Nat nat(behaviour("linux"));
  EXPECT_FALSE(nat.in(tcp(s11, outside_ip(1, 4000), syn)));
  EXPECT_EQ(nat.gateway->session_count(), 0u);
  EXPECT_EQ(nat.map_tcp(a, s11).port, 4000);
}

// ---- connections

TEST(NatKernel, RefusedConnectionsEndWithTheirTimer) {
  Nat linux(behaviour("linux"));
  Address at = linux.map_tcp(a, s11);
  EXPECT_TRUE(linux.in(tcp(s11, at, rst | ack, 0, 1001)));
  EXPECT_EQ(linux.map_tcp(b, s11), at) << "nothing is left";
  Nat rfc;
  at = rfc.map_tcp(a, s11);
  EXPECT_TRUE(rfc.in(tcp(s11, at, rst | ack, 0, 1001)));
  rfc.wait(230s);
  EXPECT_EQ(rfc.map_tcp(a, s11), at) << "it is tried again from the same endpoint";
}

TEST(NatKernel, OnlyABareAckIsPickedUp) {
  for (uint8_t flags :
       {uint8_t{0}, fin, uint8_t(fin | ack), uint8_t(syn | ack), uint8_t(syn | fin), rst, uint8_t(rst | ack)}) {
    Nat nat(behaviour("linux"));
    EXPECT_FALSE(nat.out(tcp(a, s11, flags))) << int{flags};
  }
}

TEST(NatKernel, NumbersOfPickedUpConnectionsAreNotKnown) {
  Nat nat(behaviour("linux"));
  auto p = nat.out(tcp(a, s11, ack, 1000, 7, "x"));
  ASSERT_TRUE(p);
  EXPECT_TRUE(nat.out(tcp(a, s11, ack, 2'000'000'000, 7, "x")));
  EXPECT_TRUE(nat.in(tcp(s11, source_of(*p), ack, 5, 1001)));
}

TEST(NatKernel, WhatIsOldPassesAndSaysNothing) {
  using nat::Plausible, nat::TcpState;
  auto is = [](TcpState state, uint8_t flags, int64_t sequence) {
    return nat::plausible(state, {flags, static_cast<uint32_t>(sequence), 0}, 1'000'000'000);
  };
  EXPECT_EQ(is(TcpState::established, ack, 1'000'000'000), Plausible::yes);
  EXPECT_EQ(is(TcpState::established, ack, 1'000'000'000 + (1 << 30)), Plausible::no);
  EXPECT_EQ(is(TcpState::established, ack, 1'000'000'000 - (1 << 29)), Plausible::old);
  EXPECT_EQ(is(TcpState::established, rst, 1'000'000'000 - (1 << 29)), Plausible::no);
  EXPECT_EQ(is(TcpState::opened_out, syn, 5), Plausible::yes) << "it begins anew";
  EXPECT_EQ(is(TcpState::established, syn | ack, 999'000'000), Plausible::old);
  EXPECT_EQ(is(TcpState::established, syn | ack, 1'100'000'000), Plausible::no) << "a listener's own";
  Nat nat(behaviour("linux"));
  Address at = nat.map_tcp(a, s11);
  EXPECT_TRUE(nat.in(tcp(s11, at, ack, 7'000'000, 1001))) << "what comes before a SYN does not begin the numbers";
  EXPECT_TRUE(nat.in(tcp(s11, at, syn | ack, 400'000'000, 1001)));
}

}  // namespace
}  // namespace ginnel::test
