// Connectivity checks between two agents on virtual ways: what comes up, what dies when, and what is never asked.
#include "core/ice/agent.hpp"

#include <gtest/gtest.h>

#include <iostream>

#include "core/crypto/mac.hpp"
#include "core/stun/credentials.hpp"
#include "tests/support/ice_pair.hpp"

namespace ginnel::test {
namespace {

using ice::Agent;
using ice::PairDown;
using ice::PairResized;
using ice::PairUp;

const Carrier a_end = IcePair::udp(1), b_end = IcePair::udp(2);

struct Check {
  std::string username;
  std::string password;
  bool fingerprint = true;
  bool controlling = true;
  wire::StunClass cls = wire::StunClass::request;
  wire::TransactionId id{7};
};

std::vector<uint8_t> make(const Check& c) {
  std::vector<uint8_t> room(600);
  wire::StunWriter out(room, c.cls, wire::stun_binding, c.id);
  if (!c.username.empty()) out.username(c.username);
  if (c.cls == wire::StunClass::success) out.xor_mapped_address(Address::v4(198, 51, 100, 1, 1));
  out.priority(1);
  c.controlling ? out.ice_controlling(1) : out.ice_controlled(1);
  Bytes whole;
  if (c.fingerprint) {
    whole = stun::sign(out, c.password);
  } else {
    Bytes input = out.integrity_input();
    std::array<uint8_t, 20> mac{};
    if (!c.password.empty()) mac = crypto::hmac_sha1(as_bytes(c.password), input);
    out.integrity(mac);
    whole = out.finish();
  }
  return {whole.begin(), whole.end()};
}

void give(Agent& agent, Instant now, const Carrier& from, const std::vector<uint8_t>& datagram) {
  auto message = wire::parse_stun(datagram);
  ASSERT_TRUE(message);
  agent.handle_stun(now, from, datagram, *message);
}

// Two agents with one direct way.
class IceAgent : public ::testing::Test {
 protected:
  void SetUp() override { pair.ways.push_back({.at_a = b_end, .at_b = a_end}); }
  void TearDown() override { EXPECT_FALSE(pair.stuck) << "a deadline in the past"; }
  void bring_up(Duration settle = 5s) {
    pair.introduce();
    pair.run(settle);
    ASSERT_TRUE(pair.a.alive(b_end) && pair.b.alive(a_end));
  }
  void use_it() {
    pair.data = true;
    pair.a.agent.set_use(pair.now, b_end, true);
    pair.b.agent.set_use(pair.now, a_end, true);
  }
  IcePair pair;
};

TEST_F(IceAgent, APairComesUpAfterOneRoundTrip) {
  Instant begin = pair.now;
  pair.introduce();
  pair.run(1s);
  EXPECT_EQ(pair.a.first<PairUp>(), begin + 20ms);
  EXPECT_EQ(pair.b.first<PairUp>(), begin + 20ms);
  EXPECT_EQ(pair.a.count<PairUp>(), 1u);
  const ice::Pair* way = pair.a.agent.find(b_end);
  EXPECT_EQ(way->min_rtt(), 20ms);
  EXPECT_EQ(way->mapped, a_end.remote) << "our address as the peer sees it";
}

TEST_F(IceAgent, NothingIsSentBeforeTheOtherSideIsKnown) {
  pair.a.agent.set_relay(pair.now, true);
  pair.run(10s);
  EXPECT_EQ(pair.a.agent.checks_sent(), 0u);
  EXPECT_FALSE(pair.a.agent.next_deadline());
}

TEST_F(IceAgent, ACheckThatComesBeforeTheCandidatesIsNotLost) {
  pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, {b_end}));  // B is told later
  pair.run(1s);
  EXPECT_TRUE(pair.a.alive(b_end));
  EXPECT_EQ(pair.b.agent.checks_sent(), 0u);
  Instant told = pair.now;
  pair.b.agent.set_remote(pair.now, IcePair::candidates_of(pair.a, {a_end}));
  pair.run(1s);
  EXPECT_EQ(pair.b.first<PairUp>(), told + 20ms);
}

