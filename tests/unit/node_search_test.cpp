// What a peer can make a node send by asking it to search for a port: to the address that the server sees the peer come
// from, within the budget, and nowhere else (docs/decisions/011).
#include <gtest/gtest.h>

#include <set>

#include "core/reach/budget.hpp"
#include "core/reach/hard_side.hpp"
#include "tests/support/node_bench.hpp"

namespace ginnel::test {
namespace {

const Address hers = Address::v4(192, 0, 2, 7, 0), third = Address::v4(192, 0, 2, 99, 0);

class NodeSearch : public ::testing::Test {
 protected:
  void SetUp() override { begin(bench); }
  void TearDown() override {
    for (auto& offence : bench.server.offences) ADD_FAILURE() << offence;
  }
  static void begin(NodeBench& b) {
    b.start();
    b.add_dialler();
    b.run(500ms);
    b.puppets.front().say(b.puppets.front().candidates(1, 0));
    b.run(100ms);
    b.direct.clear();
  }
  static wire::SearchOffer offer(const Address& ip, uint64_t token, wire::SearchKind kind = wire::SearchKind::birthday) {
    return {kind, token, ip, 1024, 65'535, 1, 256};
  }
  void vouch(NodeBench& b, const Address& seen) { b.server.say(b.now, wire::Vouched{b.puppets.front().route, seen.with_port(5000)}); }
  /// Probes by the addresses they went to.
  static std::map<Address, size_t> probes(const NodeBench& b) {
    std::map<Address, size_t> out;
    for (auto& d : b.direct) {
      auto message = wire::parse_stun(d.bytes);
      if (message && reach::probe_token(*message)) ++out[d.to.with_port(0)];
    }
    return out;
  }

  NodeBench bench;
};

TEST_F(NodeSearch, WhereTheServerVouchesItIsSearched) {
  vouch(bench, hers);
  bench.puppets.front().say(offer(hers, 1));
  bench.run(20s);
  auto sent = probes(bench);
  EXPECT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[hers], reach::Budget::probes_max);
  std::set<uint16_t> ports;
  for (auto& d : bench.direct) ports.insert(d.to.port);
  EXPECT_GE(ports.size(), reach::Budget::probes_max) << "each port once";
}

TEST_F(NodeSearch, NobodySearchesAThirdAddress) {
  vouch(bench, hers);
  bench.puppets.front().say(offer(third, 1));
  bench.run(20s);
  EXPECT_TRUE(probes(bench).empty());
}

TEST_F(NodeSearch, ADiagonalTakesTwoThatCount) {
  vouch(bench, hers);
  auto asked = offer(hers, 1, wire::SearchKind::diagonal);
  asked.high = asked.low;
  bench.puppets.front().say(asked);
  bench.run(20s);
  EXPECT_TRUE(probes(bench).empty()) << "our NAT is none whose ports can be told";
}

TEST_F(NodeSearch, NothingWithoutTheServersWord) {
  bench.puppets.front().say(offer(hers, 1));
  bench.run(20s);
  EXPECT_TRUE(probes(bench).empty());
}

TEST_F(NodeSearch, NeverPrivateOrReservedSpaceWhoeverVouches) {
  for (const char* text : {"10.1.2.3:0", "192.168.1.1:0", "172.16.0.1:0", "100.64.0.1:0", "169.254.1.1:0", "127.0.0.1:0", "0.0.0.0:0",
                           "224.0.0.1:0", "255.255.255.255:0", "240.0.0.1:0"}) {
    Address ip = *Address::parse(text);
    bench.server.say(bench.now, wire::Vouched{bench.puppets.front().route, ip.with_port(5000)});
    bench.puppets.front().say(offer(ip, 1));
    bench.run(5s);
    auto sent = probes(bench);
    EXPECT_TRUE(sent.empty()) << text;
  }
}

TEST_F(NodeSearch, AgainAndAgainIsRefused) {
  Instant end = bench.now + 50min;
  for (uint64_t token = 1; bench.now < end; ++token) {
    vouch(bench, hers);
    bench.puppets.front().say(offer(hers, token));
    bench.run(10s);
  }
  auto sent = probes(bench);
  EXPECT_EQ(sent.size(), 1u);
  EXPECT_LE(sent[hers], reach::Budget::probes_max * reach::Budget::searches_an_hour);
  EXPECT_GT(sent[hers], reach::Budget::probes_max);
}

TEST_F(NodeSearch, AWordIsGoodForOneSearch) {
  vouch(bench, hers);
  bench.puppets.front().say(offer(hers, 1, wire::SearchKind::prediction));
  bench.run(30s);
  size_t first = probes(bench)[hers];
  bench.puppets.front().say(offer(hers, 2, wire::SearchKind::prediction));
  bench.run(30s);
  EXPECT_EQ(probes(bench)[hers], first);
}

TEST(NodeSearchOff, NothingIsSearched) {
  struct Off : NodeSearch {
    void TestBody() override {}
    using NodeSearch::begin, NodeSearch::offer, NodeSearch::probes;
  };
  NodeBench bench({.search = false});
  Off::begin(bench);
  bench.server.say(bench.now, wire::Vouched{bench.puppets.front().route, hers.with_port(5000)});
  bench.puppets.front().say(Off::offer(hers, 1));
  bench.run(20s);
  EXPECT_TRUE(Off::probes(bench).empty());
}

}  // namespace
}  // namespace ginnel::test
