// Server URLs, and hosts with ports. Knows wire/server_url; refuses to look names up. RFC 3986 section 3.2.2.
#include "wire/server_url.hpp"

#include <gtest/gtest.h>

#include "tests/support/seeded_rng.hpp"

namespace ginnel::wire {
namespace {

const std::string key_text(52, 'a');

std::string error_of(const std::string& text) {
  auto url = ServerUrl::parse(text);
  EXPECT_FALSE(url) << text;
  if (url) return "";
  EXPECT_EQ(url.error().code, Errc::bad_ticket);
  EXPECT_TRUE(url.error().text.ends_with('.')) << url.error().text;
  return url.error().text;
}

TEST(ServerUrl, RoundTrip) {
  test::SeededRng rng;
  for (const char* host :
       {"relay.example.org", "192.0.2.1", "2001:db8::1", "::1", "localhost", "a_b.c-d", "3dprinter"}) {
    for (uint16_t port : {1, 3478, 65535}) {
      ServerUrl url{PublicKey{rng.array<32>()}, host, port};
      auto back = ServerUrl::parse(url.to_string());
      ASSERT_TRUE(back) << back.error().text;
      EXPECT_EQ(*back, url);
    }
  }
}

TEST(ServerUrl, Spellings) {
  struct {
    const char* written;
    const char* read;
  } table[] = {
      {"relay.example.org", "relay.example.org:3478"},
      {"Relay.Example.ORG:80", "relay.example.org:80"},
      {"192.0.2.1", "192.0.2.1:3478"},
      {"[2001:DB8:0:0::1]", "[2001:db8::1]:3478"},
      {"[2001:db8::1]:80", "[2001:db8::1]:80"},
      {"[::ffff:192.0.2.1]:80", "192.0.2.1:80"},
  };
  for (auto& row : table) {
    auto url = ServerUrl::parse("  ginnel-server://" + key_text + "@" + row.written + "\n");
    ASSERT_TRUE(url) << row.written << ": " << url.error().text;
    EXPECT_EQ(url->to_string(), "ginnel-server://" + key_text + "@" + row.read);
  }
}

TEST(ServerUrl, WrongHostsAndPorts) {
  using namespace std::string_literals;
  const std::string long_label(64, 'a');
  std::string long_name;
  while (long_name.size() <= 253) long_name += "abcdefghi.";
  long_name += "a";
  for (const std::string& wrong : {""s,
                                   ":80"s,
                                   "a:"s,
                                   "a:0"s,
                                   "a:65536"s,
                                   "a:080"s,
                                   "a:-1"s,
                                   "a:+1"s,
                                   "a:1 "s + "x",
                                   "a:99999"s,
                                   "a:1234567"s,
                                   "a:80:"s,
                                   "2001:db8::1"s,
                                   "[2001:db8::1"s,
                                   "[2001:db8::1]80"s,
                                   "[]"s,
                                   "[::1%eth0]"s,
                                   "[192.0.2.1]"s,
                                   "[a]:1"s,
                                   "a..b"s,
                                   ".a"s,
                                   "a."s,
                                   "-a"s,
                                   "a-"s,
                                   "a/b"s,
                                   "a@b"s,
                                   "a%20b"s,
                                   "a b"s,
                                   "ä"s,
                                   "127.1"s,
                                   "1"s,
                                   "256.0.0.1"s,
                                   "0x7f.0x1"s,
                                   "192.0.2.1.5"s,
                                   "192.0.2.01"s,
                                   "a\0b"s,
                                   "192.0.2.1\0x"s,
                                   "[::1\0x]"s,
                                   long_label,
                                   long_name,
                                   std::string(1 << 20, 'a')}) {
    error_of("ginnel-server://" + key_text + "@" + wrong);
  }
}

TEST(ServerUrl, SentencesFitTheMistake) {
  EXPECT_NE(error_of("").find("empty"), std::string::npos);
  EXPECT_NE(error_of("ginnel://a:1/" + key_text).find("ticket"), std::string::npos);
  EXPECT_NE(error_of("https://example.org").find("not a server URL"), std::string::npos);
  EXPECT_NE(error_of("ginnel-server://example.org").find("no key"), std::string::npos);
  EXPECT_NE(error_of("ginnel-server://abc@example.org").find("key"), std::string::npos);
  EXPECT_NE(error_of("ginnel-server://" + key_text + "@2001:db8::1").find("brackets"), std::string::npos);
  EXPECT_NE(error_of("ginnel-server://" + key_text + "@a:0").find("port"), std::string::npos);
}

TEST(ServerUrl, EveryTruncationOfTheKeyFails) {
  for (size_t size = 0; size < key_text.size(); ++size)
    error_of("ginnel-server://" + key_text.substr(0, size) + "@example.org");
  error_of("ginnel-server://" + key_text + "a@example.org");
  error_of("ginnel-server://" + key_text.substr(1) + "b@example.org");  // trailing bits that are not zero
}

TEST(HostPort, DefaultPortIsTheCallers) {
  auto parsed = parse_host_port("example.org", 22);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->first, "example.org");
  EXPECT_EQ(parsed->second, 22);
  EXPECT_EQ(host_port_to_string("::1", 22), "[::1]:22");
  EXPECT_EQ(host_port_to_string("example.org", 22), "example.org:22");
}

}  // namespace
}  // namespace ginnel::wire
