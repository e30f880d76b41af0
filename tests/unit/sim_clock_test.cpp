// Virtual time and its jobs.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <vector>

#include "sim/clock.hpp"

namespace ginnel::sim {
namespace {

TEST(SimJob, runsSmallAndLargeOnesAndEndsThem) {
  auto token = std::make_shared<int>(0);
  {
    Job small([token] { ++*token; });
    Job large([token, padding = std::array<uint64_t, 30>{}] { *token += 10 + static_cast<int>(padding[0]); });
    EXPECT_EQ(token.use_count(), 3);
    Job moved = std::move(small);
    EXPECT_FALSE(small);
    moved();
    large();
    Job over([] {});
    over = std::move(large);
    over();
    EXPECT_EQ(*token, 21);
    EXPECT_EQ(token.use_count(), 3);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(SimJob, takesWhatCannotBeCopied) {
  auto value = std::make_unique<int>(7);
  int seen = 0;
  Job job([value = std::move(value), &seen] { seen = *value; });
  Job other = std::move(job);
  other();
  EXPECT_EQ(seen, 7);
}

TEST(SimClock, keepsTheOrderOfInstantsAndOfArrival) {
  Schedule clock;
  std::vector<int> order;
  Instant begin = clock.now();
  clock.after(2ms, [&] { order.push_back(3); });
  clock.after(1ms, [&] {
    order.push_back(1);
    clock.at(begin, [&] { order.push_back(2); });  // past: now, behind those that wait
  });
  clock.after(2ms, [&] { order.push_back(4); });
  EXPECT_TRUE(clock.step(begin + 1ms));
  EXPECT_TRUE(clock.step(begin + 1ms));
  EXPECT_FALSE(clock.step(begin + 1ms));
  EXPECT_EQ(clock.now(), begin + 1ms);
  clock.run_for(5ms);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(clock.now(), begin + 6ms);
  EXPECT_EQ(clock.done(), 4u);
}

TEST(SimClock, aJobMayQueueManyWhileItRuns) {
  Schedule clock;
  int done = 0;
  clock.after(1ms, [&] {
    for (int i = 0; i < 1000; ++i) clock.after(1ms, [&] { ++done; });
  });
  clock.run_for(1s);
  EXPECT_EQ(done, 1000);
}

}  // namespace
}  // namespace ginnel::sim
