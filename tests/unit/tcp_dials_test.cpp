// Dialling a peer's TCP addresses again and again: when, whom, how often, from where, and whom never.
#include "core/ice/tcp_dials.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/support/seeded_rng.hpp"

namespace ginnel::ice {
namespace {

using wire::Candidate;
using wire::CandidateType;
using wire::Transport;

class TcpDialsTest : public ::testing::Test {
 protected:
  static Candidate tcp(const std::string& address, CandidateType type = CandidateType::server_reflexive) {
    return {type, 0, Address::parse(address).value(), Transport::tcp};
  }
  static std::vector<Candidate> many(uint8_t n) {
    std::vector<Candidate> out;
    for (uint8_t i = 1; i <= n; ++i) out.push_back({CandidateType::host, 0, Address::v4(192, 0, 2, i, 7000), Transport::tcp});
    return out;
  }
  void begin(const std::vector<Candidate>& remote, Duration later = Duration::zero()) {
    dials.begin(now, remote, ports, now + later);
    dials.handle_timeout(now);
    take();
  }
  void take() {
    while (auto action = dials.poll_action()) {
      if (auto* connect = std::get_if<ConnectTcp>(&*action)) {
        connects.emplace_back(now, *connect);
        EXPECT_TRUE(open.insert(connect->id).second) << "a number is used once";
      }
      if (auto* close = std::get_if<CloseTcp>(&*action)) {
        closes.push_back(close->id);
        EXPECT_EQ(open.erase(close->id), 1u) << "what was not open is not closed";
      }
    }
  }
  void refuse(TcpId id) {
    open.erase(id);
    EXPECT_TRUE(dials.handle_closed(now, id, "refused"));
    take();
  }
  /// Time passes; each dial is refused after `after`.
  void pass(Duration time, std::optional<Duration> refused_after = {}) {
    std::multimap<Instant, TcpId> due;
    size_t known = connects.size();
    if (refused_after)
      for (TcpId id : open) due.emplace(now + *refused_after, id);
    for (Instant until = now + time; now < until;) {
      Instant next = until;
      if (auto deadline = dials.next_deadline()) {
        ASSERT_GT(deadline->when, now) << deadline->why;
        next = std::min(next, deadline->when);
      }
      if (!due.empty()) next = std::min(next, due.begin()->first);
      now = next;
      for (; !due.empty() && due.begin()->first <= now; due.erase(due.begin()))
        if (open.contains(due.begin()->second)) refuse(due.begin()->second);
      dials.handle_timeout(now);
      take();
      for (; refused_after && known < connects.size(); ++known) due.emplace(now + *refused_after, connects[known].second.id);
    }
  }
  std::set<Address> dialled() const {
    std::set<Address> out;
    for (auto& [when, connect] : connects) out.insert(connect.to);
    return out;
  }

