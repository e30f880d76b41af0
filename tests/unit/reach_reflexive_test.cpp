// What our UDP sockets look like from outside, asked of a server that this test plays: both families, the second port,
// fresh sockets, and answers that nobody asked for.
#include "core/reach/reflexive.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <vector>

#include "tests/support/seeded_rng.hpp"
#include "tests/support/stun_answers.hpp"

namespace ginnel::reach {
namespace {

using test::StunAnswer;
using wire::NatMapping;

const Address server4 = Address::v4(203, 0, 113, 1, 3478), server6 = *Address::parse("[2001:db8:1::1]:3478");
const Address outside = Address::v4(198, 51, 100, 1, 61'000), outside6 = *Address::parse("[2001:db8:2::2]:40000");
const Address stranger = Address::v4(198, 51, 100, 66, 3478);
const Address second_port = Address::v4(0, 0, 0, 0, 3479);

class ReachReflexive : public ::testing::Test {
 protected:
  struct Asked {
    Address to;
    SocketId socket;
    wire::TransactionId id;
  };
  std::vector<Asked> poll() {
    std::vector<Asked> out;
    std::array<uint8_t, 64> room;
    while (auto request = reflexive.poll_request(now, room))
      out.push_back({request->to, request->socket, test::id_of(request->bytes)});
    return out;
  }
  Reflexive::Change answer(const Asked& asked, const StunAnswer& what, std::optional<Address> from = {}) {
    auto made = test::answer_to(asked.id, what);
    return reflexive.handle_response(now, asked.socket, from.value_or(asked.to), made.message());
  }
  /// Time passes; whatever is asked stays unanswered unless `reply` answers it.
  void pass(Duration time, const std::function<void(const Asked&)>& reply = {}) {
    for (Instant until = now + time; now < until;) {
      for (auto all = poll(); !all.empty(); all = poll())
        for (const Asked& asked : all)
          if (reply) reply(asked);
      auto next = reflexive.next_deadline();
      ASSERT_TRUE(!next || next->when > now) << next->why;
      now = next ? std::min(next->when, until) : until;
      reflexive.handle_timeout(now);
    }
  }
  /// Asked and answered at the main port, then at the second one.
  void learn_mapping(const Address& main, const Address& second) {
    for (const Asked& asked : poll()) answer(asked, {main, second_port});
    for (const Asked& asked : poll()) answer(asked, {second});
  }

  test::SeededRng rng;
  Reflexive reflexive{rng};
  Instant now{1h};
};

TEST_F(ReachReflexive, WithoutAServerNothingIsAsked) {
  EXPECT_TRUE(poll().empty());
  EXPECT_FALSE(reflexive.next_deadline());
  reflexive.restart(now);
  reflexive.set_server(now, false, {});
  EXPECT_TRUE(poll().empty());
  EXPECT_FALSE(reflexive.is_server({}));
  EXPECT_FALSE(reflexive.is_server(server4));
}

TEST_F(ReachReflexive, EachFamilyHasItsOwnServerAndAnswer) {
  reflexive.set_server(now, false, server4);
  reflexive.set_server(now, true, server6);
  auto asked = poll();
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0].to, server4);
  EXPECT_EQ(asked[1].to, server6);
  EXPECT_TRUE(answer(asked[1], {outside6}).address);
  EXPECT_FALSE(reflexive.main(false));
  EXPECT_EQ(reflexive.main(true), outside6);
  EXPECT_TRUE(answer(asked[0], {outside}).address);
  EXPECT_EQ(reflexive.main(false), outside);
  EXPECT_FALSE(answer(asked[0], {stranger}).address) << "once";
}

TEST_F(ReachReflexive, OnlyTheServersWordCounts) {
  reflexive.set_server(now, false, server4);
  auto asked = poll();
  for (const Address& from : {stranger, server4.with_port(3479), server4.with_port(0), server6})
    EXPECT_FALSE(answer(asked[0], {stranger}, from).address) << from.to_string();
  Asked on_another_socket = asked[0];
  on_another_socket.socket = 9;
  EXPECT_FALSE(answer(on_another_socket, {stranger}).address);
  EXPECT_FALSE(reflexive.main(false));
  EXPECT_FALSE(reflexive.of(9));
  EXPECT_TRUE(answer(asked[0], {outside}).address);
}

TEST_F(ReachReflexive, AnotherServerIsAskedAtOnceAndTheSameOneIsNotAskedAgain) {
  reflexive.set_server(now, false, server4);
  ASSERT_EQ(poll().size(), 1u);
  reflexive.set_server(now, false, server4);
  EXPECT_TRUE(poll().empty());
  reflexive.set_server(now, false, stranger);
  auto asked = poll();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].to, stranger);
  reflexive.set_server(now, false, {});
  EXPECT_FALSE(reflexive.next_deadline());
  pass(1min);
  EXPECT_TRUE(poll().empty());
}

