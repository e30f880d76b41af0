// Addresses as values, as text, and as places that may or may not be probed. Knows base/address; refuses to know
// interfaces. RFC 6890 and the RFCs beside the lines.
#include "base/address.hpp"

#include <gtest/gtest.h>

#include <unordered_set>

namespace ginnel {
namespace {

TEST(Address, RoundTripOfText) {
  for (const char* text : {"0.0.0.0:0", "192.0.2.1:80", "255.255.255.255:65535", "[::]:1", "[::1]:80",
                           "[2001:db8::1]:3478", "[fe80::1]:9", "[1:2:3:4:5:6:7:8]:1"}) {
    auto address = Address::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(Address, OneValueForOneEndpoint) {
  EXPECT_EQ(Address::parse("[::ffff:192.0.2.1]:80"), Address::v4(192, 0, 2, 1, 80));
  EXPECT_EQ(Address::parse("[2001:DB8:0:0::1]:80"), Address::parse("[2001:db8::1]:80"));
  std::unordered_set<Address, AddressHash> set = {*Address::parse("[::ffff:192.0.2.1]:80"),
                                                  Address::v4(192, 0, 2, 1, 80), Address::v4(192, 0, 2, 1, 81)};
  EXPECT_EQ(set.size(), 2u);
  EXPECT_NE(*Address::parse("[102:304::]:5"), Address::v4(1, 2, 3, 4, 5));
}

TEST(Address, WrongTextIsNothing) {
  for (const char* text :
       {"", ":", ":80", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:8x", "192.0.2:80",
        "192.0.2.256:80", "2001:db8::1:80", "[2001:db8::1]", "[2001:db8::1]80", "[]:80", "[::1%lo]:80",
        "[192.0.2.1]:80", "example.org:80", " 192.0.2.1:80", "192.0.2.1:80 "})
    EXPECT_FALSE(Address::parse(text)) << text;
}

TEST(Address, FromIp) {
  uint8_t raw[17] = {1, 2, 3, 4};
  for (size_t size : {0, 3, 5, 15, 17}) EXPECT_TRUE(Address::from_ip(Bytes(raw, size), 80).is_unspecified()) << size;
  EXPECT_EQ(Address::from_ip(Bytes(raw, 4), 80), Address::v4(1, 2, 3, 4, 80));
  EXPECT_TRUE(Address::from_ip(Bytes(raw, 16), 80).v6);
  EXPECT_EQ(Address::from_ip(Bytes(raw, 16), 80).ip_bytes().size(), 16u);
}

struct Row {
  const char* text;
  bool probeable;
  bool private_net = false;
};

// What a peer may make us send to. Private networks are allowed: the peer may be beside us.
const Row table[] = {
    {"8.8.8.8:53", true},
    {"1.0.0.0:1", true},
    {"223.255.255.255:1", true},
    {"192.0.2.1:80", true},
    {"10.0.0.1:80", true, true},  // RFC 1918
    {"10.255.255.255:80", true, true},
    {"172.16.0.1:80", true, true},
    {"172.31.255.254:80", true, true},
    {"172.15.0.1:80", true},
    {"172.32.0.1:80", true},
    {"192.168.1.1:80", true, true},
    {"192.167.1.1:80", true},
    {"100.64.0.1:80", true, true},  // RFC 6598
    {"100.127.255.254:80", true, true},
    {"100.63.0.1:80", true},
    {"100.128.0.1:80", true},
    {"169.254.1.1:80", true},  // RFC 3927: two machines on one wire
    {"8.8.8.8:0", false},      // no port
    {"0.0.0.0:80", false},     // RFC 1122 section 3.2.1.3
    {"0.1.2.3:80", false},
    {"127.0.0.1:80", false},
    {"127.255.255.254:80", false},
    {"224.0.0.1:80", false},  // multicast
    {"239.255.255.250:1900", false},
    {"240.0.0.1:80", false},  // reserved
    {"255.255.255.255:80", false},
    {"[::ffff:127.0.0.1]:80", false},  // as IPv4
    {"[::ffff:8.8.8.8]:80", true},
    {"[2606:4700::1111]:80", true},
    {"[2001:db8::1]:80", true},
    {"[fe80::1]:80", true},
    {"[fd00::1]:80", true, true},  // RFC 4193
    {"[fc00::1]:80", true, true},
    {"[2001:1::1]:80", true},  // next to Teredo
    {"[2003::1]:80", true},    // next to 6to4
    {"[2606:4700::1111]:0", false},
    {"[::]:80", false},
    {"[::1]:80", false},
    {"[::2]:80", false},  // RFC 4291 section 2.5.5.1
    {"[::8.8.8.8]:80", false},
    {"[::127.0.0.1]:80", false},
    {"[2002:7f00:1::1]:80", false},       // RFC 3056
    {"[2001:0:4136:e378::1]:80", false},  // RFC 4380
    {"[64:ff9b::7f00:1]:80", false},      // RFC 6052
    {"[64:ff9b:1::a00:1]:80", false},     // RFC 8215
    {"[ff02::1]:80", false},
    {"[ff0e::1]:80", false},
};

TEST(Address, Probeable) {
  for (const Row& row : table) {
    auto address = Address::parse(row.text);
    ASSERT_TRUE(address) << row.text;
    EXPECT_EQ(address->is_probeable(), row.probeable) << row.text;
    EXPECT_EQ(address->is_private(), row.private_net) << row.text;
  }
}

TEST(Address, LinkLocal) {
  EXPECT_TRUE(Address::v4(169, 254, 0, 1, 1).is_link_local());
  EXPECT_FALSE(Address::v4(169, 253, 0, 1, 1).is_link_local());
  EXPECT_TRUE(Address::parse("[febf::1]:1")->is_link_local());
  EXPECT_FALSE(Address::parse("[fec0::1]:1")->is_link_local());
}

}  // namespace
}  // namespace ginnel
