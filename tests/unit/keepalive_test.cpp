// The keepalive machine in made-up time: schedule, silence, changes. Knows core/stun/keepalive; refuses sockets and
// sleeps. RFC 8489 section 6.2.1.
#include "core/stun/keepalive.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "tests/support/seeded_rng.hpp"

namespace ginnel::stun {
namespace {

const Address home = Address::v4(192, 0, 2, 1, 4000);

class KeepaliveTest : public ::testing::Test {
 protected:
  std::optional<wire::StunMessage> poll() {
    auto request = keepalive.poll_request(now, room);
    if (!request) return {};
    auto message = wire::parse_stun(*request);
    EXPECT_TRUE(message);
    return message;
  }

  // Goes to the next deadline and takes what it gives.
  Keepalive::Change wait() {
    auto deadline = keepalive.next_deadline();
    EXPECT_TRUE(deadline);
    now = deadline->when;
    return keepalive.handle_timeout(now);
  }

  Keepalive::Change answer(const wire::TransactionId& id, Address address = home, std::optional<uint32_t> instance = 1,
                           wire::StunClass cls = wire::StunClass::success) {
    wire::StunWriter out(answer_room, cls, wire::stun_binding, id);
    out.xor_mapped_address(address);
    if (instance) out.server_instance(*instance);
    auto message = wire::parse_stun(out.finish());
    EXPECT_TRUE(message);
    return keepalive.handle_response(now, *message);
  }

  // Start, ask, and be answered 20 ms later.
  void settle() {
    keepalive.start(now);
    auto request = poll();
    now += 20ms;
    answer(request->id);
  }

  test::SeededRng rng;
  Keepalive keepalive{rng};
  Instant now{1h};
  std::array<uint8_t, 64> room, answer_room;
};

TEST_F(KeepaliveTest, SaysNothingBeforeStartAndAfterStop) {
  EXPECT_FALSE(poll());
  EXPECT_FALSE(keepalive.next_deadline());
  keepalive.handle_timeout(now);
  EXPECT_FALSE(poll());
  settle();
  keepalive.stop();
  EXPECT_FALSE(keepalive.next_deadline());
  keepalive.handle_timeout(now + 1h);
  EXPECT_FALSE(poll());
}

TEST_F(KeepaliveTest, RequestAsksForTheInstanceAndIsBare) {
  keepalive.start(now);
  auto request = poll();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->cls, wire::StunClass::request);
  EXPECT_EQ(request->method, wire::stun_binding);
  EXPECT_EQ(request->server_instance, 0u);
  EXPECT_FALSE(request->integrity);
  EXPECT_FALSE(request->username);
  EXPECT_FALSE(poll()) << "one request at a time";
}

TEST_F(KeepaliveTest, RetransmitsWithDoublingTimeoutsThenIsSilent) {
  keepalive.start(now);
  auto first = poll();
  for (Duration expected : {300ms, 600ms, 1200ms}) {
    Instant before = now;
    EXPECT_FALSE(wait().silent);
    EXPECT_EQ(now - before, expected);
    auto again = poll();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->id, first->id);
  }
  Instant before = now;
  EXPECT_TRUE(wait().silent);
  EXPECT_EQ(now - before, 1200ms);
  EXPECT_EQ(now - Instant(1h), 3300ms);
  auto next = poll();  // at once, in the same schedule
  ASSERT_TRUE(next);
  EXPECT_NE(next->id, first->id);
  before = now;
  EXPECT_FALSE(wait().silent);
  EXPECT_EQ(now - before, 300ms);
}

TEST_F(KeepaliveTest, StaysSilentAsLongAsNobodyAnswers) {
  keepalive.start(now);
  int silent = 0, sent = 0;
  while (now < Instant(1h + 66s)) {
    if (poll()) ++sent;
    silent += wait().silent;
  }
  EXPECT_EQ(silent, 20);  // 66 s / 3.3 s
  EXPECT_EQ(sent, 4 * 20);
}

TEST_F(KeepaliveTest, FirstAnswerTellsEverything) {
  keepalive.start(now);
  auto request = poll();
  now += 20ms;
  auto change = answer(request->id);
  EXPECT_TRUE(change.address);
  EXPECT_TRUE(change.answered);
  EXPECT_FALSE(change.restarted);
  EXPECT_FALSE(change.silent);
  EXPECT_EQ(keepalive.reflexive(), home);
  EXPECT_EQ(keepalive.rtt(), Duration(20ms));
}

