// Drawing pairs, building their networks, and counting what came of them.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "sim/population/picture.hpp"
#include "sim/population/report.hpp"
#include "sim/population/site_of.hpp"
#include "sim/population/tally.hpp"

namespace ginnel::sim::population {
namespace {

const Model& model() {
  static const Model the = *load_model(std::string(GINNEL_SOURCE_DIR) + "/sim/population/model.toml");
  return the;
}
const Variant& base() { return *model().variant("base"); }
size_t class_named(std::string_view name) {
  for (size_t i = 0; i < model().classes.size(); ++i)
    if (model().classes[i].name == name) return i;
  ADD_FAILURE() << "no class " << name;
  return 0;
}

TEST(PopulationDraw, APairIsTheSameWhateverElseIsDrawn) {
  PairDraw once = draw_pair(model(), base(), 7, 123), again = draw_pair(model(), base(), 7, 123);
  EXPECT_EQ(once.seed, again.seed);
  EXPECT_EQ(once.dialler.kind, again.dialler.kind);
  EXPECT_EQ(once.acceptor.line, again.acceptor.line);
  EXPECT_NE(once.seed, draw_pair(model(), base(), 7, 124).seed);
  EXPECT_NE(once.seed, draw_pair(model(), base(), 8, 123).seed);
}

TEST(PopulationDraw, SharesAreThoseOfTheModel) {
  constexpr int pairs = 20'000;
  for (const Variant& variant : model().variants) {
    std::vector<double> seen(model().classes.size()), shares = model().shares(variant);
    for (int i = 0; i < pairs; ++i) {
      PairDraw pair = draw_pair(model(), variant, 1, static_cast<uint64_t>(i));
      ++seen[pair.dialler.kind], ++seen[pair.acceptor.kind];
    }
    for (size_t k = 0; k < seen.size(); ++k) {
      double n = 2.0 * pairs, sigma = std::sqrt(n * shares[k] * (1 - shares[k]));
      EXPECT_NEAR(seen[k], n * shares[k], 4.5 * sigma) << variant.name << " " << model().classes[k].name;
    }
  }
}

TEST(PopulationDraw, ChancesAreThoseOfTheClass) {
  size_t home = class_named("home");
  double n = 0, mapping = 0, ipv6 = 0, broken = 0;
  for (uint64_t i = 0; i < 20'000; ++i) {
    PeerDraw p = draw_pair(model(), base(), 2, i).dialler;
    if (p.kind != home) continue;
    ++n;
    mapping += p.port_mapping, ipv6 += p.ipv6 != Ipv6Luck::none, broken += p.ipv6 == Ipv6Luck::broken;
    EXPECT_GE(p.line, 2ms);
    EXPECT_LE(p.line, 15ms);
    EXPECT_GE(p.outside_port, 1024);
  }
  EXPECT_NEAR(mapping / n, 0.30, 0.02);
  EXPECT_NEAR(ipv6 / n, 0.50, 0.02);
  EXPECT_NEAR(broken / ipv6, 0.015, 0.01);
}

TEST(PopulationDraw, NoWayIsShorterThanItsLines) {
  for (uint64_t i = 0; i < 200; ++i) {
    PairDraw pair = draw_pair(model(), base(), 3, i);
    EXPECT_GE(delay_between(pair.dialler, pair.acceptor), pair.dialler.line + pair.acceptor.line);
    Duration by_server = delay_to_server(pair.dialler, model().network) + delay_to_server(pair.acceptor, model().network);
    EXPECT_LE(delay_between(pair.dialler, pair.acceptor), by_server + 1ns + 1ns);
  }
}

// ---- networks

SiteConfig site(std::string_view name, PeerDraw peer = {}, const Techniques& with = {}) {
  return site_of(model().classes[class_named(name)], peer, with);
}

TEST(PopulationSite, ACarriersNatIsBehindTheHomes) {
  SiteConfig mobile = site("mobile");
  ASSERT_EQ(mobile.nats.size(), 2u);
  EXPECT_EQ(mobile.nats[0].behaviour.name, "home");
  EXPECT_EQ(mobile.nats[1].behaviour.udp.mapping, nat::Depends::on_nothing);
  EXPECT_EQ(mobile.nats[1].behaviour.udp.filtering, nat::Depends::on_address_and_port);
  EXPECT_EQ(mobile.nats[1].behaviour.ports.choice, nat::PortChoice::block);
  EXPECT_GT(mobile.nats[1].behaviour.ports_per_host, 0u);
  EXPECT_EQ(site("open").nats.size(), 0u);
}

TEST(PopulationSite, TheBorderForbidsWhatTheClassSays) {
  EXPECT_FALSE(site("no UDP").udp_out);
  EXPECT_TRUE(site("no UDP").tcp_ports.empty());
  EXPECT_EQ(site("web only").tcp_ports, (std::vector<uint16_t>{80, 443}));
  EXPECT_EQ(site("home", {}, {.tcp = false}).tcp_ports, server_tcp_ports);
}

TEST(PopulationSite, Ipv6CanBeLeftOut) {
  PeerDraw peer;
  peer.ipv6 = Ipv6Luck::works;
  EXPECT_EQ(site("home", peer).ipv6, Ipv6::works);
  EXPECT_EQ(site("home", peer, {.ipv6 = false}).ipv6, Ipv6::none);
  peer.ipv6 = Ipv6Luck::broken;
  EXPECT_EQ(site("home", peer).ipv6, Ipv6::broken);
}

TEST(PopulationSite, AMappingLeadsThroughEveryNat) {
  World world(1);
  PeerDraw peer;
  peer.outside_port = 5'000;
  SiteId id = world.add_site("twice", site("home and carrier", peer));
  world.add_host(id);
  auto arranged = forward(world, id, peer, world.inside(id), 40'000, listening_port);
  ASSERT_EQ(arranged.size(), 2u);
  EXPECT_EQ(arranged[0].outside, world.outside(id).with_port(5'000));
  EXPECT_EQ(arranged[1].transport, wire::Transport::tcp);
  uint32_t cursor = 0;
  auto inner = world.gateway(id, 0).engine().next_mapping(world.clock.now(), cursor);
  ASSERT_TRUE(inner);
  EXPECT_TRUE(inner->is_static);
  EXPECT_TRUE(inner->inside.same_ip(world.inside(id)));
}

// ---- counting

Outcome outcome(std::string_view dialler, std::string_view acceptor, std::string technique, float direct = 0) {
  Outcome o;
  o.kinds[0] = static_cast<uint8_t>(class_named(dialler));
  o.kinds[1] = static_cast<uint8_t>(class_named(acceptor));
  o.connected = !technique.empty();
  o.technique = std::move(technique);
  o.direct = o.from_relay = direct;
  return o;
}

std::vector<Outcome> some() {
  std::vector<Outcome> out = {outcome("home", "home", "udp-punch", 100), outcome("open", "home", "reversal", 50),
                              outcome("mobile, symmetric", "office, symmetric", "relay"),
                              outcome("home", "office, symmetric", "birthday", 900), outcome("open", "open", "")};
  out[3].searches = 1;
  out[3].probes = 200;
  out[1].tcp = true;
  return out;
}

TEST(PopulationTally, CountsPairsByKindAndTechnique) {
  Tally t(model(), some());
  EXPECT_EQ(t.all.pairs, 5u);
  EXPECT_EQ(t.all.direct, 3u);
  EXPECT_EQ(t.natted.pairs, 3u);
  EXPECT_EQ(t.natted.direct, 2u);
  EXPECT_EQ(t.failed, 1u);
  EXPECT_EQ(t.kinds.at("EIM x open").direct, 1u);
  EXPECT_EQ(t.kinds.at("EDM-random x EDM-random").direct, 0u);
  EXPECT_EQ(t.techniques.at("reversal, tcp").first, 1u);
  EXPECT_EQ(t.techniques.at("reversal, tcp").second, 0u);
  EXPECT_EQ(t.direct.quantile(0.5), 100);
  EXPECT_EQ(t.found.at("birthday").probes.quantile(0.5), 200);
  EXPECT_EQ(t.searched, 1u);
}

TEST(PopulationTally, NothingIsNotAProblem) {
  Tally t(model(), {});
  EXPECT_EQ(t.all.rate(), 0);
  EXPECT_EQ(t.direct.quantile(0.5), 0);
  EXPECT_FALSE(report_counts("none", t).empty());
  EXPECT_FALSE(picture({{"none", &t}}).empty());
}

TEST(PopulationReport, HasALineForEachTechnique) {
  std::string text = report_counts("five pairs", Tally(model(), some()));
  EXPECT_TRUE(text.starts_with("five pairs\n"));
  EXPECT_NE(text.find("  both behind a NAT or firewall             3        2   66.67 %\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  birthday                                  1        1\n"), std::string::npos) << text;
}

TEST(PopulationPicture, StacksWhatTheTallyHas) {
  Tally t(model(), some());
  std::string svg = picture({{"base", &t}});
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
  EXPECT_NE(svg.find("66.7 %"), std::string::npos);
  // Three thirds of the bar: a punch, a birthday, a relay.
  size_t thirds = 0;
  for (size_t at = 0; (at = svg.find("width='180.0' height='22'", at)) != std::string::npos; ++at) ++thirds;
  EXPECT_EQ(thirds, 3u) << svg;
}

}  // namespace
}  // namespace ginnel::sim::population
