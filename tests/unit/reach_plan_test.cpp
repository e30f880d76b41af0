// When a dialler tries again and by what: first what stands, then TCP beside it, then fresh sockets, ever more rarely.
#include "core/reach/plan.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace ginnel::reach {
namespace {

class ReachPlan : public ::testing::Test {
 protected:
  struct Round {
    Duration after;
    Means means;
    bool operator==(const Round&) const = default;
  };
  /// The rounds that come up within that time, counted from `begin`.
  std::vector<Round> rounds(Duration time) {
    std::vector<Round> out;
    for (Instant until = now + time;;) {
      auto next = plan.next_deadline();
      if (!next || next->when > until) {
        now = until;
        return out;
      }
      EXPECT_GE(next->when, now) << "a deadline in the past";
      now = next->when;
      EXPECT_FALSE(plan.handle_timeout(now - 1ns)) << "too early";
      if (auto means = plan.handle_timeout(now)) out.push_back({now - begin, *means});
    }
  }
  void start(const wire::NatView& own = {}, const wire::NatView& theirs = {}) {
    begin = now;
    plan.begin(now, own, theirs);
  }
  Instant now{1h}, begin = now;
  Plan plan;
  const wire::NatView blocked{{}, {}, true};
};

TEST_F(ReachPlan, NothingBeforeItBegins) {
  EXPECT_FALSE(plan.next_deadline());
  EXPECT_FALSE(plan.handle_timeout(now + 1h));
  plan.note_direct(now, true, true);
  plan.note_direct(now, false, false);
  EXPECT_FALSE(plan.next_deadline());
}

TEST_F(ReachPlan, TcpAfterASecondFreshSocketsAfterThreeThenEverMoreRarely) {
  start();
  auto all = rounds(3h);
  ASSERT_GE(all.size(), 8u);
  EXPECT_EQ(all[0], (Round{1s, {false, true}}));
  EXPECT_EQ(all[1], (Round{3s, {true, true}}));
  Duration expected = Plan::again_first;
  for (size_t i = 2; i < all.size(); ++i) {
    EXPECT_EQ(all[i].after - all[i - 1].after, expected) << i;
    EXPECT_EQ(all[i].means, (Means{true, true})) << i;
    expected = std::min<Duration>(expected * 2, Plan::again_max);
  }
  EXPECT_EQ(expected, Plan::again_max);
}

TEST_F(ReachPlan, WhereNoUdpPassesTcpIsTriedAtOnce) {
  for (bool ours : {true, false}) {
    start(ours ? blocked : wire::NatView{}, ours ? wire::NatView{} : blocked);
    auto all = rounds(30s);
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[0].after, 0s);
    EXPECT_EQ(all[1].after, 2s);
    for (auto& round : all) EXPECT_EQ(round.means, (Means{false, true})) << "a fresh UDP socket would not help";
  }
}

TEST_F(ReachPlan, WithAUdpPathThereIsNothingToDo) {
  start();
  plan.note_direct(now, true, true);
  EXPECT_TRUE(rounds(1h).empty());
}

TEST_F(ReachPlan, WithATcpPathOnlyUdpIsTried) {
  start();
  EXPECT_EQ(rounds(1s).size(), 1u);
  plan.note_direct(now, false, true);
  auto all = rounds(1min);
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all[0], (Round{3s, {true, false}}));
}

TEST_F(ReachPlan, WithATcpPathWhereNoUdpPassesThereIsNothingToDo) {
  start(blocked);
  plan.note_direct(now, false, true);
  EXPECT_TRUE(rounds(1h).empty());
}

TEST_F(ReachPlan, BegunAgainItIsQuickAgain) {
  start();
  rounds(1h);
  start();
  EXPECT_EQ(plan.rounds(), 0);
  auto all = rounds(30s);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].after, 1s);
  EXPECT_EQ(all[2].after, 23s);
}

TEST_F(ReachPlan, WhenADirectPathDiesTheNextRoundIsSoon) {
  start();
  rounds(2s);
  plan.note_direct(now, true, true);
  EXPECT_TRUE(rounds(5h).empty());
  Instant died = now;
  plan.note_direct(now, false, false);  // its old sockets are checked by ICE; if that helps within 3 s, well
  auto all = rounds(10min);
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(begin + all[0].after, died + Plan::fresh_after);
  EXPECT_EQ(all[0].means, (Means{true, true}));
  EXPECT_EQ(all[1].after - all[0].after, Plan::again_first) << "and then as if it had begun";
}

TEST_F(ReachPlan, APathThatComesAndGoesAllTheTimeCausesFewRounds) {
  start();
  size_t n = 0;
  for (int i = 0; i < 600; ++i) {
    plan.note_direct(now, i % 2 == 0, i % 2 == 0);
    n += rounds(1s).size();
  }
  EXPECT_LE(n, 600u / 20 + 3);
}

}  // namespace
}  // namespace ginnel::reach
