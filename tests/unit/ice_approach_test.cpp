// How an agent begins: openers that do not reach the other side, checks that wait for its word, several sockets, TCP
// connections; and when a path that answers may carry data.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "core/ice/agent.hpp"
#include "core/stun/credentials.hpp"
#include "tests/support/ice_pair.hpp"

namespace ginnel::test {
namespace {

using ice::Agent;
using ice::Approach;
using ice::PairDown;
using ice::PairGivenUp;
using ice::PairResized;
using ice::PairUp;
using wire::CandidateType;

const Carrier a_end = IcePair::udp(1), b_end = IcePair::udp(2);
const Approach opening{0, true, 3, 300ms};

class IceApproach : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_FALSE(pair.stuck) << "a deadline in the past"; }
  static wire::Candidate candidate(CandidateType type, const char* address) {
    return {type, 1, Address::parse(address).value()};
  }
  static Carrier way(const char* address) { return Carrier::udp(Address::parse(address).value()); }
  wire::Candidates of_b(std::vector<wire::Candidate> candidates) {
    wire::Candidates out = IcePair::candidates_of(pair.b, {});
    out.candidates = std::move(candidates);
    return out;
  }
  /// A hears of B behind a NAT, at b_end.
  void tell_a(const Approach& approach = opening, CandidateType type = CandidateType::server_reflexive) {
    pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, {b_end}, type), approach);
  }
  void tell_b(const Approach& approach = {}, CandidateType type = CandidateType::server_reflexive) {
    pair.b.agent.set_remote(pair.now, IcePair::candidates_of(pair.a, {a_end}, type), approach);
  }
  IcePair pair;
};

// ---- openers

TEST_F(IceApproach, OneOpenerForEachCandidateBehindANatOfIpv4AndNoneForOthers) {
  auto all = of_b({candidate(CandidateType::server_reflexive, "198.51.100.1:1000"),
                   candidate(CandidateType::server_reflexive, "198.51.100.2:1000"),
                   candidate(CandidateType::host, "10.0.0.2:1000"),
                   candidate(CandidateType::host, "198.51.100.3:1000"),
                   candidate(CandidateType::mapped, "198.51.100.4:1000"),
                   candidate(CandidateType::forwarded, "198.51.100.5:1000"),
                   candidate(CandidateType::server_reflexive, "[2001:db8::1]:1000"),
                   candidate(CandidateType::host, "[2001:db8::2]:1000")});
  Instant begin = pair.now;
  pair.a.agent.set_remote(pair.now, all, opening);
  pair.run(1min);
  ASSERT_EQ(pair.a.openers.size(), 2u);
  EXPECT_EQ(pair.a.openers_to(way("198.51.100.1:1000")), 1u);
  EXPECT_EQ(pair.a.openers_to(way("198.51.100.2:1000")), 1u);
  for (auto& opener : pair.a.openers) {
    EXPECT_EQ(opener.hops, 3);
    EXPECT_EQ(opener.when, begin) << "at once: the other side waits for our word";
    EXPECT_EQ(pair.a.first_check(opener.to), begin + 300ms) << "a full check only after the hold";
  }
  EXPECT_LE(*pair.a.first_check(way("10.0.0.2:1000")), begin + 8 * Agent::pace) << "the others wait for nobody";
}

TEST_F(IceApproach, WhoIsToldThatTheOtherSideOpenedOpensNothing) {
  tell_a({});
  pair.run(1min);
  EXPECT_TRUE(pair.a.openers.empty());
  EXPECT_GT(pair.a.checks_to(b_end), 0u);
}

TEST_F(IceApproach, TheOthersWordEndsTheHold) {
  tell_a();
  Instant begin = pair.now;
  pair.run(100ms);
  EXPECT_TRUE(pair.a.checks.empty());
  pair.a.agent.release(pair.now);
  pair.run(30ms);
  EXPECT_EQ(pair.a.first_check(b_end), begin + 100ms);
  pair.a.agent.release(pair.now);
  pair.run(1ms);
  EXPECT_EQ(pair.a.checks_to(b_end), 1u) << "said twice it makes no second check";
}

TEST_F(IceApproach, ACheckOfTheOtherSideEndsTheHold) {
  pair.ways.push_back({.at_a = b_end, .at_b = a_end});
  tell_a({0, true, 2, 2s});
  tell_b();
  Instant begin = pair.now;
  pair.run(500ms);
  EXPECT_EQ(pair.a.first_check(b_end), begin + 10ms) << "it came through: our NAT is open, and so is theirs";
  EXPECT_TRUE(pair.a.alive(b_end) && pair.b.alive(a_end));
  EXPECT_EQ(pair.a.first<PairUp>(), begin + 30ms);
  EXPECT_EQ(pair.a.openers.size(), 1u);
}

