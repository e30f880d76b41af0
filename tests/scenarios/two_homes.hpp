// What nearly every scenario begins with: a server, a home that exposes a service, a home that dials it, and ways
// between the three whose round trips the seed draws.
#pragma once
#include <memory>
#include <string>

#include "sim/agent.hpp"
#include "sim/traffic.hpp"
#include "sim/world.hpp"
#include "tests/scenarios/seeds.hpp"

namespace ginnel::scenarios {

using sim::Agent;
using sim::SiteConfig;
using sim::SiteId;
using sim::Speech;
using sim::StreamEnd;
using sim::StreamPlan;
using sim::Traffic;
using sim::World;

inline constexpr wire::ServiceId service{'s', 'c', 'e', 'n', 'a', 'r', 'i', 'o'};

struct TwoHomes {
  TwoHomes(uint64_t seed, bool traced, SiteConfig dialler_nat, SiteConfig acceptor_nat,
           const sim::WorldConfig& config = {})
      : world(seed, config), draw(world.random.fork()) {
    world.trace.on = traced;
    world.coalesce = draw.chance(0.5) ? Duration::zero() : 100us;
    acceptor = std::make_unique<Agent>(world, "acceptor", acceptor_nat, service);
    dialler = std::make_unique<Agent>(world, "dialler", dialler_nat, std::nullopt);
    world.start_server();
    set_round_trips(draw.between(5ms, 150ms), draw.between(5ms, 150ms), draw.between(5ms, 150ms));
  }

  /// Dialler and server, acceptor and server, dialler and acceptor.
  void set_round_trips(Duration dialler_server, Duration acceptor_server, Duration direct) {
    near_rtt = dialler_server, far_rtt = acceptor_server, direct_rtt = direct;
    auto way = [&](Duration rtt) {
      sim::LinkConfig c = link;
      c.delay = rtt / 2;
      return c;
    };
    world.set_way(dialler->site(), World::server_site, way(near_rtt));
    world.set_way(acceptor->site(), World::server_site, way(far_rtt));
    world.set_way(dialler->site(), acceptor->site(), way(direct_rtt));
  }
  /// Of every link, whatever was drawn before.
  void shape(const sim::LinkConfig& config) {
    link = config;
    set_round_trips(near_rtt, far_rtt, direct_rtt);
  }
  Duration relay_rtt() const { return near_rtt + far_rtt; }

  void start_acceptor() {
    acceptor->start();
    world.clock.run_until([&] { return !acceptor->registered.empty(); }, 30s);
  }
  /// Starts the dialler, and traffic that begins as soon as it may.
  void dial() {
    dialled_at = world.clock.now();
    dialler->start();
    peer = dialler->dial(*acceptor);
    traffic = std::make_unique<Traffic>(world, *dialler, *acceptor, peer);
  }
  bool both_on(const std::string& technique) const {
    return dialler->technique() == technique && acceptor->technique() == technique;
  }
  bool run_until(const std::function<bool()>& done, Duration limit) { return world.clock.run_until(done, limit); }
  Instant now() const { return world.clock.now(); }
  /// The links between everybody.
  void cut_all(bool on) {
    world.cut(dialler->site(), World::server_site, on);
    world.cut(acceptor->site(), World::server_site, on);
    world.cut(dialler->site(), acceptor->site(), on);
  }

  Outcome finish(Outcome out) {
    if (traffic) out.expect(traffic->problems().empty(), traffic->problems());
    out.trace = world.trace.text();
    return out;
  }

  World world;
  sim::Random draw;
  sim::LinkConfig link;
  std::unique_ptr<Agent> acceptor, dialler;
  std::unique_ptr<Traffic> traffic;
  peer::PeerId peer = 0;
  Instant dialled_at{};
  Duration near_rtt{}, far_rtt{}, direct_rtt{};
};

}  // namespace ginnel::scenarios
