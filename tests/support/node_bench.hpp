// A node, a server and peers that say what a test wants, on one table: no delay, no loss, and every packet that leaves the
// node for somebody else than the server is written down.
#pragma once
#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/peer/grant.hpp"
#include "tests/support/fake_server.hpp"
#include "tests/support/puppet.hpp"

namespace ginnel::test {

class NodeBench {
 public:
  /// A packet to somebody who is not the server.
  struct Direct {
    Instant when;
    Address to;
    SocketId socket;
    TcpId tcp;
    uint8_t hops;
    bool request;  ///< a check
    Octets bytes;
  };

  explicit NodeBench(peer::NodeConfig config = {}) : node(complete(std::move(config)), key, rng), server(node, server_key, rng) {
    server.answers_stun = true;
    server.on_event = [this](const peer::NodeEvent& event) { handle(event); };
    server.on_relay = [this](wire::RouteNumber route, MutableBytes packet) {
      for (Puppet& p : puppets)
        if (p.route == route) return p.hear(now, packet);
      early_.emplace_back(route, Octets(packet.begin(), packet.end()));
    };
    server.on_direct = [this](const Transmit& t) { note(t); };
  }

  /// The link is up, the node knows where it is.
  void start() {
    server.connect(now);
    server.give(now, Interfaces{{inside}});
    run(100ms);
  }
  void run(Duration time) {
    server.run(now, time, [this]() -> std::optional<Deadline> {
      std::optional<Deadline> next;
      for (Puppet& p : puppets) {
        if (p.work(now)) next = Deadline{now, "a peer said something"};
        if (p.session) next = earlier(next, p.session->next_deadline());
      }
      return next;
    });
  }

  /// A peer dials the node, and shows a capability (the right one, unless told otherwise).
  Puppet& add_dialler(std::optional<wire::Capability> capability = {}) {
    Puppet& p = puppets.emplace_back(server, peer_key, rng);
    p.hello = wire::Hello{capability.value_or(peer::issue(secret, {}))};
    auto number = static_cast<wire::RouteNumber>(2 * puppets.size() + 1);
    wire::SessionId session{static_cast<uint8_t>(puppets.size()), static_cast<uint8_t>(puppets.size() >> 8)};
    server.say(now, wire::Incoming{number, peer_key.public_key(), peer::service_id(secret), session});
    p.dial(now, key.public_key(), number);
    return p;
  }
  /// The node dials a peer.
  Puppet& add_target() {
    Puppet& p = puppets.emplace_back(server, peer_key, rng);
    wire::Ticket ticket{peer_key.public_key(), {server_key.public_key(), "server.example", 3478}, peer::issue(secret, {})};
    node.dial(now, ticket);
    for (int i = 0; i < 20 && p.route == 0; ++i) {
      server.pump(now);
      auto dials = server.heard<wire::Dial>();
      if (dials.size() > dialled_) p.await(dials[dialled_++].route);
    }
    for (auto& [route, packet] : std::exchange(early_, {}))  // its first packets came behind the Dial
      if (route == p.route) p.hear(now, packet);
    return p;
  }
  peer::Peer* peer(size_t nth = 0) {
    auto ids = node.peers();
    return nth < ids.size() ? node.use(ids[nth]) : nullptr;
  }

  size_t checks_to(const Address& to, Instant since = {}, std::optional<SocketId> socket = {}) const {
    size_t n = 0;
    for (auto& d : direct)
      n += d.request && d.hops == 0 && d.to == to && d.when >= since && (!socket || d.socket == *socket);
    return n;
  }
  std::vector<const Direct*> openers(Instant since = {}) const {
    std::vector<const Direct*> out;
    for (auto& d : direct)
      if (d.hops != 0 && d.when >= since) out.push_back(&d);
    return out;
  }
  std::optional<Instant> first_check(const Address& to, Instant since = {}) const {
    for (auto& d : direct)
      if (d.request && d.hops == 0 && d.to == to && d.when >= since) return d.when;
    return {};
  }
  std::vector<TcpId> dials_to(const Address& to, Instant since = {}) const {
    std::vector<TcpId> out;
    for (auto& [when, dial] : server.dials)
      if (dial.to == to && when >= since) out.push_back(dial.id);
    return out;
  }
  /// Connections with peers that are open or under way.
  size_t peer_tcp() const {
    size_t n = 0;
    for (auto& [id, to] : server.tcp) n += to != server.address;
    return n;
  }
  std::vector<std::string> techniques() const {
    std::vector<std::string> out;
    for (auto& event : server.events)
      if (auto* from = std::get_if<peer::FromPeer>(&event))
        if (auto* path = std::get_if<peer::PathChanged>(&from->event)) out.push_back(path->path.technique);
    return out;
  }

  SeededRng rng;
  Instant now{1h};
  crypto::Identity server_key = crypto::Identity::generate(rng), key = crypto::Identity::generate(rng),
                   peer_key = crypto::Identity::generate(rng);
  peer::ServiceSecret secret = rng.array<32>();
  Address inside = Address::v4(10, 0, 0, 5, 0);
  peer::Node node;
  FakeServer server;
  std::deque<Puppet> puppets;
  std::vector<Direct> direct;
  std::set<Address> reachable;  ///< checks to these are answered, by the first puppet
  bool admits = true;

 private:
  peer::NodeConfig complete(peer::NodeConfig c) {
    c.server = {server_key.public_key(), "server.example", 3478};
    c.services = {peer::service_id(secret)};
    c.udp4_port = 40'000;
    return c;
  }
  void handle(const peer::NodeEvent& event) {
    auto* from = std::get_if<peer::FromPeer>(&event);
    auto* hello = from ? std::get_if<peer::PeerHello>(&from->event) : nullptr;
    if (!hello || !admits) return;
    peer::Peer* p = node.use(from->peer);
    auto no = peer::objection(secret, hello->capability, 0);
    no ? p->refuse(*no, "no") : p->admit(now);
  }
  void note(const Transmit& t) {
    auto message = wire::packet_kind(t.bytes) == wire::PacketKind::stun ? wire::parse_stun(t.bytes) : std::nullopt;
    bool request = message && message->cls == wire::StunClass::request;
    direct.push_back({now, t.to, t.socket, t.tcp, t.hops, request, {t.bytes.begin(), t.bytes.end()}});
    if (t.hops != 0 || !reachable.contains(t.to) || puppets.empty()) return;
    auto mapped = server.outside.with_port(t.tcp ? uint16_t{45'000} : uint16_t{61'000});
    auto answer = puppets.front().answer_to_check(t.bytes, mapped);
    if (!answer) return;
    t.tcp != 0 ? server.later_tcp(t.tcp, *answer) : server.later(t.to, t.socket, *answer);
  }
  size_t dialled_ = 0;
  std::vector<std::pair<wire::RouteNumber, Octets>> early_;  ///< packets by a route that nobody has yet
};

}  // namespace ginnel::test
