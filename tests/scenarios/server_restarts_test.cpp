// The server is killed and comes back with the same key and no memory. A relayed session stands still meanwhile and goes
// on soon after; a direct one hardly notices; and the exposed service can be dialled again.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

struct Measured {
  explicit Measured(const std::string& what)
      : gap("longest gap after the server listens again, " + what, "ms"), registered("registered again, " + what, "ms") {}
  Measure gap, registered;
};

Outcome server_restarts(uint64_t seed, bool traced, bool direct, Measured* measured) {
  SiteConfig nat = direct ? sim::port_restricted : sim::symmetric;
  TwoHomes t(seed, traced, nat, nat);
  Outcome out;
  if (direct) t.set_round_trips(t.near_rtt, t.far_rtt, t.draw.between(5ms, std::min<Duration>(150ms, t.relay_rtt())));
  t.start_acceptor();
  t.dial();
  Speech talk{10'000'000, false, 1'000, 50ms};
  t.traffic->open({talk, talk});
  t.world.clock.run_for(t.draw.between(5s, 12s));
  out.expect(t.both_on(direct ? "udp-punch" : "relay"), "on " + t.dialler->technique());
  Instant killed = t.now();
  t.world.kill_server();
  t.world.clock.run_for(t.draw.between(500ms, 5s));
  size_t before = t.acceptor->registered.size();
  t.world.start_server();
  Instant restarted = t.now();
  t.world.clock.run_for(5s);
  out.expect(t.acceptor->registered.size() > before, "not registered again within 5 s");
  if (t.acceptor->registered.size() > before && measured)
    measured->registered.add(to_ms(t.acceptor->registered[before] - restarted));
  Instant from = direct ? killed : restarted;
  Duration gap = std::max(Traffic::longest_gap(*t.traffic->near(0), from, t.now()),
                          Traffic::longest_gap(*t.traffic->far(0), from, t.now()));
  out.expect(gap <= (direct ? 1s : 3s), "a gap of " + std::to_string(to_ms(gap)) + " ms");
  if (measured) measured->gap.add(to_ms(gap));

  // A stranger to all this dials as on any other day.
  Agent third(t.world, "third", sim::port_restricted, std::nullopt);
  sim::LinkConfig way;
  way.delay = 15ms;
  t.world.set_way(third.site(), World::server_site, way);
  t.world.set_way(third.site(), t.acceptor->site(), way);
  std::unique_ptr<Traffic> visit;
  third.start();
  visit = std::make_unique<Traffic>(t.world, third, *t.acceptor, third.dial(*t.acceptor));
  visit->open({{5'000}, {5'000}});
  out.expect(t.run_until([&] { return visit->done(); }, 5s), "the third node: " + visit->state());
  out.expect(visit->problems().empty(), visit->problems());
  out.expect(!t.traffic->ended(), "the session ended");
  return t.finish(out);
}

void run(bool direct, const std::string& what) {
  Measured measured(what);
  for_each_seed(200, [&](uint64_t seed, bool traced) { return server_restarts(seed, traced, direct, &measured); });
  measured.gap.print();
  measured.registered.print();
}

TEST(ServerRestarts, UnderARelayedTransfer) { run(false, "relayed"); }
TEST(ServerRestarts, UnderADirectTransfer) { run(true, "direct"); }

TEST(ServerRestarts, SameSeedSameTrace) {
  same_seed_same_trace(5, [](uint64_t seed, bool traced) { return server_restarts(seed, traced, false, nullptr); });
}

}  // namespace
}  // namespace ginnel::scenarios