TEST_F(IceApproach, ACheckThatComesBeforeTheOpenerLeftMakesItNeedless) {
  tell_a();
  std::vector<uint8_t> room(2000);
  std::array<uint8_t, 300> made;
  wire::StunWriter out(made, wire::StunClass::request, wire::stun_binding, {1});
  out.username(pair.a.agent.ufrag() + ":" + pair.b.agent.ufrag());
  out.ice_controlled(1);
  Bytes check = stun::sign(out, pair.a.agent.password());
  pair.a.agent.handle_stun(pair.now, b_end, check, *wire::parse_stun(check));
  size_t requests = 0;
  while (auto packet = pair.a.agent.poll_check(pair.now, room)) {
    EXPECT_EQ(packet->hops, 0) << "everything goes all the way now";
    requests += wire::parse_stun(packet->bytes)->cls == wire::StunClass::request;
  }
  EXPECT_EQ(requests, 1u);
}

TEST_F(IceApproach, LookingAtEverythingAgainDoesNotEndTheHold) {
  tell_a();
  Instant begin = pair.now;
  pair.run(50ms);
  pair.a.agent.recheck(pair.now);  // the network changed, or somebody wants all paths measured
  pair.run(200ms);
  EXPECT_TRUE(pair.a.checks.empty());
  pair.run(1s);
  EXPECT_EQ(pair.a.first_check(b_end), begin + 300ms);
}

TEST_F(IceApproach, CandidatesThatAreRepeatedAreOpenedOnce) {
  for (int i = 0; i < 50; ++i) {
    tell_a();
    pair.run(100ms);
  }
  EXPECT_EQ(pair.a.openers.size(), 1u);
  EXPECT_GE(pair.a.checks_to(b_end), 4u) << "nor do they keep it from being checked";
}

TEST_F(IceApproach, ADeadWayIsOpenedAgainWhenItIsToldAnew) {
  tell_a();
  pair.run(15s);
  ASSERT_EQ(pair.a.agent.find(b_end)->state, ice::Pair::State::dead);
  Instant again = pair.now;
  tell_a({0, true, 4, 200ms});
  pair.run(1s);
  ASSERT_EQ(pair.a.openers.size(), 2u);
  EXPECT_EQ(pair.a.openers[1].hops, 4);
  EXPECT_EQ(pair.a.first_check(b_end, again), again + 200ms);
}

TEST_F(IceApproach, ALivingWayIsNeitherOpenedNorHeld) {
  pair.ways.push_back({.at_a = b_end, .at_b = a_end});
  pair.introduce();
  pair.run(2s);
  Instant told = pair.now;
  tell_a();
  pair.a.agent.recheck(pair.now);
  pair.run(100ms);
  EXPECT_TRUE(pair.a.openers.empty());
  EXPECT_EQ(pair.a.first_check(b_end, told), told);
}

TEST_F(IceApproach, NoAnswerIsExpectedToAnOpenerNorBelieved) {
  tell_a();
  std::vector<uint8_t> room(2000);
  auto opener = pair.a.agent.poll_check(pair.now, room);
  ASSERT_TRUE(opener);
  ASSERT_EQ(opener->hops, 3);
  auto id = wire::parse_stun(opener->bytes)->id;
  std::array<uint8_t, 300> made;
  wire::StunWriter out(made, wire::StunClass::success, wire::stun_binding, id);
  out.xor_mapped_address(Address::v4(198, 51, 100, 9, 9));
  Bytes answer = stun::sign(out, pair.b.agent.password());
  pair.a.agent.handle_stun(pair.now, b_end, answer, *wire::parse_stun(answer));
  EXPECT_FALSE(pair.a.agent.poll_event());
  EXPECT_TRUE(pair.a.agent.find(b_end)->outstanding.empty());
}

TEST_F(IceApproach, APeerOfManyAddressesCausesAsManyOpenersAndNoMore) {
  std::vector<Carrier> many;
  for (uint8_t net = 0; net < 20; ++net) {
    many.clear();
    for (uint8_t i = 0; i < 32; ++i) many.push_back(Carrier::udp(Address::v4(198, 51, net, i + 1, 5000)));
    pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, many, CandidateType::server_reflexive), opening);
  }
  pair.run(1ms);
  EXPECT_EQ(pair.a.openers.size(), Agent::pairs_max);
  pair.run(1min);
  EXPECT_EQ(pair.a.openers.size(), Agent::pairs_max);
}

