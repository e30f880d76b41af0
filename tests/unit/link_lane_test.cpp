// What a lane does to packets, measured over many of them in virtual time. Seeds are fixed, so a bound that holds once
// holds always; the bounds are about five standard deviations wide all the same, for other seeds.
#include "core/link/lane.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/support/seeded_rng.hpp"

namespace ginnel::link {
namespace {

using Kind = Fate::Kind;
constexpr Instant start{1h};
constexpr size_t kPackets = 100'000;

class LinkLane : public testing::Test {
 protected:
  void set(std::string_view text) {
    auto spec = parse_spec(text);
    ASSERT_TRUE(spec) << spec.error().text;
    lane_.set_spec(*spec);
  }
  /// Sends one every 100 us.
  std::vector<Fate> send(size_t count = kPackets, size_t size = 1000) {
    std::vector<Fate> out;
    for (size_t i = 0; i < count; ++i) out.push_back(lane_.offer(sent_at(i), size));
    return out;
  }
  static Instant sent_at(size_t i) { return start + i * 100us; }
  static size_t count(const std::vector<Fate>& fates, Kind kind) {
    return static_cast<size_t>(std::count_if(fates.begin(), fates.end(), [=](auto& f) { return f.kind == kind; }));
  }
  static size_t overtaken(const std::vector<Fate>& fates) {
    size_t out = 0;
    Instant latest{};
    for (const auto& fate : fates) {
      if (fate.copies == 0) continue;
      out += fate.due[0] < latest;
      latest = std::max(latest, fate.due[0]);
    }
    return out;
  }

