// Candidates said and heard, and the rounds that follow: who opens first, when a full check may leave, fresh sockets, TCP.
// The other side is played by the test, which sees every message and every packet in its order.
#include <gtest/gtest.h>

#include "tests/support/node_bench.hpp"

namespace ginnel::test {
namespace {

using wire::Candidate;
using wire::CandidateType;
using wire::Transport;

const Address behind_nat = Address::v4(198, 51, 100, 77, 7000), on_lan = Address::v4(10, 9, 9, 9, 7000);
const Address fresh_address = Address::v4(198, 51, 100, 77, 7100), tcp_address = Address::v4(198, 51, 100, 77, 7200);
const Candidate nat_candidate{CandidateType::server_reflexive, 10, behind_nat};
const Candidate lan_candidate{CandidateType::host, 20, on_lan};
const Candidate fresh_candidate{CandidateType::server_reflexive, 10, fresh_address};
const Candidate tcp_candidate{CandidateType::server_reflexive, 5, tcp_address, Transport::tcp};

class NodeRounds : public ::testing::Test {
 protected:
  explicit NodeRounds(peer::NodeConfig config = {}) : bench(std::move(config)) {}
  void SetUp() override { bench.start(); }
  void TearDown() override {
    for (auto& offence : bench.server.offences) ADD_FAILURE() << offence;
  }
  /// The peer dials; it is admitted before it says any addresses.
  Puppet& dialled() {
    Puppet& p = bench.add_dialler();
    bench.run(100ms);
    EXPECT_EQ(p.welcomes, 1u);
    return p;
  }
  /// The node dials, and is let in; the peer has not told its addresses yet.
  Puppet& dialling() {
    Puppet& p = bench.add_target();
    bench.run(100ms);
    EXPECT_TRUE(bench.peer() && bench.peer()->admitted());
    return p;
  }
  static const Candidate* find(const wire::Candidates& m, CandidateType type, Transport transport = Transport::udp) {
    for (auto& c : m.candidates)
      if (c.type == type && c.transport == transport) return &c;
    return nullptr;
  }
  NodeBench bench;
};

// ---- who opens first

TEST_F(NodeRounds, WhoDialsTellsItsAddressesAndSendsNothingBeforeTheAnswer) {
  Puppet& p = dialling();
  ASSERT_EQ(p.told.size(), 1u);
  const wire::Candidates& first = p.told[0].second;
  EXPECT_EQ(first.generation, 1u);
  EXPECT_EQ(first.opened, 0u);
  EXPECT_FALSE(first.fresh || first.tcp);
  ASSERT_TRUE(find(first, CandidateType::server_reflexive));
  EXPECT_EQ(find(first, CandidateType::server_reflexive)->address, bench.server.outside.with_port(61'000));
  bench.run(500ms);
  EXPECT_TRUE(bench.direct.empty());
}

TEST_F(NodeRounds, WhoIsToldThatTheOtherSideIsOpenChecksAtOnceAndOpensNothing) {
  Puppet& p = dialling();
  Instant told = bench.now;
  p.say(p.candidates(1, 1, {nat_candidate, lan_candidate}));
  bench.run(50ms);
  ASSERT_TRUE(bench.first_check(behind_nat));
  EXPECT_LE(*bench.first_check(behind_nat), told + 2 * ice::Agent::pace);
  EXPECT_TRUE(bench.openers().empty());
  EXPECT_EQ(p.told.size(), 1u) << "nothing new to say";
}

TEST_F(NodeRounds, WhoIsAskedOpensItsNatFirstThenSaysSo) {
  Puppet& p = dialled();
  ASSERT_EQ(p.told.size(), 1u) << "its own addresses came with the welcome";
  ASSERT_EQ(p.told[0].second.opened, 0u);
  Instant told = bench.now;
  p.say(p.candidates(1, 0, {nat_candidate, lan_candidate}));
  bench.run(20ms);
  auto openers = bench.openers();
  ASSERT_EQ(openers.size(), 1u) << "one, and none to the network without a NAT";
  EXPECT_EQ(openers[0]->to, behind_nat);
  EXPECT_EQ(openers[0]->hops, 2);
  EXPECT_EQ(openers[0]->socket, 0u);
  ASSERT_EQ(p.told.size(), 2u);
  EXPECT_EQ(p.told[1].second.opened, 1u);
  EXPECT_EQ(p.told[1].second.generation, 1u) << "of its own nothing changed";
  EXPECT_LE(openers[0]->when, p.told[1].first) << "said when done";
  EXPECT_TRUE(bench.first_check(on_lan, told)) << "what has no NAT waits for nobody";
  EXPECT_FALSE(bench.first_check(behind_nat));
}

TEST_F(NodeRounds, NoFullCheckLeavesBeforeTheHoldIsOver) {
  Puppet& p = dialled();
  Instant told = bench.now;
  p.say(p.candidates(1, 0, {nat_candidate}));
  bench.run(149ms);
  EXPECT_FALSE(bench.first_check(behind_nat));
  bench.run(2s);
  ASSERT_TRUE(bench.first_check(behind_nat)) << "the other side may have no NAT to open";
  EXPECT_GE(*bench.first_check(behind_nat), told + 150ms);
  EXPECT_EQ(bench.openers().size(), 1u);
}

TEST_F(NodeRounds, ACheckOfTheOtherSideEndsTheHold) {
  Puppet& p = dialled();
  p.say(p.candidates(1, 0, {nat_candidate}));
  bench.run(20ms);
  Octets check = p.check();
  Instant came = bench.now;
  bench.server.give(bench.now, Datagrams{behind_nat, check, check.size()});
  bench.run(5ms);
  EXPECT_EQ(bench.first_check(behind_nat), came);
}

TEST_F(NodeRounds, AnAddressThatBecomesKnownWhileAnotherIsHeldDoesNotEndTheHold) {
  Puppet& p = dialled();
  p.say(p.candidates(1, 0, {nat_candidate}));
  bench.run(20ms);
  ASSERT_EQ(bench.openers().size(), 1u);
  bench.node.set_arranged(bench.now, {{CandidateType::forwarded, Transport::udp, bench.server.outside.with_port(9)}});
  bench.run(80ms);
  EXPECT_FALSE(bench.first_check(behind_nat)) << "their NAT is still shut";
  ASSERT_EQ(p.told.size(), 3u);
  EXPECT_EQ(p.told[2].second.generation, 2u);
}

TEST_F(NodeRounds, TheAnswerToAGenerationThatWasOvertakenIsAQuestion) {
  Puppet& p = dialling();
  bench.node.set_arranged(bench.now, {{CandidateType::forwarded, Transport::udp, bench.server.outside.with_port(9)}});
  bench.run(20ms);
  ASSERT_EQ(p.told.back().second.generation, 2u);
  p.say(p.candidates(1, 1, {nat_candidate}));  // it answers what we said before
  bench.run(20ms);
  EXPECT_EQ(bench.openers().size(), 1u) << "they have not opened for what we are now";
  EXPECT_EQ(p.told.back().second.opened, 1u);
  EXPECT_FALSE(bench.first_check(behind_nat));
  Instant answered = bench.now;
  p.say(p.candidates(1, 2, {nat_candidate}));
  bench.run(5ms);
  EXPECT_EQ(bench.first_check(behind_nat), answered);
}

TEST_F(NodeRounds, BothChangeAtOnceAndAgreeAfterOneAnswerEach) {
  Puppet& p = dialling();
  p.say(p.candidates(1, 1, {lan_candidate}));
  bench.run(50ms);
  bench.direct.clear();
  bench.node.set_arranged(bench.now, {{CandidateType::forwarded, Transport::udp, bench.server.outside.with_port(9)}});
  p.say(p.candidates(2, 0, {nat_candidate}));  // it changed before it heard of our change
  size_t before = p.told.size();
  bench.run(20ms);
  ASSERT_EQ(p.told.size(), before + 2);
  EXPECT_EQ(p.told[before].second.generation, 2u);
  EXPECT_EQ(p.told[before].second.opened, 0u);
  EXPECT_EQ(p.told[before + 1].second.generation, 2u) << "an answer is no new generation: this ends";
  EXPECT_EQ(p.told[before + 1].second.opened, 2u);
  EXPECT_EQ(bench.openers().size(), 1u);
  p.say(p.candidates(2, 2, {nat_candidate}));
  bench.run(20ms);
  EXPECT_TRUE(bench.first_check(behind_nat));
  EXPECT_EQ(p.told.size(), before + 2);
}

TEST_F(NodeRounds, TheOtherSideMayChangeAtAnyTime) {
  Puppet& p = dialled();
  p.say(p.candidates(1, 1, {lan_candidate}));
  bench.run(1s);
  size_t before = p.told.size();
  p.say(p.candidates(2, 0, {lan_candidate, nat_candidate}));
  bench.run(20ms);
  ASSERT_EQ(p.told.size(), before + 1);
  EXPECT_EQ(p.told.back().second.opened, 2u);
  EXPECT_EQ(bench.openers().size(), 1u);
}

TEST_F(NodeRounds, AChangeOfOurNetworkIsToldAndOpensNothingYet) {
  Puppet& p = dialled();
  p.say(p.candidates(1, 1, {nat_candidate}));
  bench.run(1s);
  size_t before = p.told.size();
  bench.direct.clear();
  bench.server.give(bench.now, Interfaces{{Address::v4(10, 77, 0, 5, 0)}});
  bench.run(20ms);
  ASSERT_GE(p.told.size(), before + 1);
  EXPECT_EQ(p.told[before].second.generation, 2u);
  EXPECT_EQ(p.told[before].second.opened, 0u) << "our NAT may be another one";
  EXPECT_EQ(find(p.told[before].second, CandidateType::host)->address, Address::v4(10, 77, 0, 5, 40'000));
  EXPECT_TRUE(bench.openers().empty());
}

TEST_F(NodeRounds, WhatIsSaidTwiceIsDoneOnce) {
  Puppet& p = dialling();
  p.say(p.candidates(1, 1, {nat_candidate}));
  bench.run(3500ms);  // a round with TCP and a fresh socket begins meanwhile
  auto last = p.told.back().second;
  auto answer = p.candidates(2, last.generation, {fresh_candidate, tcp_candidate});
  answer.fresh = answer.tcp = true;
  p.say(answer);
  bench.run(20ms);
  size_t dials = bench.dials_to(tcp_address).size();
  EXPECT_EQ(dials, 1u);
  for (int i = 0; i < 20; ++i) {
    p.say(answer);
    bench.run(5ms);
  }
  EXPECT_EQ(bench.dials_to(tcp_address).size(), dials);
}

// ---- rounds

TEST_F(NodeRounds, TcpIsTriedAfterASecondInThisOrder) {
  Puppet& p = dialling();
  p.say(p.candidates(1, 1, {nat_candidate}));
  bench.run(20ms);
  Instant begin = bench.now;
  ASSERT_EQ(bench.server.listening[0], 0) << "no port is open before it is needed";
  bench.run(1100ms);
  EXPECT_EQ(bench.server.listening[0], 45'000);
  auto to_server = bench.dials_to(bench.server.address);
  ASSERT_EQ(to_server.size(), 1u);
  EXPECT_EQ(bench.server.dials[0].second.from_port, 45'000) << "from the port that listens";
  ASSERT_EQ(p.told.size(), 2u);
  const wire::Candidates& round = p.told[1].second;
  EXPECT_LE(p.told[1].first - begin, 1100ms);
  EXPECT_EQ(round.generation, 2u);
  EXPECT_EQ(round.opened, 0u) << "it asks; the other side opens first";
  EXPECT_TRUE(round.tcp);
  EXPECT_FALSE(round.fresh);
  ASSERT_TRUE(find(round, CandidateType::server_reflexive, Transport::tcp));
  EXPECT_EQ(find(round, CandidateType::server_reflexive, Transport::tcp)->address, bench.server.outside.with_port(45'000));
  ASSERT_TRUE(find(round, CandidateType::host, Transport::tcp));
  EXPECT_EQ(bench.peer_tcp(), 0u) << "nobody is dialled before the other side is ready";

  Instant answered = bench.now;
  auto answer = p.candidates(2, 2, {nat_candidate, tcp_candidate});
  answer.tcp = true;
  p.say(answer);
  bench.run(10ms);
  ASSERT_EQ(bench.dials_to(tcp_address).size(), 1u);
  EXPECT_EQ(bench.server.dials.back().first, answered) << "at once: the other side waits half a round trip for us";
  EXPECT_EQ(bench.server.dials.back().second.from_port, 45'000);
}

TEST_F(NodeRounds, AFreshSocketIsTriedAfterThreeSeconds) {
  Puppet& p = dialling();
  p.say(p.candidates(1, 1, {nat_candidate}));
  bench.run(20ms);
  bench.run(3100ms);
  EXPECT_EQ(bench.server.sockets_opened, 1u);
  ASSERT_EQ(bench.server.udp.size(), 1u);
  SocketId socket = *bench.server.udp.begin();
  const wire::Candidates& round = p.told.back().second;
  EXPECT_TRUE(round.fresh && round.tcp);
  EXPECT_EQ(round.opened, 0u);
  ASSERT_TRUE(find(round, CandidateType::server_reflexive));
  EXPECT_EQ(find(round, CandidateType::server_reflexive)->address,
            bench.server.outside.with_port(static_cast<uint16_t>(50'000 + socket)));
  Instant answered = bench.now;
  auto answer = p.candidates(2, round.generation, {fresh_candidate});
  answer.fresh = true;
  p.say(answer);
  bench.run(100ms);
  EXPECT_GE(bench.checks_to(fresh_address, answered, socket), 1u);
  EXPECT_EQ(bench.checks_to(fresh_address, answered, 0), 0u) << "not from the old one, whose mapping may be bad";
  EXPECT_TRUE(bench.openers(answered).empty());
  // The answer to such a check makes the way: on that socket.
  bench.reachable.insert(fresh_address);
  bench.run(2s);
  EXPECT_EQ(bench.techniques().back(), "udp-punch");
  EXPECT_EQ(bench.server.udp, std::set{socket});
}

TEST_F(NodeRounds, WhoIsAskedForARoundGetsItsMeansThenOpensThenAnswers) {
  Puppet& p = dialled();
  p.say(p.candidates(1, 1, {nat_candidate}));
  bench.run(100ms);
  bench.direct.clear();
  size_t before = p.told.size();
  auto ask = p.candidates(2, 0, {fresh_candidate, lan_candidate, tcp_candidate});
  ask.fresh = ask.tcp = true;
  p.say(ask);
  bench.run(30ms);
  ASSERT_EQ(bench.server.udp.size(), 1u);
  SocketId socket = *bench.server.udp.begin();
  auto openers = bench.openers();
  ASSERT_EQ(openers.size(), 1u);
  EXPECT_EQ(openers[0]->to, fresh_address);
  EXPECT_EQ(openers[0]->socket, socket);
  EXPECT_EQ(openers[0]->hops, 4) << "the second try goes further than the first";
  ASSERT_EQ(p.told.size(), before + 1) << "one answer, when everything is known";
  const wire::Candidates& answer = p.told.back().second;
  EXPECT_EQ(answer.opened, 2u);
  EXPECT_EQ(answer.generation, 2u);
  EXPECT_TRUE(answer.fresh && answer.tcp);
  EXPECT_EQ(find(answer, CandidateType::server_reflexive)->address,
            bench.server.outside.with_port(static_cast<uint16_t>(50'000 + socket)));
  EXPECT_TRUE(find(answer, CandidateType::server_reflexive, Transport::tcp));
  EXPECT_EQ(bench.dials_to(tcp_address).size(), 1u);
  EXPECT_EQ(bench.checks_to(fresh_address), 0u);
}

TEST_F(NodeRounds, ASocketThatIsNotToBeHadIsDoneWithout) {
  bench.server.opens = false;
  Puppet& p = dialled();
  size_t before = p.told.size();
  auto ask = p.candidates(1, 0, {fresh_candidate});
  ask.fresh = true;
  p.say(ask);
  bench.run(10ms);
  ASSERT_EQ(bench.server.udp.size(), 1u);
  SocketId socket = *bench.server.udp.begin();
  bench.server.udp.clear();
  bench.server.give(bench.now, UdpOpened{socket, {}});
  bench.run(10ms);
  ASSERT_EQ(p.told.size(), before + 1) << "at once";
  EXPECT_FALSE(p.told.back().second.fresh);
  EXPECT_EQ(p.told.back().second.opened, 1u);
  ASSERT_EQ(bench.openers().size(), 1u);
  EXPECT_EQ(bench.openers()[0]->socket, 0u);
}

TEST_F(NodeRounds, HandsAndServersThatDoNotAnswerAreWaitedForOnlySoLong) {
  for (bool opens : {false, true}) {
    NodeBench b;
    b.start();
    b.server.opens = opens;
    b.server.answers_stun = false;
    Puppet& p = b.add_dialler();
    b.run(100ms);
    size_t before = p.told.size();
    auto ask = p.candidates(1, 0, {fresh_candidate});
    ask.fresh = ask.tcp = true;
    Instant asked = b.now;
    p.say(ask);
    b.run(3s);
    ASSERT_EQ(p.told.size(), before + 1);
    EXPECT_LE(p.told.back().first - asked, 1600ms);
    EXPECT_FALSE(p.told.back().second.fresh);
    EXPECT_EQ(p.told.back().second.tcp, opens) << "with the port alone it can at least dial";
    EXPECT_TRUE(b.server.udp.empty()) << "and the socket is closed";
    EXPECT_TRUE(b.server.offences.empty());
  }
}

TEST_F(NodeRounds, WhatIsWishedIsAskedForInTheSameDrain) {
  bench.admits = false;
  Puppet& p = bench.add_dialler();
  bench.run(50ms);
  auto ask = p.candidates(1, 0, {fresh_candidate});
  ask.fresh = true;
  p.say(ask);
  bench.run(50ms);
  bench.peer()->admit(bench.now);
  Octets room(room_size);
  bool opened = false;
  while (auto action = bench.node.poll_action(bench.now, room)) opened |= std::holds_alternative<OpenUdp>(*action);
  EXPECT_TRUE(opened) << "the hands come back only when something happens";
  bench.server.udp.insert(1);
}

TEST_F(NodeRounds, WhatIsKnownIsGoneOnWithInTheSameDrain) {
  Puppet& p = dialled();
  auto ask = p.candidates(1, 0, {tcp_candidate});
  ask.tcp = true;
  p.say(ask);
  bench.run(100ms);
  ASSERT_TRUE(bench.node.local().tcp.mapped());
  ask = p.candidates(2, 0, {nat_candidate});
  ask.tcp = true;
  p.say(ask);
  p.work(bench.now);
  Octets room(room_size);
  bool opener = false;
  while (auto action = bench.node.poll_action(bench.now, room))
    if (auto* transmit = std::get_if<Transmit>(&*action)) opener |= transmit->hops != 0;
  EXPECT_TRUE(opener) << "there is nothing to wait for";
}

TEST_F(NodeRounds, WhatIsKnownAlreadyIsNotWaitedFor) {
  Puppet& p = dialled();
  auto ask = p.candidates(1, 0, {tcp_candidate});
  ask.tcp = true;
  p.say(ask);
  bench.run(100ms);
  ASSERT_TRUE(bench.node.local().tcp.mapped());
  size_t before = p.told.size();
  ask.generation = 2;
  p.say(ask);
  Instant asked = bench.now;
  bench.run(5ms);
  ASSERT_EQ(p.told.size(), before + 1);
  EXPECT_EQ(p.told.back().first, asked);
}

TEST_F(NodeRounds, FreshSocketsOfFormerRoundsAreClosed) {
  Puppet& p = dialled();
  for (uint32_t round = 1; round <= 6; ++round) {
    auto ask = p.candidates(round, 0, {fresh_candidate});
    ask.fresh = true;
    p.say(ask);
    bench.run(1s);
    EXPECT_LE(bench.server.udp.size(), peer::Peer::fresh_sockets_max);
    EXPECT_EQ(bench.peer()->sockets().size(), bench.server.udp.size());
  }
  EXPECT_EQ(bench.server.sockets_opened, 6u);
}

TEST_F(NodeRounds, TheSocketThatCarriesStaysWhateverRoundsFollow) {
  Puppet& p = dialled();
  auto ask = p.candidates(1, 0, {fresh_candidate});
  ask.fresh = true;
  bench.reachable.insert(fresh_address);
  p.say(ask);
  bench.run(2s);
  ASSERT_EQ(bench.peer()->path().technique, "udp-punch");
  SocketId carrying = *bench.server.udp.begin();
  bench.reachable = {fresh_address};
  for (uint32_t round = 2; round <= 8; ++round) {
    auto again = p.candidates(round, 0, {{CandidateType::server_reflexive, 1, behind_nat}});
    again.fresh = true;
    p.say(again);
    bench.run(1s);
    ASSERT_TRUE(bench.server.udp.contains(carrying)) << round;
  }
  EXPECT_LE(bench.server.udp.size(), peer::Peer::fresh_sockets_max);
  EXPECT_EQ(bench.peer()->path().technique, "udp-punch");
}

TEST_F(NodeRounds, ARoundOfTheirsThatMeetsOneOfOursLosesNeither) {
  Puppet& p = dialling();
  bench.server.answers_stun = false;  // our round waits for a socket
  p.say(p.candidates(1, 1, {nat_candidate}));
  bench.run(1020ms);
  ASSERT_FALSE(bench.server.tcp.empty()) << "TCP is being asked";
  size_t before = p.told.size();
  p.say(p.candidates(2, 0, {nat_candidate, lan_candidate}));  // meanwhile its network changed
  bench.run(20ms);
  ASSERT_EQ(p.told.size(), before + 1) << "it need not wait for our round";
  EXPECT_EQ(p.told.back().second.opened, 2u);
  bench.run(4s);
  ASSERT_GE(p.told.size(), before + 2);
  EXPECT_TRUE(p.told[before + 1].second.tcp) << "and our round is what it was";
}

TEST_F(NodeRounds, WithoutADirectPathRoundsGoOnEverMoreRarely) {
  Puppet& p = dialling();
  p.say(p.candidates(1, 1, {nat_candidate}));
  uint32_t generation = 1;
  for (int i = 0; i < 600; ++i) {  // ten minutes; the other side answers, and nothing gets through
    bench.run(1s);
    auto last = p.told.back().second;
    if (last.opened != 0 || last.generation == generation) continue;
    generation = last.generation;
    auto answer = p.candidates(generation, generation, {fresh_candidate});
    answer.fresh = last.fresh;
    p.say(answer);
  }
  EXPECT_GE(p.told.size(), 6u);
  EXPECT_LE(p.told.size(), 9u);
  EXPECT_LE(bench.server.udp.size(), peer::Peer::fresh_sockets_max);
  EXPECT_EQ(bench.server.listening[0], 0) << "between the rounds no port is open";
}

TEST_F(NodeRounds, WhenADirectPathDiesANewRoundIsSoon) {
  Puppet& p = dialling();
  bench.reachable.insert(behind_nat);
  p.say(p.candidates(1, 1, {nat_candidate}));
  bench.run(5min);
  ASSERT_EQ(bench.techniques().back(), "udp-punch");
  EXPECT_EQ(bench.server.sockets_opened, 0u) << "there was no need";
  bench.reachable.clear();
  bench.run(40s);  // a quiet path is looked at each ten seconds
  EXPECT_EQ(bench.techniques().back(), "relay");
  EXPECT_GE(bench.server.sockets_opened, 1u);
}

class RelayOnlyRounds : public NodeRounds {
 protected:
  static peer::NodeConfig relay_only() {
    peer::NodeConfig config;
    config.relay_only = true;
    return config;
  }
  RelayOnlyRounds() : NodeRounds(relay_only()) {}
};

TEST_F(RelayOnlyRounds, TellsNoAddressAndTriesNone) {
  Puppet& p = dialling();
  p.say(p.candidates(1, 1, {nat_candidate, tcp_candidate, lan_candidate}));
  bench.run(30s);
  ASSERT_FALSE(p.told.empty());
  for (auto& [when, message] : p.told) {
    EXPECT_TRUE(message.candidates.empty());
    EXPECT_FALSE(message.fresh || message.tcp);
  }
  EXPECT_TRUE(bench.direct.empty());
  EXPECT_EQ(bench.server.sockets_opened, 0u);
  EXPECT_EQ(bench.server.listening[0], 0);
  EXPECT_TRUE(bench.server.tcp.empty());
}

TEST_F(RelayOnlyRounds, AnswersARoundWithoutTakingPart) {
  Puppet& p = dialled();
  auto ask = p.candidates(1, 0, {fresh_candidate, tcp_candidate});
  ask.fresh = ask.tcp = true;
  p.say(ask);
  bench.run(5s);
  ASSERT_GE(p.told.size(), 2u);
  EXPECT_FALSE(p.told.back().second.fresh || p.told.back().second.tcp);
  EXPECT_TRUE(bench.direct.empty());
  EXPECT_EQ(bench.server.sockets_opened, 0u);
  EXPECT_EQ(bench.server.listening[0], 0);
}

}  // namespace
}  // namespace ginnel::test
