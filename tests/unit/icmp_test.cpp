// Errors and resets that a gateway writes. RFC 792, RFC 1812 section 4.3.2, RFC 9293 section 3.10.7.1, RFC 4443.
#include "wire/icmp.hpp"

#include <gtest/gtest.h>

#include "tests/support/packets.hpp"

namespace ginnel::wire {
namespace {

using test::PacketBytes;

const Address a = Address::v4(10, 0, 0, 2, 4000), b = Address::v4(203, 0, 113, 1, 1000);

Ipv4Header header_of(Bytes p) {
  Ipv4Header ip;
  EXPECT_EQ(parse_ipv4(p, ip), IpFault::none);
  return ip;
}

TEST(Icmp, ErrorQuotesAsMuchAsFitsInto576) {
  for (size_t payload : {size_t{0}, size_t{500}, size_t{1400}}) {
    PacketBytes p = test::udp(a, b, std::string(payload, 'x'));
    uint8_t room[icmp_error_max];
    Bytes error(room,
                put_icmp_error(room, 0xc6336401, icmp_unreachable, icmp_fragmentation_needed, 1280, p, header_of(p)));
    EXPECT_EQ(error.size(), std::min(icmp_error_max, 28 + p.size()));
    EXPECT_TRUE(test::checksums_right(error));
    EXPECT_TRUE(test::destination_of(error).same_ip(a));
    EXPECT_EQ(test::source_of(error).ip_to_string(), "198.51.100.1");
    EXPECT_EQ(test::get16(error, 26), 1280);
    EXPECT_EQ(error[1], 0xc0) << "RFC 1812 section 4.3.2.5: precedence 6 ...";
    p[1] = 0xb8;
    test::fix_ip_checksum(p);
    put_icmp_error(room, 0xc6336401, icmp_unreachable, icmp_fragmentation_needed, 1280, p, header_of(p));
    EXPECT_EQ(error[1], 0xd8) << "... and the type of service of what it is about";
    Bytes quoted = test::quoted_of(error);
    EXPECT_TRUE(std::equal(quoted.begin(), quoted.end(), p.begin()));
  }
}

TEST(Icmp, WhoIsNeverAnswered) {
  auto may = [](const PacketBytes& p) { return icmp_may_answer(p, header_of(p)); };
  EXPECT_TRUE(may(test::udp(a, b)));
  EXPECT_TRUE(may(test::query(a, b)));
  EXPECT_FALSE(may(test::icmp_error(a, b, 3, 1, test::udp(b, a))));
  EXPECT_FALSE(may(test::fragments_of(test::udp(a, b, std::string(100, 'x')), 48)[1]));
  EXPECT_TRUE(may(test::fragments_of(test::udp(a, b, std::string(100, 'x')), 48)[0]));
  EXPECT_FALSE(may(test::udp(a, Address::v4(224, 0, 0, 1, 1))));
  EXPECT_FALSE(may(test::udp(Address::v4(0, 0, 0, 0, 1), b)));
  EXPECT_FALSE(may(test::udp(Address::v4(255, 255, 255, 255, 1), b)));
}

TEST(Icmp, ResetAnswersTheSegment) {
  uint8_t room[40];
  PacketBytes p = test::tcp(a, b, test::syn, 1000);
  p[1] = 0xb8;
  test::fix_ip_checksum(p);
  Bytes reset(room, put_tcp_reset(room, p, header_of(p)));
  EXPECT_TRUE(test::checksums_right(reset));
  EXPECT_EQ(test::source_of(reset), b);
  EXPECT_EQ(test::destination_of(reset), a);
  EXPECT_EQ(test::tcp_flags(reset), test::rst | test::ack);
  EXPECT_EQ(test::get32(reset, 28), 1001u);
  EXPECT_EQ(reset[1], 0xb8) << "RFC 1812 section 5.3.2: an answer has the type of service of the question";
  p = test::tcp(a, b, test::ack, 1000, 777, "data");
  put_tcp_reset(room, p, header_of(p));
  EXPECT_EQ(test::tcp_flags(reset), test::rst);
  EXPECT_EQ(test::get32(reset, 24), 777u);
}

TEST(Icmp, Icmp6ErrorHasItsPseudoHeader) {
  PacketBytes p(1500);
  p[0] = 0x60;
  p[8] = 0x20;
  p[24] = 0x30;
  uint8_t room[icmp6_error_max];
  uint8_t from[16] = {0x20, 1};
  Bytes error(room, put_icmp6_error(room, from, 2, 0, 1280, p));
  EXPECT_EQ(error.size(), 1280u);
  EXPECT_EQ(error[24], 0x20);
  uint32_t pseudo = test::plain_sum(error.subspan(8, 32)) + 58u + 1240u;
  EXPECT_EQ(test::plain_sum(error.subspan(40), (pseudo & 0xffff) + (pseudo >> 16)), 0xffff);
}

}  // namespace
}  // namespace ginnel::wire