  test::SeededRng rng_{7};
  Lane lane_{rng_};
};

TEST_F(LinkLane, NothingAskedNothingDone) {
  for (size_t i = 0; i < 10; ++i) {
    Fate fate = lane_.offer(sent_at(i), 65'535);
    EXPECT_EQ(fate.kind, Kind::carried);
    EXPECT_EQ(fate.copies, 1);
    EXPECT_EQ(fate.due[0], sent_at(i));
    EXPECT_FALSE(fate.wrong_bit);
  }
}

TEST_F(LinkLane, DelayIsExact) {
  set("delay=20ms");
  auto fates = send(100);
  for (size_t i = 0; i < fates.size(); ++i) EXPECT_EQ(fates[i].due[0], sent_at(i) + 20ms);
}

TEST_F(LinkLane, JitterIsUniformAndKeepsTheOrder) {
  set("delay=20ms,jitter=2ms");
  // One at a time: nobody is held back by those in front.
  Duration sum{}, most{}, least = 1h;
  for (size_t i = 0; i < kPackets; ++i) {
    Instant now = start + i * 10ms;
    Duration late = lane_.offer(now, 1000).due[0] - now - 20ms;
    sum += late, most = std::max(most, late), least = std::min(least, late);
  }
  EXPECT_GE(least, 0ms);
  EXPECT_LE(most, 2ms);
  EXPECT_LT(least, 10us);
  EXPECT_GT(most, 1990us);
  EXPECT_NEAR(to_ms(sum) / kPackets, 1, 0.01);
  EXPECT_EQ(overtaken(send()), 0u);
}

TEST_F(LinkLane, JitterReordersIfAsked) {
  set("delay=20ms,jitter=2ms:reorder");
  EXPECT_GT(overtaken(send()), kPackets / 2);
}

TEST_F(LinkLane, RateSpacesPacketsAndTheQueueIsBounded) {
  set("rate=8mbit,queue=50kb");  // a byte a microsecond
  size_t carried = 0;
  for (size_t i = 0; i < 100; ++i) {
    Fate fate = lane_.offer(start, 1000);
    if (fate.kind != Kind::carried) {
      EXPECT_EQ(fate.kind, Kind::overflowed);
      continue;
    }
    EXPECT_EQ(fate.due[0], start + ++carried * 1ms);
  }
  EXPECT_EQ(carried, 50u);
  EXPECT_EQ(lane_.free_at(), start + 50ms);
  EXPECT_EQ(lane_.offer(start + 1ms, 1000).kind, Kind::carried) << "one has left: there is room for another";
  EXPECT_EQ(lane_.offer(start + 1ms, 1000).kind, Kind::overflowed);
}

TEST_F(LinkLane, QueueMayBeGivenAsTime) {
  set("rate=8mbit,queue=10ms");
  size_t carried = 0;
  for (size_t i = 0; i < 100; ++i) carried += lane_.offer(start, 1000).kind == Kind::carried;
  EXPECT_EQ(carried, 10u);
}

TEST_F(LinkLane, RateHoldsOverALongRun) {
  set("rate=40mbit,queue=20ms");  // offered: 80
  auto fates = send();
  double seconds = to_ms(lane_.free_at() - start) / 1e3;
  double rate = static_cast<double>(count(fates, Kind::carried)) * 8000 / seconds;
  EXPECT_NEAR(rate, 40e6, 0.1e6);
  EXPECT_EQ(count(fates, Kind::carried) + count(fates, Kind::overflowed), kPackets);
}

TEST_F(LinkLane, LossIsItsShareAndRandom) {
  set("loss=10%");
  auto fates = send();
  EXPECT_NEAR(static_cast<double>(count(fates, Kind::lost)), 10'000, 500);
  size_t pairs = 0;
  for (size_t i = 1; i < fates.size(); ++i) pairs += fates[i].kind == Kind::lost && fates[i - 1].kind == Kind::lost;
  EXPECT_NEAR(static_cast<double>(pairs), 1000, 200) << "a packet's neighbour is lost as often as any";
}

TEST_F(LinkLane, LossMayBeTotal) {
  set("loss=100%,burst=5");
  EXPECT_EQ(count(send(1000), Kind::lost), 1000u);
}

TEST_F(LinkLane, BurstsHaveTheirLengthAndTheShareStays) {
  set("loss=5%,burst=8");
  auto fates = send(1'000'000);
  size_t lost = count(fates, Kind::lost), bursts = 0;
  for (size_t i = 0; i < fates.size(); ++i)
    bursts += fates[i].kind == Kind::lost && (i == 0 || fates[i - 1].kind != Kind::lost);
  EXPECT_NEAR(static_cast<double>(lost), 50'000, 4500);
  EXPECT_NEAR(static_cast<double>(lost) / static_cast<double>(bursts), 8, 0.6);
}

TEST_F(LinkLane, ReorderedPacketsComeLaterByTheirTime) {
  set("delay=20ms,reorder=1%:5ms");
  auto fates = send();
  size_t late = 0;
  for (size_t i = 0; i < fates.size(); ++i) {
    Duration took = fates[i].due[0] - sent_at(i);
    EXPECT_TRUE(took == 20ms || took == 25ms);
    late += took == 25ms;
  }
  EXPECT_NEAR(static_cast<double>(late), 1000, 160);
  EXPECT_GT(overtaken(fates), late * 20) << "5 ms are fifty packets here";
}

TEST_F(LinkLane, DuplicatesComeTwice) {
  set("delay=1ms,duplicate=2%");
  auto fates = send();
  size_t twice = 0;
  for (const auto& fate : fates) {
    twice += fate.copies == 2;
    if (fate.copies == 2) {
      EXPECT_GE(fate.due[1], fate.due[0]);
    }
  }
  EXPECT_NEAR(static_cast<double>(twice), 2000, 225);
}

TEST_F(LinkLane, CorruptionNamesABit) {
  set("corrupt=1%");
  size_t wrong = 0, low_half = 0;
  for (const auto& fate : send()) {
    wrong += fate.wrong_bit.has_value();
    low_half += fate.wrong_bit && *fate.wrong_bit % 8000 < 4000;
  }
  EXPECT_NEAR(static_cast<double>(wrong), 1000, 160);
  EXPECT_NEAR(static_cast<double>(low_half), static_cast<double>(wrong) / 2, 80);
}

TEST_F(LinkLane, MtuIsInclusive) {
  set("mtu=1400");
  EXPECT_EQ(lane_.offer(start, 1400).kind, Kind::carried);
  EXPECT_EQ(lane_.offer(start, 1401).kind, Kind::too_big);
}

TEST_F(LinkLane, CutLosesEverythingUntilMended) {
  set("delay=1ms");
  lane_.set_cut(true);
  EXPECT_EQ(lane_.offer(start, 1).kind, Kind::cut);
  lane_.set_cut(false);
  EXPECT_EQ(lane_.offer(start, 1).kind, Kind::carried);
}

TEST_F(LinkLane, AFasterLineDoesNotOvertakeWhatIsOnItsWay) {
  set("delay=50ms");
  lane_.offer(start, 1000);
  set("delay=1ms");
  EXPECT_EQ(lane_.offer(start + 1ms, 1000).due[0], start + 50ms);
  EXPECT_EQ(lane_.offer(start + 60ms, 1000).due[0], start + 61ms);
}

TEST_F(LinkLane, WithoutARateNothingWaitsForTheOldOne) {
  set("rate=8kbit");  // a byte a millisecond
  lane_.offer(start, 10'000);
  set("");
  EXPECT_EQ(lane_.offer(start, 10).due[0], start + 10s) << "the order is kept";
  EXPECT_EQ(lane_.offer(start + 11s, 10).due[0], start + 11s);
}

TEST_F(LinkLane, SameSeedSameFates) {
  constexpr std::string_view everything =
      "delay=20ms,jitter=2ms:reorder,rate=100mbit,loss=5%,burst=3,reorder=5%:3ms,duplicate=3%,corrupt=3%";
  set(everything);
  auto first = send(1000);
  test::SeededRng again(7);
  Lane lane(again);
  lane.set_spec(*parse_spec(everything));
  for (size_t i = 0; i < first.size(); ++i) {
    Fate fate = lane.offer(sent_at(i), 1000);
    ASSERT_EQ(fate.kind, first[i].kind) << i;
    ASSERT_EQ(fate.due, first[i].due) << i;
    ASSERT_EQ(fate.wrong_bit, first[i].wrong_bit) << i;
  }
}

}  // namespace
}  // namespace ginnel::link