TEST_F(ReachReflexive, TheSecondPortIsAskedWhenTheAddressIsNew) {
  reflexive.set_server(now, false, server4);
  auto asked = poll();
  answer(asked[0], {outside, second_port});
  EXPECT_EQ(reflexive.mapping(false), NatMapping::unknown);
  EXPECT_TRUE(reflexive.is_server(server4));
  EXPECT_TRUE(reflexive.is_server(server4.with_port(3479)));
  EXPECT_FALSE(reflexive.is_server(server4.with_port(3480)));
  auto second = poll();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].to, server4.with_port(3479)) << "that port of the server's own address, whatever it calls itself";
  EXPECT_EQ(second[0].socket, 0u);
  answer(second[0], {outside});
  EXPECT_EQ(reflexive.mapping(false), NatMapping::endpoint_independent);
  EXPECT_EQ(reflexive.mapping(true), NatMapping::unknown);
  size_t asked_again = 0;
  pass(1min, [&](const Asked& a) { a.to == server4 ? void(answer(a, {outside, second_port})) : void(++asked_again); });
  EXPECT_EQ(asked_again, 0u) << "nothing changed";
}

TEST_F(ReachReflexive, AServerWithoutASecondPortLeavesTheMappingUnknown) {
  reflexive.set_server(now, false, server4);
  answer(poll()[0], {outside});
  EXPECT_TRUE(poll().empty());
  EXPECT_EQ(reflexive.mapping(false), NatMapping::unknown);
}

