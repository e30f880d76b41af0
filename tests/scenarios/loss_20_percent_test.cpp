// A fifth of all packets is lost on every link, both ways: through the relay a third. It connects, and every byte comes.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

Outcome loss_20_percent(uint64_t seed, bool traced, Measure* connected, Measure* done) {
  const SiteConfig kinds[] = {sim::port_restricted, sim::full_cone, sim::symmetric};
  sim::Random pick(seed);
  SiteConfig first = kinds[pick.below(3)], second = kinds[pick.below(3)];
  TwoHomes t(seed, traced, first, second);
  Outcome out;
  sim::LinkConfig link;
  link.loss = 0.2;
  link.jitter = 3ms;
  link.bits_per_second = 20e6;
  t.shape(link);
  t.start_acceptor();
  out.expect(!t.acceptor->registered.empty(), "never registered");
  t.dial();
  t.traffic->open({{150'000}, {50'000}});
  bool there = t.run_until([&] { return t.traffic->near(0) && t.traffic->near(0)->received() > 0; }, 30s);
  out.expect(there, "nothing came back within 30 s: " + t.traffic->state());
  if (connected) connected->add(to_ms(t.now() - t.dialled_at) / 1e3);
  bool whole = t.run_until([&] { return t.traffic->done(); }, 120s);
  out.expect(whole, "not done within 120 s: " + t.traffic->state());
  if (done) done->add(to_ms(t.now() - t.dialled_at) / 1e3);
  return t.finish(out);
}

TEST(Loss20Percent, ConnectsAndCompletes) {
  Measure connected("first byte echoed at 20 % loss", "s"), done("200 KB at 20 % loss", "s");
  for_each_seed(200, [&](uint64_t seed, bool traced) { return loss_20_percent(seed, traced, &connected, &done); });
  connected.print();
  done.print();
}

TEST(Loss20Percent, SameSeedSameTrace) {
  same_seed_same_trace(2, [](uint64_t seed, bool traced) { return loss_20_percent(seed, traced, nullptr, nullptr); });
}

}  // namespace
}  // namespace ginnel::scenarios