TEST_F(IceApproach, ACheckFromAForbiddenAddressIsNeitherAnsweredNorAsked) {
  Agent& agent = pair.a.agent;
  agent.set_remote(pair.now, of_b({}));
  std::array<uint8_t, 300> made;
  auto give = [&](const char* from) {
    wire::StunWriter out(made, wire::StunClass::request, wire::stun_binding, {1});
    out.username(agent.ufrag() + ":" + pair.b.agent.ufrag());
    out.ice_controlled(1);
    Bytes check = stun::sign(out, agent.password());
    agent.handle_stun(pair.now, way(from), check, *wire::parse_stun(check));
  };
  for (const char* from : {"127.0.0.1:53", "0.0.0.0:53", "224.0.0.251:5353", "255.255.255.255:53", "192.0.2.1:0", "240.0.0.1:1",
                           "[::1]:53", "[ff02::fb]:5353", "[64:ff9b::c000:201]:53"})
    give(from);
  pair.run(1min);
  EXPECT_TRUE(agent.pairs().empty());
  EXPECT_TRUE(pair.a.checks.empty());
  agent.allow_loopback(true);
  give("127.0.0.1:53");
  give("127.0.0.1:0");
  EXPECT_EQ(agent.pairs().size(), 1u);
}

// ---- several sockets

TEST_F(IceApproach, AnotherSocketIsAnotherWayToTheSameAddress) {
  Carrier fresh = Carrier::udp(b_end.remote, 7);
  pair.ways.push_back({.at_a = fresh, .at_b = IcePair::udp(1, 6000)});
  tell_a({});
  tell_a({.socket = 7});
  tell_b();
  pair.run(2s);
  EXPECT_EQ(pair.a.agent.pairs().size(), 2u);
  EXPECT_TRUE(pair.a.alive(fresh));
  EXPECT_FALSE(pair.a.alive(b_end)) << "an answer counts on the socket that asked";
  EXPECT_GT(pair.a.checks_to(b_end), 0u);
}

TEST_F(IceApproach, AClosedSocketTakesItsWaysWithItAndNoOthers) {
  Carrier fresh = Carrier::udp(b_end.remote, 7);
  pair.ways.push_back({.at_a = fresh, .at_b = IcePair::udp(1, 6000)});
  pair.ways.push_back({.at_a = b_end, .at_b = a_end});
  tell_a({});
  tell_a({.socket = 7});
  tell_b();
  pair.a.agent.add_tcp(pair.now, Carrier::tcp(7, b_end.remote), CandidateType::host);  // a number of another kind
  pair.run(2s);
  ASSERT_TRUE(pair.a.alive(fresh) && pair.a.alive(b_end));
  Instant closed = pair.now;
  pair.a.agent.remove_socket(7);
  pair.run(1s);
  EXPECT_FALSE(pair.a.agent.find(fresh));
  EXPECT_TRUE(pair.a.alive(b_end));
  EXPECT_TRUE(pair.a.agent.find(Carrier::tcp(7, b_end.remote)));
  EXPECT_EQ(pair.a.count<PairDown>(closed), 1u);
  EXPECT_EQ(pair.a.checks_to(fresh, closed), 0u);
}

// ---- TCP

const Carrier tcp_a = Carrier::tcp(3, b_end.remote), tcp_b = Carrier::tcp(1u << 31, a_end.remote);

TEST_F(IceApproach, ATcpConnectionIsCheckedAndMayCarryTheLargestPacketsAtOnce) {
  pair.ways.push_back({.at_a = tcp_a, .at_b = tcp_b});
  EXPECT_TRUE(pair.a.agent.add_tcp(pair.now, tcp_a, CandidateType::server_reflexive));
  EXPECT_TRUE(pair.b.agent.add_tcp(pair.now, tcp_b, CandidateType::peer_reflexive));
  pair.run(1s);
  EXPECT_TRUE(pair.a.checks.empty()) << "not before the other side is known";
  Instant begin = pair.now;
  pair.introduce();
  pair.run(2s);
  EXPECT_EQ(pair.a.first<PairUp>(begin), begin + 20ms);
  const ice::Pair* up = pair.a.agent.find(tcp_a);
  ASSERT_TRUE(up && up->usable());
  EXPECT_EQ(up->packet_size, ice::packet_sizes.back());
  EXPECT_EQ(pair.a.count<PairResized>(), 0u);
}

