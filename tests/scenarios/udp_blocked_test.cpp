// Networks without UDP: the session with the server, and with it the relay, travels in TCP. And networks that lose UDP
// in the middle of a session, and get it back.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

/// No UDP, and TCP to the server only: else the two would punch by TCP.
SiteConfig blocked() {
  SiteConfig out = sim::port_restricted.without_udp();
  out.tcp_ports = {World::server_port};
  return out;
}

Outcome udp_blocked(uint64_t seed, bool traced, Measure* first) {
  sim::Random pick(seed);
  uint64_t who = pick.below(3);  // the dialler, the acceptor, both
  TwoHomes t(seed, traced, who == 1 ? sim::port_restricted : blocked(), who == 0 ? sim::port_restricted : blocked());
  Outcome out;
  sim::LinkConfig link;
  link.bits_per_second = t.draw.chance(0.5) ? 0 : 20e6;
  t.shape(link);
  t.start_acceptor();
  t.dial();
  size_t bytes = t.draw.between(200'000, 1'000'000);
  StreamPlan plan{{bytes}, {bytes / 2}};
  plan.slow_readers = t.draw.chance(0.3);
  t.traffic->open(plan);
  bool there = t.run_until([&] { return t.traffic->near(0) && t.traffic->near(0)->received() > 0; }, 10s);
  out.expect(there, "nothing came back: " + t.traffic->state());
  if (first) first->add(to_ms(t.now() - t.dialled_at));
  out.expect(t.run_until([&] { return t.traffic->done(); }, 60s), "not done: " + t.traffic->state());
  out.expect(t.both_on("relay"), "not on the relay");
  if (who != 1) out.expect(t.dialler->transport() == "tcp", "the dialler is on " + t.dialler->transport());
  if (who != 0) out.expect(t.acceptor->transport() == "tcp", "the acceptor is on " + t.acceptor->transport());
  return t.finish(out);
}

Outcome udp_dies(uint64_t seed, bool traced, bool direct, Measure* gaps) {
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
  Agent& victim = t.draw.chance(0.5) ? *t.dialler : *t.acceptor;
  t.world.block_udp(victim.site(), true);
  Instant died = t.now();
  t.world.trace.line(died, "world", "UDP dies");
  t.world.clock.run_for(t.draw.between(8s, 12s));
  Duration gap = std::max(Traffic::longest_gap(*t.traffic->near(0), died, t.now()),
                          Traffic::longest_gap(*t.traffic->far(0), died, t.now()));
  out.expect(gap <= 5s, "a gap of " + std::to_string(to_ms(gap)) + " ms");
  out.expect(victim.server_ups.back().second.tcp != 0, "not on TCP");
  if (gaps) gaps->add(to_ms(gap));
  t.world.block_udp(victim.site(), false);
  Instant mended = t.now();
  t.world.trace.line(mended, "world", "UDP lives");
  t.world.clock.run_for(15s);
  out.expect(victim.server_ups.back().second.tcp == 0, "not back on UDP");
  Duration back = std::max(Traffic::longest_gap(*t.traffic->near(0), mended, t.now()),
                           Traffic::longest_gap(*t.traffic->far(0), mended, t.now()));
  out.expect(back < 1s, "a gap of " + std::to_string(to_ms(back)) + " ms on the way back to UDP");
  out.expect(!t.traffic->ended(), "the session ended");
  return t.finish(out);
}

TEST(UdpBlocked, RelayOverTcp) {
  Measure first("first byte echoed without UDP", "ms");
  for_each_seed(200, [&](uint64_t seed, bool traced) { return udp_blocked(seed, traced, &first); });
  first.print();
}

TEST(UdpBlocked, DiesUnderARelayedSession) {
  Measure gap("gap when UDP dies, relayed", "ms");
  for_each_seed(200, [&](uint64_t seed, bool traced) { return udp_dies(seed, traced, false, &gap); });
  gap.print();
}

TEST(UdpBlocked, DiesUnderADirectSession) {
  Measure gap("gap when UDP dies, direct", "ms");
  for_each_seed(200, [&](uint64_t seed, bool traced) { return udp_dies(seed, traced, true, &gap); });
  gap.print();
}

TEST(UdpBlocked, SameSeedSameTrace) {
  same_seed_same_trace(4, [](uint64_t seed, bool traced) { return udp_blocked(seed, traced, nullptr); });
  same_seed_same_trace(4, [](uint64_t seed, bool traced) { return udp_dies(seed, traced, true, nullptr); });
}

}  // namespace
}  // namespace ginnel::scenarios
