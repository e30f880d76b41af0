// The main road: both homes behind NATs that allow punching. The first byte travels through the server, the rest soon
// goes directly, and nobody above notices.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

struct Measured {
  Measure first_echo{"first byte echoed, server session included", "ideal round trips"};
  Measure direct{"direct after the first relayed byte", "relayed round trips"};
};

Outcome relay_then_direct(uint64_t seed, bool traced, Measured* measured) {
  TwoHomes t(seed, traced, sim::port_restricted, sim::port_restricted);
  Outcome out;
  sim::LinkConfig link;
  link.jitter = t.draw.chance(0.5) ? Duration::zero() : 2ms;
  link.bits_per_second = t.draw.chance(0.5) ? 0 : 50e6;
  t.shape(link);
  // A direct path that is slower than the relay is not taken (see below).
  t.set_round_trips(t.near_rtt, t.far_rtt, t.draw.between(5ms, std::min<Duration>(150ms, t.relay_rtt())));
  bool acceptor_first = t.draw.chance(0.8);
  if (acceptor_first) {
    t.start_acceptor();
    t.world.clock.run_for(t.draw.between(0ms, 300ms));
  }
  t.dial();
  t.traffic->open({{1}, {1}});
  size_t bytes = t.draw.between(200'000, 1'000'000);
  t.traffic->open({{bytes}, {bytes / 2}});
  if (!acceptor_first) {
    t.world.clock.run_for(t.draw.between(0ms, 500ms));
    t.acceptor->start();
  }
  out.expect(t.run_until([&] { return t.traffic->near(0) && t.traffic->near(0)->received() > 0; }, 10s), "no first byte");
  if (!out.problems.empty()) return t.finish(out);
  Instant first = t.traffic->far(0)->arrivals().front();
  out.expect(t.acceptor->paths.front().technique == "relay", "the first path is " + t.acceptor->paths.front().technique);
  Duration ideal = t.near_rtt + 2 * t.relay_rtt();
  if (measured && acceptor_first)
    measured->first_echo.add(to_ms(t.traffic->near(0)->arrivals().front() - t.dialled_at) / to_ms(ideal));
  bool direct = t.run_until([&] { return t.both_on("udp-punch"); }, 30s);
  double trips = to_ms(t.now() - first) / to_ms(t.relay_rtt());
  out.expect(direct, "never direct: " + t.dialler->technique() + ", " + t.acceptor->technique());
  if (direct && measured) measured->direct.add(trips);
  out.expect(trips <= 5, "direct only after " + std::to_string(trips) + " relayed round trips");
  out.expect(t.run_until([&] { return t.traffic->done(); }, 60s), "not done: " + t.traffic->state());
  out.expect(t.both_on("udp-punch"), "ends on " + t.dialler->technique() + " and " + t.acceptor->technique());
  return t.finish(out);
}

TEST(RelayThenDirect, MovesToTheDirectPath) {
  Measured measured;
  for_each_seed(200, [&](uint64_t seed, bool traced) { return relay_then_direct(seed, traced, &measured); });
  measured.first_echo.print();
  measured.direct.print();
}

// Chosen by measured round trips: the relay stays where it is clearly faster.
TEST(RelayThenDirect, ASlowDirectPathIsNotTaken) {
  for_each_seed(20, [](uint64_t seed, bool traced) {
    TwoHomes t(seed, traced, sim::port_restricted, sim::port_restricted);
    Outcome out;
    t.set_round_trips(t.draw.between(5ms, 40ms), t.draw.between(5ms, 40ms), 150ms);
    t.start_acceptor();
    t.dial();
    t.traffic->open({{30'000, false, 1'000, 500ms}, {30'000, false, 1'000, 500ms}});
    out.expect(t.run_until([&] { return t.traffic->done(); }, 30s), "not done: " + t.traffic->state());
    out.expect(t.dialler->paths.size() == 1 && t.both_on("relay"), "left the relay");
    return t.finish(out);
  });
}

TEST(RelayThenDirect, FirstByteAtFiftyMilliseconds) {
  TwoHomes t(1, false, sim::port_restricted, sim::port_restricted);
  t.set_round_trips(50ms, 50ms, 50ms);
  t.start_acceptor();
  t.world.clock.run_for(1s);
  t.dial();
  t.traffic->open({{1}, {1}});
  ASSERT_TRUE(t.run_until([&] { return t.traffic->near(0) && t.traffic->near(0)->received() > 0; }, 10s));
  Duration took = t.now() - t.dialled_at;
  std::printf("    first byte echoed after %.1f ms = %.2f round trips to the server; relayed round trip 100 ms\n", to_ms(took),
              to_ms(took) / 50);
  // One to the server, one relayed (two to the server) for the handshake, one relayed for the request.
  EXPECT_LE(took, 255ms);
}

TEST(RelayThenDirect, SameSeedSameTrace) {
  same_seed_same_trace(7, [](uint64_t seed, bool traced) { return relay_then_direct(seed, traced, nullptr); });
}

}  // namespace
}  // namespace ginnel::scenarios
