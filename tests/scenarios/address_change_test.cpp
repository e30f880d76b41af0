// A home's NAT reboots and gives other ports, or its provider gives another address, while a direct path carries traffic.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

struct Measured {
  explicit Measured(const std::string& what) : gap("gap after " + what, "ms"), back("direct again after " + what, "s") {}
  Measure gap, back;
};

Outcome address_change(uint64_t seed, bool traced, bool moves, Measured* measured) {
  TwoHomes t(seed, traced, sim::port_restricted, sim::port_restricted);
  Outcome out;
  t.set_round_trips(t.near_rtt, t.far_rtt, t.draw.between(5ms, std::min<Duration>(150ms, t.relay_rtt())));
  t.start_acceptor();
  t.dial();
  Speech talk{10'000'000, false, 1'000, 50ms};
  t.traffic->open({talk, talk});
  out.expect(t.run_until([&] { return t.both_on("udp-punch"); }, 30s), "never direct");
  t.world.clock.run_for(t.draw.between(0s, 12s));
  SiteId site = t.draw.chance(0.5) ? t.dialler->site() : t.acceptor->site();
  if (moves)
    t.world.move(site);
  else
    t.world.reboot_nat(site, true);
  Instant changed = t.now();
  t.world.clock.run_for(6s);
  Duration gap = std::max(Traffic::longest_gap(*t.traffic->near(0), changed, t.now()),
                          Traffic::longest_gap(*t.traffic->far(0), changed, t.now()));
  out.expect(gap <= 3s, "a gap of " + std::to_string(to_ms(gap)) + " ms");
  if (measured) measured->gap.add(to_ms(gap));
  out.expect(t.run_until([&] { return t.both_on("udp-punch"); }, 9s),
             "not direct again: " + t.dialler->technique() + ", " + t.acceptor->technique());
  Instant direct = std::max(t.dialler->paths.back().when, t.acceptor->paths.back().when);
  if (measured) measured->back.add(to_ms(direct - changed) / 1e3);
  Instant settled = t.now();
  t.world.clock.run_for(5s);
  out.expect(Traffic::longest_gap(*t.traffic->far(0), settled, t.now()) < 1s, "a gap on the way back");
  out.expect(t.both_on("udp-punch"), "did not stay direct");
  out.expect(!t.traffic->ended(), "the session ended");
  return t.finish(out);
}

void run(bool moves, const std::string& what) {
  Measured measured(what);
  for_each_seed(200, [&](uint64_t seed, bool traced) { return address_change(seed, traced, moves, &measured); });
  measured.gap.print();
  measured.back.print();
}

TEST(AddressChange, NatReboots) { run(false, "a reboot of the NAT"); }
TEST(AddressChange, PublicAddressChanges) { run(true, "a change of address"); }

TEST(AddressChange, SameSeedSameTrace) {
  same_seed_same_trace(8, [](uint64_t seed, bool traced) { return address_change(seed, traced, true, nullptr); });
}

}  // namespace
}  // namespace ginnel::scenarios
