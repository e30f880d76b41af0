// Base32 as tickets and keys are shown. Knows base/base32; refuses padding. RFC 4648 sections 6 and 10.
#include "base/base32.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/public_key.hpp"
#include "tests/support/seeded_rng.hpp"

namespace ginnel {
namespace {

TEST(Base32, Rfc4648Vectors) {
  struct {
    const char* plain;
    const char* text;
  } table[] = {
      {"", ""},
      {"f", "my"},
      {"fo", "mzxq"},
      {"foo", "mzxw6"},
      {"foob", "mzxw6yq"},
      {"fooba", "mzxw6ytb"},
      {"foobar", "mzxw6ytboi"},
  };
  for (auto& row : table) {
    EXPECT_EQ(base32(as_bytes(row.plain)), row.text);
    auto back = parse_base32(row.text);
    ASSERT_TRUE(back);
    EXPECT_EQ(as_text(*back), row.plain);
  }
}

TEST(Base32, RoundTripOfEveryLength) {
  test::SeededRng rng;
  for (size_t size = 0; size < 200; ++size) {
    std::vector<uint8_t> bytes(size);
    rng.fill(bytes);
    EXPECT_EQ(parse_base32(base32(bytes)), bytes);
  }
}

TEST(Base32, UpperCaseIsAccepted) { EXPECT_EQ(parse_base32("MZXW6YTBOI"), parse_base32("mzxw6ytboi")); }

TEST(Base32, OneTextForOneValue) {
  for (const char* wrong :
       {"a", "aaa", "aaaaaa", "mz", "mzxr", "my======", "m y", "m1", "m0", "m8", "m9", "mé", "my\n"})
    EXPECT_FALSE(parse_base32(wrong)) << wrong;
  EXPECT_FALSE(parse_base32(std::string_view("my\0", 3)));
  std::set<std::string> texts;  // of all texts of two characters, exactly 256 are one byte
  for (char a = 0; a >= 0 && a < 127; ++a)
    for (char b = 0; b >= 0 && b < 127; ++b)
      if (!std::isupper(a) && !std::isupper(b) && parse_base32(std::string{a, b})) texts.insert(std::string{a, b});
  EXPECT_EQ(texts.size(), 256u);
}

TEST(PublicKey, TextIsFiftyTwoCharacters) {
  test::SeededRng rng;
  PublicKey key{rng.array<32>()};
  std::string text = key.to_string();
  EXPECT_EQ(text.size(), 52u);
  EXPECT_EQ(PublicKey::parse(text), key);
  EXPECT_FALSE(PublicKey::parse(text.substr(1)));
  EXPECT_FALSE(PublicKey::parse(text + "a"));
  EXPECT_FALSE(PublicKey::parse(""));
}

}  // namespace
}  // namespace ginnel