TEST_F(IceAgent, WaitingPairsAreAskedFiveMillisecondsApartBestFirst) {
  std::vector<Carrier> many;
  for (uint8_t i = 10; i < 30; ++i) many.push_back(IcePair::udp(i));
  Instant begin = pair.now;
  pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, many));
  pair.run(3s);
  std::map<Address, Instant> first;
  for (auto& [when, to] : pair.a.checks) first.emplace(to.remote, when);
  ASSERT_EQ(first.size(), many.size());
  for (size_t i = 0; i < many.size(); ++i) EXPECT_EQ(first.at(many[i].remote), begin + i * Agent::pace) << i;
}

TEST_F(IceAgent, ACheckIsAnsweredByOneOfOurOwnAtOnce) {
  std::vector<Carrier> many;
  for (uint8_t i = 10; i < 40; ++i) many.push_back(IcePair::udp(i));
  many.push_back(a_end);  // its turn would come after 150 ms
  Instant begin = pair.now;
  pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, {b_end}));
  pair.b.agent.set_remote(pair.now, IcePair::candidates_of(pair.a, many));
  pair.run(1s);
  EXPECT_EQ(pair.b.first<PairUp>(), begin + 30ms);
}

TEST_F(IceAgent, AnUnknownSourceBecomesAPeerReflexivePair) {
  pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, {b_end}));
  pair.b.agent.set_remote(pair.now, IcePair::candidates_of(pair.a, {IcePair::udp(77)}));  // a NAT is between
  pair.run(1s);
  ASSERT_TRUE(pair.b.alive(a_end));
  EXPECT_EQ(pair.b.agent.find(a_end)->remote_type, wire::CandidateType::peer_reflexive);
  pair.b.agent.set_remote(pair.now, IcePair::candidates_of(pair.a, {a_end}));
  EXPECT_EQ(pair.b.agent.find(a_end)->remote_type, wire::CandidateType::host) << "the peer's own word counts more";
}

TEST_F(IceAgent, ChecksWithoutTheRightCredentialsAreIgnored) {
  Agent& agent = pair.b.agent;
  agent.set_remote(pair.now, IcePair::candidates_of(pair.a, {}));
  std::string ufrag = agent.ufrag() + ":" + pair.a.agent.ufrag(), password = agent.password();
  std::vector<Check> bad = {
      {.username = ufrag, .password = "wrong"},
      {.username = ufrag, .password = pair.a.agent.password()},
      {.username = "nobody:" + pair.a.agent.ufrag(), .password = password},
      {.username = agent.ufrag() + "x:" + pair.a.agent.ufrag(), .password = password},
      {.username = agent.ufrag(), .password = password},
      {.password = password},
      {.username = ufrag, .password = password, .fingerprint = false},
      {.username = ufrag, .password = "", .fingerprint = false},
      {.username = ufrag, .password = password, .cls = wire::StunClass::indication},
  };
  std::vector<uint8_t> room(2000);
  for (size_t i = 0; i < bad.size(); ++i) {
    give(agent, pair.now, a_end, make(bad[i]));
    EXPECT_FALSE(agent.poll_check(pair.now, room)) << i;
    EXPECT_TRUE(agent.pairs().empty()) << i;
  }
  give(agent, pair.now, a_end, make({.username = ufrag, .password = password}));
  auto answer = agent.poll_check(pair.now, room);
  ASSERT_TRUE(answer);
  EXPECT_EQ(wire::parse_stun(answer->bytes)->cls, wire::StunClass::success);
  EXPECT_EQ(agent.pairs().size(), 1u);
}

