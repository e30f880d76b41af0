#include "sim/population/meeting.hpp"

#include <memory>

#include "sim/agent.hpp"
#include "sim/traffic.hpp"

namespace ginnel::sim::population {

namespace {

constexpr wire::ServiceId service{'p', 'o', 'p', 'u', 'l', 'a', 't', 'e'};
constexpr size_t talk = 1'000;  ///< bytes that each application says

WorldConfig world_config() {
  WorldConfig config;
  config.server.second_port = true;
  config.server.tcp_ports = server_tcp_ports;
  return config;
}

class Meeting {
 public:
  Meeting(const Model& model, const PairDraw& pair, const Techniques& with)
      : model_(model), with_(with), world_(pair.seed, world_config()) {
    acceptor_ = settle("acceptor", pair.acceptor, service);
    dialler_ = settle("dialler", pair.dialler, {});
    world_.set_way(acceptor_->site(), World::server_site, way(pair.acceptor));
    world_.set_way(dialler_->site(), World::server_site, way(pair.dialler));
    world_.set_way(dialler_->site(), acceptor_->site(), way(pair.dialler, pair.acceptor));
    udp_ = class_of(pair.dialler).udp && class_of(pair.acceptor).udp;
    outcome_.kinds[0] = static_cast<uint8_t>(pair.dialler.kind);
    outcome_.kinds[1] = static_cast<uint8_t>(pair.acceptor.kind);
  }

  void trace() { world_.trace.on = true; }
  const std::string& traced() const { return world_.trace.text(); }

  Outcome run() {
    world_.start_server();
    acceptor_->start();
    if (!world_.clock.run_until([&] { return !acceptor_->registered.empty(); }, connect_patience)) return outcome_;
    begin_ = world_.clock.now();
    uint64_t before = sent();
    dialler_->start();
    Traffic traffic(world_, *dialler_, *acceptor_, dialler_->dial(*acceptor_));
    traffic.open({{talk}, {talk}});
    world_.clock.run_until([&] { return settled() && traffic.done(); }, patience);
    world_.clock.run_until([&] { return traffic.done(); }, connect_patience - patience);
    look(traffic);
    outcome_.bytes = static_cast<uint32_t>(sent() - before);
    outcome_.relayed = static_cast<uint32_t>(world_.server()->counters().relayed_bytes);
    return outcome_;
  }

 private:
  const Class& class_of(const PeerDraw& peer) const { return model_.classes[peer.kind]; }

  std::unique_ptr<Agent> settle(const char* name, const PeerDraw& peer, std::optional<wire::ServiceId> serves) {
    const Class& c = class_of(peer);
    SiteId site = world_.add_site(name, site_of(c, peer, with_));
    peer::NodeConfig config;
    config.search = with_.search;
    config.tcp_port = tcp_port_of(c, peer, with_);
    config.listen_tcp = config.tcp_port != 0;
    uint16_t tcp = config.tcp_port;
    auto agent = std::make_unique<Agent>(world_, name, site, serves, std::move(config));
    if (c.natted() && peer.port_mapping && with_.port_mapping)
      agent->arrange(forward(world_, site, peer, world_.inside(site), agent->udp_port(), tcp));
    return agent;
  }

  LinkConfig way(const PeerDraw& peer) const {
    return {.delay = delay_to_server(peer, model_.network), .jitter = peer.jitter, .loss = peer.loss};
  }
  static LinkConfig way(const PeerDraw& a, const PeerDraw& b) {
    return {.delay = delay_between(a, b), .jitter = a.jitter + b.jitter, .loss = a.loss + b.loss};
  }

  uint64_t sent() {
    SiteId ends[] = {dialler_->site(), acceptor_->site()};
    uint64_t sum = 0;
    for (SiteId end : ends) sum += world_.link(end, World::server_site).bytes;
    return sum + world_.link(ends[0], ends[1]).bytes + world_.link(ends[1], ends[0]).bytes;
  }

  static bool is_direct(const Agent& agent) { return !agent.paths.empty() && agent.paths.back().technique != "relay"; }

  /// It will not get better: a path by UDP, or by TCP where UDP does not pass.
  bool settled() const {
    if (!is_direct(*dialler_) || !is_direct(*acceptor_)) return false;
    return !udp_ || (dialler_->paths.back().transport == "udp" && acceptor_->paths.back().transport == "udp");
  }

  float since(Instant from, Instant to) const { return static_cast<float>(to_ms(to - from)); }

  /// When the side left the relay, for good as far as we saw.
  static Instant left_relay(const Agent& agent) {
    Instant out{};
    bool relayed = true;
    for (const Agent::PathSeen& path : agent.paths) {
      bool now_relayed = path.technique == "relay";
      if (relayed && !now_relayed) out = path.when;
      relayed = now_relayed;
    }
    return out;
  }

  void look(Traffic& traffic) {
    outcome_.connected = traffic.done() && traffic.problems().empty();
    StreamEnd* stream = traffic.near(0);
    if (stream && !stream->arrivals().empty()) outcome_.first_byte = since(begin_, stream->arrivals().front());
    outcome_.technique = "relay";
    if (is_direct(*dialler_) && is_direct(*acceptor_)) {
      outcome_.technique = dialler_->technique();
      outcome_.tcp = dialler_->transport() == "tcp";
      Instant at = std::max(left_relay(*dialler_), left_relay(*acceptor_));
      outcome_.direct = since(begin_, at);
      outcome_.from_relay = since(dialler_->connected.front(), at);
    }
    for (const Agent* agent : {dialler_.get(), acceptor_.get()})
      for (const peer::Searched& search : agent->searches) {
        outcome_.searches += search.ours;
        outcome_.sockets += static_cast<uint32_t>(search.sockets);
        if (!search.ours) outcome_.probes += static_cast<uint32_t>(search.probes);
      }
  }

  const Model& model_;
  Techniques with_;
  World world_;
  std::unique_ptr<Agent> acceptor_, dialler_;
  bool udp_ = true;
  Instant begin_{};
  Outcome outcome_;
};

}  // namespace

Outcome meet(const Model& model, const PairDraw& pair, const Techniques& with, std::string* trace) {
  Meeting meeting(model, pair, with);
  if (trace) meeting.trace();
  Outcome outcome = meeting.run();
  if (trace) *trace = meeting.traced();
  return outcome;
}

}  // namespace ginnel::sim::population
