// The Internet checksum against published numbers and against itself done the slow way. RFC 1071, RFC 1624 section 4.
#include "wire/checksum.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/hex.hpp"
#include "tests/support/packets.hpp"
#include "tests/support/seeded_rng.hpp"

namespace ginnel::wire {
namespace {

TEST(Checksum, ExampleOfRfc1071) {  // section 3: the sum is ddf2
  auto bytes = test::from_hex("00 01 f2 03 f4 f5 f6 f7");
  EXPECT_EQ(checksum_fold(checksum_add(0, bytes)), 0xddf2);
  EXPECT_EQ(internet_checksum(bytes), static_cast<uint16_t>(~0xddf2));
}

TEST(Checksum, ExampleOfRfc1624) {  // section 4: 5555 becomes 3285, dd2f becomes 0000
  ChecksumChange change;
  change.word(0x5555, 0x3285);
  EXPECT_EQ(change.apply(0xdd2f), 0x0000);
}

TEST(Checksum, EveryLengthEqualsTheSlowWay) {
  test::SeededRng rng(1);
  for (size_t size = 0; size < 200; ++size) {
    std::vector<uint8_t> bytes(size);
    rng.fill(bytes);
    EXPECT_EQ(checksum_fold(checksum_add(0, bytes)), test::plain_sum(bytes)) << size;
  }
}

TEST(Checksum, ChangedEqualsComputedAgain) {
  test::SeededRng rng(2);
  for (int i = 0; i < 5000; ++i) {
    std::vector<uint8_t> bytes(40);
    rng.fill(bytes);
    if (i % 7 == 0) std::fill(bytes.begin(), bytes.end(), i % 2 ? 0xff : 0);
    bytes[39] |= 1;  // not all zero: then both zeros would be right
    uint16_t before = internet_checksum(bytes);
    uint32_t old = test::get32(bytes, 12);
    auto fresh = static_cast<uint32_t>(rng.u64());
    test::put32(bytes, 12, fresh);
    ChecksumChange change;
    change.pair(old, fresh);
    EXPECT_EQ(change.apply(before), internet_checksum(bytes));
  }
}

}  // namespace
}  // namespace ginnel::wire