TEST_F(IceAgent, AnAnswerCountsOnlyFromWhereItWasAskedAndSigned) {
  Agent& agent = pair.a.agent;
  Carrier elsewhere = IcePair::udp(9);
  agent.set_remote(pair.now, IcePair::candidates_of(pair.b, {b_end, elsewhere}));
  std::vector<uint8_t> room(2000);
  auto check = agent.poll_check(pair.now, room);
  ASSERT_TRUE(check);
  ASSERT_EQ(check->to, b_end);
  wire::TransactionId id = wire::parse_stun(check->bytes)->id;
  Check good{.password = pair.b.agent.password(), .cls = wire::StunClass::success, .id = id};
  Check own_password = good, other_id = good;
  own_password.password = agent.password();
  other_id.id[11] ^= 1;
  give(agent, pair.now, elsewhere, make(good));
  give(agent, pair.now, IcePair::udp(200), make(good));
  give(agent, pair.now, b_end, make(own_password));
  give(agent, pair.now, b_end, make(other_id));
  EXPECT_FALSE(agent.poll_event());
  EXPECT_EQ(agent.pairs().size(), 2u) << "an answer makes no pair";
  give(agent, pair.now, b_end, make(good));
  auto event = agent.poll_event();
  ASSERT_TRUE(event);
  EXPECT_EQ(std::get<PairUp>(*event).carrier, b_end);
}

TEST_F(IceAgent, TwoControllersAreToldSo) {
  Agent& agent = pair.a.agent;  // controlling
  give(agent, pair.now, b_end,
       make({.username = agent.ufrag() + ":x", .password = agent.password(), .controlling = true}));
  std::vector<uint8_t> room(2000);
  auto answer = agent.poll_check(pair.now, room);
  ASSERT_TRUE(answer);
  auto message = wire::parse_stun(answer->bytes);
  EXPECT_EQ(message->cls, wire::StunClass::error);
  EXPECT_EQ(message->error_code, 487);
  EXPECT_TRUE(agent.pairs().empty());
}

TEST_F(IceAgent, ForbiddenCandidatesAreNeverAsked) {
  std::vector<std::string> forbidden = {"127.0.0.1:5000",
                                        "127.9.9.9:5000",
                                        "224.0.0.1:5000",
                                        "255.255.255.255:5000",
                                        "0.0.0.0:5000",
                                        "0.1.2.3:5000",
                                        "240.0.0.1:5000",
                                        "192.0.2.5:0",
                                        "[::]:5000",
                                        "[::1]:5000",
                                        "[ff02::1]:5000",
                                        "[2002:c000:201::1]:5000",
                                        "[64:ff9b::c000:201]:5000",
                                        "[2001:0:1::1]:5000",
                                        "[::192.0.2.1]:5000"};
  std::vector<Carrier> all;
  for (auto& text : forbidden) {
    auto address = Address::parse(text);
    ASSERT_TRUE(address) << text;
    all.push_back(Carrier::udp(*address));
  }
  pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, all));
  pair.run(1min);
  EXPECT_EQ(pair.a.agent.checks_sent(), 0u);
  EXPECT_TRUE(pair.a.agent.pairs().empty());

  pair.a.agent.allow_loopback(true);
  pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, all));
  pair.run(1min);
  EXPECT_GT(pair.a.agent.checks_sent(), 0u);
  for (auto& [when, to] : pair.a.checks) EXPECT_TRUE(to.remote.is_loopback()) << to.remote.to_string();
}

TEST_F(IceAgent, PairsHaveACap) {
  for (uint8_t net = 0; net < 10; ++net) {
    std::vector<Carrier> many;
    for (uint8_t i = 0; i < 32; ++i) many.push_back(Carrier::udp(Address::v4(198, 51, net, i + 1, 5000)));
    pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, many));
  }
  EXPECT_EQ(pair.a.agent.pairs().size(), Agent::pairs_max);
  for (uint8_t i = 0; i < 200; ++i) {  // peer-reflexive ones count as well
    auto check = make({.username = pair.b.agent.ufrag() + ":x", .password = pair.b.agent.password()});
    give(pair.b.agent, pair.now, IcePair::udp(3, 1000 + i), check);
    std::vector<uint8_t> room(2000);
    while (pair.b.agent.poll_check(pair.now, room)) {
    }
  }
  EXPECT_EQ(pair.b.agent.pairs().size(), Agent::pairs_max);
}

