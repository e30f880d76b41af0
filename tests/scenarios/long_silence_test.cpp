// Ten minutes in which nothing reaches anybody: a laptop asleep, a provider's outage. The session is still the same one
// afterwards, and traffic flows three seconds later.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

Outcome long_silence(uint64_t seed, bool traced, bool direct, Measure* resumed) {
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
  t.world.trace.line(t.now(), "world", "silence");
  t.world.clock.run_for(t.draw.between(9min, 11min));
  t.cut_all(false);
  Instant back = t.now();
  t.world.trace.line(back, "world", "the silence ends");
  t.world.clock.run_for(8s);
  Duration gap = std::max(Traffic::longest_gap(*t.traffic->near(0), back, t.now()),
                          Traffic::longest_gap(*t.traffic->far(0), back, t.now()));
  out.expect(gap <= 3s, "resumed after " + std::to_string(to_ms(gap)) + " ms");
  if (resumed) resumed->add(to_ms(gap));
  out.expect(!t.traffic->ended(), "the session ended");
  return t.finish(out);
}

TEST(LongSilence, OfADirectSession) {
  Measure resumed("longest gap after ten minutes of silence, direct", "ms");
  for_each_seed(200, [&](uint64_t seed, bool traced) { return long_silence(seed, traced, true, &resumed); });
  resumed.print();
}

TEST(LongSilence, OfARelayedSession) {
  Measure resumed("longest gap after ten minutes of silence, relayed", "ms");
  for_each_seed(200, [&](uint64_t seed, bool traced) { return long_silence(seed, traced, false, &resumed); });
  resumed.print();
}

TEST(LongSilence, SameSeedSameTrace) {
  same_seed_same_trace(3, [](uint64_t seed, bool traced) { return long_silence(seed, traced, true, nullptr); });
}

}  // namespace
}  // namespace ginnel::scenarios