  test::SeededRng rng;
  TcpIds ids;
  TcpDials dials{ids, rng};
  Instant now{1h};
  uint16_t ports[2] = {5000, 5006};
  std::vector<std::pair<Instant, ConnectTcp>> connects;
  std::vector<TcpId> closes;
  std::set<TcpId> open;
};

TEST_F(TcpDialsTest, DoesNothingBeforeItBegins) {
  EXPECT_FALSE(dials.active());
  EXPECT_FALSE(dials.next_deadline());
  dials.handle_timeout(now + 1h);
  dials.stop();
  EXPECT_FALSE(dials.poll_action());
  EXPECT_FALSE(dials.handle_connected(1));
  EXPECT_FALSE(dials.handle_closed(now, 1, ""));
}

TEST_F(TcpDialsTest, AllAtOnceFromThePortThatListens) {
  begin({tcp("192.0.2.1:7000"), tcp("[2001:db8::1]:7000"), {CandidateType::host, 0, Address::v4(192, 0, 2, 9, 1)}});
  ASSERT_EQ(connects.size(), 2u) << "and not those of UDP";
  EXPECT_EQ(connects[0].second.to, *Address::parse("192.0.2.1:7000"));
  EXPECT_EQ(connects[0].second.from_port, 5000);
  EXPECT_EQ(connects[1].second.from_port, 5006);
  EXPECT_TRUE(dials.active());
  EXPECT_EQ(dials.dials(), 2u);
}

TEST_F(TcpDialsTest, AFamilyWithoutAPortOfOursIsNotDialled) {
  ports[1] = 0;
  begin({tcp("192.0.2.1:7000"), tcp("[2001:db8::1]:7000")});
  EXPECT_EQ(connects.size(), 1u);
}

TEST_F(TcpDialsTest, WhoIsAskedFirstWaitsForTheMoment) {
  Instant told = now;
  begin(many(2), 30ms);
  EXPECT_TRUE(connects.empty());
  pass(1s);
  ASSERT_EQ(connects.size(), 2u);
  for (auto& [when, connect] : connects) EXPECT_EQ(when, told + 30ms);
  pass(TcpDials::patience - 971ms);
  EXPECT_TRUE(dials.active()) << "the time counts from the first dial";
  pass(1ms);
  EXPECT_FALSE(dials.active());
}

TEST_F(TcpDialsTest, ASynThatIsNotAnsweredIsLeftAlone) {
  begin(many(1));
  pass(TcpDials::patience - 1ms);
  EXPECT_EQ(connects.size(), 1u) << "the kernel repeats it; a new one would be another connection";
  EXPECT_TRUE(closes.empty());
  pass(1ms);
  EXPECT_EQ(closes.size(), 1u);
  EXPECT_FALSE(dials.next_deadline());
  EXPECT_EQ(dials.targets()[0].seen, "no answer");
}

TEST_F(TcpDialsTest, ARefusedDialIsTriedAgainAfterARandomTimeWithinBounds) {
  Duration least = 1h, most{};
  std::set<Duration> different;
  for (int round = 0; round < 20; ++round) {
    begin(many(1));
    size_t first = connects.size() - 1;
    pass(TcpDials::patience, 20ms);
    for (size_t i = first + 1; i < connects.size(); ++i) {
      Duration wait = connects[i].first - connects[i - 1].first - 20ms;
      least = std::min(least, wait);
      most = std::max(most, wait);
      different.insert(wait);
    }
  }
  EXPECT_GE(least, TcpDials::retry_min);
  EXPECT_LE(most, TcpDials::retry_max);
  EXPECT_LT(least, TcpDials::retry_min + 20ms) << "the whole range is used";
  EXPECT_GT(most, TcpDials::retry_max - 20ms);
  EXPECT_GT(different.size(), 500u) << "two sides in step would never meet";
}

TEST_F(TcpDialsTest, TwoSidesThatRefuseEachOthersSynsMeet) {
  // A NAT that answers RST to strangers: a dial works only if the other side's SYN left before ours arrived, that is if
  // both were under way at once (facts: nat.md 2.3). One way takes 40 ms; the other side begins 50 ms later.
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    test::SeededRng rng_a(seed), rng_b(seed + 100);
    TcpIds ids_a, ids_b;
    TcpDials a(ids_a, rng_a), b(ids_b, rng_b);
    struct Syn { Instant sent; bool from_a; TcpId id; };
    std::multimap<Instant, Syn> arrive;
    std::optional<Syn> out[2];
    bool met = false;
    auto tick = [&](TcpDials& d, bool is_a) {
      d.handle_timeout(now);
      while (auto action = d.poll_action())
        if (auto* connect = std::get_if<ConnectTcp>(&*action)) {
          out[is_a] = Syn{now, is_a, connect->id};
          arrive.emplace(now + 40ms, *out[is_a]);
        }
    };
    a.begin(now, many(1), ports, now);
    b.begin(now, many(1), ports, now + 50ms);
    Instant begin = now;
    for (; !met && now < begin + 9s; now += 1ms) {
      tick(a, true);
      tick(b, false);
      for (; !arrive.empty() && arrive.begin()->first <= now; arrive.erase(arrive.begin())) {
        Syn syn = arrive.begin()->second;
        if (out[!syn.from_a]) met = true;  // the other one's is under way: its NAT lets ours in
        out[syn.from_a].reset();
        (syn.from_a ? a : b).handle_closed(now, syn.id, "refused");
      }
    }
    EXPECT_TRUE(met) << seed;
  }
}

TEST_F(TcpDialsTest, TriesHaveACap) {
  begin(many(2));
  pass(TcpDials::patience, 1ms);
  std::map<Address, int> tries;
  for (auto& [when, connect] : connects) ++tries[connect.to];
  for (auto& [to, n] : tries) EXPECT_LE(n, TcpDials::tries_max);
  EXPECT_GE(tries.begin()->second, 25);
}

TEST_F(TcpDialsTest, HandsThatRefuseWithinTheDialDoNotMakeItSpin) {
  begin(many(8));
  for (int i = 0; i < 2000 && dials.active(); ++i) {
    for (TcpId id : std::set(open)) refuse(id);
    now += 5ms;
    dials.handle_timeout(now);
    take();
  }
  EXPECT_LE(connects.size(), 8u * TcpDials::tries_max);
}

TEST_F(TcpDialsTest, TargetsHaveACapAndAddressesCountOnce) {
  auto twice = many(4);
  for (auto& c : many(4)) twice.push_back(c);
  begin(twice);
  EXPECT_EQ(connects.size(), 4u);
  begin(many(32));
  EXPECT_EQ(dials.targets().size(), TcpDials::targets_max);
}

TEST_F(TcpDialsTest, ForbiddenAddressesAreNeverDialled) {
  std::vector<Candidate> forbidden;
  for (const char* text : {"127.0.0.1:22", "127.9.9.9:22", "224.0.0.1:22", "255.255.255.255:22", "0.0.0.0:22", "0.1.2.3:22",
                           "240.0.0.1:22", "192.0.2.5:0", "[::]:22", "[::1]:22", "[ff02::1]:22", "[2002:c000:201::1]:22",
                           "[64:ff9b::c000:201]:22", "[2001:0:1::1]:22", "[::192.0.2.1]:22"})
    for (auto type : {CandidateType::host, CandidateType::server_reflexive, CandidateType::mapped, CandidateType::forwarded})
      forbidden.push_back(tcp(text, type));
  begin(forbidden);
  pass(10s);
  EXPECT_TRUE(connects.empty());
  forbidden.push_back(tcp("192.0.2.1:22"));
  begin(forbidden);
  EXPECT_EQ(dialled(), (std::set<Address>{*Address::parse("192.0.2.1:22")})) << "nor do they take the others' place";
}

TEST_F(TcpDialsTest, AConnectionEndsTheDiallingOfThatAddress) {
  begin(many(2));
  TcpId id = connects[0].second.id;
  auto* target = dials.handle_connected(id);
  ASSERT_TRUE(target);
  EXPECT_EQ(target->to, connects[0].second.to);
  EXPECT_EQ(target->type, CandidateType::host);
  pass(TcpDials::patience + 1s, 20ms);
  EXPECT_EQ(open, std::set<TcpId>{}) << "this test's refusals end it, too";
}

TEST_F(TcpDialsTest, StopClosesWhatIsNotConnected) {
  begin(many(3));
  TcpId kept = connects[0].second.id;
  ASSERT_TRUE(dials.handle_connected(kept));
  dials.stop();
  take();
  EXPECT_EQ(open, std::set{kept});
  EXPECT_FALSE(dials.active());
  EXPECT_FALSE(dials.next_deadline());
  EXPECT_FALSE(dials.handle_connected(connects[1].second.id)) << "too late: it is being closed";
  dials.stop();
  dials.handle_timeout(now + 1h);
  take();
  EXPECT_EQ(connects.size(), 3u);
  EXPECT_EQ(closes.size(), 2u);
}

TEST_F(TcpDialsTest, ANewRoundKeepsConnectionsAndBeginsTheRestAnew) {
  begin(many(3));
  TcpId kept = connects[0].second.id;
  ASSERT_TRUE(dials.handle_connected(kept));
  pass(5s, {});
  begin({many(3)[0], many(3)[1], many(5)[4]});
  EXPECT_EQ(closes.size(), 2u) << "the former round's SYNs are from before the other side was asked";
  EXPECT_EQ(connects.size(), 5u);
  EXPECT_EQ(dials.targets().size(), 3u);
  EXPECT_TRUE(open.contains(kept));
  for (auto& target : dials.targets()) EXPECT_EQ(target.tries, 1);
}

TEST_F(TcpDialsTest, AConnectionThatEndsIsDialledAgainInItsRoundAndNotAfterIt) {
  begin(many(1));
  ASSERT_TRUE(dials.handle_connected(connects[0].second.id));
  refuse(connects[0].second.id);
  pass(1s);
  ASSERT_EQ(connects.size(), 2u);
  ASSERT_TRUE(dials.handle_connected(connects[1].second.id));
  pass(TcpDials::patience);
  ASSERT_FALSE(dials.active());
  refuse(connects[1].second.id);
  pass(1min);
  EXPECT_EQ(connects.size(), 2u);
  begin(many(1));
  EXPECT_EQ(connects.size(), 3u) << "the next round dials it as any other";
}

}  // namespace
}  // namespace ginnel::ice