TEST_F(IceAgent, APeerThatRoamsForeverIsStillFound) {
  bring_up();
  for (uint8_t place = 1; place < 100; ++place) {  // a new network each two minutes, the old addresses stay behind
    std::vector<Carrier> here = {Carrier::udp(Address::v4(198, 51, 100, place, 5000)),
                                 Carrier::udp(Address::v4(203, 0, 113, place, 5000))};
    pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, here));
    Instant told = pair.now;
    pair.run(2min);
    for (auto& c : here) ASSERT_GT(pair.a.checks_to(c, told), 0u) << "place " << int{place};
  }
  EXPECT_TRUE(pair.a.alive(b_end)) << "a living pair makes no room for others";
  EXPECT_LE(pair.a.agent.pairs().size(), Agent::pairs_max);
}

TEST_F(IceAgent, TheLargestPacketOfAnEthernetIsFound) {
  pair.ways[0].largest = 1452;
  bring_up();
  EXPECT_EQ(pair.a.agent.find(b_end)->packet_size, 1452u);
  EXPECT_EQ(pair.b.agent.find(a_end)->packet_size, 1452u);
  EXPECT_GE(pair.a.count<PairResized>(), 1u);
  EXPECT_EQ(pair.a.count<PairDown>(), 0u) << "a search that fails says nothing about the path";
}

TEST_F(IceAgent, WhereAllPassesTheLargestSizeIsFound) {
  bring_up();
  EXPECT_EQ(pair.a.agent.find(b_end)->packet_size, 16'000u);
}

TEST_F(IceAgent, WhereOnlyTheSmallestPassesNothingIsClaimed) {
  pair.ways[0].largest = 1351;
  bring_up(1min);
  EXPECT_EQ(pair.a.agent.find(b_end)->packet_size, ice::packet_size_min);
}

TEST_F(IceAgent, AShrunkPathIsFoundOutAndNotCalledDead) {
  for (size_t from : {1452u, 16'000u}) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      IcePair p(seed);
      p.ways.push_back({.at_a = b_end, .at_b = a_end, .largest = from});
      p.introduce();
      p.run(5s);
      p.data = true;
      p.a.agent.set_use(p.now, b_end, true);
      p.b.agent.set_use(p.now, a_end, true);
      p.run(10s);
      ASSERT_EQ(p.a.agent.find(b_end)->packet_size, from);
      Instant shrunk = p.now;
      p.ways[0].largest = 1400;
      p.run_until([&] { return p.a.agent.find(b_end)->packet_size <= 1400; }, 10s);
      EXPECT_LE(p.now - shrunk, 2s) << from;
      EXPECT_GE(p.a.count<PairResized>(shrunk), 1u);
      p.run(10s);
      EXPECT_EQ(p.a.count<PairDown>(shrunk), 0u) << from;
      EXPECT_EQ(p.a.agent.find(b_end)->packet_size, 1352u) << "what passes still is searched again";
      EXPECT_FALSE(p.stuck);
    }
  }
}

enum class Death { both_ways, all_towards_peer, all_from_peer, only_requests, only_answers };

TEST_F(IceAgent, ADeadPathInUseIsLeftWithinOneAndAHalfSeconds) {
  for (Death death :
       {Death::both_ways, Death::all_towards_peer, Death::all_from_peer, Death::only_requests, Death::only_answers}) {
    for (Duration rtt : {1ms, 50ms, 150ms}) {
      Duration worst{};
      for (uint64_t seed = 1; seed <= 20; ++seed) {
        IcePair p(seed);
        p.ways.push_back({.at_a = b_end, .at_b = a_end, .one_way = rtt / 2, .largest = seed % 2 ? 1452u : 16'000u});
        p.introduce();
        p.run(5s);
        p.data = true;
        p.a.agent.set_use(p.now, b_end, true);
        p.b.agent.set_use(p.now, a_end, true);
        p.run(10s + 37ms * seed);
        ASSERT_EQ(p.a.count<PairDown>(), 0u);
        Instant cut = p.now;
        p.lose = [&](const IcePair::Packet& packet) {
          switch (death) {
            case Death::both_ways:
              return true;
            case Death::all_towards_peer:
              return packet.from_a;
            case Death::all_from_peer:
              return !packet.from_a;
            case Death::only_requests:
              return packet.from_a && packet.request;
            default:
              return !packet.from_a && !packet.request && !packet.data;
          }
        };
        ASSERT_TRUE(p.run_until([&] { return p.a.count<PairDown>(cut) > 0; }, 10s)) << static_cast<int>(death);
        worst = std::max(worst, p.now - (cut + rtt / 2));  // the last packet was under way when the path was cut
        EXPECT_FALSE(p.stuck);
      }
      std::cout << "death " << static_cast<int>(death) << ", rtt " << to_ms(rtt) << " ms: left after at most "
                << to_ms(worst) << " ms\n";
      EXPECT_LE(worst, 1500ms) << static_cast<int>(death) << " at " << to_ms(rtt) << " ms";
    }
  }
}

TEST_F(IceAgent, TwentyPercentLossKillsABusyPathRarely) {
  size_t total = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    IcePair p(seed);
    p.ways.push_back({.at_a = b_end, .at_b = a_end, .one_way = 20ms, .largest = 1452, .loss_percent = 20});
    p.introduce();
    p.run(5s);
    p.data = true;
    p.a.agent.set_use(p.now, b_end, true);
    p.b.agent.set_use(p.now, a_end, true);
    Instant begin = p.now;
    p.run(1min);
    size_t deaths = p.a.count<PairDown>(begin);
    EXPECT_LE(deaths, 5u) << "seed " << seed;
    total += deaths;
    EXPECT_TRUE(p.a.alive(b_end) || p.run_until([&] { return p.a.alive(b_end); }, 2s)) << "and it comes back";
    EXPECT_FALSE(p.stuck);
  }
  std::cout << total << " false deaths in 10 minutes at 20 % loss\n";
}

TEST_F(IceAgent, AShortOutageDoesNotKillABusyPath) {
  bring_up();
  use_it();
  pair.run(5s);
  Instant cut = pair.now;
  pair.lose = [](auto&) { return true; };
  pair.run(300ms);
  pair.lose = {};
  pair.run(10s);
  EXPECT_EQ(pair.a.count<PairDown>(cut), 0u);
}

TEST_F(IceAgent, TwoLostChecksKillNoQuietPath) {
  bring_up(1min);
  int left = 2;
  pair.lose = [&](const IcePair::Packet& packet) { return packet.from_a && packet.request && left-- > 0; };
  pair.run(1min);
  EXPECT_LE(left, 0);
  EXPECT_EQ(pair.a.count<PairDown>(), 0u);
}

TEST_F(IceAgent, ACheckFromThePeerCutsTheWaitForOurNextTry) {
  pair.lose = [](const IcePair::Packet& packet) { return !packet.from_a; };  // A's firewall is shut
  pair.b.agent.set_remote(pair.now, IcePair::candidates_of(pair.a, {a_end}));
  pair.run(4s);  // B has backed off: its next try is seconds away
  pair.lose = {};
  Instant open = pair.now;
  pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, {b_end}));
  pair.run(1s);
  EXPECT_EQ(pair.b.first<PairUp>(), open + 30ms);
}

