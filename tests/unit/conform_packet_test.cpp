// The packets of the conformance suite against the plain ones of tests/support: what one writes the other reads.
#include "core/conform/packet.hpp"

#include <gtest/gtest.h>

#include "core/conform/tester.hpp"
#include "tests/support/engine_bench.hpp"
#include "tests/support/packets.hpp"

namespace ginnel::conform {
namespace {

const Address a = Address::v4(10, 0, 0, 2, 4000), b = Address::v4(203, 0, 113, 1, 1000);

TEST(ConformPacket, WritesWhatOthersRead) {
  PacketBytes bytes = write(tcp(a, b, syn | ack, 77, 88, "data"));
  EXPECT_TRUE(test::checksums_right(bytes));
  EXPECT_EQ(test::source_of(bytes), a);
  EXPECT_EQ(test::destination_of(bytes), b);
  EXPECT_EQ(test::tcp_flags(bytes), syn | ack);
  EXPECT_EQ(test::get32(bytes, 24), 77u);
  EXPECT_EQ(test::get32(bytes, 28), 88u);
  EXPECT_EQ(write(udp(a, b, "hello")), [] {
    PacketBytes same = test::udp(a, b, "hello");
    test::put16(same, 4, 0);
    test::fix_ip_checksum(same);
    return same;
  }());
}

TEST(ConformPacket, ReadsWhatOthersWrite) {
  auto p = read(test::tcp(a, b, fin | ack, 5, 6, "text"));
  ASSERT_TRUE(p);
  EXPECT_EQ(p->source, a);
  EXPECT_EQ(p->destination, b);
  EXPECT_EQ(p->flags, fin | ack);
  EXPECT_EQ(p->sequence, 5u);
  EXPECT_EQ(p->acknowledgement, 6u);
  EXPECT_EQ(p->text(), "text");
  EXPECT_TRUE(p->checksums_right);
  p = read(test::query(a, b));
  ASSERT_TRUE(p);
  EXPECT_TRUE(p->is_query());
  EXPECT_EQ(p->source.port, 4000);
  EXPECT_EQ(p->destination.port, 4000) << "the identifier, on both ends";
}

TEST(ConformPacket, WhatItWroteItReads) {
  for (const Packet& packet : {udp(a, b, "hello"), tcp(a, b, syn, 1), echo(a, b, 9, "x"), echo_reply(a, b, 9, ""),
                               icmp_error(b, a, 3, 4, write(udp(a, b, "hello")), 1280)}) {
    auto back = read(write(packet));
    ASSERT_TRUE(back);
    EXPECT_TRUE(back->checksums_right);
    EXPECT_EQ(write(*back), write(packet));
  }
}

TEST(ConformPacket, NoticesWrongChecksums) {
  for (size_t at : {size_t{10}, size_t{22}, size_t{27}}) {
    PacketBytes bytes = write(udp(a, b, "hello"));
    bytes[at] ^= 1;
    auto p = read(bytes);
    ASSERT_TRUE(p) << at;
    EXPECT_FALSE(p->checksums_right) << at;
  }
}

TEST(ConformPacket, RefusesWhatIsCut) {
  PacketBytes bytes = write(tcp(a, b, syn, 1));
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(read(Bytes(bytes).first(size))) << size;
}

TEST(ConformPacket, QuotedPacketsMayBeCut) {
  PacketBytes bytes = write(tcp(a, b, syn, 77));
  auto p = read_quoted(Bytes(bytes).first(28));
  ASSERT_TRUE(p);
  EXPECT_EQ(p->source, a);
  EXPECT_EQ(p->sequence, 77u);
  EXPECT_FALSE(read_quoted(Bytes(bytes).first(27)));
}

TEST(ConformTester, PutsFragmentsTogetherInAnyOrder) {
  test::EngineBench bench(*nat::preset("full-cone"));
  test::SeededRng rng(1);
  Tester t(bench, rng);
  Address from = t.host(0), to = t.server(0);
  Packet big = udp(from, to, t.token() + std::string(1000, 'x'));
  big.id = 5;
  auto pieces = cut(big, 400);
  ASSERT_EQ(pieces.size(), 3u);
  for (size_t i : {0u, 2u, 1u}) t.send(Side::inside, pieces[i]);
  auto got = t.expect(Side::outside, [](const Packet&) { return true; });
  ASSERT_TRUE(got);
  EXPECT_EQ(got->text(), big.text());
  EXPECT_TRUE(got->checksums_right);
  EXPECT_EQ(t.pieces(), 3u);
  EXPECT_FALSE(t.pieces_in_order());
  EXPECT_FALSE(t.take_trouble());
}

TEST(ConformTester, WhatDoesNotComeIsTrouble) {
  test::EngineBench bench(nat::Behaviour{}, {"dead", {}, [](Side, PacketBytes&) { return false; }});
  test::SeededRng rng(1);
  Tester t(bench, rng);
  EXPECT_TRUE(t.map(wire::ip_protocol_udp, t.host(0), t.server(0)).is_unspecified());
  EXPECT_TRUE(t.take_trouble());
  EXPECT_FALSE(t.take_trouble()) << "told once";
  EXPECT_FALSE(t.in(udp(t.server(0), Address{}, "to nowhere"))) << "and nothing is sent to 0.0.0.0";
  EXPECT_EQ(bench.gateway().counters().outside_packets, 0u);
}

}  // namespace
}  // namespace ginnel::conform
