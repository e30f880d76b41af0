// Peers in all sorts of places: what connects them there, and that it carries every byte. Each row is a pair of places
// and the way that the two must end on.
#include "tests/scenarios/two_homes.hpp"

namespace ginnel::scenarios {
namespace {

struct Place {
  SiteConfig dialler, acceptor;
  std::string expected;
};

SiteConfig twice(SiteConfig config, std::string_view second) {
  config.nats.push_back({sim::preset(second)});
  return config;
}
SiteConfig with_ipv6(SiteConfig config, sim::Ipv6 ipv6) {
  config.ipv6 = ipv6;
  return config;
}

Outcome at_places(uint64_t seed, bool traced, Place place) {
  sim::Random pick(seed);
  if (pick.chance(0.5)) std::swap(place.dialler, place.acceptor);
  TwoHomes t(seed, traced, place.dialler, place.acceptor);
  Outcome out;
  t.set_round_trips(t.near_rtt, t.far_rtt, t.draw.between(5ms, std::min<Duration>(150ms, t.relay_rtt())));
  t.start_acceptor();
  t.dial();
  t.traffic->open({{50'000, false, 2'500, 500ms}, {50'000, false, 2'500, 500ms}});
  out.expect(t.run_until([&] { return t.traffic->done(); }, 30s), "not done: " + t.traffic->state());
  bool public_one = place.expected == "public|reversal";  // whichever the dialler is
  out.expect(public_one ? t.both_on("public") || t.both_on("reversal") : t.both_on(place.expected), "ends on " + t.dialler->technique() + " and " + t.acceptor->technique());
  return t.finish(out);
}

void run(const SiteConfig& dialler, const SiteConfig& acceptor, const std::string& expected) {
  for_each_seed(50, [&](uint64_t seed, bool traced) { return at_places(seed, traced, {dialler, acceptor, expected}); });
}

TEST(Places, DoubleNat) { run(twice(sim::port_restricted, "cgn"), twice(sim::port_restricted, "home"), "udp-punch"); }
TEST(Places, DoubleNatAndSymmetric) { run(twice(sim::port_restricted, "symmetric"), sim::port_restricted, "relay"); }
TEST(Places, PublicAndSymmetric) { run(sim::public_site(), sim::symmetric, "public|reversal"); }
TEST(Places, FirewallAndSymmetric) { run(sim::stateful_firewall(), sim::symmetric, "relay"); }
TEST(Places, TwoFirewalls) { run(sim::stateful_firewall(), sim::stateful_firewall(), "public"); }
TEST(Places, HomeRoutersOfToday) { run(sim::behind("home"), sim::behind("home"), "udp-punch"); }
TEST(Places, Ipv6PastSymmetricNats) {
  run(with_ipv6(sim::symmetric, sim::Ipv6::works), with_ipv6(sim::symmetric, sim::Ipv6::works), "ipv6");
}
TEST(Places, BrokenIpv6IsLeftAlone) {
  run(with_ipv6(sim::port_restricted, sim::Ipv6::broken), with_ipv6(sim::port_restricted, sim::Ipv6::works),
      "udp-punch");
}
TEST(Places, BridgesDoNotDisturb) {
  SiteConfig home = sim::port_restricted;
  home.bridges = {{Address::v4(172, 17, 0, 1, 0)}, {Address::v4(192, 168, 122, 1, 0), 24}};
  home.lan = Address::v4(192, 168, 1, 0, 0);
  run(home, home, "udp-punch");
}

/// Two agents behind one thing: how they meet.
template <typename Build>
void meet(const std::string& expected, Build build) {
  for_each_seed(50, [&](uint64_t seed, bool traced) {
    World world(seed);
    world.trace.on = traced;
    auto [one, other] = build(world);
    Agent acceptor(world, "acceptor", one, service), dialler(world, "dialler", other, std::nullopt);
    world.start_server();
    acceptor.start();
    world.clock.run_until([&] { return !acceptor.registered.empty(); }, 10s);
    dialler.start();
    Traffic traffic(world, dialler, acceptor, dialler.dial(acceptor));
    traffic.open({{50'000, false, 2'500, 500ms}, {50'000, false, 2'500, 500ms}});
    Outcome out;
    out.expect(world.clock.run_until([&] { return traffic.done(); }, 30s), "not done: " + traffic.state());
    out.expect(dialler.technique() == expected && acceptor.technique() == expected,
               "ends on " + dialler.technique() + " and " + acceptor.technique());
    out.expect(traffic.problems().empty(), traffic.problems());
    out.trace = world.trace.text();
    return out;
  });
}
using Sites = std::pair<SiteId, SiteId>;

TEST(Places, OneLan) {
  meet("lan", [](World& world) {
    SiteId home = world.add_site("home", sim::symmetric);
    return Sites(home, home);
  });
}
TEST(Places, OneIsolatedLanWithHairpin) {
  meet("hairpin", [](World& world) {
    SiteConfig config = sim::port_restricted;
    config.isolated = true;
    SiteId home = world.add_site("home", config);
    return Sites(home, home);
  });
}
TEST(Places, OneIsolatedLanWithout) {
  meet("relay", [](World& world) {
    SiteConfig config = sim::behind("linux");
    config.isolated = true;
    SiteId home = world.add_site("home", config);
    return Sites(home, home);
  });
}
TEST(Places, OneCarrier) {
  meet("hairpin", [](World& world) {
    SiteId carrier = world.add_carrier("carrier", {{sim::preset("cgn")}});
    SiteConfig home = sim::port_restricted;
    home.carrier = carrier;
    home.line.delay = 2ms;
    return Sites(world.add_site("one", home), world.add_site("other", home));
  });
}
TEST(Places, OneCarrierWithoutHairpin) {
  meet("relay", [](World& world) {
    nat::Behaviour cgn = sim::preset("cgn");
    cgn.hairpin = nat::Hairpin::off;
    SiteId carrier = world.add_carrier("carrier", {{cgn}, sim::Ipv6::none, true});
    SiteConfig home = sim::port_restricted;
    home.carrier = carrier;
    return Sites(world.add_site("one", home), world.add_site("other", home));
  });
}

TEST(Places, SameSeedSameTrace) {
  SiteConfig busy = sim::behind("symmetric-sequential");
  busy.nats[0].cross_traffic = 50;
  same_seed_same_trace(3, [&](uint64_t seed, bool traced) {
    return at_places(seed, traced, {twice(busy, "cgn"), with_ipv6(sim::behind("linux"), sim::Ipv6::works), "relay"});
  });
}

}  // namespace
}  // namespace ginnel::scenarios
