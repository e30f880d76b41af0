// A direct path that answers every check and carries hardly any data, as where a provider slows UDP down after a burst:
// the relay takes over, and the throttled path is not taken again for a while.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

Outcome throttled(uint64_t seed, bool traced, Measure* left) {
  TwoHomes t(seed, traced, sim::port_restricted, sim::port_restricted);
  Outcome out;
  t.link.bits_per_second = 40e6;
  t.set_round_trips(t.near_rtt, t.far_rtt, t.draw.between(5ms, std::min<Duration>(100ms, t.relay_rtt())));
  t.start_acceptor();
  t.dial();
  bool up = t.draw.chance(0.5);
  t.traffic->open({{up ? size_t{100'000'000} : size_t{0}}, {up ? size_t{0} : size_t{100'000'000}}});
  out.expect(t.run_until([&] { return t.both_on("udp-punch"); }, 20s), "never direct");
  t.world.clock.run_for(4s);
  sim::LinkConfig slow = t.link;
  slow.delay = t.direct_rtt / 2;
  slow.bits_per_second = 1e6;
  t.world.set_way(t.dialler->site(), t.acceptor->site(), slow);
  Instant throttled = t.now();
  t.world.trace.line(throttled, "world", "throttles the direct path");
  const Agent& sender = up ? *t.dialler : *t.acceptor;
  bool away = t.run_until([&] { return sender.technique() == "relay"; }, 20s);
  out.expect(away, "stays on a path that carries too little");
  if (left) left->add(to_ms(t.now() - throttled) / 1e3);
  StreamEnd& hears = up ? *t.traffic->far(0) : *t.traffic->near(0);
  t.world.clock.run_for(5s);
  size_t before = hears.received();
  t.world.clock.run_for(10s);
  double rate = static_cast<double>(hears.received() - before) * 8 / 10;
  out.expect(hears.done() || rate > 5e6, "carries " + std::to_string(rate / 1e6) + " Mbit/s");
  return t.finish(out);
}

TEST(Throttled, TheRelayTakesOver) {
  Measure left("a throttled path is left after", "s");
  for_each_seed(50, [&](uint64_t seed, bool traced) { return throttled(seed, traced, &left); });
  left.print();
}

}  // namespace
}  // namespace ginnel::scenarios