TEST_F(IceAgent, ADeadPairComesBackByItself) {
  bring_up();
  pair.lose = [](auto&) { return true; };
  pair.run(3min);
  ASSERT_FALSE(pair.a.alive(b_end));
  pair.lose = {};
  Instant back = pair.now;
  ASSERT_TRUE(pair.run_until([&] { return pair.a.alive(b_end) && pair.b.alive(a_end); }, 1min));
  EXPECT_LE(pair.now - back, 25s);
}

TEST_F(IceAgent, RecheckBringsADeadPairBackAtOnce) {
  bring_up();
  pair.lose = [](auto&) { return true; };
  pair.run(3min);
  pair.lose = {};
  Instant back = pair.now;
  pair.a.agent.recheck(pair.now);
  ASSERT_TRUE(pair.run_until([&] { return pair.a.alive(b_end) && pair.b.alive(a_end); }, 1min));
  EXPECT_LE(pair.now - back, 40ms) << "one round trip for us, one for the other side that our check woke";
}

TEST_F(IceAgent, IdlePairsAreAskedOncePerTenSeconds) {
  bring_up(1min);
  for (int minute = 0; minute < 10; ++minute) {
    Instant since = pair.now;
    pair.run(1min);
    size_t asked = pair.a.checks_to(b_end, since);
    EXPECT_LE(asked, 7u);
    EXPECT_GE(asked, 5u) << "a mapping may live 30 s only";
  }
  EXPECT_EQ(pair.a.count<PairDown>(), 0u);
}

