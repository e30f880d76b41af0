#include "app/agent.hpp"

#include <cstdio>
#include <utility>

#include "core/reach/search_choice.hpp"
#include "drive/interfaces.hpp"
#include "wire/ip.hpp"

namespace ginnel::app {

std::string ms_text(const std::optional<Duration>& d) {
  if (!d) return "?";
  char text[32];
  std::snprintf(text, sizeof text, to_ms(*d) < 10 ? "%.2f ms" : "%.1f ms", to_ms(*d));
  return text;
}

std::string path_text(const peer::PathReport& path) {
  bool relayed = path.technique == "relay";
  std::string remote = path.remote.is_unspecified() ? "the server" : path.remote.to_string();  // only a proxy knows
  return (relayed ? "relayed by " : "direct to ") + remote + " (" +
         (relayed ? path.transport : path.technique) + ", " + ms_text(path.rtt) + ")";
}

Agent::Agent(Loop& loop, peer::NodeConfig node, AgentConfig config, const crypto::Identity& self, Reporter report)
    : loop_(loop), config_(std::move(config)), report_(std::move(report)),
      node_((node.proxy = config_.proxy.has_value(), config_.map_ports &= !node.relay_only, std::move(node)), self, entropy_),
      driver_(loop, node_, WhenBlocked::wait, [this] { drain_events(); }),
      monitor_(loop, [this] {
        driver_.give(Interfaces{interface_addresses(true)});
        if (portmap_) portmap_->network_changed();
      }),
      stop_timer_(loop, [this] { loop_.stop(); }) {
  driver_.set_proxy(config_.proxy);
  node_.set_arranged(loop.now(), config_.forwards);
}

std::optional<Error> Agent::start(std::function<void(const peer::NodeEvent&)> on_event) {
  on_event_ = std::move(on_event);
  Address any6;
  any6.v6 = true;
  auto v4 = driver_.open_udp(Address{}.with_port(config_.port));
  auto v6 = driver_.open_udp(any6.with_port(config_.port));
  if (v4 && (v6 || config_.port != 0)) return v4;  // one family is enough, but a forward wants its very port
  node_.set_ports(driver_.udp_port(false), driver_.udp_port(true));
  driver_.give(Interfaces{interface_addresses(true)});
  if (config_.map_ports) portmap_.emplace(loop_, entropy_, [this](const portmap::ClientEvent& event) { handle(event); });
  node_.start(loop_.now());
  driver_.pump();
  return {};
}

void Agent::stop() {
  stopping_ = true;
  node_.shut_down(loop_.now());
  driver_.pump();
  for (auto at = bridges_.begin(); at != bridges_.end();) bury(at++);
  Instant said = loop_.now() + 50ms;  // a TCP connection to the server may have something queued
  portmap_ ? portmap_->close([this, said] { stop_timer_.set(said); }) : stop_timer_.set(said);
}

peer::PeerId Agent::dial(const wire::Ticket& ticket) {
  auto id = node_.dial(loop_.now(), ticket);
  driver_.pump();
  return id;
}

Bridge& Agent::add_bridge(peer::PeerId peer, quic::StreamId stream, Fd in, Fd out) {
  auto bridge = std::make_unique<Bridge>(loop_, std::move(in), std::move(out), stream, [this] { driver_.pump(); });
  bridge->session = [this, peer] { return session(peer); };
  return *(bridges_[{peer, stream}] = std::move(bridge));
}

quic::Session* Agent::session(peer::PeerId id) {
  peer::Peer* p = node_.use(id);
  return p && !p->closed() ? p->session() : nullptr;
}

void Agent::drain_events() {
  while (auto event = node_.poll_event()) {
    if (stopping_) continue;  // what happens now is our own doing
    handle(*event);
    if (on_event_) on_event_(*event);
  }
  if (portmap_ && !stopping_) want_mappings();
}

void Agent::handle(const peer::NodeEvent& event) {
  using Kind = Report::Kind;
  if (std::holds_alternative<peer::ServerUp>(event)) {
    tell_server_up(std::get<peer::ServerUp>(event).carrier);
  } else if (auto* down = std::get_if<peer::ServerDown>(&event)) {
    report_({Kind::line, "server_down", {{"why", down->why}}, "the server is away: " + down->why + "; looking for it"});
  } else if (auto* failed = std::get_if<peer::ServerFailed>(&event); failed && server_up_) {
    report_({Kind::detail, "server_unreachable", {{"why", failed->error.text}}, failed->error.text});
  } else if (auto* search = std::get_if<peer::Searched>(&event)) {
    tell_search(*search);
  } else if (auto* from = std::get_if<peer::FromPeer>(&event)) {
    if (auto* path = std::get_if<peer::PathChanged>(&from->event))
      tell_path(from->peer, path->path);
    else
      handle_stream(from->peer, from->event);
  } else if (auto* gone = std::get_if<peer::PeerGone>(&event)) {
    for (auto at = bridges_.lower_bound({gone->peer, 0}); at != bridges_.end() && at->first.first == gone->peer;) bury(at++);
  }
}

void Agent::handle_stream(peer::PeerId id, const peer::PeerEvent& event) {
  auto with = [&](quic::StreamId stream, auto act) {
    auto at = bridges_.find({id, stream});
    if (at == bridges_.end()) return;
    act(*at->second);
  };
  if (auto* readable = std::get_if<quic::StreamReadable>(&event)) {
    with(readable->id, [&](Bridge& b) { b.stream_readable(session(id)); });
  } else if (auto* writable = std::get_if<quic::StreamWritable>(&event)) {
    with(writable->id, [&](Bridge& b) { b.stream_writable(session(id)); });
  } else if (auto* stopped = std::get_if<quic::StreamStopped>(&event)) {
    with(stopped->id, [&](Bridge& b) { b.stream_stopped(); });
  } else if (auto* closed = std::get_if<quic::StreamClosed>(&event)) {
    if (auto at = bridges_.find({id, closed->id}); at != bridges_.end()) {
      auto done = at->second->done() ? at->second->on_done : nullptr;
      if (at->second->done()) at->second->release();
      bury(at);
      if (done) done();
    }
    if (quic::Session* s = session(id)) s->release(closed->id);
  } else if (std::holds_alternative<peer::PeerClosed>(event)) {
    for (auto at = bridges_.lower_bound({id, 0}); at != bridges_.end() && at->first.first == id;) bury(at++);
  }
}

void Agent::bury(std::map<Key, std::unique_ptr<Bridge>>::iterator at) {
  at->second->abandon();
  buried_.push_back(std::move(at->second));
  bridges_.erase(at);
  if (buried_.size() == 1) loop_.post([this] { buried_.clear(); });
}

void Agent::tell_server_up(const rendezvous::LinkCarrier& carrier) {
  const rendezvous::DoorPlan& door = rendezvous::plan_of(carrier.door);
  std::string transport = carrier.tcp ? "tcp" : "udp";
  std::string dress = door.dress == Dress::websocket ? "websocket" : transport;
  bool again = std::exchange(server_up_, true);
  Report r{again ? Report::Kind::line : Report::Kind::detail, "server_up", {}, ""};
  if (!door.by_proxy) r.fields.emplace_back("server", carrier.server.to_string());
  r.fields.insert(r.fields.end(), {{"transport", transport}, {"door", (door.by_proxy ? "proxy-" : "") + dress}, {"port", int64_t{carrier.server.port}}});
  if (door.by_proxy) r.fields.emplace_back("proxy", config_.proxy->to_string());
  std::string on_port = carrier.door > rendezvous::Door::tcp ? " on port " + std::to_string(carrier.server.port) : "";
  std::string through = door.by_proxy ? " through proxy " + config_.proxy->to_string() : "";
  r.text = (again ? "the server answers again (" : "the server answers (") + dress + on_port + through + ")";
  report_(r);
}

void Agent::tell_path(peer::PeerId id, const peer::PathReport& path) {
  Report r{Report::Kind::line, "path", {}, path_text(path)};
  r.fields = {{"technique", path.technique}, {"transport", path.transport}};
  if (!path.local.is_unspecified()) r.fields.emplace_back("local", path.local.to_string());
  if (!path.remote.is_unspecified()) r.fields.emplace_back("remote", path.remote.to_string());
  if (path.rtt) r.fields.emplace_back("rtt_ms", to_ms(*path.rtt));
  r.fields.emplace_back("why", path.why);
  if (const peer::Peer* p = node_.peer(id)) r.fields.emplace_back("peer", p->key().to_string());
  if (path.why != "first path") r.text += ": " + path.why;
  report_(r);
}

void Agent::tell_search(const peer::Searched& search) {
  std::string kind(reach::to_string(search.kind)), sockets = std::to_string(search.sockets), probes = std::to_string(search.probes);
  report_({Report::Kind::detail, "search",
           {{"kind", kind}, {"our_nat", search.ours}, {"sockets", int64_t(search.sockets)}, {"probes", int64_t(search.probes)}, {"found", search.found}},
           std::string("searched for a port of ") + (search.ours ? "our" : "their") + " NAT (" + kind + ", " + probes + " probes" +
               (search.ours ? " to " + sockets + " sockets" : "") + "): " + (search.found ? "found" : "not found")});
}

// ---- port mapping

/// The TCP port only while somebody punches or waits there: it may be another one the next time.
void Agent::want_mappings() {
  if (!node_.link().up() || config_.port != 0) return;  // a forward does the same
  std::vector<portmap::Wanted> wanted;
  if (uint16_t port = driver_.udp_port(false)) wanted.push_back({wire::ip_protocol_udp, port});
  if (uint16_t port = node_.local().tcp.port(false)) wanted.push_back({wire::ip_protocol_tcp, port});
  if (wanted == wanted_) return;
  wanted_ = wanted;
  portmap_->want(std::move(wanted));
}

void Agent::handle(const portmap::ClientEvent& event) {
  auto name = [](const portmap::Wanted& w) -> std::string { return w.protocol == wire::ip_protocol_tcp ? "tcp" : "udp"; };
  if (auto* mapped = std::get_if<portmap::Mapped>(&event)) {
    std::string method(to_string(mapped->method)), outside = mapped->external.to_string();
    report_({Report::Kind::detail, "port_mapped",
             {{"transport", name(mapped->inside)}, {"port", int64_t{mapped->inside.port}}, {"outside", outside}, {"method", method}, {"public", mapped->reachable}},
             "the gateway maps " + outside + " (" + name(mapped->inside) + ") to us, asked by " + method +
                 (mapped->reachable ? "" : "; there is another NAT outside of it")});
    set_mapping(mapped->inside, mapped->external);
  } else if (auto* lost = std::get_if<portmap::Unmapped>(&event)) {
    if (!mapped_.contains(lost->inside)) return;
    report_({Report::Kind::detail, "port_unmapped", {{"transport", name(lost->inside)}, {"port", int64_t{lost->inside.port}}, {"why", lost->why}},
             "the gateway maps no " + name(lost->inside) + " port to us any more: " + lost->why});
    set_mapping(lost->inside, {});
  }
}

void Agent::set_mapping(const portmap::Wanted& inside, const std::optional<Address>& outside) {
  outside ? void(mapped_[inside] = *outside) : void(mapped_.erase(inside));
  std::vector<reach::Arranged> arranged = config_.forwards;
  for (auto& [wanted, address] : mapped_)
    arranged.push_back({wire::CandidateType::mapped,
                        wanted.protocol == wire::ip_protocol_tcp ? wire::Transport::tcp : wire::Transport::udp, address});
  if (stopping_) return;
  node_.set_arranged(loop_.now(), std::move(arranged));
  loop_.post([this] { driver_.pump(); });  // a command or an event of the node may be what brought us here
}

}  // namespace ginnel::app
