// Every kind of network against every other, and what the two end on: tests/golden/matrix.txt. What theory says of the
// pairs of NATs is RFC 5128 section 3 and 4; each cell is one world with the real machines, run until nothing changes.
#include <iomanip>
#include <sstream>
#include <vector>

#include "tests/scenarios/two_homes.hpp"
#include "tests/support/golden.hpp"
#include "wire/ip.hpp"

namespace ginnel::scenarios {
namespace {

struct Kind {
  std::string name;
  SiteConfig site;
  /// A way in that somebody made at the router: by hand, or the router itself when it was asked.
  std::optional<wire::CandidateType> arranged;
};

SiteConfig twice(SiteConfig config, std::string_view second) {
  config.nats.push_back({sim::preset(second)});
  return config;
}
SiteConfig only_443() {
  SiteConfig out = sim::port_restricted.without_udp();
  out.tcp_ports = {443};
  return out;
}

const std::vector<Kind> kinds = {
    {"open", sim::public_site(), {}},
    {"full-cone", sim::full_cone, {}},
    {"restricted", sim::address_restricted, {}},
    {"port-restricted", sim::port_restricted, {}},
    {"sequential", sim::behind("symmetric-sequential"), {}},
    {"random", sim::symmetric, {}},
    {"udp-blocked", sim::port_restricted.without_udp(), {}},
    {"443-only", only_443(), {}},
    {"cgn", twice(sim::port_restricted, "cgn"), {}},
    {"forward", sim::symmetric, wire::CandidateType::forwarded},
    {"mapping", sim::symmetric, wire::CandidateType::mapped},
};
constexpr uint16_t tcp_port = 40'000;  // of those for whom a way in is arranged

/// One home, its agent, and what is arranged for it.
struct Home {
  Home(World& world, std::string name, const Kind& kind, std::optional<wire::ServiceId> service)
      : agent(world, std::move(name), kind.site, service, config(kind)) {
    if (!kind.arranged) return;
    sim::GatewayBox& box = world.gateway(agent.site());
    Address outside = world.outside(agent.site()).with_port(50'000), inside = world.inside(agent.site());
    box.engine().add_forward(wire::ip_protocol_udp, outside, inside.with_port(agent.udp_port()));
    box.engine().add_forward(wire::ip_protocol_tcp, outside, inside.with_port(tcp_port));
    agent.arrange({{*kind.arranged, wire::Transport::udp, outside}, {*kind.arranged, wire::Transport::tcp, outside}});
  }
  static peer::NodeConfig config(const Kind& kind) {
    peer::NodeConfig out;
    if (kind.arranged) out.tcp_port = tcp_port, out.listen_tcp = true;
    return out;
  }
  Agent agent;
};

sim::WorldConfig world_config() {
  sim::WorldConfig config;
  config.server.second_port = true;
  config.server.tcp_ports = {World::server_port, 443};
  return config;
}

/// "birthday", "tcp-punch", "relay", ...; a complaint if not everything arrives.
std::string meet(World& world, Agent& dialler, Agent& target) {
  world.start_server();
  target.start();
  world.clock.run_until([&] { return !target.registered.empty(); }, 30s);
  dialler.start();
  Traffic traffic(world, dialler, target, dialler.dial(target));
  traffic.open({{70'000, false, 1'000, 1s}, {70'000, false, 1'000, 1s}});
  if (!world.clock.run_until([&] { return traffic.done(); }, 120s)) return "NOT DONE " + traffic.state();
  if (!traffic.problems().empty()) return traffic.problems();
  if (dialler.technique() != target.technique()) return dialler.technique() + "|" + target.technique();
  return dialler.technique();
}

std::string cell(const Kind& dials, const Kind& exposes) {
  World world(1, world_config());
  Home target(world, "target", exposes, service), dialler(world, "dialler", dials, std::nullopt);
  for (SiteId site : {target.agent.site(), dialler.agent.site()}) world.set_way(site, World::server_site, {.delay = 20ms});
  world.set_way(dialler.agent.site(), target.agent.site(), {.delay = 10ms});
  return meet(world, dialler.agent, target.agent);
}

/// Both behind one NAT, which may keep its hosts apart, as guest networks do.
std::string behind_one(nat::Hairpin hairpin, bool isolated) {
  World world(1, world_config());
  SiteConfig config = sim::port_restricted;
  config.nats[0].behaviour.hairpin = hairpin;
  config.isolated = isolated;
  SiteId site = world.add_site("home", config);
  Agent target(world, "target", site, service), dialler(world, "dialler", site, std::nullopt);
  return meet(world, dialler, target);
}

/// Two homes behind one carrier's NAT.
std::string behind_one_carrier(nat::Hairpin hairpin, bool isolated) {
  World world(1, world_config());
  nat::Behaviour cgn = sim::preset("cgn");
  cgn.hairpin = hairpin;
  SiteConfig home = sim::port_restricted;
  home.carrier = world.add_carrier("carrier", {{cgn}, sim::Ipv6::none, isolated});
  Agent target(world, "target", home, service), dialler(world, "dialler", home, std::nullopt);
  return meet(world, dialler, target);
}

TEST(Matrix, EveryPairConnectsAsTheoryAllows) {
  std::ostringstream out;
  out << "# What the side of the row, that dials, and the side of the column, that exposes, end on. Made by Matrix in\n"
         "# tests/scenarios/matrix_test.cpp; GINNEL_UPDATE=1 writes it anew.\n"
      << std::left << std::setw(16) << "";
  for (const Kind& exposes : kinds) out << std::setw(16) << exposes.name;
  for (const Kind& dials : kinds) {
    out << "\n" << std::setw(16) << dials.name;
    for (const Kind& exposes : kinds) out << std::setw(16) << cell(dials, exposes);
  }
  out << "\n\n" << std::setw(48) << "one network" << behind_one(nat::Hairpin::off, false);
  out << "\n" << std::setw(48) << "one network that isolates, hairpin" << behind_one(nat::Hairpin::external_source, true);
  out << "\n" << std::setw(48) << "one network that isolates, no hairpin" << behind_one(nat::Hairpin::off, true);
  out << "\n" << std::setw(48) << "one carrier" << behind_one_carrier(nat::Hairpin::off, false);
  out << "\n" << std::setw(48) << "one carrier that isolates, hairpin" << behind_one_carrier(nat::Hairpin::external_source, true);
  out << "\n" << std::setw(48) << "one carrier that isolates, no hairpin" << behind_one_carrier(nat::Hairpin::off, true);
  std::string text = out.str() + "\n", trimmed;
  for (size_t at = 0; at < text.size(); ++at) {
    size_t end = text.find_first_not_of(' ', at);
    if (text[at] == ' ' && text[end] == '\n') at = end;
    trimmed += text[at];
  }
  test::expect_same_text("tests/golden/matrix.txt", trimmed);
}

}  // namespace
}  // namespace ginnel::scenarios
