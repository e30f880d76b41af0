// TCP hole punching where UDP does not pass, against NATs that answer a SYN they did not expect with silence, a reset or an
// ICMP error (RFC 5382 REQ-4), and with sides that hear of each other at different times.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

SiteConfig home(nat::UnsolicitedSyn answer) {
  nat::Behaviour b = sim::port_restricted.nats[0].behaviour;
  b.unsolicited_syn = answer;
  return sim::behind(b).without_udp();
}

/// `lag`: how much later the word of the dialler reaches the acceptor than the other way round.
Outcome punch(uint64_t seed, bool traced, nat::UnsolicitedSyn near, nat::UnsolicitedSyn far, Duration lag, Measure* direct) {
  TwoHomes t(seed, traced, home(near), home(far));
  Outcome out;
  t.set_round_trips(t.draw.between(5ms, 60ms), t.draw.between(5ms, 60ms), 0ms);
  t.set_round_trips(t.near_rtt, t.far_rtt, t.draw.between(5ms, t.relay_rtt()));
  // The way from the server to one side alone is longer by so much.
  SiteId later = lag > Duration::zero() ? t.acceptor->site() : t.dialler->site();
  t.world.link(World::server_site, later).config.delay += std::max(lag, -lag);
  t.start_acceptor();
  t.dial();
  t.traffic->open({{300'000, false, 5'000, 200ms}, {300'000, false, 5'000, 200ms}});
  out.expect(t.run_until([&] { return t.dialler->technique() == "relay"; }, 10s), "never connected");
  Instant relayed = t.now();
  bool punched = t.run_until([&] { return t.both_on("tcp-punch"); }, 8s);
  if (direct) direct->add(punched ? to_ms(t.now() - relayed) : 1e9);
  out.expect(t.run_until([&] { return t.traffic->done(); }, 60s), "not done: " + t.traffic->state());
  return t.finish(out);
}

struct Row {
  nat::UnsolicitedSyn near, far;
  std::string name;
};

class TcpPunch : public ::testing::TestWithParam<Row> {};

TEST_P(TcpPunch, ConnectsWithinEightSeconds) {
  for (Duration lag : {Duration{}, Duration(50ms), Duration(-50ms), Duration(500ms), Duration(-500ms)}) {
    Measure direct(GetParam().name + ", lag " + std::to_string(lag / 1ms) + " ms: direct by TCP after", "ms");
    for_each_seed(20, [&](uint64_t seed, bool traced) {
      return punch(seed, traced, GetParam().near, GetParam().far, lag, &direct);
    });
    direct.print();
    EXPECT_LE(direct.quantile(0.95), 8'000) << "of 20 more than one did not connect";
  }
}

using Syn = nat::UnsolicitedSyn;
INSTANTIATE_TEST_SUITE_P(Pairs, TcpPunch,
                         ::testing::Values(Row{Syn::silent, Syn::silent, "SilentSilent"}, Row{Syn::silent, Syn::rst, "SilentReset"},
                                           Row{Syn::rst, Syn::silent, "ResetSilent"}, Row{Syn::rst, Syn::rst, "ResetReset"},
                                           Row{Syn::icmp, Syn::silent, "ErrorSilent"}, Row{Syn::silent, Syn::icmp, "SilentError"},
                                           Row{Syn::icmp, Syn::rst, "ErrorReset"}, Row{Syn::rst, Syn::icmp, "ResetError"},
                                           Row{Syn::icmp, Syn::icmp, "ErrorError"}),
                         [](auto& row) { return row.param.name; });

}  // namespace
}  // namespace ginnel::scenarios
