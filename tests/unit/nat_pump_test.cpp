// What the kernel says of a packet, as the engine wants to hear it: sizes on the wire, checksums that are not made yet,
// hops that were no router's. And that the engine keeps all of it right when it changes such a packet.
#include "app/nat_pump.hpp"

#include <gtest/gtest.h>

#include "tests/support/nat_fixture.hpp"

namespace ginnel::app {
namespace {

using namespace ginnel::test;

const Address a = host(2, 40000), s = server(1, 80);

TunHeader cut(uint8_t how, uint16_t segment, uint16_t start = 20, uint16_t offset = 16) {
  return {.flags = TunHeader::needs_checksum,
          .cut = how,
          .header_size = 40,
          .segment = segment,
          .checksum_start = start,
          .checksum_offset = offset};
}

/// As the stack leaves it to be finished: the checksum field holds the sum of the pseudo header alone.
PacketBytes unfinished(PacketBytes p) {
  size_t at = header_size(p) + (protocol_of(p) == 6 ? 16 : 6);
  uint32_t sum =
      plain_sum(Bytes(p).subspan(12, 8)) + uint32_t{protocol_of(p)} + static_cast<uint32_t>(p.size() - header_size(p));
  put16(p, at, static_cast<uint16_t>((sum & 0xffff) + (sum >> 16)));
  return p;
}
/// What the device does at the end of the way.
PacketBytes finished(PacketBytes p) {
  size_t at = header_size(p) + (protocol_of(p) == 6 ? 16 : 6);
  put16(p, at, static_cast<uint16_t>(~plain_sum(transport_of(p))));
  return p;
}

TEST(NatPump, AWholePacketHasNoWireSize) {
  PacketBytes p = udp(a, s);
  nat::Offload offload = offload_of({}, p);
  EXPECT_EQ(offload.wire_size, 0);
  EXPECT_FALSE(offload.partial_checksum);
  EXPECT_TRUE(offload_of({.flags = TunHeader::needs_checksum}, p).partial_checksum);
}

TEST(NatPump, WhatIsCutCountsByItsPieces) {
  PacketBytes big = tcp(a, s, ack, 1, 1, std::string(30'000, 'x'));
  EXPECT_EQ(offload_of(cut(TunHeader::cut_tcp4, 1448), big).wire_size, 20 + 20 + 1448);
  EXPECT_EQ(offload_of(cut(TunHeader::cut_tcp4 | TunHeader::cut_ecn, 1448), big).wire_size, 20 + 20 + 1448);
  big[32] = 0x80;  // 12 bytes of TCP options
  EXPECT_EQ(offload_of(cut(TunHeader::cut_tcp4, 1448), big).wire_size, 20 + 32 + 1448);
  PacketBytes train = udp(a, s, std::string(30'000, 'x'));
  EXPECT_EQ(offload_of(cut(TunHeader::cut_udp, 1200, 20, 6), train).wire_size, 20 + 8 + 1200);
  EXPECT_EQ(offload_of(cut(TunHeader::cut_udp, 65000, 20, 6), train).wire_size, train.size());  // never more than it is
  EXPECT_GT(offload_of(cut(TunHeader::cut_tcp4, 1448, 65000), big).wire_size, 0);  // a header that lies is survived
}

TEST(NatPump, SizeDecisionsAreAboutThePieces) {
  Nat nat;
  PacketBytes fits = tcp(a, s, syn, 1, 0, std::string(30'000, 'x'));
  EXPECT_EQ(nat.gateway->handle_inside(nat.now, fits, offload_of(cut(TunHeader::cut_tcp4, 1460), fits)).action,
            nat::Action::forward_out);
  PacketBytes too_big = tcp(a, s, ack, 30'001, 1, std::string(30'000, 'x'));
  auto verdict = nat.gateway->handle_inside(nat.now, too_big, offload_of(cut(TunHeader::cut_tcp4, 1461), too_big));
  EXPECT_EQ(verdict.why, nat::Drop::too_big);
  auto errors = nat.generated();
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(icmp_code(errors[0].second), 4);
  EXPECT_EQ(get16(errors[0].second, 26), 1500);  // RFC 1191 section 4
}

TEST(NatPump, AnUnfinishedChecksumIsRightOnceItIsFinished) {
  for (const char* preset : {"rfc", "symmetric", "basic"}) {
    Nat nat(behaviour(preset));
    for (PacketBytes p :
         {tcp(a, s, syn), tcp(host(3, 1), server(2, 2), syn, 1, 0, "odd"), udp(a, s, "text"), udp(host(9, 9), s, "")}) {
      p = unfinished(p);
      auto verdict = nat.gateway->handle_inside(nat.now, p, {.partial_checksum = true});
      if (verdict.action != nat::Action::forward_out) continue;  // basic has one address: the first host's
      EXPECT_TRUE(checksums_right(finished(p)));
      PacketBytes back = unfinished(protocol_of(p) == 6 ? tcp(destination_of(p), source_of(p), syn | ack, 9, 2)
                                                        : udp(destination_of(p), source_of(p), "back"));
      ASSERT_EQ(nat.gateway->handle_outside(nat.now, back, {.partial_checksum = true}).action, nat::Action::forward_in);
      EXPECT_TRUE(checksums_right(finished(back)));
    }
  }
}

TEST(NatPump, AnUnfinishedChecksumSurvivesAHairpin) {
  Nat nat(behaviour("full-cone"));
  Address outside = nat.map(a, s);
  PacketBytes p = unfinished(udp(host(3, 5), outside, "hairpin"));
  ASSERT_EQ(nat.gateway->handle_inside(nat.now, p, {.partial_checksum = true}).action, nat::Action::hairpin);
  EXPECT_TRUE(checksums_right(finished(p)));
  EXPECT_EQ(destination_of(p), a);
}

TEST(NatPump, AHopIsGivenBackWithItsChecksum) {
  for (int ttl = 0; ttl < 255; ++ttl) {
    PacketBytes p = with_ttl(udp(a, s), static_cast<uint8_t>(ttl));
    give_back_hop(p);
    EXPECT_EQ(p[8], ttl + 1);
    EXPECT_TRUE(checksums_right(p)) << ttl;
  }
  PacketBytes most = with_ttl(udp(a, s), 255);
  give_back_hop(most);
  EXPECT_EQ(most[8], 255);
  EXPECT_TRUE(checksums_right(most));
  PacketBytes six(40);
  six[0] = 0x60;
  six[7] = 63;
  give_back_hop(six);
  EXPECT_EQ(six[7], 64);
  for (size_t size = 0; size < 20; ++size) {
    PacketBytes torn(size, 0x45);
    give_back_hop(torn);
    EXPECT_EQ(torn, PacketBytes(size, 0x45));
  }
}

}  // namespace
}  // namespace ginnel::app
