// One Binding transaction in made-up time: when it asks again, what it believes, when it gives up. RFC 8489 sections
// 6.2.1, 6.3.3.
#include "core/stun/transaction.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "tests/support/seeded_rng.hpp"
#include "tests/support/stun_answers.hpp"

namespace ginnel::stun {
namespace {

using test::StunAnswer;

const Address outside = Address::v4(198, 51, 100, 1, 61'000), second = Address::v4(0, 0, 0, 0, 3479);

class StunTransaction : public ::testing::Test {
 protected:
  /// The request that is due, if one is.
  std::optional<wire::StunMessage> poll(std::optional<uint32_t> change = {}) {
    auto bytes = transaction.poll_request(now, room, change);
    return bytes ? wire::parse_stun(*bytes) : std::nullopt;
  }
  /// To the next deadline, which must be there.
  Duration wait() {
    auto deadline = transaction.next_deadline();
    EXPECT_TRUE(deadline);
    Duration waited = deadline->when - now;
    now = deadline->when;
    transaction.handle_timeout(now);
    return waited;
  }
  bool answer(const wire::TransactionId& id, const StunAnswer& what = {outside}) {
    auto made = test::answer_to(id, what);
    return transaction.handle_response(now, made.message());
  }

  test::SeededRng rng;
  Transaction transaction{rng};
  Instant now{1h};
  std::array<uint8_t, 64> room{};
};

TEST_F(StunTransaction, SaysNothingBeforeStartAndAfterStop) {
  EXPECT_FALSE(poll());
  EXPECT_FALSE(transaction.next_deadline());
  EXPECT_FALSE(transaction.under_way());
  transaction.start(now);
  EXPECT_TRUE(transaction.under_way());
  auto request = poll();
  ASSERT_TRUE(request);
  transaction.stop();
  transaction.handle_timeout(now + 1h);
  EXPECT_FALSE(poll());
  EXPECT_FALSE(transaction.next_deadline());
  EXPECT_FALSE(transaction.under_way());
  EXPECT_FALSE(answer(request->id)) << "nobody asks any more";
}

TEST_F(StunTransaction, TheRequestIsBareUnlessToldToAskForAnotherSocket) {
  transaction.start(now);
  auto request = poll();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->cls, wire::StunClass::request);
  EXPECT_EQ(request->method, wire::stun_binding);
  EXPECT_FALSE(request->change_request || request->username || request->integrity || request->server_instance);
  EXPECT_FALSE(poll()) << "one copy at a time";
  transaction.start(now);
  EXPECT_EQ(poll(wire::stun_change_port)->change_request, wire::stun_change_port);
}

TEST_F(StunTransaction, AsksFourTimesAndIsSilentAfterThreeSeconds) {
  transaction.start(now);
  Instant begin = now;
  std::set<wire::TransactionId> ids = {poll()->id};
  std::vector<Duration> waits;
  for (int i = 1; i < Transaction::tries; ++i) {
    waits.push_back(wait());
    auto again = poll();
    ASSERT_TRUE(again) << i;
    ids.insert(again->id);
  }
  EXPECT_EQ(waits, (std::vector<Duration>{200ms, 400ms, 800ms}));
  EXPECT_EQ(ids.size(), 1u) << "RFC 8489 section 6.2.1: copies carry the same id";
  EXPECT_FALSE(transaction.silent());
  wait();
  EXPECT_EQ(now - begin, 3s);
  EXPECT_TRUE(transaction.silent());
  EXPECT_FALSE(transaction.under_way());
  EXPECT_FALSE(transaction.next_deadline());
  EXPECT_FALSE(poll());
  EXPECT_FALSE(answer(*ids.begin())) << "too late: who asked has been told that there was nothing";
  EXPECT_FALSE(transaction.mapped());
}

TEST_F(StunTransaction, AnAnswerEndsItAndIsBelievedOnce) {
  transaction.start(now);
  auto request = poll();
  now += 35ms;
  EXPECT_TRUE(answer(request->id, {outside, second}));
  EXPECT_EQ(transaction.mapped(), outside);
  EXPECT_EQ(transaction.other(), second);
  EXPECT_EQ(transaction.rtt(), 35ms);
  EXPECT_FALSE(transaction.under_way());
  EXPECT_FALSE(transaction.silent());
  EXPECT_FALSE(transaction.next_deadline());
  EXPECT_FALSE(answer(request->id, {Address::v4(6, 6, 6, 6, 6)})) << "a copy, or a forgery that comes late";
  EXPECT_EQ(transaction.mapped(), outside);
}

TEST_F(StunTransaction, AnAnswerBetweenTwoCopiesStopsTheSecond) {
  transaction.start(now);
  auto request = poll();
  wait();  // the second copy is due, and not sent yet
  EXPECT_TRUE(answer(request->id));
  EXPECT_FALSE(poll());
}

TEST_F(StunTransaction, WithMoreCopiesThanOneTheRoundTripIsNotKnown) {
  transaction.start(now);
  auto request = poll();
  wait();
  poll();
  now += 5ms;
  EXPECT_TRUE(answer(request->id));
  EXPECT_FALSE(transaction.rtt()) << "Karn: which copy was answered?";
}

TEST_F(StunTransaction, OnlyTheAnswerIsTheAnswer) {
  transaction.start(now);
  EXPECT_FALSE(answer({})) << "nothing was sent yet";
  auto request = poll();
  wire::TransactionId other = request->id;
  other[11] ^= 1;
  EXPECT_FALSE(answer(other));
  for (auto cls : {wire::StunClass::request, wire::StunClass::indication, wire::StunClass::error})
    EXPECT_FALSE(answer(request->id, {outside, {}, {}, cls}));
  EXPECT_FALSE(answer(request->id, {outside, {}, {}, wire::StunClass::success, 0x003}));
  EXPECT_FALSE(answer(request->id, {{}})) << "an answer that says nothing";
  StunAnswer strange{outside};
  strange.unknown_required = true;
  EXPECT_FALSE(answer(request->id, strange)) << "RFC 8489 section 6.3.3";
  EXPECT_TRUE(transaction.under_way());
  EXPECT_FALSE(transaction.mapped());
  EXPECT_TRUE(answer(request->id));
}

TEST_F(StunTransaction, BegunAgainItHasANewIdAndKeepsWhatItKnew) {
  transaction.start(now);
  auto first = poll();
  EXPECT_TRUE(answer(first->id));
  transaction.start(now);
  EXPECT_TRUE(transaction.under_way());
  EXPECT_EQ(transaction.mapped(), outside) << "of the last answer, whatever began since";
  auto next = poll();
  ASSERT_TRUE(next);
  EXPECT_NE(next->id, first->id);
  EXPECT_FALSE(answer(first->id, {Address::v4(6, 6, 6, 6, 6)}));
  for (int i = 0; i < Transaction::tries; ++i) wait(), poll();
  EXPECT_TRUE(transaction.silent());
  transaction.start(now);
  EXPECT_FALSE(transaction.silent());
}

TEST_F(StunTransaction, ATimeoutThatComesTooEarlyOrTwiceChangesNothing) {
  transaction.start(now);
  poll();
  transaction.handle_timeout(now + 199ms);
  EXPECT_FALSE(poll());
  transaction.handle_timeout(now + 200ms);
  transaction.handle_timeout(now + 200ms);
  EXPECT_TRUE(poll());
  EXPECT_FALSE(poll());
}

}  // namespace
}  // namespace ginnel::stun
