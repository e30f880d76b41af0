// So many at once, then one each interval.
#include "base/allowance.hpp"

#include <gtest/gtest.h>

namespace ginnel {
namespace {

TEST(Allowance, AFewAtOnceThenOneEachInterval) {
  Allowance allowance(3, 1s);
  Instant now{1h};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(allowance.take(now)) << i;
  EXPECT_FALSE(allowance.take(now));
  EXPECT_EQ(allowance.next(), now + 1s);
  EXPECT_FALSE(allowance.take(now + 1s - 1ns));
  EXPECT_TRUE(allowance.take(now + 1s));
  EXPECT_FALSE(allowance.take(now + 1s));
}

TEST(Allowance, WhatIsNotTakenIsSavedUpToThatMany) {
  Allowance allowance(3, 1s);
  Instant now{1h};
  while (allowance.take(now)) {
  }
  now += 2s;
  EXPECT_TRUE(allowance.take(now) && allowance.take(now));
  EXPECT_FALSE(allowance.take(now));
  now += 1h;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(allowance.take(now)) << i;
  EXPECT_FALSE(allowance.take(now));
}

TEST(Allowance, OverAnyTimeItIsTheRateAndTheFewOfTheBeginning) {
  Allowance allowance(8, 100ms);
  Instant now{1h};
  int taken = 0;
  for (int i = 0; i < 100'000; ++i, now += 1ms) taken += allowance.take(now);
  EXPECT_EQ(taken, 1000 + 7);
}

TEST(Allowance, OneAtOnceIsAnInterval) {
  Allowance allowance(1, 1s);
  EXPECT_TRUE(allowance.take(Instant{1h}));
  EXPECT_FALSE(allowance.take(Instant{1h}));
  EXPECT_TRUE(allowance.take(Instant{1h} + 1s));
}

}  // namespace
}  // namespace ginnel
