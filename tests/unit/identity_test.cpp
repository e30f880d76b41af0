// Ed25519 identities. Knows core/crypto/identity; refuses to test GnuTLS further than the vectors. RFC 8032
// section 7.1.
#include "core/crypto/identity.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/hex.hpp"
#include "tests/support/seeded_rng.hpp"

namespace ginnel::crypto {
namespace {

Identity from(std::string_view seed_hex) {
  Identity::Seed seed;
  auto raw = test::from_hex(seed_hex);
  std::copy(raw.begin(), raw.end(), seed.begin());
  return Identity(seed);
}

TEST(Identity, Rfc8032Vectors) {
  struct {
    const char* seed;
    const char* key;
  } table[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
       "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"},
  };
  for (auto& row : table) EXPECT_EQ(test::to_hex(from(row.seed).public_key().bytes), row.key);
}

TEST(Identity, GeneratedFromTheRngAndKeptInTheSeed) {
  test::SeededRng a(1), b(1), c(2);
  Identity first = Identity::generate(a);
  EXPECT_EQ(first.public_key(), Identity::generate(b).public_key());
  EXPECT_NE(first.public_key(), Identity::generate(c).public_key());
  EXPECT_EQ(Identity(first.seed()).public_key(), first.public_key());
}

TEST(Identity, DerivedSecretsDifferByLabelAndKey) {
  test::SeededRng rng;
  Identity a = Identity::generate(rng), b = Identity::generate(rng);
  EXPECT_EQ(a.derive("x"), a.derive("x"));
  EXPECT_NE(a.derive("x"), a.derive("y"));
  EXPECT_NE(a.derive("x"), a.derive(""));
  EXPECT_NE(a.derive("x"), b.derive("x"));
  EXPECT_NE(a.derive(""), a.seed());
}

}  // namespace
}  // namespace ginnel::crypto