TEST_F(ReachReflexive, AnotherPortForAnotherDestinationIsEndpointDependent) {
  reflexive.set_server(now, false, server4);
  learn_mapping(outside, outside.with_port(61'001));
  EXPECT_EQ(reflexive.mapping(false), NatMapping::endpoint_dependent);
}

TEST_F(ReachReflexive, AnotherAddressForAnotherDestinationIsEndpointDependent) {
  reflexive.set_server(now, false, server4);
  learn_mapping(outside, Address::v4(198, 51, 100, 2, 61'000));  // a pool of addresses, used at random
  EXPECT_EQ(reflexive.mapping(false), NatMapping::endpoint_dependent);
}

TEST_F(ReachReflexive, AChangeOfAddressIsMeasuredAnew) {
  reflexive.set_server(now, false, server4);
  learn_mapping(outside, outside);
  ASSERT_EQ(reflexive.mapping(false), NatMapping::endpoint_independent);
  Address moved = Address::v4(198, 51, 100, 9, 7000);
  std::vector<Asked> second;
  pass(6s, [&](const Asked& a) { a.to == server4 ? void(answer(a, {moved, second_port})) : second.push_back(a); });
  EXPECT_EQ(reflexive.main(false), moved);
  ASSERT_FALSE(second.empty());
  EXPECT_EQ(reflexive.mapping(false), NatMapping::unknown) << "under way";
  answer(second[0], {moved});
  EXPECT_EQ(reflexive.mapping(false), NatMapping::endpoint_independent);
}

TEST_F(ReachReflexive, AnOldAnswerSaysNothingAboutANewAddress) {
  reflexive.set_server(now, false, server4);
  learn_mapping(outside, outside);
  Address moved = Address::v4(198, 51, 100, 9, 7000);
  pass(20s, [&](const Asked& a) {
    if (a.to == server4) answer(a, {moved, second_port});  // the second port is silent: its packets are lost
  });
  ASSERT_EQ(reflexive.main(false), moved);
  EXPECT_EQ(reflexive.mapping(false), NatMapping::unknown) << "not endpoint-dependent: nothing was measured";
}

TEST_F(ReachReflexive, AServerThatCallsItsMainPortItsOtherOneIsStillHeard) {
  reflexive.set_server(now, false, server4);
  answer(poll()[0], {outside, server4});
  Address moved = outside.with_port(1);
  pass(20s, [&](const Asked& a) { answer(a, {moved, server4}); });
  EXPECT_EQ(reflexive.main(false), moved);
}

TEST_F(ReachReflexive, ForgedAnswersOfTheSecondPortChangeNothing) {
  reflexive.set_server(now, false, server4);
  answer(poll()[0], {outside, second_port});
  auto second = poll();
  ASSERT_EQ(second.size(), 1u);
  for (const Address& from : {stranger, server4, server4.with_port(3480)}) answer(second[0], {stranger}, from);
  Asked other_id = second[0];
  other_id.id[0] ^= 1;
  answer(other_id, {stranger});
  EXPECT_EQ(reflexive.main(false), outside);
  EXPECT_EQ(reflexive.mapping(false), NatMapping::unknown);
}

TEST_F(ReachReflexive, SilenceAndReturnAreTold) {
  reflexive.set_server(now, true, server6);
  answer(poll()[0], {outside6});
  int silent = 0;
  for (Instant until = now + 20s; now < until;) {
    poll();
    now = reflexive.next_deadline()->when;
    auto changes = reflexive.handle_timeout(now);
    EXPECT_FALSE(changes[false].silent);
    silent += changes[true].silent;
  }
  EXPECT_GE(silent, 3);
  auto asked = poll();
  while (asked.empty()) now = reflexive.next_deadline()->when, reflexive.handle_timeout(now), asked = poll();
  auto change = answer(asked[0], {outside6});
  EXPECT_TRUE(change.answered);
  EXPECT_FALSE(change.address);
}

// ---- fresh sockets

TEST_F(ReachReflexive, AFreshSocketIsAskedOnceFromThere) {
  reflexive.set_server(now, false, server4);
  answer(poll()[0], {outside});
  reflexive.learn(now, 7);
  auto asked = poll();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].to, server4);
  EXPECT_EQ(asked[0].socket, 7u);
  EXPECT_FALSE(reflexive.of(7));
  EXPECT_FALSE(reflexive.failed(7));
  Asked from_main = asked[0];
  from_main.socket = 0;
  answer(from_main, {stranger});
  answer(asked[0], {stranger}, stranger);
  EXPECT_FALSE(reflexive.of(7)) << "its own answer, from the server, on that socket";
  EXPECT_FALSE(answer(asked[0], {outside.with_port(62'000)}).address) << "the main socket's address is what it was";
  EXPECT_EQ(reflexive.of(7), outside.with_port(62'000));
  EXPECT_EQ(reflexive.main(false), outside);
  size_t again = 0;
  pass(1min, [&](const Asked& a) { a.socket == 7 ? void(++again) : void(answer(a, {outside})); });
  EXPECT_EQ(again, 0u);
  reflexive.forget(7);
  EXPECT_FALSE(reflexive.of(7));
}

TEST_F(ReachReflexive, AFreshSocketThatGetsNoAnswerFails) {
  reflexive.set_server(now, false, server4);
  reflexive.learn(now, 7);
  size_t asked = 0;
  pass(4s, [&](const Asked& a) { asked += a.socket == 7; });
  EXPECT_EQ(asked, static_cast<size_t>(stun::Transaction::tries));
  EXPECT_TRUE(reflexive.failed(7));
}

TEST_F(ReachReflexive, WithoutAServerOfIpv4AFreshSocketFailsAtOnce) {
  reflexive.set_server(now, true, server6);
  poll();
  reflexive.learn(now, 7);
  EXPECT_TRUE(poll().empty());
  EXPECT_TRUE(reflexive.failed(7));
}

TEST_F(ReachReflexive, FreshSocketsHaveACapAndTheOldestGoes) {
  reflexive.set_server(now, false, server4);
  for (SocketId id = 1; id <= 100; ++id) reflexive.learn(now, id);
  std::map<SocketId, int> asked;
  for (const Asked& a : poll()) ++asked[a.socket];
  EXPECT_EQ(asked.size(), 1 + Reflexive::fresh_max) << "the main one, too";
  EXPECT_TRUE(asked.contains(100));
  EXPECT_FALSE(asked.contains(1));
  reflexive.learn(now, 100);  // again: nobody else goes for it
  for (const Asked& a : poll()) answer(a, {outside});
  now = reflexive.next_deadline()->when;
  reflexive.handle_timeout(now);
  for (const Asked& a : poll()) answer(a, {outside});
  EXPECT_TRUE(reflexive.of(100 - Reflexive::fresh_max + 1));
}

TEST_F(ReachReflexive, StoppedItForgetsTheFreshOnesAndWantsNothing) {
  reflexive.set_server(now, false, server4);
  reflexive.learn(now, 7);
  reflexive.stop();
  EXPECT_TRUE(poll().empty());
  EXPECT_FALSE(reflexive.next_deadline());
}

TEST_F(ReachReflexive, ARestartAsksTheMainSocketsAtOnce) {
  reflexive.set_server(now, false, server4);
  answer(poll()[0], {outside});
  now += 10ms;
  reflexive.restart(now);
  EXPECT_EQ(poll().size(), 1u);
}

}  // namespace
}  // namespace ginnel::reach
