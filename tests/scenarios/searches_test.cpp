// Searches for the ports of a symmetric NAT (docs/decisions/011) between the real cores: how often they find them, how
// soon after the session stood on the relay, at what cost; and what a busy neighbourhood behind the NAT does to them.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

struct Row {
  std::string name;
  SiteConfig hard;
  std::string technique;
  Duration rtt_max = 150ms;  ///< between any two of the three; 5 ms at least
  SiteConfig easy = sim::port_restricted;
};

/// All that many seeds of one row gave.
struct Sum {
  explicit Sum(const std::string& name)
      : from_relay(name + ": from relayed to direct", "ms"), probes(name + ": probes", "") {}
  size_t runs = 0, direct = 0;
  size_t many_sockets = 0;  ///< runs in which somebody opened many
  Measure from_relay, probes;
  double rate() const { return static_cast<double>(direct) / static_cast<double>(runs); }
};

bool is_by_udp(const Agent& agent) { return agent.transport() == "udp" && agent.technique() != "relay"; }

Outcome search(uint64_t seed, bool traced, const Row& row, Sum& sum) {
  SiteConfig sites[] = {row.hard, row.easy};
  if (seed % 2 == 0) std::swap(sites[0], sites[1]);
  sim::WorldConfig config;
  config.server.second_port = true;
  TwoHomes t(seed, traced, sites[0], sites[1], config);
  Duration near = t.draw.between(5ms, row.rtt_max), far = t.draw.between(5ms, row.rtt_max);
  t.set_round_trips(near, far, t.draw.between(5ms, std::min<Duration>(row.rtt_max, near + far)));
  t.start_acceptor();
  t.dial();
  t.traffic->open({{50'000, false, 2'500, 500ms}, {50'000, false, 2'500, 500ms}});
  bool direct = t.run_until([&] { return is_by_udp(*t.dialler) && is_by_udp(*t.acceptor); }, 12s);
  ++sum.runs;
  sum.direct += direct;
  Outcome out;
  if (direct) {
    sum.from_relay.add(to_ms(t.now() - t.dialler->connected.front()));
    t.world.clock.run_for(1s);
    size_t probes = 0, ours = 0, theirs = 0, sockets = 0;
    for (const Agent* agent : {t.dialler.get(), t.acceptor.get()}) {
      out.expect(agent->technique() == row.technique || agent->technique() == "udp-punch",
                 "ends on " + agent->technique());
      for (const peer::Searched& each : agent->searches) {
        (each.ours ? ours : theirs) += 1;
        probes += each.ours ? 0 : each.probes;
        sockets += each.sockets;
      }
    }
    out.expect(ours >= theirs, "the side that was found still keeps its sockets for the search");
    sum.many_sockets += sockets > 16;
    sum.probes.add(static_cast<double>(probes));
  }
  out.expect(t.run_until([&] { return t.traffic->done(); }, 30s), "not done: " + t.traffic->state());
  return t.finish(out);
}

Sum run(uint64_t seeds, const Row& row) {
  Sum sum(row.name);
  for_each_seed(seeds, [&](uint64_t seed, bool traced) { return search(seed, traced, row, sum); });
  std::printf("    %-58s %zu of %zu\n", (row.name + ": direct").c_str(), sum.direct, sum.runs);
  sum.from_relay.print();
  sum.probes.print();
  return sum;
}

SiteConfig sequential(double cross_traffic) {
  SiteConfig site = sim::behind("symmetric-sequential");
  site.nats[0].cross_traffic = cross_traffic;
  return site;
}

TEST(Searches, BirthdayFindsRandomPorts) {
  Sum near = run(200, {"random ports, round trips to 50 ms", sim::symmetric, "birthday", 50ms});
  EXPECT_GE(near.rate(), 0.99);
  EXPECT_LE(near.from_relay.quantile(0.5), 1'000);
  EXPECT_LE(near.from_relay.quantile(0.95), 3'000);
  EXPECT_LE(near.probes.quantile(0.5), 252);
  Sum far = run(200, {"random ports, round trips to 150 ms", sim::symmetric, "birthday"});
  EXPECT_GE(far.rate(), 0.99);
  EXPECT_LE(far.from_relay.quantile(0.5), 1'600);
  EXPECT_LE(far.from_relay.quantile(0.95), 3'500);
}

TEST(Searches, PredictionFindsAQuietSequence) {
  Sum near = run(200, {"a quiet sequence, round trips to 50 ms", sequential(0), "prediction", 50ms});
  EXPECT_GE(near.rate(), 0.95);
  EXPECT_LE(near.from_relay.quantile(0.5), 500);
  Sum far = run(200, {"a quiet sequence, round trips to 150 ms", sequential(0), "prediction"});
  EXPECT_GE(far.rate(), 0.95);
  EXPECT_LE(far.from_relay.quantile(0.5), 1'000);
}

/// What was seen of a sequence is worth little after a round trip (the formula: mappings of others are a Poisson
/// process). The packet that counts leaves between two whose ports the server tells, so none of that matters.
TEST(Searches, PredictionAmongNeighbours) {
  for (double others : {5.0, 20.0, 100.0}) {
    Row row{std::to_string(static_cast<int>(others)) + " new mappings a second", sequential(others), "prediction"};
    Sum sum = run(100, row);
    EXPECT_GE(sum.rate(), 0.99);
    EXPECT_LE(sum.probes.quantile(0.95), 9);
    EXPECT_EQ(sum.many_sockets, 0u) << "the prediction failed";
  }
}

/// Both NATs count: each side names a port that it will be given soon, and lets it come to pass.
TEST(Searches, DiagonalWhereBothCount) {
  Sum quiet = run(200, {"two quiet sequences, round trips to 50 ms", sequential(0), "prediction", 50ms, sequential(0)});
  EXPECT_GE(quiet.rate(), 0.95);
  EXPECT_LE(quiet.from_relay.quantile(0.5), 500);
  for (double others : {5.0, 20.0, 100.0}) {
    std::string name = "two sequences, each " + std::to_string(static_cast<int>(others)) + " new mappings a second";
    Sum sum = run(100, {name, sequential(others), "prediction", 150ms, sequential(others)});
    EXPECT_GE(sum.rate(), 0.95);
  }
}

/// A filter that looks at addresses only lets plain checks in: no need to open hundreds of sockets.
TEST(Searches, AKindFilterNeedsNone) {
  Sum sum = run(100, {"a kind filter", sim::symmetric, "birthday", 150ms, sim::address_restricted});
  EXPECT_EQ(sum.direct, sum.runs);
  EXPECT_LE(sum.many_sockets, (sum.runs + 19) / 20);
}

}  // namespace
}  // namespace ginnel::scenarios
