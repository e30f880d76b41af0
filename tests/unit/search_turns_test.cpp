// Whose turn it is to search for ports.
#include "core/rendezvous/search_turns.hpp"

#include <gtest/gtest.h>

namespace ginnel::rendezvous {
namespace {

using Side = SearchTurns::Side;

const PublicKey alice{{1}}, bob{{2}}, carol{{3}}, dave{{4}};
Side at(const PublicKey& key, uint8_t n, uint16_t port) { return {key, Address::v4(198, 51, 100, n, port)}; }

TEST(SearchTurns, OneAtEachAddress) {
  SearchTurns turns;
  Instant now{1h};
  EXPECT_TRUE(turns.take(now, at(alice, 1, 1000), at(bob, 2, 2000)));
  EXPECT_FALSE(turns.take(now, at(carol, 1, 1001), at(dave, 3, 1)));  // another node behind the same NAT
  EXPECT_FALSE(turns.take(now, at(carol, 3, 1), at(dave, 2, 2)));     // the same target
  EXPECT_FALSE(turns.take(now, at(alice, 1, 1000), at(dave, 3, 1)));  // one of the two, with somebody else
  EXPECT_TRUE(turns.take(now, at(carol, 3, 1), at(dave, 4, 1)));
  EXPECT_TRUE(turns.take(now + 5s, at(alice, 1, 1000), at(bob, 2, 2000)));  // its own second try
  EXPECT_FALSE(turns.take(now + 10s, at(carol, 1, 1001), at(dave, 2, 1)));
  EXPECT_TRUE(turns.take(now + 15s, at(carol, 1, 1001), at(dave, 2, 1)));
}

TEST(SearchTurns, IsOfBothInEitherOrder) {
  SearchTurns turns;
  Instant now{1h};
  EXPECT_TRUE(turns.take(now, at(alice, 1, 1000), at(bob, 2, 2000)));
  EXPECT_TRUE(turns.take(now, at(bob, 2, 2000), at(alice, 1, 1000)));
}

TEST(SearchTurns, WhoEndsEarlyMakesRoom) {
  SearchTurns turns;
  Instant now{1h};
  EXPECT_TRUE(turns.take(now, at(alice, 1, 1000), at(bob, 2, 2000)));
  turns.end(carol);
  EXPECT_FALSE(turns.take(now, at(carol, 1, 1001), at(dave, 3, 1)));
  turns.end(bob);
  EXPECT_TRUE(turns.take(now, at(carol, 1, 1001), at(dave, 3, 1)));
}

TEST(SearchTurns, ManyAddressesDoNotGrowIt) {
  SearchTurns turns;
  Instant now{1h};
  size_t taken = 0;
  for (uint32_t i = 0; i < 10'000; ++i) {
    auto ip = [&](uint8_t first) { return Address::v4(first, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 1, 9); };
    taken += turns.take(now, {alice, ip(20)}, {bob, ip(30)});
  }
  EXPECT_EQ(taken, SearchTurns::addresses_max / 2);
  EXPECT_TRUE(turns.take(now + SearchTurns::turn, at(alice, 1, 1), at(bob, 2, 1)));
}

}  // namespace
}  // namespace ginnel::rendezvous
