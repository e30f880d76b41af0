// Searches for the ports of a symmetric NAT (docs/decisions/011) between the real cores: how often they find them, how
// soon after the session stood on the relay, at what cost; and what a busy neighbourhood behind the NAT does to them.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

struct Row {
  std::string name;
  SiteConfig hard;
  std::string technique;
};

/// All that many seeds of one row gave.
struct Sum {
  explicit Sum(const std::string& name)
      : from_relay(name + ": from relayed to direct", "ms"), probes(name + ": probes", "") {}
  size_t runs = 0, found = 0;
  Measure from_relay, probes;
  double rate() const { return static_cast<double>(found) / static_cast<double>(runs); }
};

Outcome search(uint64_t seed, bool traced, const Row& row, Sum& sum) {
  SiteConfig sites[] = {row.hard, sim::port_restricted};
  if (seed % 2 == 0) std::swap(sites[0], sites[1]);
  sim::WorldConfig config;
  config.server.second_port = true;
  TwoHomes t(seed, traced, sites[0], sites[1], config);
  t.set_round_trips(t.near_rtt, t.far_rtt, t.draw.between(5ms, std::min<Duration>(150ms, t.relay_rtt())));
  t.start_acceptor();
  t.dial();
  t.traffic->open({{50'000, false, 2'500, 500ms}, {50'000, false, 2'500, 500ms}});
  bool direct = t.run_until([&] { return t.both_on(row.technique); }, 12s);
  ++sum.runs;
  sum.found += direct;
  if (direct) {
    sum.from_relay.add(to_ms(t.now() - t.dialler->connected.front()));
    size_t probes = 0;
    for (const Agent* agent : {t.dialler.get(), t.acceptor.get()})
      for (const peer::Searched& each : agent->searches) probes += each.ours ? 0 : each.probes;
    sum.probes.add(static_cast<double>(probes));
  }
  Outcome out;
  out.expect(t.run_until([&] { return t.traffic->done(); }, 30s), "not done: " + t.traffic->state());
  return t.finish(out);
}

Sum run(uint64_t seeds, const Row& row) {
  Sum sum(row.name);
  for_each_seed(seeds, [&](uint64_t seed, bool traced) { return search(seed, traced, row, sum); });
  std::printf("    %-58s %zu of %zu\n", (row.name + ": found").c_str(), sum.found, sum.runs);
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
  Sum sum = run(200, {"random ports", sim::symmetric, "birthday"});
  EXPECT_GE(sum.rate(), 0.99);
  EXPECT_LE(sum.from_relay.quantile(0.5), 1'000);
  EXPECT_LE(sum.from_relay.quantile(0.95), 3'000);
  EXPECT_LE(sum.probes.quantile(0.5), 252);
}

TEST(Searches, PredictionFindsAQuietSequence) {
  Sum sum = run(200, {"a quiet sequence", sequential(0), "prediction"});
  EXPECT_GE(sum.rate(), 0.95);
  EXPECT_LE(sum.from_relay.quantile(0.5), 500);
}

TEST(Searches, PredictionAmongNeighbours) {
  for (double others : {5.0, 20.0, 100.0}) {
    Sum sum = run(100, {std::to_string(static_cast<int>(others)) + " mappings a second", sequential(others), "prediction"});
    EXPECT_GE(sum.rate(), 0.95);
  }
}

}  // namespace
}  // namespace ginnel::scenarios
