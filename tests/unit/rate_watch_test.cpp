// Whether a path carries what this session was given before.
#include "core/path/rate_watch.hpp"

#include <gtest/gtest.h>

namespace ginnel::path {
namespace {

const Carrier direct = Carrier::udp(Address::v4(192, 0, 2, 1, 5000));

struct Feed {
  RateWatch watch;
  Instant now{1h};
  uint64_t acknowledged = 0;

  /// So many bytes a second for so long, looked at four times a second.
  void carry(const Carrier& carrier, double rate, Duration time, bool backlogged = true) {
    for (Instant until = now + time; now < until; now += 250ms) {
      watch.note(now, carrier, acknowledged, backlogged);
      acknowledged += static_cast<uint64_t>(rate / 4);
    }
  }
};

TEST(RateWatch, ASteadyPathIsNotSuspicious) {
  Feed f;
  f.carry(direct, 1e6, 60s);
  EXPECT_FALSE(f.watch.suspicious());
  EXPECT_NEAR(*f.watch.rate_of(direct), 1e6, 1e4);
}

TEST(RateWatch, ACollapseIsSeenAfterThreeSeconds) {
  Feed f;
  f.carry(direct, 1e6, 10s);
  f.carry(direct, 2e5, 3s);
  EXPECT_FALSE(f.watch.suspicious()) << "one of the windows is half full";
  f.carry(direct, 2e5, 2s);
  EXPECT_TRUE(f.watch.suspicious());
  f.carry(direct, 1e6, 2s);
  EXPECT_FALSE(f.watch.suspicious());
}

TEST(RateWatch, ASlowerPathIsComparedWithTheOneBefore) {
  Feed f;
  f.carry(Carrier::relay(), 4e6, 5s);
  f.carry(direct, 5e5, 5s);
  EXPECT_TRUE(f.watch.suspicious());
  EXPECT_NEAR(*f.watch.rate_of(direct), 5e5, 1e4);
}

TEST(RateWatch, AnApplicationThatHasLittleToSayIsNoSlowPath) {
  Feed f;
  f.carry(direct, 1e6, 10s);
  f.carry(direct, 1e3, 60s, false);
  EXPECT_FALSE(f.watch.suspicious());
  EXPECT_NEAR(*f.watch.rate_of(direct), 1e6, 1e4);
}

TEST(RateWatch, OldGloryIsForgotten) {
  Feed f;
  f.carry(direct, 1e6, 10s);
  f.carry(direct, 1e5, RateWatch::memory + 10s);
  EXPECT_FALSE(f.watch.suspicious());
}

TEST(RateWatch, TinyRatesAreNotCompared) {
  Feed f;
  f.carry(direct, 20'000, 10s);
  f.carry(direct, 1'000, 10s);
  EXPECT_FALSE(f.watch.suspicious());
}

}  // namespace
}  // namespace ginnel::path