TEST_F(IceAgent, APairThatIsNotInUseIsAskedLessOftenThanTheOneThatIs) {
  Carrier other_b = IcePair::udp(4), other_a = IcePair::udp(3);
  pair.ways.push_back({.at_a = other_b, .at_b = other_a});
  bring_up(20s);
  use_it();
  Instant since = pair.now;
  pair.run(1min);
  EXPECT_LE(pair.a.checks_to(b_end, since), 60'000u / 270 + 1);
  EXPECT_GE(pair.a.checks_to(b_end, since), 60'000u / 330 - 1);
  EXPECT_LE(pair.a.checks_to(other_b, since), 60'000u / 1800 + 2);
  EXPECT_GE(pair.a.checks_to(other_b, since), 60'000u / 2200 - 1);
}

TEST_F(IceAgent, ACandidateThatNeverAnswersIsAskedAFewTimesOnly) {
  Carrier nobody = IcePair::udp(99);
  pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, {nobody}));
  Instant begin = pair.now;
  pair.run(1min);
  size_t first_minute = pair.a.checks_to(nobody);
  std::cout << first_minute << " checks in a minute to a candidate that never answers\n";
  EXPECT_LE(first_minute, 16u);
  EXPECT_GE(first_minute, 6u) << "a NAT on the other side may open late";
  pair.run(9min);
  EXPECT_LE(pair.a.checks_to(nobody), first_minute + 9 * 6) << "later it is only looked at";
  size_t early = 0;
  for (auto& [when, to] : pair.a.checks) early += when < begin + 1s;
  EXPECT_GE(early, 4u) << "punching needs several at the beginning";
}

TEST_F(IceAgent, RepeatedCandidatesDoNotMakeItAskMore) {
  Carrier nobody = IcePair::udp(99);
  for (int i = 0; i < 600; ++i) {  // a peer that tells us the same ten times a second
    pair.a.agent.set_remote(pair.now, IcePair::candidates_of(pair.b, {nobody}));
    pair.run(100ms);
  }
  EXPECT_LE(pair.a.checks_to(nobody), 40u);
}

TEST_F(IceAgent, TheRelayIsAPairLikeTheOthers) {
  pair.ways[0] = {.at_a = Carrier::relay(), .at_b = Carrier::relay(), .one_way = 25ms};
  pair.a.agent.set_relay(pair.now, true);
  pair.b.agent.set_relay(pair.now, true);
  Instant begin = pair.now;
  pair.introduce();
  pair.run(1s);
  EXPECT_EQ(pair.a.first<PairUp>(), begin + 50ms);
  EXPECT_EQ(pair.a.agent.find(Carrier::relay())->min_rtt(), 50ms);

  Instant gone = pair.now;
  pair.a.agent.set_relay(pair.now, false);
  pair.run(1s);
  EXPECT_LE(pair.a.count<PairDown>(gone), 1u) << "who took it away knows it";
  EXPECT_FALSE(pair.a.agent.find(Carrier::relay()));
  pair.run(10s);
  EXPECT_EQ(pair.a.checks_to(Carrier::relay(), gone), 0u);

  Instant back = pair.now;
  pair.a.agent.set_relay(pair.now, true);
  pair.run(1s);
  EXPECT_EQ(pair.a.first<PairUp>(back), back + 50ms);
}

TEST_F(IceAgent, ARelayThatNeverAnsweredIsTakenAwaySilently) {
  pair.a.agent.set_relay(pair.now, true);
  pair.introduce();
  pair.run(1s);
  Instant gone = pair.now;
  pair.a.agent.set_relay(pair.now, false);
  pair.a.agent.set_relay(pair.now, false);
  pair.run(1s);
  EXPECT_EQ(pair.a.count<PairDown>(gone), 0u);
}

}  // namespace
}  // namespace ginnel::test
