// The words of `ginnel nat`: what is taken, and the sentence about what is not.
#include "app/nat_words.hpp"

#include <gtest/gtest.h>

namespace ginnel::app {
namespace {

bool says(const std::optional<Error>& error, const std::string& part) {
  return error && error->code == Errc::usage && error->text.find(part) != std::string::npos;
}
template <typename T>
bool says(const Result<T>& result, const std::string& part) {
  return !result && says(std::optional(result.error()), part);
}

TEST(NatWords, PresetsAreFoundOrNearOnesNamed) {
  EXPECT_EQ(parse_preset("symmetric")->name, "symmetric");
  EXPECT_TRUE(says(parse_preset("symetric"), "Did you mean symmetric?"));
  EXPECT_TRUE(says(parse_preset("cone"), "Did you mean full-cone?"));
  EXPECT_TRUE(says(parse_preset("zzzzzzzzz"), "There are rfc, home"));
  EXPECT_TRUE(says(parse_preset(""), "There are"));
}

TEST(NatWords, KnobsAreTurnedOrTheMistakeIsNamed) {
  nat::Behaviour b;
  EXPECT_FALSE(turn_knob(b, "udp.filtering=endpoint-independent"));
  EXPECT_EQ(b.udp.filtering, nat::Depends::on_nothing);
  EXPECT_FALSE(turn_knob(b, "mtu_outside=1280"));
  EXPECT_EQ(b.mtu_outside, 1280);
  EXPECT_TRUE(says(turn_knob(b, "udp.filtring=on"), "Did you mean udp.filtering"));
  EXPECT_TRUE(says(turn_knob(b, "hairpin"), "no '='"));
  EXPECT_TRUE(says(turn_knob(b, "hairpin=sometimes"), "external-source"));
  EXPECT_TRUE(says(turn_knob(b, "mtu_outside=-1"), "0 to 65535"));
  EXPECT_TRUE(says(turn_knob(b, "=x"), "There is no knob \"\""));
}

TEST(NatWords, Forwards) {
  auto forward = parse_forward("tcp:8080=10.0.0.5:80");
  ASSERT_TRUE(forward);
  EXPECT_EQ(forward->protocol, 6);
  EXPECT_EQ(forward->port, 8080);
  EXPECT_EQ(forward->inside, Address::v4(10, 0, 0, 5, 80));
  EXPECT_EQ(forward->to_string(), "tcp:8080=10.0.0.5:80");
  EXPECT_EQ(parse_forwarded_port("udp:53")->protocol, 17);
  for (const char* wrong :
       {"", "udp", "udp:", "udp:53", "udp:53=", "udp:53=10.0.0.5", "udp:53=10.0.0.5:0", "udp:0=10.0.0.5:53",
        "udp:65536=10.0.0.5:53", "udp:5a=10.0.0.5:53", "icmp:1=10.0.0.5:1", "UDP:53=10.0.0.5:53",
        "udp:53=[2001:db8::1]:53", "udp:53=host:53", "udp:-1=10.0.0.5:53", "udp: 53=10.0.0.5:53"})
    EXPECT_TRUE(says(parse_forward(wrong), "udp:PORT=HOST:PORT")) << wrong;
}

TEST(NatWords, PublicAddresses) {
  EXPECT_EQ(*parse_public_address("198.51.100.7"), Address::v4(198, 51, 100, 7, 0));
  for (const char* wrong : {"", "198.51.100", "198.51.100.7:80", "2001:db8::1", "0.0.0.0", "127.0.0.1", "224.0.0.1",
                            "255.255.255.255", "host"})
    EXPECT_FALSE(parse_public_address(wrong)) << wrong;
}

TEST(NatWords, NearOnesAreFewAndInOrder) {
  const std::string_view words[] = {"mtu_inside", "mtu_outside", "timers.icmp", "timers.udp_one_way",
                                    "timers.udp_two_way"};
  EXPECT_EQ(near_words("mtu_insode", words), (std::vector<std::string_view>{"mtu_inside"}));
  EXPECT_EQ(near_words("udp", words), (std::vector<std::string_view>{"timers.udp_one_way", "timers.udp_two_way"}));
  EXPECT_TRUE(near_words("hairpin", words).empty());
}

}  // namespace
}  // namespace ginnel::app
