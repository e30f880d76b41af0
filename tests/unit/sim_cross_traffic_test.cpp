// What others behind a NAT do to the ports it gives.
#include <gtest/gtest.h>

#include "sim/site.hpp"
#include "sim/world.hpp"
#include "tests/support/sim_puppet.hpp"

namespace ginnel::test {
namespace {

using sim::SiteConfig;
using sim::World;

SiteConfig busy(double rate) {
  SiteConfig out = sim::behind("symmetric-sequential");
  out.nats[0].cross_traffic = rate;
  return out;
}

/// How many ports further each of `count` new mappings is than the one before, `pause` apart.
std::vector<int> steps(double rate, int count, Duration pause, uint64_t seed = 1) {
  World world(seed);
  PuppetHost server(world, world.host(0)), a(world, world.add_site("a", busy(rate)));
  a.open();
  server.open(5000);
  std::vector<int> out;
  int last = 0;
  for (int i = 0; i <= count; ++i) {
    for (SocketId id = 1; id < 2; ++id) server.stack().close_udp(id, false);
    Address at = server.stack().open_udp(1, server.ip());
    a.udp(at, "hello");
    world.clock.run_for(pause);
    int port = server.machine().heard.back().from.port;
    if (i > 0) out.push_back((port - last + 64512) % 64512);
    last = port;
  }
  return out;
}

TEST(SimCrossTraffic, aQuietNatGivesNeighbours) {
  for (int step : steps(0, 20, 1s)) EXPECT_EQ(step, 1);
}

TEST(SimCrossTraffic, othersTakePortsAtTheirRate) {
  for (double rate : {5.0, 100.0}) {
    double sum = 0, squares = 0;
    std::vector<int> all = steps(rate, 400, 200ms);
    for (int step : all) sum += step - 1, squares += (step - 1) * (step - 1);
    double mean = sum / 400, variance = squares / 400 - mean * mean;
    EXPECT_NEAR(mean, rate * 0.2, rate * 0.2 * 0.25) << rate;
    EXPECT_NEAR(variance / mean, 1, 0.35) << rate;  // Poisson
  }
}

TEST(SimCrossTraffic, theSameSeedIsTheSameWorld) { EXPECT_EQ(steps(50, 50, 100ms, 3), steps(50, 50, 100ms, 3)); }

TEST(SimCrossTraffic, whatHappenedDoesNotDependOnWhoLooked) {
  // The ports taken in two seconds are as many, whether packets passed meanwhile or not.
  int looked = 0;
  for (int step : steps(100, 20, 100ms, 5)) looked += step - 1;
  int once = steps(100, 1, 2s, 5)[0] - 1;
  EXPECT_NEAR(looked, once, 1);
}

TEST(SimCrossTraffic, alongSilenceIsMadeUpForInBounds) {
  World world(1);
  PuppetHost server(world, world.host(0)), a(world, world.add_site("a", busy(1000)));
  a.open();
  server.open(3478);
  a.udp(server.ip().with_port(3478), "one");
  world.clock.run_for(1h);
  a.udp(server.ip().with_port(3478), "two");
  world.clock.run_for(1s);
  EXPECT_LE(world.gateway(1).engine().counters().mappings_made, 2u + sim::CrossTraffic::backlog_max + 200);
  EXPECT_GE(world.gateway(1).engine().counters().mappings_made, 3000u);
}

}  // namespace
}  // namespace ginnel::test
