#include "sim/agent.hpp"

#include <utility>

#include "core/reach/search_choice.hpp"

namespace ginnel::sim {

Agent::Agent(World& world, std::string name, const SiteConfig& site, std::optional<wire::ServiceId> service,
             peer::NodeConfig config)
    : Agent(world, name, world.add_site(name, site), service, std::move(config)) {}

Agent::Agent(World& world, std::string name, SiteId site, std::optional<wire::ServiceId> service, peer::NodeConfig config)
    : world_(world), identity_(crypto::Identity::generate(world.random)), service_(service), site_(site) {
  Stack& stack = world.add_host(site);
  config.server = world.server_url();
  if (service) config.services = {*service};
  host_ = std::make_unique<MachineHost<peer::Node>>(
      world.commons, stack, world.random.fork(), std::move(name), [this](peer::NodeEvent& event) { on_event(event); },
      config, identity_);
  host_->coalesce = world.coalesce;
  for (bool v6 : {false, true})
    if (!stack.source_for(Address{.ip = {}, .port = 0, .v6 = v6}).is_unspecified())
      udp_port_[v6] = stack.open_udp(0, Address{.ip = {}, .port = 0, .v6 = v6}).port;
  host_->machine().set_ports(udp_port_[0], udp_port_[1]);
}

void Agent::start() {
  note("starts");
  host_->machine().start(world_.clock.now());
  tell_interfaces();
}

void Agent::tell_interfaces() { host_->input(Interfaces{host_->stack().addresses()}); }

wire::Ticket Agent::ticket() const { return {key(), world_.server_url(), {service_.value(), {}, {}}}; }

peer::PeerId Agent::dial(const Agent& to) {
  peer::PeerId id = host_->machine().dial(world_.clock.now(), to.ticket());
  keys_[id] = to.key();
  note("dials", to.host_->name());
  host_->drain();
  return id;
}

void Agent::arrange(std::vector<reach::Arranged> arranged) {
  host_->machine().set_arranged(world_.clock.now(), std::move(arranged));
  host_->drain();
}

void Agent::use(peer::PeerId id, const std::function<void(peer::Peer&)>& command) {
  if (peer::Peer* peer = host_->machine().use(id)) command(*peer);
  host_->drain();
}

void Agent::on_event(peer::NodeEvent& event) {
  Instant now = world_.clock.now();
  if (auto* up = std::get_if<peer::ServerUp>(&event)) {
    server_ups.emplace_back(now, up->carrier);
    note("server up", up->carrier.tcp ? "tcp" : "udp");
  } else if (std::holds_alternative<peer::Registered>(event)) {
    registered.push_back(now);
    note("registered", std::get<peer::Registered>(event).observed.to_string());
  } else if (auto* down = std::get_if<peer::ServerDown>(&event)) {
    note("server down", down->why);
  } else if (std::holds_alternative<peer::ServerFailed>(event)) {
    note("server failed");
  } else if (auto* arrived = std::get_if<peer::PeerArrived>(&event)) {
    keys_[arrived->peer] = arrived->key;
    note("peer arrives", arrived->key.short_name());
  } else if (auto* refused = std::get_if<peer::DialRefused>(&event)) {
    note("dial refused", std::to_string(static_cast<int>(refused->code)));
  } else if (auto* searched = std::get_if<peer::Searched>(&event)) {
    searches.push_back(*searched);
    note("searched", std::string(reach::to_string(searched->kind)) + (searched->ours ? ", its own ports, " : ", ") +
                         std::to_string(searched->sockets) + " sockets " + std::to_string(searched->probes) +
                         " probes" + (searched->found ? ", found" : ", in vain"));
  } else if (auto* from = std::get_if<peer::FromPeer>(&event)) {
    on_peer_event(from->peer, from->event);
  } else if (std::holds_alternative<peer::PeerGone>(event)) {
    note("peer gone");
  }
}

void Agent::on_peer_event(peer::PeerId id, const peer::PeerEvent& event) {
  Instant now = world_.clock.now();
  if (std::holds_alternative<peer::PeerHello>(event)) {
    note("hello");
    use(id, [&](peer::Peer& peer) { peer.admit(now); });
  } else if (std::holds_alternative<peer::PeerConnected>(event)) {
    connected.push_back(now);
    note("connected");
  } else if (auto* changed = std::get_if<peer::PathChanged>(&event)) {
    paths.push_back({now, id, changed->path.technique, changed->path.transport});
    note("path", changed->path.technique + " " + changed->path.transport + " " + changed->path.remote.to_string() + " (" +
                     changed->path.why + ")");
  } else if (std::holds_alternative<peer::RelaySilent>(event)) {
    note("relay silent");
  } else if (auto* ended = std::get_if<peer::PeerClosed>(&event)) {
    closed.push_back(ended->error.text);
    note("closed", ended->error.text);
  }
  if (auto at = listeners_.find(keys_[id]); at != listeners_.end()) at->second(id, event);
}

void Agent::note(std::string_view what, std::string_view detail) {
  if (!world_.trace.on) return;
  world_.trace.line(world_.clock.now(), host_->name(), what, detail);
}

}  // namespace ginnel::sim