TEST_F(IceApproach, NoSizeIsSearchedOnAStreamNorAreItsChecksPadded) {
  pair.ways.push_back({.at_a = tcp_a, .at_b = tcp_b});
  pair.introduce();
  pair.a.agent.add_tcp(pair.now, tcp_a, CandidateType::host);
  pair.b.agent.add_tcp(pair.now, tcp_b, CandidateType::host);
  pair.run(1s);
  pair.a.agent.set_use(pair.now, tcp_a, true);
  pair.run(10s);
  ASSERT_GT(pair.a.check_sizes.size(), 20u);
  auto largest = std::max_element(pair.a.check_sizes.begin(), pair.a.check_sizes.end());
  EXPECT_LT(*largest, 200u) << "what is padded takes the place of data";
}

TEST_F(IceApproach, AConnectionThatNeverAnswersIsGivenUpOnce) {
  pair.introduce();
  Instant begin = pair.now;
  pair.a.agent.add_tcp(pair.now, tcp_a, CandidateType::host);
  ASSERT_TRUE(pair.run_until([&] { return pair.a.count<PairGivenUp>() > 0; }, 1min));
  Duration patience = *pair.a.first<PairGivenUp>() - begin;
  EXPECT_GE(patience, 6s);
  EXPECT_LE(patience, 15s);
  EXPECT_EQ(pair.a.count<PairUp>() + pair.a.count<PairDown>(), 0u);
  Instant removed = pair.now;
  pair.a.agent.remove(tcp_a);  // whoever hears it closes the connection
  pair.a.agent.remove(tcp_a);
  pair.run(1min);
  EXPECT_FALSE(pair.a.agent.find(tcp_a));
  EXPECT_EQ(pair.a.checks_to(tcp_a, removed), 0u);
  EXPECT_FALSE(pair.a.agent.next_deadline());
}

TEST_F(IceApproach, AConnectionThatStopsAnsweringIsLeftAndThenGivenUp) {
  pair.ways.push_back({.at_a = tcp_a, .at_b = tcp_b});
  pair.introduce();
  pair.a.agent.add_tcp(pair.now, tcp_a, CandidateType::host);
  pair.b.agent.add_tcp(pair.now, tcp_b, CandidateType::host);
  pair.run(1s);
  pair.a.agent.set_use(pair.now, tcp_a, true);
  pair.run(5s);
  Instant cut = pair.now;
  pair.lose = [](auto&) { return true; };
  pair.run(30s);
  EXPECT_EQ(pair.a.count<PairDown>(cut), 1u);
  EXPECT_LE(*pair.a.first<PairDown>(cut) - cut, 1500ms);
  EXPECT_EQ(pair.a.count<PairGivenUp>(cut), 1u);
}

TEST_F(IceApproach, AConnectionThatEndedIsRemovedWithAWord) {
  pair.ways.push_back({.at_a = tcp_a, .at_b = tcp_b});
  pair.introduce();
  pair.a.agent.add_tcp(pair.now, tcp_a, CandidateType::host);
  pair.b.agent.add_tcp(pair.now, tcp_b, CandidateType::host);
  pair.run(1s);
  pair.a.agent.remove(tcp_a);
  pair.run(1s);
  EXPECT_EQ(pair.a.count<PairDown>(), 1u);
  EXPECT_EQ(pair.a.count<PairGivenUp>(), 0u) << "there is nothing left to close";
}

TEST_F(IceApproach, AConnectionForWhichThereIsNoRoomIsToldSo) {
  for (uint8_t net = 0; net < 3; ++net) {
    std::vector<Carrier> many;
    for (uint8_t i = 0; i < 32; ++i) many.push_back(Carrier::udp(Address::v4(198, 51, net, i + 1, 5000)));
    pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, many));
  }
  EXPECT_FALSE(pair.a.agent.add_tcp(pair.now, tcp_a, CandidateType::host));
  pair.run(15s);  // nobody was there: the dead make room
  EXPECT_TRUE(pair.a.agent.add_tcp(pair.now, tcp_a, CandidateType::host));
  EXPECT_TRUE(pair.a.agent.add_tcp(pair.now, tcp_a, CandidateType::host)) << "it is there";
  EXPECT_EQ(pair.a.agent.pairs().size(), Agent::pairs_max);
}

// ---- may it carry data?

