// IPv4 networks by number, and what an address is.
#include "lab/subnet.hpp"

#include <gtest/gtest.h>

namespace ginnel::lab {
namespace {

TEST(LabSubnet, AddressesByNumber) {
  const auto net = Subnet::parse("192.168.1.0/24");
  ASSERT_TRUE(net);
  EXPECT_EQ(net->size(), 256u);
  EXPECT_EQ(net->address(1), "192.168.1.1");
  EXPECT_EQ(net->address(255), "192.168.1.255");
  EXPECT_EQ(net->to_string(), "192.168.1.0/24");
  EXPECT_EQ(Subnet::parse("10.0.0.0/8")->address(65'536), "10.1.0.0");
}

TEST(LabSubnet, Contains) {
  const auto net = Subnet::parse("10.1.2.8/29");
  ASSERT_TRUE(net);
  EXPECT_TRUE(net->contains("10.1.2.8"));
  EXPECT_TRUE(net->contains("10.1.2.15"));
  EXPECT_FALSE(net->contains("10.1.2.7"));
  EXPECT_FALSE(net->contains("10.1.2.16"));
  EXPECT_FALSE(net->contains("10.1.2"));
  EXPECT_FALSE(net->contains("::1"));
}

TEST(LabSubnet, Overlaps) {
  const auto wide = Subnet::parse("10.0.0.0/8"), narrow = Subnet::parse("10.9.0.0/16");
  const auto next = Subnet::parse("11.0.0.0/8"), last = Subnet::parse("255.255.255.0/24");
  EXPECT_TRUE(wide->overlaps(*narrow));
  EXPECT_TRUE(narrow->overlaps(*wide));
  EXPECT_TRUE(wide->overlaps(*wide));
  EXPECT_FALSE(wide->overlaps(*next));
  EXPECT_FALSE(next->overlaps(*wide));
  EXPECT_FALSE(last->overlaps(*wide)) << "numbers that wrap around";
}

TEST(LabSubnet, WhatIsNone) {
  for (const char* text : {"", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/7", "10.0.0.0/30", "10.0.0.0/24x", "10.0.0.0/-8",
                           "10.0.0.1/24", "10.0.0/24", "fe80::/64", "10.0.0.0/4294967304"})
    EXPECT_FALSE(Subnet::parse(text)) << text;
}

TEST(LabSubnet, Families) {
  EXPECT_TRUE(is_ipv4("203.0.113.9"));
  EXPECT_TRUE(is_ipv6("2001:db8::9"));
  for (const char* neither : {"", "203.0.113", "203.0.113.256", "2001:db8", "server", "1.2.3.4:5"}) {
    EXPECT_FALSE(is_ipv4(neither)) << neither;
    EXPECT_FALSE(is_ipv6(neither)) << neither;
  }
}

}  // namespace
}  // namespace ginnel::lab
