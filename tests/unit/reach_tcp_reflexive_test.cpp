// The TCP port that listens, and what it looks like from the server: in which order things are asked, how long they are
// kept, and what ends them. Hands and server are played by the test.
#include "core/reach/tcp_reflexive.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/seeded_rng.hpp"
#include "tests/support/stun_answers.hpp"
#include "wire/tcp_frame.hpp"

namespace ginnel::reach {
namespace {

const Address server = Address::v4(203, 0, 113, 1, 3478), server6 = *Address::parse("[2001:db8:1::1]:3478");
const Address any4 = Address::v4(0, 0, 0, 0, 0), outside = Address::v4(198, 51, 100, 1, 61'000);
const Address any6 = *Address::parse("[::]:0");

class ReachTcpReflexive : public ::testing::Test {
 protected:
  /// All that it asks for now; requests are taken apart.
  std::vector<Action> poll() {
    std::vector<Action> out;
    while (auto action = tcp.poll_action(now, room)) {
      if (auto* transmit = std::get_if<Transmit>(&*action)) {
        auto frame = wire::next_tcp_frame(room);
        EXPECT_EQ(frame.packet.size() + wire::tcp_frame_header_size, transmit->bytes.size());
        request = test::id_of(frame.packet);
        asked_on = transmit->tcp;
      }
      out.push_back(*action);
    }
    return out;
  }
  template <typename A>
  std::vector<A> poll_for() {
    std::vector<A> out;
    for (Action& action : poll())
      if (auto* found = std::get_if<A>(&action)) out.push_back(*found);
    return out;
  }
  void answer(TcpId id, const test::StunAnswer& what = {outside}) {
    auto made = test::answer_to(request, what);
    tcp.handle_stun(now, id, made.message());
  }
  /// Asked, listening, connected, and the request is out.
  TcpId ask() {
    tcp.ask(now, server, true, false);
    poll();
    tcp.handle_listening(now, any4.with_port(5000));
    auto connect = poll_for<ConnectTcp>();
    EXPECT_EQ(connect.size(), 1u);
    if (connect.empty()) return 0;
    EXPECT_TRUE(tcp.handle_connected(now, connect[0].id));
    poll();
    EXPECT_EQ(asked_on, connect[0].id);
    return connect[0].id;
  }
  /// Wakes it whenever it wants, until then.
  void pass(Duration time) {
    for (Instant until = now + time; now < until;) {
      auto next = tcp.next_deadline();
      ASSERT_TRUE(!next || next->when > now) << next->why;
      now = next ? std::min(next->when, until) : until;
      tcp.handle_timeout(now);
      for (Action& action : poll()) seen.push_back(action);
    }
  }
  template <typename A>
  size_t count() const {
    size_t n = 0;
    for (auto& action : seen) n += std::holds_alternative<A>(action);
    return n;
  }

  test::SeededRng rng;
  TcpIds ids;
  TcpReflexive tcp{ids, rng};
  Instant now{1h};
  std::vector<uint8_t> room = std::vector<uint8_t>(100);
  wire::TransactionId request{};
  TcpId asked_on = 0;
  std::vector<Action> seen;
};

TEST_F(ReachTcpReflexive, DoesNothingUnasked) {
  EXPECT_TRUE(poll().empty());
  EXPECT_FALSE(tcp.next_deadline());
  EXPECT_TRUE(tcp.settled());
  EXPECT_FALSE(tcp.owns(0)) << "no connection is ours";
  tcp.handle_timeout(now + 1h);
  tcp.reset();
  EXPECT_TRUE(poll().empty());
}

TEST_F(ReachTcpReflexive, ListensThenConnectsFromThatPortThenAsks) {
  tcp.ask(now, server, true, true);
  EXPECT_FALSE(tcp.settled());
  auto listens = poll_for<ListenTcp>();
  ASSERT_EQ(listens.size(), 2u);
  EXPECT_EQ(listens[0].local, any4);
  EXPECT_EQ(listens[1].local, any6);
  tcp.handle_listening(now, any6.with_port(5006));
  EXPECT_TRUE(poll().empty()) << "the server is reached by IPv4";
  tcp.handle_listening(now, any4.with_port(5000));
  EXPECT_EQ(tcp.port(false), 5000);
  EXPECT_EQ(tcp.port(true), 5006);
  auto connects = poll_for<ConnectTcp>();
  ASSERT_EQ(connects.size(), 1u);
  EXPECT_EQ(connects[0].to, server);
  EXPECT_EQ(connects[0].from_port, 5000);
  TcpId id = connects[0].id;
  EXPECT_TRUE(tcp.owns(id));
  EXPECT_FALSE(tcp.handle_connected(now, id + 1));
  ASSERT_TRUE(tcp.handle_connected(now, id));
  auto asks = poll_for<Transmit>();
  ASSERT_EQ(asks.size(), 1u);
  EXPECT_EQ(asks[0].tcp, id);
  EXPECT_FALSE(tcp.settled());
  answer(id);
  EXPECT_TRUE(tcp.settled());
  EXPECT_EQ(tcp.mapped(), outside);
}

TEST_F(ReachTcpReflexive, OnlyThatConnectionsAnswerCounts) {
  TcpId id = ask();
  answer(id + 1, {Address::v4(6, 6, 6, 6, 6)});
  answer(0, {Address::v4(6, 6, 6, 6, 6)});
  test::StunAnswer error{outside};
  error.cls = wire::StunClass::error;
  answer(id, error);
  EXPECT_FALSE(tcp.mapped());
  answer(id);
  answer(id, {Address::v4(6, 6, 6, 6, 6)});
  EXPECT_EQ(tcp.mapped(), outside);
}

TEST_F(ReachTcpReflexive, AskedAgainItKeepsWhatItHas) {
  TcpId id = ask();
  tcp.ask(now, server, true, false);
  EXPECT_TRUE(poll().empty()) << "one connection at a time";
  answer(id);
  for (int i = 0; i < 10; ++i) {
    pass(TcpReflexive::linger - 1s);
    tcp.ask(now, server, true, true);  // IPv6 only now
  }
  EXPECT_EQ(tcp.mapped(), outside);
  EXPECT_EQ(count<CloseTcp>() + count<ConnectTcp>(), 0u);
  EXPECT_EQ(count<ListenTcp>(), 1u) << "the other family, once";
}

TEST_F(ReachTcpReflexive, WhenNobodyPunchesAnyMoreConnectionAndPortGo) {
  TcpId id = ask();
  answer(id);
  pass(TcpReflexive::linger - 1ms);
  EXPECT_TRUE(seen.empty());
  pass(1ms);
  ASSERT_EQ(count<CloseTcp>(), 1u);
  EXPECT_EQ(count<StopListening>(), 1u) << "no port stays open for nothing";
  EXPECT_FALSE(tcp.mapped());
  EXPECT_EQ(tcp.port(false), 0);
  EXPECT_FALSE(tcp.next_deadline());
  EXPECT_FALSE(tcp.owns(id));
  ask();  // and all of it again, when somebody does
}

TEST_F(ReachTcpReflexive, APortThatWasOpenFromTheStartStays) {
  tcp.listen(4444, true, true);
  auto listens = poll_for<ListenTcp>();
  ASSERT_EQ(listens.size(), 2u);
  EXPECT_EQ(listens[0].local, any4.with_port(4444));
  tcp.handle_listening(now, any4.with_port(4444));
  tcp.handle_listening(now, any6.with_port(4444));
  EXPECT_FALSE(tcp.next_deadline());
  tcp.ask(now, server, true, true);
  auto actions = poll();
  ASSERT_EQ(actions.size(), 1u) << "it listens already";
  EXPECT_EQ(std::get<ConnectTcp>(actions[0]).from_port, 4444);
  pass(1min);
  EXPECT_EQ(count<StopListening>(), 0u);
  EXPECT_EQ(tcp.port(false), 4444);
  EXPECT_EQ(tcp.port(true), 4444);
}

TEST_F(ReachTcpReflexive, APortThatIsTakenIsNoAddressOfOurs) {
  tcp.ask(now, server, true, false);
  poll();
  tcp.handle_listening(now, any4);  // it was not to be had
  EXPECT_TRUE(poll().empty()) << "an address of another port would mislead the peer";
  EXPECT_TRUE(tcp.settled()) << "nothing more is to be learned";
  tcp.ask(now, server, true, false);
  EXPECT_EQ(poll_for<ListenTcp>().size(), 1u) << "the next time it may be free";
}

TEST_F(ReachTcpReflexive, APortThatWasGivenUpAnswersTooLate) {
  tcp.ask(now, server, true, false);
  poll();
  pass(1min);  // the hands are very slow
  tcp.handle_listening(now, any4.with_port(5000));
  EXPECT_EQ(tcp.port(false), 0);
  EXPECT_TRUE(poll().empty());
}

TEST_F(ReachTcpReflexive, HandsThatNeverAnswerAreWaitedForOnlySoLong) {
  tcp.ask(now, server, true, false);
  pass(TcpReflexive::patience);
  EXPECT_TRUE(tcp.settled());
  EXPECT_EQ(count<ConnectTcp>(), 0u);
}

TEST_F(ReachTcpReflexive, AServerThatDoesNotAcceptIsGivenUp) {
  tcp.ask(now, server, true, false);
  poll();
  tcp.handle_listening(now, any4.with_port(5000));
  TcpId id = poll_for<ConnectTcp>().at(0).id;
  EXPECT_TRUE(tcp.handle_closed(now, id));
  EXPECT_TRUE(tcp.settled());
  EXPECT_FALSE(tcp.handle_closed(now, id)) << "no longer ours";
  EXPECT_FALSE(tcp.handle_connected(now, id));
  tcp.ask(now, server, true, false);
  auto connects = poll_for<ConnectTcp>();
  ASSERT_EQ(connects.size(), 1u);
  EXPECT_NE(connects[0].id, id);
}

TEST_F(ReachTcpReflexive, AServerThatSaysNothingIsGivenUp) {
  TcpId id = ask();
  pass(TcpReflexive::patience);
  EXPECT_TRUE(tcp.settled());
  EXPECT_FALSE(tcp.mapped());
  ASSERT_EQ(count<CloseTcp>(), 1u);
  EXPECT_FALSE(tcp.owns(id));
  EXPECT_EQ(count<Transmit>(), static_cast<size_t>(stun::Transaction::tries) - 1);
  pass(1min);
  EXPECT_EQ(count<CloseTcp>(), 1u);
}

TEST_F(ReachTcpReflexive, WithoutTheConnectionNothingIsKnown) {
  TcpId id = ask();
  answer(id);
  EXPECT_TRUE(tcp.handle_closed(now, id));
  EXPECT_FALSE(tcp.mapped()) << "the next mapping may be another";
  EXPECT_EQ(tcp.port(false), 5000) << "the port still listens";
  pass(1min);
  EXPECT_EQ(count<CloseTcp>(), 0u) << "it is closed";
}

TEST_F(ReachTcpReflexive, AChangeOfTheNetworkForgetsTheAddressAndKeepsThePort) {
  TcpId id = ask();
  answer(id);
  tcp.reset();
  auto actions = poll();
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(std::get<CloseTcp>(actions[0]).id, id);
  EXPECT_FALSE(tcp.mapped());
  EXPECT_EQ(tcp.port(false), 5000);
  EXPECT_TRUE(tcp.settled());
  pass(1min);
  EXPECT_EQ(count<StopListening>(), 1u) << "not even a reset leaves it open";
}

TEST_F(ReachTcpReflexive, ByIpv6IfThatIsTheServersFamily) {
  tcp.ask(now, server6, true, true);
  poll();
  tcp.handle_listening(now, any4.with_port(5000));
  EXPECT_TRUE(poll().empty());
  tcp.handle_listening(now, any6.with_port(5006));
  auto connects = poll_for<ConnectTcp>();
  ASSERT_EQ(connects.size(), 1u);
  EXPECT_EQ(connects[0].from_port, 5006);
}

}  // namespace
}  // namespace ginnel::reach
