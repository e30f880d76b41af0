// What a wire does to frames besides carrying them: whose they are, a wrong bit, the answer "too big", pieces.
#include "lab/frame.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "wire/checksum.hpp"
#include "wire/ip.hpp"
#include "wire/ip_fields.hpp"

namespace ginnel::lab {
namespace {

using Frame = std::vector<uint8_t>;

const RouterAddresses router{*Address::parse("192.0.2.1:0"), *Address::parse("[2001:db8::1]:0")};

Frame ethernet(uint16_t type, const Frame& packet) {
  Frame out(ethernet_header + packet.size());
  std::fill_n(out.begin(), 6, 1);
  std::fill_n(out.begin() + 6, 6, 2);
  wire::store16(out.data() + 12, type);
  std::copy(packet.begin(), packet.end(), out.begin() + ethernet_header);
  return out;
}

Frame ipv4(uint8_t protocol, size_t payload, bool dont_fragment, uint16_t offset = 0, bool more = false) {
  Frame packet(20 + payload);
  for (size_t i = 0; i < payload; ++i) packet[20 + i] = static_cast<uint8_t>(i);
  wire::Ipv4Header ip;
  ip.ttl = 64;
  ip.protocol = protocol;
  ip.dont_fragment = dont_fragment;
  ip.more_fragments = more;
  ip.offset = offset;
  ip.total = static_cast<uint16_t>(packet.size());
  ip.id = 7;
  ip.source = 0xc6336414;       // 198.51.100.20
  ip.destination = 0xcb00710a;  // 203.0.113.10
  wire::put_ipv4(packet.data(), ip);
  return ethernet(0x0800, packet);
}

Frame ipv6(uint8_t protocol, size_t payload, uint8_t first = 0) {
  Frame packet(40 + payload);
  packet[0] = 0x60;
  wire::store16(packet.data() + 4, static_cast<uint16_t>(payload));
  packet[6] = protocol;
  packet[8] = 0x20, packet[23] = 5, packet[24] = 0x20, packet[39] = 6;
  if (payload > 0) packet[40] = first;
  return ethernet(0x86dd, packet);
}

TEST(LabFrame, ItsPacket) {
  EXPECT_EQ(packet_in(ipv4(wire::ip_protocol_udp, 100, true)).size(), 120u);
  EXPECT_EQ(packet_in(ipv6(wire::ip_protocol_udp, 100)).size(), 140u);
  EXPECT_TRUE(packet_in(ethernet(0x0806, Frame(28))).empty()) << "ARP";
  EXPECT_TRUE(packet_in(ipv6(wire::ip_protocol_icmp6, 24, 135)).empty()) << "neighbour solicitation";
  EXPECT_FALSE(packet_in(ipv6(wire::ip_protocol_icmp6, 24, 128)).empty()) << "echo";
  EXPECT_TRUE(packet_in(Frame(13)).empty());
  EXPECT_TRUE(packet_in({}).empty());
}

TEST(LabFrame, KnowsUdp) {
  EXPECT_TRUE(is_udp(packet_in(ipv4(wire::ip_protocol_udp, 8, true))));
  EXPECT_TRUE(is_udp(packet_in(ipv4(wire::ip_protocol_udp, 8, false, 800))));
  EXPECT_TRUE(is_udp(packet_in(ipv6(wire::ip_protocol_udp, 8))));
  EXPECT_FALSE(is_udp(packet_in(ipv4(wire::ip_protocol_tcp, 20, true))));
  EXPECT_FALSE(is_udp(packet_in(ipv6(wire::ip_protocol_tcp, 20))));
  EXPECT_FALSE(is_udp({}));
}

TEST(LabFrame, AWrongBitIsInThePacketAndOnlyOne) {
  const Frame good = ipv4(wire::ip_protocol_udp, 11, true);
  for (uint64_t bit : {uint64_t{0}, uint64_t{31 * 8 - 1}, uint64_t{31 * 8}, UINT64_MAX}) {
    Frame bad = good;
    flip_bit(bad, bit);
    int differences = 0;
    for (size_t i = 0; i < good.size(); ++i) differences += __builtin_popcount(good[i] ^ bad[i]);
    EXPECT_EQ(differences, 1);
    EXPECT_TRUE(std::equal(good.begin(), good.begin() + ethernet_header, bad.begin())) << "it still arrives";
  }
}

TEST(LabFrame, TooBigIsSaidToTheSender) {
  const Frame frame = ipv4(wire::ip_protocol_udp, 1480, true);
  std::vector<uint8_t> room(too_big_max);
  const size_t size = put_too_big(frame, 1400, router, room.data());
  ASSERT_GT(size, ethernet_header + 28);
  EXPECT_TRUE(std::equal(frame.begin(), frame.begin() + 6, room.begin() + 6)) << "addresses change places";
  EXPECT_TRUE(std::equal(frame.begin() + 6, frame.begin() + 12, room.begin()));
  wire::Ipv4Header ip;
  ASSERT_EQ(wire::parse_ipv4(Bytes(room).subspan(ethernet_header, size - ethernet_header), ip), wire::IpFault::none);
  EXPECT_EQ(ip.source, 0xc0000201u);
  EXPECT_EQ(ip.destination, 0xc6336414u);
  const uint8_t* icmp = room.data() + ethernet_header + 20;
  EXPECT_EQ(icmp[0], wire::icmp_unreachable);
  EXPECT_EQ(icmp[1], wire::icmp_fragmentation_needed);
  EXPECT_EQ(wire::load16(icmp + 6), 1400) << "RFC 1191 section 4";
}

TEST(LabFrame, TooBigInIpv6) {
  std::vector<uint8_t> room(too_big_max);
  const size_t size = put_too_big(ipv6(wire::ip_protocol_udp, 1460), 1300, router, room.data());
  ASSERT_GT(size, ethernet_header + 48);
  EXPECT_LE(size, ethernet_header + 1280);
  const uint8_t* packet = room.data() + ethernet_header;
  EXPECT_EQ(packet[6], wire::ip_protocol_icmp6);
  EXPECT_EQ(packet[40], 2) << "packet too big";
  EXPECT_EQ(wire::load32(packet + 44), 1300u);
  const Bytes icmp{packet + 40, size - ethernet_header - 40};
  const uint64_t pseudo = wire::pseudo_header_sum({packet + 8, 16}, {packet + 24, 16}, packet[6], icmp.size());
  EXPECT_EQ(wire::checksum_fold(wire::checksum_add(pseudo, icmp)), 0xffff);
}

TEST(LabFrame, SomeAreNotAnswered) {
  std::vector<uint8_t> room(too_big_max);
  Frame error = ipv4(wire::ip_protocol_icmp, 1480, true);
  error[ethernet_header + 20] = wire::icmp_unreachable;
  EXPECT_EQ(put_too_big(error, 1400, router, room.data()), 0u);
  EXPECT_EQ(put_too_big(ipv4(wire::ip_protocol_udp, 1480, true, 800), 1400, router, room.data()), 0u);
  EXPECT_EQ(put_too_big(ipv6(wire::ip_protocol_icmp6, 1460, 1), 1300, router, room.data()), 0u);
  EXPECT_EQ(put_too_big(ethernet(0x86dd, Frame(10, 0x60)), 1300, router, room.data()), 0u);
  EXPECT_EQ(put_too_big(ethernet(0x0800, Frame(10, 0x45)), 1300, router, room.data()), 0u);
}

TEST(LabFrame, PiecesMakeTheWhole) {
  const Frame frame = ipv4(wire::ip_protocol_udp, 3000, false);
  EXPECT_TRUE(may_be_fragmented(frame));
  EXPECT_FALSE(may_be_fragmented(ipv4(wire::ip_protocol_udp, 3000, true)));
  EXPECT_FALSE(may_be_fragmented(ipv6(wire::ip_protocol_udp, 3000)));
  std::vector<uint8_t> room(4000);
  Frame whole;
  int pieces = 0;
  fragment(frame, 1300, room, [&](Bytes piece) {
    const Bytes packet = packet_in(piece);
    wire::Ipv4Header ip;
    ASSERT_EQ(wire::parse_ipv4(packet, ip), wire::IpFault::none);
    EXPECT_LE(packet.size(), 1300u);
    EXPECT_EQ(ip.offset, whole.size());
    EXPECT_EQ(ip.id, 7);
    EXPECT_EQ(ip.more_fragments, ++pieces < 3);
    whole.insert(whole.end(), packet.begin() + ip.size, packet.end());
  });
  EXPECT_EQ(pieces, 3);
  EXPECT_TRUE(std::equal(whole.begin(), whole.end(), frame.begin() + ethernet_header + 20, frame.end()));
}

TEST(LabFrame, APieceIsCutIntoPieces) {
  std::vector<uint8_t> room(4000);
  std::vector<uint16_t> offsets;
  fragment(ipv4(wire::ip_protocol_udp, 1280, false, 1280, true), 700, room, [&](Bytes piece) {
    wire::Ipv4Header ip;
    ASSERT_EQ(wire::parse_ipv4(packet_in(piece), ip), wire::IpFault::none);
    EXPECT_TRUE(ip.more_fragments) << "it was not the last one";
    offsets.push_back(ip.offset);
  });
  EXPECT_EQ(offsets, (std::vector<uint16_t>{1280, 1280 + 680}));
}

}  // namespace
}  // namespace ginnel::lab
