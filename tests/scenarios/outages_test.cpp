// Outages of everybody at once, both ways, that last from seconds to a minute: traffic flows again at once when they end.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

Outcome outage(uint64_t seed, bool traced, Duration lasts, Measure* resumed) {
  bool direct = seed % 2 == 0;
  SiteConfig nat = direct ? sim::port_restricted : sim::symmetric;
  TwoHomes t(seed, traced, nat, nat);
  Outcome out;
  if (direct) t.set_round_trips(t.near_rtt, t.far_rtt, t.draw.between(5ms, std::min<Duration>(150ms, t.relay_rtt())));
  t.start_acceptor();
  t.dial();
  Speech talk{10'000'000, false, 1'000, 100ms};
  t.traffic->open({talk, talk});
  t.world.clock.run_for(t.draw.between(5s, 12s));
  out.expect(t.both_on(direct ? "udp-punch" : "relay"), "on " + t.dialler->technique());
  t.cut_all(true);
  t.world.trace.line(t.now(), "world", "the outage begins");
  t.world.clock.run_for(lasts);
  t.cut_all(false);
  Instant back = t.now();
  t.world.trace.line(back, "world", "the outage ends");
  t.world.clock.run_for(6s);
  Duration gap = std::max(Traffic::longest_gap(*t.traffic->near(0), back, t.now()),
                          Traffic::longest_gap(*t.traffic->far(0), back, t.now()));
  out.expect(gap <= 3s, "resumed after " + std::to_string(to_ms(gap)) + " ms");
  if (resumed) resumed->add(to_ms(gap));
  out.expect(!t.traffic->ended(), "the session ended");
  return t.finish(out);
}

void run(Duration lasts) {
  Measure resumed("traffic again after an outage of " + std::to_string(lasts / 1s) + " s", "ms");
  for_each_seed(200, [&](uint64_t seed, bool traced) { return outage(seed, traced, lasts, &resumed); });
  resumed.print();
}

TEST(Outages, OfFiveSeconds) { run(5s); }
TEST(Outages, OfTenSeconds) { run(10s); }
TEST(Outages, OfThirtySeconds) { run(30s); }
TEST(Outages, OfAMinute) { run(60s); }

}  // namespace
}  // namespace ginnel::scenarios
