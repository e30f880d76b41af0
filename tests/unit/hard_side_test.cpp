// The side of a search whose NAT is symmetric: what it sends, what it offers, and that it always comes to rest.
#include "core/reach/hard_side.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "tests/support/seeded_rng.hpp"
#include "tests/support/stun_answers.hpp"

namespace ginnel::reach {
namespace {

const Address server = Address::v4(203, 0, 113, 1, 3478), second = Address::v4(203, 0, 113, 1, 3479);
const Address easy = Address::v4(192, 0, 2, 40, 40'000), ours = Address::v4(198, 51, 100, 20, 0);

struct Bench {
  explicit Bench(wire::SearchKind kind, size_t sockets = 1, int16_t step = 1, Address to = easy)
      : kind(kind), to(to), side(now, config(sockets, step), rng) {}

  HardSide::Config config(size_t sockets, int16_t step) const {
    HardSide::Config c;
    c.kind = kind;
    c.token = 7;
    c.easy = to;
    c.server = server, c.second = second;
    c.ports = {wire::PortPattern::Kind::sequential, step, 0, 0, 0};
    c.first_socket = 10;
    c.sockets = sockets;
    if (kind == wire::SearchKind::diagonal) c.aim = 8;
    return c;
  }
  /// What leaves now, in order.
  std::vector<Transmit> drain() {
    std::vector<Transmit> out;
    while (auto action = side.poll_action(now, room)) {
      if (auto* open = std::get_if<OpenUdp>(&*action)) opened.push_back(open->id);
      if (auto* close = std::get_if<CloseUdp>(&*action)) closed.push_back(close->id);
      if (auto* t = std::get_if<Transmit>(&*action)) {
        out.push_back(*t);
        if (t->to == server || t->to == second) ids[t->to] = test::id_of(t->bytes);
      }
    }
    return out;
  }
  void answer(const Address& from, uint16_t port) {
    auto made = test::answer_to(ids.at(from), {ours.with_port(port)});
    side.handle_response(now, 10, from, made.message());
  }
  /// Lives on until it is over; fails if it wants to be woken in the past.
  void run_out() {
    for (int n = 0; !side.over(); ++n) {
      auto next = side.next_deadline();
      ASSERT_TRUE(next);
      ASSERT_LT(n, 10'000);
      ASSERT_TRUE(next->when > now || n == 0) << next->why;
      now = std::max(now, next->when);
      side.handle_timeout(now);
      drain();
    }
  }

  void open_all(size_t sockets) {
    drain();
    for (SocketId id = 10; id < 10 + sockets; ++id) side.handle_opened(now, {id, Address{}.with_port(static_cast<uint16_t>(5000 + id))});
  }

  wire::SearchKind kind;
  Address to;
  test::SeededRng rng;
  Instant now{1h};
  std::vector<uint8_t> room = std::vector<uint8_t>(100);
  std::vector<SocketId> opened, closed;
  std::map<Address, wire::TransactionId> ids;
  HardSide side;
};

TEST(HardSide, ThePacketThatCountsLeavesBetweenTwoThatAreTold) {
  Bench b(wire::SearchKind::prediction);
  b.drain();
  ASSERT_EQ(b.opened, std::vector<SocketId>{10});
  b.side.handle_opened(b.now, {10, Address{}.with_port(5000)});
  auto sent = b.drain();
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(sent[0].to, server);
  EXPECT_EQ(sent[1].to, easy);
  EXPECT_EQ(sent[1].hops, HardSide::opener_hops);
  EXPECT_EQ(sent[2].to, second);
  b.answer(server, 6000);
  EXPECT_FALSE(b.side.poll_offer());
  b.answer(second, 6004);
  auto offer = b.side.poll_offer();
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->low, 6001);
  EXPECT_EQ(offer->high, 6003);
  EXPECT_TRUE(offer->ip.same_ip(ours));
}

TEST(HardSide, AStepThatDoesNotFitIsNotBelieved) {
  struct Row { int16_t step; uint16_t before, after, low, high, unit; };
  for (Row row : {Row{1, 6000, 6002, 6001, 6001, 1}, Row{2, 6000, 6002, 6001, 6001, 1}, Row{2, 6000, 6004, 6002, 6002, 2},
                  Row{2, 6000, 6008, 6002, 6006, 2}, Row{3, 6000, 6004, 6001, 6003, 1}, Row{-1, 6000, 5998, 5999, 5999, 1},
                  Row{1, 6000, 5997, 5998, 5999, 1}}) {
    Bench b(wire::SearchKind::prediction, 1, row.step);
    b.drain();
    b.side.handle_opened(b.now, {10, Address{}.with_port(5000)});
    b.drain();
    b.answer(server, row.before);
    b.answer(second, row.after);
    auto offer = b.side.poll_offer();
    ASSERT_TRUE(offer);
    EXPECT_EQ(offer->low, row.low) << row.step << " " << row.after;
    EXPECT_EQ(offer->high, row.high) << row.step << " " << row.after;
    EXPECT_EQ(offer->step, row.unit) << row.step << " " << row.after;
  }
}

TEST(HardSide, ComesToRestWhateverIsLost) {
  for (int lost = 0; lost < 4; ++lost) {
    Bench b(wire::SearchKind::prediction);
    b.drain();
    b.side.handle_opened(b.now, {10, Address{}.with_port(5000)});
    b.drain();
    if (!(lost & 1)) b.answer(server, 6000);
    if (!(lost & 2)) b.answer(second, 6002);
    b.run_out();
    EXPECT_EQ(b.side.poll_offer().has_value(), !(lost & 1)) << lost;
    EXPECT_EQ(b.closed, std::vector<SocketId>{10});
  }
}

TEST(HardSide, EndsSoonAfterTheOtherSideDid) {
  Bench b(wire::SearchKind::prediction);
  b.drain();
  b.side.handle_opened(b.now, {10, Address{}.with_port(5000)});
  b.drain();
  b.answer(server, 6000);
  b.answer(second, 6002);
  Instant ended = b.now += 1s;
  b.side.wind_up(b.now);
  EXPECT_FALSE(b.side.over());
  b.run_out();
  EXPECT_EQ(b.now - ended, HardSide::last_moment);
}

TEST(HardSide, OfManySocketsTheOneThatWasFoundStays) {
  Bench b(wire::SearchKind::birthday, 16);
  b.drain();
  for (SocketId id = 10; id < 26; ++id) b.side.handle_opened(b.now, {id, Address{}.with_port(static_cast<uint16_t>(5000 + id))});
  size_t openers = b.drain().size();
  while (openers < 16) {
    b.now = b.side.next_deadline()->when;
    openers += b.drain().size();
  }
  EXPECT_EQ(openers, 16u);
  EXPECT_TRUE(b.side.poll_offer());
  b.side.found(b.now, 12);
  EXPECT_TRUE(b.side.over());
  b.drain();
  EXPECT_EQ(b.closed.size(), 15u);
  EXPECT_EQ(std::count(b.closed.begin(), b.closed.end(), 12u), 0);
}

TEST(HardSide, DiagonalWhoAnswersOpensAtOnceAndNamesAPort) {
  Bench b(wire::SearchKind::diagonal, 12, -2);
  b.open_all(11);
  EXPECT_TRUE(b.drain().empty()) << "the last socket is not open yet";
  b.side.handle_opened(b.now, {21, Address{}.with_port(5021)});
  auto sent = b.drain();
  ASSERT_GE(sent.size(), 9u);
  EXPECT_EQ(sent[0].to, server) << "where the sequence stands is asked first";
  EXPECT_EQ(sent[1].to, easy);
  EXPECT_EQ(sent[1].hops, HardSide::opener_hops) << "no packet may meet the other NAT before it expects it";
  b.answer(server, 6000);
  auto offer = b.side.poll_offer();
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->low, 6000 - 2 * 8);
  EXPECT_EQ(offer->high, offer->low);
  b.run_out();
  EXPECT_EQ(b.side.probes(), 0u);
  EXPECT_EQ(b.closed.size(), 12u);
}

TEST(HardSide, DiagonalWhoBeginsWaitsForThePortAndShoots) {
  Bench b(wire::SearchKind::diagonal, 12, 1, Address{});
  b.open_all(12);
  EXPECT_EQ(b.drain().size(), 1u);
  b.answer(server, 6000);
  ASSERT_TRUE(b.side.poll_offer());
  b.now += 100ms;
  EXPECT_TRUE(b.drain().empty());
  b.side.aim(b.now, easy);
  auto sent = b.drain();
  ASSERT_FALSE(sent.empty());
  EXPECT_EQ(sent[0].to, easy);
  EXPECT_EQ(sent[0].hops, 0);
  Instant began = b.now;
  b.run_out();
  EXPECT_EQ(b.side.probes(), 12u * HardSide::shots);
  EXPECT_LE(b.now - began, 1s) << "then it is known to have failed";
}

TEST(HardSide, DiagonalThatNobodyAnswersComesToRest) {
  Bench b(wire::SearchKind::diagonal, 12, 1, Address{});
  b.open_all(12);
  b.drain();
  b.answer(server, 6000);
  b.run_out();
  EXPECT_EQ(b.side.probes(), 0u);
  EXPECT_EQ(b.closed.size(), 12u);
}

}  // namespace
}  // namespace ginnel::reach
