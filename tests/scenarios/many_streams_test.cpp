// Fifty streams at once, of all sizes, in both directions, half-closed, reset and read slowly, while the session moves
// from the relay to a direct path. Each ends as its script says.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

Outcome many_streams(uint64_t seed, bool traced) {
  TwoHomes t(seed, traced, sim::port_restricted, sim::port_restricted);
  Outcome out;
  sim::LinkConfig link;
  link.loss = t.draw.chance(0.5) ? 0 : 0.01;
  link.bits_per_second = t.draw.chance(0.5) ? 0 : 50e6;
  t.shape(link);
  t.start_acceptor();
  t.dial();
  auto speech = [&] {
    Speech s;
    s.bytes = t.draw.chance(0.2) ? 0 : t.draw.chance(0.1) ? t.draw.between(50'000, 300'000) : t.draw.between(1, 10'000);
    s.reset = t.draw.chance(0.1);
    return s;
  };
  for (int i = 0; i < 50; ++i) {
    StreamPlan plan{speech(), speech()};
    plan.slow_readers = t.draw.chance(0.2);
    Duration later = t.draw.between(0ms, 2s);
    t.world.clock.after(later, [&t, plan] { t.traffic->open(plan); });
  }
  t.world.clock.run_for(2s);
  out.expect(t.run_until([&] { return t.traffic->opened() == 50 && t.traffic->done(); }, 60s), "not done: " + t.traffic->state());
  t.world.clock.run_for(2s);
  auto left = [](const Agent& agent) {
    size_t n = 0;
    for (peer::PeerId id : agent.node().peers())
      n += const_cast<peer::Peer*>(agent.node().peer(id))->session()->stream_count();
    return n;
  };
  // Only the control stream is left.
  out.expect(left(*t.dialler) == 1, std::to_string(left(*t.dialler)) + " streams left at the dialler: " + t.traffic->state());
  out.expect(left(*t.acceptor) == 1, std::to_string(left(*t.acceptor)) + " streams left at the acceptor: " + t.traffic->state());
  return t.finish(out);
}

// All at once, more than the session's window takes before the dialler is admitted: it must open again for every stream.
Outcome burst(uint64_t seed, bool traced) {
  TwoHomes t(seed, traced, sim::port_restricted, sim::port_restricted);
  Outcome out;
  t.start_acceptor();
  t.dial();
  for (int i = 0; i < 20; ++i) t.traffic->open({{t.draw.between(10'000, 80'000)}, {t.draw.between(1, 10'000)}});
  out.expect(t.run_until([&] { return t.traffic->done(); }, 20s), "not done: " + t.traffic->state());
  return t.finish(out);
}

TEST(ManyStreams, AllAtOnce) { for_each_seed(200, burst); }
TEST(ManyStreams, EndAsTheScriptSays) { for_each_seed(200, many_streams); }
TEST(ManyStreams, SameSeedSameTrace) { same_seed_same_trace(9, many_streams); }

}  // namespace
}  // namespace ginnel::scenarios
