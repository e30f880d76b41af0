// HMAC and comparison against published vectors. Knows core/crypto/mac; refuses to measure time. RFC 2202 section 3,
// RFC 4231 section 4.
#include "core/crypto/mac.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/hex.hpp"

namespace ginnel::crypto {
namespace {

using test::from_hex;
using test::to_hex;

struct Row {
  std::vector<uint8_t> key;
  std::vector<uint8_t> message;
  const char* mac;
};

std::vector<uint8_t> text(std::string_view t) { return {t.begin(), t.end()}; }
std::vector<uint8_t> times(size_t n, uint8_t byte) { return std::vector<uint8_t>(n, byte); }

TEST(Mac, Rfc2202HmacSha1) {
  const Row table[] = {
      {times(20, 0x0b), text("Hi There"), "b617318655057264e28bc0b6fb378c8ef146be00"},
      {text("Jefe"), text("what do ya want for nothing?"), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
      {times(20, 0xaa), times(50, 0xdd), "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
      {from_hex("0102030405060708090a0b0c0d0e0f10111213141516171819"), times(50, 0xcd),
       "4c9007f4026250c6bc8414f9bf50c86c2d7235da"},
      {times(20, 0x0c), text("Test With Truncation"), "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"},
      {times(80, 0xaa), text("Test Using Larger Than Block-Size Key - Hash Key First"),
       "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
      {times(80, 0xaa), text("Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data"),
       "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"},
  };
  for (const Row& row : table) EXPECT_EQ(to_hex(hmac_sha1(row.key, row.message)), row.mac);
}

TEST(Mac, Rfc4231HmacSha256) {
  const Row table[] = {
      {times(20, 0x0b), text("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {text("Jefe"), text("what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {times(20, 0xaa), times(50, 0xdd), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {from_hex("0102030405060708090a0b0c0d0e0f10111213141516171819"), times(50, 0xcd),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {times(131, 0xaa), text("Test Using Larger Than Block-Size Key - Hash Key First"),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {times(131, 0xaa),
       text("This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
            "hashed before being used by the HMAC algorithm."),
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  };
  for (const Row& row : table) EXPECT_EQ(to_hex(hmac_sha256(row.key, row.message)), row.mac);
}

TEST(Mac, EmptyKeyAndMessage) {
  EXPECT_EQ(to_hex(hmac_sha1({}, {})), "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d");
  EXPECT_EQ(to_hex(hmac_sha256({}, {})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Mac, Equal) {
  EXPECT_TRUE(equal({}, {}));
  EXPECT_TRUE(equal(text("abc"), text("abc")));
  EXPECT_FALSE(equal(text("abc"), text("abd")));
  EXPECT_FALSE(equal(text("abc"), text("bbc")));
  EXPECT_FALSE(equal(text("abc"), text("ab")));
  EXPECT_FALSE(equal({}, text("a")));
}

}  // namespace
}  // namespace ginnel::crypto
