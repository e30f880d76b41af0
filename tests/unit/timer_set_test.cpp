// Many wake-ups with keys, against a list that is searched from end to end.
#include "base/timer_set.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/support/seeded_rng.hpp"

namespace ginnel {
namespace {

Instant at(int ms) { return Instant(std::chrono::milliseconds(ms)); }

TEST(TimerSet, EmptyHasNoNext) {
  TimerSet<int> timers;
  EXPECT_FALSE(timers.next());
  EXPECT_FALSE(timers.take_due(at(1'000'000)));
}

TEST(TimerSet, GivesKeysInTheOrderOfTheirTimesAndOnlyWhenDue) {
  TimerSet<int> timers;
  timers.set(1, at(30));
  timers.set(2, at(10));
  timers.set(3, at(20));
  EXPECT_EQ(timers.next(), at(10));
  EXPECT_FALSE(timers.take_due(at(9)));
  EXPECT_EQ(timers.take_due(at(25)), 2);
  EXPECT_EQ(timers.take_due(at(25)), 3);
  EXPECT_FALSE(timers.take_due(at(25)));
  EXPECT_EQ(timers.take_due(at(30)), 1);
  EXPECT_FALSE(timers.next());
}

TEST(TimerSet, SetReplacesAndNothingCancels) {
  TimerSet<int> timers;
  timers.set(1, at(10));
  timers.set(1, at(50));
  EXPECT_EQ(timers.next(), at(50));
  EXPECT_FALSE(timers.take_due(at(49)));
  timers.set(1, at(20));
  EXPECT_EQ(timers.next(), at(20));
  timers.set(1, {});
  timers.set(2, {});
  EXPECT_FALSE(timers.next());
}

TEST(TimerSet, KeysWithEqualTimesAllCome) {
  TimerSet<int> timers;
  for (int key = 0; key < 10; ++key) timers.set(key, at(5));
  std::set<int> seen;
  while (auto key = timers.take_due(at(5))) seen.insert(*key);
  EXPECT_EQ(seen.size(), 10u);
}

TEST(TimerSet, AKeySetAgainWhileItIsTakenComesAgain) {
  TimerSet<int> timers;
  timers.set(1, at(10));
  int taken = 0;
  while (timers.take_due(at(100)))
    if (++taken < 3) timers.set(1, at(10 + taken));
  EXPECT_EQ(taken, 3);
}

TEST(TimerSet, BehavesLikeAListUnderARandomScript) {
  test::SeededRng rng(7);
  TimerSet<uint64_t> timers;
  std::map<uint64_t, Instant> model;
  for (int step = 0; step < 20'000; ++step) {
    uint64_t key = rng.below(50);
    Instant when = at(static_cast<int>(rng.below(100)));
    switch (rng.below(4)) {
      case 0:
        timers.set(key, {});
        model.erase(key);
        break;
      case 1: {
        auto taken = timers.take_due(when);
        auto first = std::min_element(model.begin(), model.end(), [](auto& a, auto& b) { return a.second < b.second; });
        bool due = first != model.end() && first->second <= when;
        ASSERT_EQ(taken.has_value(), due) << step;
        if (!due) break;
        ASSERT_EQ(model.at(*taken), first->second) << step;
        model.erase(*taken);
        break;
      }
      default:
        timers.set(key, when);
        model[key] = when;
    }
    std::optional<Instant> next;
    for (auto& [k, t] : model) next = next ? std::min(*next, t) : t;
    ASSERT_EQ(timers.next(), next) << step;
  }
}

}  // namespace
}  // namespace ginnel
