// A direct path that carries traffic is cut, in both directions or in one. Traffic goes on through the relay within two
// seconds, nothing is lost or doubled, and when the path is mended it is used again.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

enum class Cut { both, up, down };

struct Measured {
  explicit Measured(const std::string& what) : gap("gap after " + what, "ms"), back("direct again after " + what, "s") {}
  Measure gap, back;
};

Outcome direct_dies(uint64_t seed, bool traced, Cut cut, Measured* measured) {
  TwoHomes t(seed, traced, sim::port_restricted, sim::port_restricted);
  Outcome out;
  t.set_round_trips(t.near_rtt, t.far_rtt, t.draw.between(5ms, std::min<Duration>(150ms, t.relay_rtt())));
  t.start_acceptor();
  t.dial();
  Speech talk{10'000'000, false, 1'000, 50ms};
  t.traffic->open({talk, talk});
  if (!t.run_until([&] { return t.both_on("udp-punch"); }, 30s)) {
    out.expect(false, "never direct");
    return t.finish(out);
  }
  t.world.clock.run_for(t.draw.between(0ms, 8s));
  SiteId near = t.dialler->site(), far = t.acceptor->site();
  Instant cut_at = t.now();
  t.world.trace.line(cut_at, "world", "cuts the direct path");
  t.world.link(near, far).set_cut(cut != Cut::down);
  t.world.link(far, near).set_cut(cut != Cut::up);
  t.world.clock.run_for(t.draw.between(5s, 30s));
  Duration gap = std::max(Traffic::longest_gap(*t.traffic->near(0), cut_at, t.now()),
                          Traffic::longest_gap(*t.traffic->far(0), cut_at, t.now()));
  out.expect(gap < 2s, "a gap of " + std::to_string(to_ms(gap)) + " ms");
  out.expect(t.both_on("relay"), "not back on the relay: " + t.dialler->technique() + ", " + t.acceptor->technique());
  t.world.cut(near, far, false);
  Instant mended = t.now();
  t.world.trace.line(mended, "world", "mends the direct path");
  out.expect(t.run_until([&] { return t.both_on("udp-punch"); }, 60s), "the direct path did not come back");
  if (measured) measured->back.add(to_ms(t.now() - mended) / 1e3);
  if (measured) measured->gap.add(to_ms(gap));
  Instant direct = t.now();
  t.world.clock.run_for(3s);
  out.expect(Traffic::longest_gap(*t.traffic->far(0), direct, t.now()) < 1s, "a gap on the way back");
  return t.finish(out);
}

void run(Cut cut, const std::string& what) {
  Measured measured(what);
  for_each_seed(200, [&](uint64_t seed, bool traced) { return direct_dies(seed, traced, cut, &measured); });
  measured.gap.print();
  measured.back.print();
}

TEST(DirectDies, BothWays) { run(Cut::both, "a cut of both ways"); }
TEST(DirectDies, TowardsTheAcceptor) { run(Cut::up, "a cut towards the acceptor"); }
TEST(DirectDies, TowardsTheDialler) { run(Cut::down, "a cut towards the dialler"); }

// As fast as the path allows, so that much is in flight when it dies.
TEST(DirectDies, UnderFullLoad) {
  Measure gap("gap under full load", "ms"), rest("from the cut to the end of the transfer", "s");
  for_each_seed(200, [&](uint64_t seed, bool traced) {
    TwoHomes t(seed, traced, sim::port_restricted, sim::port_restricted);
    Outcome out;
    sim::LinkConfig link;
    link.bits_per_second = 20e6;
    t.shape(link);
    t.set_round_trips(t.near_rtt, t.far_rtt, t.draw.between(5ms, std::min<Duration>(150ms, t.relay_rtt())));
    t.start_acceptor();
    t.dial();
    bool up = t.draw.chance(0.5);
    t.traffic->open(up ? StreamPlan{{6'000'000}, {1}} : StreamPlan{{1}, {6'000'000}});
    auto receiver = [&] { return up ? t.traffic->far(0) : t.traffic->near(0); };
    auto ready = [&] { return t.both_on("udp-punch") && receiver() && receiver()->received() > 1'000'000; };
    out.expect(t.run_until(ready, 30s), "never direct: " + t.traffic->state());
    if (!out.problems.empty()) return t.finish(out);
    Instant cut_at = t.now();
    t.world.trace.line(cut_at, "world", "cuts the direct path");
    auto kind = static_cast<Cut>(t.draw.below(3));
    t.world.link(t.dialler->site(), t.acceptor->site()).set_cut(kind != Cut::down);
    t.world.link(t.acceptor->site(), t.dialler->site()).set_cut(kind != Cut::up);
    out.expect(t.run_until([&] { return t.traffic->done(); }, 60s), "not done: " + t.traffic->state());
    Duration longest = Traffic::longest_gap(*receiver(), cut_at, receiver()->arrivals().back());
    out.expect(longest < 2s, "a gap of " + std::to_string(to_ms(longest)) + " ms");
    gap.add(to_ms(longest));
    rest.add(to_ms(t.now() - cut_at) / 1e3);
    return t.finish(out);
  });
  gap.print();
  rest.print();
}

TEST(DirectDies, SameSeedSameTrace) {
  same_seed_same_trace(3, [](uint64_t seed, bool traced) { return direct_dies(seed, traced, Cut::up, nullptr); });
}

}  // namespace
}  // namespace ginnel::scenarios
