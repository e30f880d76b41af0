// IPv4 and IPv6 headers, whole, cut and lying. RFC 791 section 3.1, RFC 8200 section 4.
#include "wire/ip.hpp"

#include <gtest/gtest.h>

#include "tests/support/packets.hpp"
#include "wire/ip_fields.hpp"

namespace ginnel::wire {
namespace {

using test::PacketBytes;

const Address a = Address::v4(10, 0, 0, 2, 4000), b = Address::v4(203, 0, 113, 1, 1000);

TEST(Ipv4, FieldsAreRead) {
  PacketBytes p = test::udp(a, b, "hello");
  Ipv4Header ip;
  ASSERT_EQ(parse_ipv4(p, ip), IpFault::none);
  EXPECT_EQ(ip.size, 20);
  EXPECT_EQ(ip.total, 33);
  EXPECT_EQ(ip.ttl, 64);
  EXPECT_EQ(ip.protocol, ip_protocol_udp);
  EXPECT_EQ(ip.source, 0x0a000002u);
  EXPECT_EQ(ip.destination, 0xcb007101u);
  EXPECT_TRUE(ip.dont_fragment);
  EXPECT_FALSE(ip.is_fragment());
  PacketBytes again(20);
  put_ipv4(again.data(), ip);
  EXPECT_TRUE(std::equal(again.begin(), again.end(), p.begin()));
}

TEST(Ipv4, EveryTruncationAndEveryFlippedBitIsRefused) {
  PacketBytes p = test::udp(a, b);
  Ipv4Header ip;
  for (size_t size = 0; size < p.size(); ++size) EXPECT_NE(parse_ipv4(Bytes(p).first(size), ip), IpFault::none);
  for (size_t bit = 0; bit < 160; ++bit) {
    PacketBytes wrong = p;
    wrong[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_NE(parse_ipv4(wrong, ip), IpFault::none) << bit;
  }
}

TEST(Ipv4, FragmentsThatCannotBeAreRefused) {
  auto pieces = test::fragments_of(test::udp(a, b, std::string(100, 'x')), 48);
  Ipv4Header ip;
  for (auto& piece : pieces) EXPECT_EQ(parse_ipv4(piece, ip), IpFault::none);
  PacketBytes odd(pieces[0].begin(), pieces[0].end() - 3);  // not the last, and not a multiple of eight
  test::put16(odd, 2, static_cast<uint16_t>(odd.size()));
  test::fix_ip_checksum(odd);
  EXPECT_EQ(parse_ipv4(odd, ip), IpFault::malformed);
  test::put16(pieces[1], 6, 0x1fff);  // "ping of death"
  test::fix_ip_checksum(pieces[1]);
  EXPECT_EQ(parse_ipv4(pieces[1], ip), IpFault::malformed);
}

TEST(Ipv6, ExtensionHeadersAreWalked) {
  PacketBytes p(40 + 8 + 8 + 8);
  p[0] = 0x60;
  test::put16(p, 4, 24);
  p[6] = 0;    // hop-by-hop
  p[40] = 44;  // fragment
  p[48] = 17;
  test::put16(p, 50, 1);  // first, more follow
  auto ip = parse_ipv6(p);
  ASSERT_TRUE(ip);
  EXPECT_EQ(ip->protocol, 17);
  EXPECT_EQ(ip->transport, 56u);
  EXPECT_TRUE(ip->fragment);
  EXPECT_FALSE(ip->later_fragment);
  test::put16(p, 50, 8);
  EXPECT_TRUE(parse_ipv6(p)->later_fragment);
  for (size_t size = 0; size < p.size(); ++size) EXPECT_FALSE(parse_ipv6(Bytes(p).first(size)));
  p[41] = 200;  // longer than the packet
  EXPECT_FALSE(parse_ipv6(p));
}

TEST(IpFields, NetworkOrder) {
  uint8_t room[4];
  store32(room, 0x01020304);
  EXPECT_EQ(room[0], 1);
  EXPECT_EQ(load32(room), 0x01020304u);
  store16(room, 0xabcd);
  EXPECT_EQ(load16(room), 0xabcd);
}

}  // namespace
}  // namespace ginnel::wire
