// Tickets: round trips, damage of every kind, bounds, and sentences that fit the mistake. Knows wire/ticket; refuses to
// know whether a proof is good (core/peer's tests). No RFC.
#include "wire/ticket.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <set>

#include "tests/support/seeded_rng.hpp"
#include "wire/crc32.hpp"

namespace ginnel::wire {
namespace {

Ticket random_ticket(Rng& rng, std::string host = "relay.example.org", bool expires = true) {
  Ticket t;
  t.peer.bytes = rng.array<32>();
  t.server = {PublicKey{rng.array<32>()}, std::move(host), static_cast<uint16_t>(1 + rng.below(65535))};
  t.capability.service = rng.array<8>();
  if (expires) t.capability.expires_minutes = static_cast<uint32_t>(rng.u64());
  t.capability.proof = rng.array<16>();
  return t;
}

// What an attacker can do: any payload, with a checksum that fits.
std::string forge(std::vector<uint8_t> payload, const std::string& host_port = "a:1") {
  uint32_t crc = crc32(payload, crc32(as_bytes(host_port)));
  for (int shift = 24; shift >= 0; shift -= 8) payload.push_back(static_cast<uint8_t>(crc >> shift));
  return "ginnel://" + host_port + "/" + base32(payload);
}

std::string error_of(std::string_view text) {
  auto t = Ticket::parse(text);
  EXPECT_FALSE(t) << text;
  if (t) return "";
  EXPECT_EQ(t.error().code, Errc::bad_ticket);
  EXPECT_TRUE(t.error().text.ends_with('.')) << t.error().text;
  return t.error().text;
}

TEST(Ticket, RoundTrip) {
  test::SeededRng rng;
  for (const char* host : {"relay.example.org", "192.0.2.1", "2001:db8::1", "::1", "localhost", "a_b.c-d.e"}) {
    for (bool expires : {false, true}) {
      Ticket t = random_ticket(rng, host, expires);
      auto back = Ticket::parse(t.to_string());
      ASSERT_TRUE(back) << back.error().text;
      EXPECT_EQ(*back, t);
      EXPECT_EQ(back->to_string(), t.to_string());
    }
  }
}

TEST(Ticket, LongestHostFits) {
  test::SeededRng rng;
  std::string host;
  while (host.size() < 240) host += "abcdefghij.";
  host.resize(253, 'x');
  Ticket t = random_ticket(rng, host);
  auto back = Ticket::parse(t.to_string());
  ASSERT_TRUE(back) << back.error().text;
  EXPECT_EQ(*back, t);
}

TEST(Ticket, WhiteSpaceAroundAndUpperCaseAreAccepted) {
  test::SeededRng rng;
  Ticket t = random_ticket(rng);
  std::string text = t.to_string();
  std::string upper = text;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (const std::string& variant : {text + "\n", " \t" + text + "\r\n", upper}) {
    auto back = Ticket::parse(variant);
    ASSERT_TRUE(back) << back.error().text;
    EXPECT_EQ(*back, t);
  }
}

// Every bit of every byte. A flip that only changes a letter's case leaves the ticket as it was, on purpose.
TEST(Ticket, EveryByteFlippedFails) {
  test::SeededRng rng;
  for (const char* host : {"relay.example.org", "192.0.2.1", "2001:db8::1"}) {
    Ticket t = random_ticket(rng, host);
    const std::string text = t.to_string();
    for (size_t i = 0; i < text.size(); ++i) {
      for (int flip = 1; flip < 256; ++flip) {
        std::string damaged = text;
        damaged[i] = static_cast<char>(damaged[i] ^ flip);
        auto back = Ticket::parse(damaged);
        bool only_case = flip == 0x20 && std::isalpha(static_cast<unsigned char>(text[i]));
        if (only_case) {
          EXPECT_TRUE(back && *back == t) << damaged;
        } else {
          EXPECT_FALSE(back) << damaged;
        }
      }
    }
  }
}

TEST(Ticket, EveryTruncationFails) {
  test::SeededRng rng;
  for (bool expires : {false, true}) {
    const std::string text = random_ticket(rng, "relay.example.org", expires).to_string();
    for (size_t size = 0; size < text.size(); ++size) {
      error_of(text.substr(0, size));
      if (size > 0) error_of(text.substr(size));
    }
  }
}

TEST(Ticket, AnyByteAddedOrDoubledFails) {
  test::SeededRng rng;
  const std::string text = random_ticket(rng).to_string();
  for (size_t i = 0; i <= text.size(); ++i) {
    for (char c : {'a', '7', '/', ':', '.', '=', '\0', '%'}) {
      std::string longer = text;
      longer.insert(i, 1, c);
      error_of(longer);
    }
  }
}

TEST(Ticket, AnotherServersAddressFails) {
  test::SeededRng rng;
  std::string text = random_ticket(rng, "relay.example.org").to_string();
  text.replace(text.find("relay"), 5, "other");
  EXPECT_NE(error_of(text).find("checksum"), std::string::npos);
}

TEST(Ticket, ForgedPayloadsFail) {
  const std::vector<uint8_t> good = [] {
    std::vector<uint8_t> payload(1 + 32 + 32 + 8 + 1 + 16, 7);
    payload[0] = 1;
    payload[73] = 0;
    return payload;
  }();
  ASSERT_TRUE(Ticket::parse(forge(good)));
  for (int v : {0, 2, 255}) {
    auto p = good;
    p[0] = static_cast<uint8_t>(v);
    EXPECT_NE(error_of(forge(p)).find("version"), std::string::npos);
  }
  for (int flags : {1, 2, 3, 0x80, 0xff}) {  // 1: expiry is missing
    auto p = good;
    p[73] = static_cast<uint8_t>(flags);
    error_of(forge(p));
  }
  for (size_t size = 0; size < good.size(); ++size) error_of(forge({good.begin(), good.begin() + size}));
  for (size_t extra : {1, 4, 100}) {
    auto p = good;
    p.resize(p.size() + extra);
    error_of(forge(p));
  }
  // Other spellings of an address, each with a checksum of its own.
  EXPECT_TRUE(Ticket::parse(forge(good, "[2001:db8::1]:1")));
  for (const char* spelling : {"a", "a:01", "[2001:db8:0::1]:1", "[::ffff:192.0.2.1]:1", "192.0.2.01:1"})
    error_of(forge(good, spelling));
}

TEST(Ticket, SentencesFitTheMistake) {
  test::SeededRng rng;
  Ticket t = random_ticket(rng);
  const std::string text = t.to_string();
  std::set<std::string> sentences = {
      error_of(""),
      error_of(t.server.to_string()),
      error_of("22"),
      error_of(text.substr(0, 20) + " " + text.substr(20)),
      error_of(text + "aa"),
      error_of("ginnel://relay.example.org:1"),
      error_of(std::string("ginnel://") + std::string(1 << 20, 'a')),
  };
  EXPECT_EQ(sentences.size(), 7u);
  EXPECT_NE(error_of(t.server.to_string()).find("server URL"), std::string::npos);
  EXPECT_NE(error_of(text + "aa").find("Copy it again"), std::string::npos);
}

TEST(Ticket, ErrorsNeverRepeatTheSecret) {
  test::SeededRng rng;
  const std::string text = random_ticket(rng).to_string();
  std::string secret = text.substr(text.rfind('/') + 1);
  for (const std::string& damaged : {text + "a", "x" + text, text + " x", secret, "ginnel-server://" + secret}) {
    std::string sentence = error_of(damaged);
    for (size_t i = 0; i + 8 <= secret.size(); ++i)
      EXPECT_EQ(sentence.find(secret.substr(i, 8)), std::string::npos) << sentence;
  }
}

TEST(Capability, SignedPartIsServiceAndLimits) {
  Capability c;
  c.service = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(c.signed_part(), (std::vector<uint8_t>{1, 2, 3, 4, 5, 6, 7, 8, 0}));
  c.expires_minutes = 0x01020304;
  EXPECT_EQ(c.signed_part(), (std::vector<uint8_t>{1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 2, 3, 4}));
}

}  // namespace
}  // namespace ginnel::wire