TEST_F(KeepaliveTest, NextTransactionComesAfterTheIntervalWithJitter) {
  settle();
  std::set<Duration> gaps;
  for (int i = 0; i < 200; ++i) {
    Instant before = now;
    auto change = wait();
    EXPECT_FALSE(change.silent || change.answered || change.address || change.restarted);
    Duration gap = now - before;
    EXPECT_GE(gap, Keepalive::interval * 9 / 10);
    EXPECT_LE(gap, Keepalive::interval * 11 / 10);
    gaps.insert(gap);
    auto request = poll();
    ASSERT_TRUE(request);
    auto same = answer(request->id);
    EXPECT_FALSE(same.silent || same.answered || same.address || same.restarted);
  }
  EXPECT_GT(gaps.size(), 150u);
}

TEST_F(KeepaliveTest, ChangesAreNoticed) {
  settle();
  wait();
  auto moved = answer(poll()->id, Address::v4(192, 0, 2, 1, 4001), 1);
  EXPECT_TRUE(moved.address);
  EXPECT_FALSE(moved.restarted || moved.answered);
  wait();
  auto restarted = answer(poll()->id, Address::v4(192, 0, 2, 1, 4001), 2);
  EXPECT_TRUE(restarted.restarted);
  EXPECT_FALSE(restarted.address || restarted.answered);
  wait();
  auto mute = answer(poll()->id, Address::v4(192, 0, 2, 1, 4001), std::nullopt);  // a server that is not ours
  EXPECT_FALSE(mute.restarted || mute.address || mute.answered);
}

TEST_F(KeepaliveTest, AnswerAfterSilence) {
  settle();
  wait();
  bool silent = false;
  while (!silent) {
    poll();
    silent = wait().silent;
  }
  auto change = answer(poll()->id);
  EXPECT_TRUE(change.answered);
  EXPECT_FALSE(change.address || change.restarted);
}

TEST_F(KeepaliveTest, AnswerToARetransmissionIsNotSilence) {
  settle();
  wait();
  auto request = poll();
  wait();
  poll();
  auto change = answer(request->id);
  EXPECT_FALSE(change.answered || change.silent);
  EXPECT_FALSE(poll());
}

TEST_F(KeepaliveTest, RttOfRetransmittedRequestsIsBounded) {
  settle();  // 20 ms
  wait();
  auto request = poll();
  wait();  // the first copy is lost
  poll();
  now += 20ms;
  answer(request->id);
  EXPECT_EQ(keepalive.rtt(), Duration(20ms)) << "a lost packet is not a slow path";
  wait();
  request = poll();
  wait();
  poll();
  now += 250ms;
  answer(request->id);
  EXPECT_EQ(keepalive.rtt(), Duration(250ms)) << "at least that long";
}

TEST_F(KeepaliveTest, FirstRttOfASlowPathIsFromTheFirstCopy) {
  keepalive.start(now);
  auto request = poll();
  wait();
  poll();
  now += 300ms;
  answer(request->id);
  EXPECT_EQ(keepalive.rtt(), Duration(600ms));
}

TEST_F(KeepaliveTest, WrongAnswersChangeNothing) {
  keepalive.start(now);
  auto request = poll();
  wire::TransactionId other = request->id;
  other[11] ^= 1;
  auto nothing = [](Keepalive::Change c) { return !c.address && !c.restarted && !c.silent && !c.answered; };
  EXPECT_TRUE(nothing(answer(other)));
  EXPECT_TRUE(nothing(answer(request->id, home, 1, wire::StunClass::error)));
  EXPECT_TRUE(nothing(answer(request->id, home, 1, wire::StunClass::request)));
  EXPECT_TRUE(nothing(answer(request->id, home, 1, wire::StunClass::indication)));
  wire::StunWriter bare(answer_room, wire::StunClass::success, wire::stun_binding, request->id);
  EXPECT_TRUE(nothing(keepalive.handle_response(now, *wire::parse_stun(bare.finish()))));
  EXPECT_FALSE(keepalive.reflexive());
  EXPECT_TRUE(answer(request->id).answered);
  EXPECT_TRUE(nothing(answer(request->id, Address::v4(203, 0, 113, 9, 1)))) << "the second answer is nobody's";
  EXPECT_EQ(keepalive.reflexive(), home);
}

TEST_F(KeepaliveTest, StartAgainAsksAtOnceAndForgetsTheOldTransaction) {
  settle();
  wait();
  auto old = poll();
  keepalive.start(now);
  auto fresh = poll();
  ASSERT_TRUE(fresh);
  EXPECT_NE(fresh->id, old->id);
  answer(old->id, Address::v4(203, 0, 113, 9, 1));
  EXPECT_EQ(keepalive.reflexive(), home);
  EXPECT_TRUE(answer(fresh->id, Address::v4(203, 0, 113, 9, 1)).address);
}

TEST_F(KeepaliveTest, EarlyTimeoutDoesNothing) {
  keepalive.start(now);
  poll();
  keepalive.handle_timeout(now + 299ms);
  EXPECT_FALSE(poll());
  keepalive.handle_timeout(now + 300ms);
  EXPECT_TRUE(poll());
}

}  // namespace
}  // namespace ginnel::stun