TEST_F(IceApproach, AWayIsNotUsableBefore1200BytesPassed) {
  pair.ways.push_back({.at_a = b_end, .at_b = a_end});
  pair.introduce();
  Instant usable{};
  pair.run_until([&] {
    const ice::Pair* p = pair.a.agent.find(b_end);
    EXPECT_EQ(p->usable(), p->state == ice::Pair::State::alive && p->packet_size >= 1200);
    if (p->usable()) usable = pair.now;
    return p->usable();
  }, 1s);
  ASSERT_TRUE(pair.a.first<PairUp>());
  EXPECT_GT(usable, *pair.a.first<PairUp>()) << "the first answer was to a small check";
  EXPECT_LE(usable - *pair.a.first<PairUp>(), 20ms) << "one more round trip";
  EXPECT_GE(pair.a.count<PairResized>(), 1u);
}

TEST_F(IceApproach, AWayThatAnswersSmallChecksOnlyIsNeverUsableAndIsLookedAtAgain) {
  pair.ways.push_back({.at_a = b_end, .at_b = a_end, .largest = ice::packet_size_min - 1});
  pair.introduce();
  pair.run(5min);
  const ice::Pair* p = pair.a.agent.find(b_end);
  ASSERT_EQ(p->state, ice::Pair::State::alive);
  EXPECT_FALSE(p->usable());
  EXPECT_EQ(p->packet_size, 0u);
  EXPECT_EQ(pair.a.count<PairDown>(), 0u);
  pair.a.check_sizes.clear();
  pair.run(1min);
  size_t bytes = 0;
  for (size_t size : pair.a.check_sizes) bytes += size;
  std::cout << bytes << " bytes in a minute to see whether a bad way has become a good one\n";
  EXPECT_LE(bytes, 60'000u);
  Instant better = pair.now;
  pair.ways[0].largest = 1452;
  ASSERT_TRUE(pair.run_until([&] { return pair.a.agent.find(b_end)->usable(); }, 10s));
  EXPECT_LE(pair.now - better, 3s);
  pair.run(10s);
  EXPECT_EQ(pair.a.agent.find(b_end)->packet_size, 1452u) << "and the rest is found as ever";
}

TEST_F(IceApproach, AWayThatDiedProvesItselfAnew) {
  pair.ways.push_back({.at_a = b_end, .at_b = a_end});
  pair.introduce();
  pair.run(5s);
  pair.lose = [](auto&) { return true; };
  pair.run(2min);
  pair.ways[0].largest = 1000;
  pair.lose = {};
  ASSERT_TRUE(pair.run_until([&] { return pair.a.alive(b_end); }, 1min));
  pair.run(5s);
  EXPECT_FALSE(pair.a.agent.find(b_end)->usable()) << "what it carried before says nothing";
}

TEST_F(IceApproach, TheShareOfLostChecksIsFollowed) {
  pair.ways.push_back({.at_a = b_end, .at_b = a_end, .loss_percent = 10});
  pair.introduce();
  ASSERT_TRUE(pair.run_until([&] { return pair.a.alive(b_end); }, 5s));
  pair.a.agent.set_use(pair.now, b_end, true);
  double sum = 0;
  for (int i = 0; i < 240; ++i) {
    pair.run(1s);
    double loss = pair.a.agent.find(b_end)->loss;
    ASSERT_GE(loss, 0.0);
    ASSERT_LE(loss, 1.0);
    sum += loss;
  }
  double mean = sum / 240;  // a check is lost one way or the other: 19 %
  std::cout << "at 19 % the estimate was " << mean << " in the mean\n";
  EXPECT_GT(mean, 0.1);
  EXPECT_LT(mean, 0.25);
  pair.ways[0].loss_percent = 0;
  pair.run(30s);
  EXPECT_LT(pair.a.agent.find(b_end)->loss, 0.02) << "and it forgets";
}

TEST_F(IceApproach, AnOutageCountsAsOneLossAndADeathForgetsAll) {
  pair.ways.push_back({.at_a = b_end, .at_b = a_end});
  pair.introduce();
  pair.run(5s);
  pair.a.agent.set_use(pair.now, b_end, true);
  pair.run(5s);
  EXPECT_EQ(pair.a.agent.find(b_end)->loss, 0.0);
  pair.lose = [](auto&) { return true; };
  ASSERT_TRUE(pair.run_until([&] { return pair.a.agent.find(b_end)->losses > 1; }, 5s));
  EXPECT_LE(pair.a.agent.find(b_end)->loss, 1.0 / 16 + 1e-9);
  ASSERT_TRUE(pair.run_until([&] { return !pair.a.alive(b_end); }, 5s));
  EXPECT_EQ(pair.a.agent.find(b_end)->loss, 0.0);
  EXPECT_FALSE(pair.a.agent.find(b_end)->min_rtt());
}

}  // namespace
}  // namespace ginnel::test
