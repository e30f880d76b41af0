// Frames in flight: they come out in the order of their arrival with their bytes as they went in, whatever the ring's
// state; and never more than there is room for.
#include "core/link/transit.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "tests/support/seeded_rng.hpp"

namespace ginnel::link {
namespace {

constexpr Instant start{1h};

std::vector<uint8_t> made(size_t size, uint8_t first) {
  std::vector<uint8_t> out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(first + i);
  return out;
}
std::vector<uint8_t> copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

TEST(LinkTransit, KeepsTheOrderOfArrival) {
  Transit transit(1000, 10);
  EXPECT_TRUE(transit.push(start + 2ms, made(10, 1)));
  EXPECT_TRUE(transit.push(start + 1ms, made(20, 2)));
  EXPECT_TRUE(transit.push(start + 2ms, made(30, 3)));
  ASSERT_EQ(transit.size(), 3u);
  EXPECT_EQ(copy(transit.frame(0)), made(20, 2));
  EXPECT_EQ(copy(transit.frame(1)), made(10, 1)) << "the same instant: first come, first served";
  EXPECT_EQ(copy(transit.frame(2)), made(30, 3));
  EXPECT_EQ(transit.due(0), start + 1ms);
  transit.pop();
  EXPECT_EQ(copy(transit.frame(0)), made(10, 1));
}

TEST(LinkTransit, IsBoundedInBytes) {
  Transit transit(100, 10);
  EXPECT_TRUE(transit.push(start, made(60, 0)));
  EXPECT_FALSE(transit.push(start, made(41, 0)));
  EXPECT_TRUE(transit.push(start, made(40, 0)));
  EXPECT_FALSE(transit.push(start, made(1, 0)));
  transit.pop();
  EXPECT_TRUE(transit.push(start, made(60, 7)));
  EXPECT_FALSE(transit.push(start, made(1, 0)));
  transit.pop();
  EXPECT_EQ(copy(transit.frame(0)), made(60, 7));
  EXPECT_FALSE(Transit(100, 10).push(start, made(101, 0)));
}

TEST(LinkTransit, IsBoundedInFrames) {
  Transit transit(100, 2);
  EXPECT_TRUE(transit.push(start, made(1, 0)));
  EXPECT_TRUE(transit.push(start, made(1, 0)));
  EXPECT_FALSE(transit.push(start, made(1, 0)));
  EXPECT_FALSE(Transit(100, 2).push(start, {})) << "nothing is no frame";
}

TEST(LinkTransit, ALateFrameHoldsOnlyItsBytes) {
  Transit transit(100, 100);
  ASSERT_TRUE(transit.push(start + 1h, made(10, 9)));
  for (int round = 0; round < 9; ++round) {
    ASSERT_TRUE(transit.push(start, made(10, 1))) << round;
    transit.pop();
  }
  EXPECT_FALSE(transit.push(start, made(10, 1))) << "the late one's bytes lie in the way of the ring";
  EXPECT_EQ(copy(transit.frame(0)), made(10, 9));
  transit.pop();
  EXPECT_TRUE(transit.push(start, made(100, 1)));
}

TEST(LinkTransit, AgreesWithAMap) {
  test::SeededRng rng(3);
  Transit transit(5000, 40);
  std::multimap<Instant, std::vector<uint8_t>> model;
  size_t pushed = 0;
  for (int i = 0; i < 200'000; ++i) {
    if (rng.below(2) == 0) {
      auto frame = made(1 + rng.below(300), static_cast<uint8_t>(rng.below(256)));
      Instant due = start + Duration(rng.below(50)) + Duration(i);
      bool held = transit.push(due, frame);
      ASSERT_TRUE(held || model.size() == 40 || model.size() > 5) << "it refused with much room left";
      if (held) model.emplace(due, frame), ++pushed;
    } else if (!model.empty()) {
      ASSERT_EQ(transit.due(0), model.begin()->first);
      ASSERT_EQ(copy(transit.frame(0)), model.begin()->second);
      transit.pop();
      model.erase(model.begin());
    }
    ASSERT_EQ(transit.size(), model.size());
  }
  EXPECT_GT(pushed, 10'000u);
}

}  // namespace
}  // namespace ginnel::link
