// A rendezvous server and its agents, joined by virtual UDP and TCP in virtual time. Each transmit of the server is
// kept as it was given, so that a test can see trains and where their bytes lie.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/peer/node.hpp"
#include "core/rendezvous/server.hpp"
#include "core/rendezvous/server_link.hpp"
#include "tests/support/seeded_rng.hpp"
#include "wire/demux.hpp"
#include "wire/tcp_frame.hpp"

namespace ginnel::test {

using Octets = std::vector<uint8_t>;

/// One host beside the server: a machine behind one UDP address.
struct Host {
  explicit Host(Address own) : address(std::move(own)) {}
  virtual ~Host() = default;
  virtual void handle(Instant now, Input& input) = 0;
  virtual void handle_timeout(Instant now) = 0;
  virtual std::optional<Action> poll_action(Instant now, MutableBytes room) = 0;
  virtual std::optional<Deadline> next_deadline() const = 0;
  virtual void drain_events(Instant now) = 0;

  Address address;
  bool udp = true, tcp = true;  ///< what its firewall lets through
  bool cut = false;             ///< it is off the network: TCP hangs too
  Duration one_way = 10ms;
  SocketId at = 0;      ///< which of the server's sockets it talks to, and hears
  bool manual = false;  ///< the test moves it by itself
  size_t tcp_dials = 0;
  std::vector<std::pair<Instant, ConnectTcp>> dialled;  ///< the same, each
  size_t sent_tcp = 0;                                  ///< transmits
  std::set<TcpId> tcp_open;
  std::vector<std::pair<Instant, Octets>> sent_udp;  ///< each datagram to the server
};

/// An agent that is only a link to the server; relay frames are kept.
struct LinkAgent : Host {
  LinkAgent(Address own, wire::ServerUrl url, Rng& rng, crypto::Identity key, bool proxy = false)
      : Host(std::move(own)), identity(std::move(key)), link(std::move(url), identity, tcp_ids, rng, proxy) {}

  void handle(Instant now, Input& input) override {
    if (auto* in = std::get_if<Datagrams>(&input)) {
      for (size_t at = 0; at < in->bytes.size(); at += in->segment) {
        MutableBytes packet = in->bytes.subspan(at, std::min(in->segment, in->bytes.size() - at));
        if (wire::packet_kind(packet) == wire::PacketKind::quic)
          link.handle_udp(now, in->from, packet);
        else
          frames.emplace_back(packet.begin(), packet.end());
      }
    } else if (auto* in = std::get_if<TcpReceived>(&input)) {
      for (;;) {
        wire::TcpFrame frame = wire::next_tcp_frame(in->bytes.subspan(in->consumed));
        broken |= frame.broken;
        if (frame.broken || frame.packet.empty()) return;
        in->consumed += wire::tcp_frame_header_size + frame.packet.size();
        if (wire::packet_kind(frame.packet) == wire::PacketKind::quic)
          link.handle_tcp_packet(now, in->id, frame.packet);
        else
          frames.emplace_back(frame.packet.begin(), frame.packet.end());
      }
    } else if (auto* in = std::get_if<TcpConnected>(&input)) {
      link.handle_tcp_connected(now, in->id);
    } else if (auto* in = std::get_if<TcpClosed>(&input)) {
      link.handle_tcp_closed(now, in->id, in->why);
    } else if (auto* in = std::get_if<Resolved>(&input)) {
      link.handle_resolved(now, in->addresses);
    }
  }
  void handle_timeout(Instant now) override { link.handle_timeout(now); }
  std::optional<Action> poll_action(Instant now, MutableBytes room) override { return link.poll_action(now, room); }
  std::optional<Deadline> next_deadline() const override { return link.next_deadline(); }
  void drain_events(Instant now) override {
    while (auto event = link.poll_event()) events.emplace_back(now, std::move(*event));
  }

  template <typename E>
  size_t count(Instant since = {}) const {
    size_t n = 0;
    for (auto& [when, event] : events) n += when >= since && find<E>(event);
    return n;
  }
  /// The last link event, or signal, of this type.
  template <typename E>
  const E* last(Instant since = {}) const {
    for (auto at = events.rbegin(); at != events.rend() && at->first >= since; ++at)
      if (auto* found = find<E>(at->second)) return found;
    return nullptr;
  }

  crypto::Identity identity;
  TcpIds tcp_ids;
  rendezvous::ServerLink link;
  std::vector<std::pair<Instant, rendezvous::LinkEvent>> events;
  std::vector<Octets> frames;  ///< relay frames and STUN that came
  bool broken = false;         ///< TCP framing

 private:
  template <typename E>
  static const E* find(const rendezvous::LinkEvent& event) {
    using namespace rendezvous;
    if constexpr (std::is_same_v<E, LinkUp> || std::is_same_v<E, LinkDown> || std::is_same_v<E, LinkFailed>) {
      return std::get_if<E>(&event);
    } else {
      auto* signal = std::get_if<wire::Signal>(&event);
      return signal ? std::get_if<E>(signal) : nullptr;
    }
  }
};

struct NodeAgent : Host {
  NodeAgent(Address own, peer::NodeConfig config, Rng& rng, crypto::Identity key)
      : Host(std::move(own)), identity(std::move(key)), node(std::move(config), identity, rng) {}
  void handle(Instant now, Input& input) override { node.handle(now, input); }
  void handle_timeout(Instant now) override { node.handle_timeout(now); }
  std::optional<Action> poll_action(Instant now, MutableBytes room) override { return node.poll_action(now, room); }
  std::optional<Deadline> next_deadline() const override { return node.next_deadline(); }
  void drain_events(Instant now) override {
    while (auto event = node.poll_event()) {
      if (on_event) on_event(*event);
      events.emplace_back(now, std::move(*event));
    }
  }
  template <typename E>
  size_t count() const {
    size_t n = 0;
    for (auto& [when, event] : events) n += std::holds_alternative<E>(event);
    return n;
  }

  crypto::Identity identity;
  peer::Node node;
  std::function<void(const peer::NodeEvent&)> on_event;
  std::vector<std::pair<Instant, peer::NodeEvent>> events;
};

/// A QUIC session with the server that says any bytes, over UDP or TCP, and may refuse to listen.
struct RawAgent : Host {
  RawAgent(Address own, const PublicKey& server, Rng& rng, crypto::Identity key, bool over_tcp)
      : Host(std::move(own)), identity(std::move(key)), rng_(rng), server_(server), over_tcp_(over_tcp) {}

  /// Begins a session; on the same TCP connection if there is one.
  void dial(Instant now) {
    quic::SessionConfig config{.alpn = rendezvous::server_alpn, .expected_peer = server_, .streams_max = 0};
    session = quic::Session::dial(now, identity, config, static_cast<quic::Tag>(rng_.u64()), rng_);
    stream.reset();
    closed.reset();
  }
  void say(Bytes bytes) { session->send(*stream, bytes); }
  void say(const wire::Signal& signal) { say(wire::encode(signal)); }

  void handle(Instant now, Input& input) override {
    if (auto* in = std::get_if<Datagrams>(&input)) {
      for (size_t at = 0; at < in->bytes.size(); at += in->segment)
        take(now, in->bytes.subspan(at, std::min(in->segment, in->bytes.size() - at)));
    } else if (auto* in = std::get_if<TcpReceived>(&input)) {
      for (;;) {
        wire::TcpFrame frame = wire::next_tcp_frame(in->bytes.subspan(in->consumed));
        if (frame.packet.empty()) return;
        in->consumed += wire::tcp_frame_header_size + frame.packet.size();
        take(now, frame.packet);
      }
    } else if (std::holds_alternative<TcpConnected>(input)) {
      open_ = true;
    }
  }
  void handle_timeout(Instant now) override {
    if (session) session->handle_timeout(now);
  }
  std::optional<Action> poll_action(Instant now, MutableBytes room) override {
    if (over_tcp_ && !std::exchange(asked_, true)) return ConnectTcp{1, {}};
    if (!session || (over_tcp_ && !open_)) return {};
    size_t headroom = over_tcp_ ? wire::tcp_frame_header_size : 0;
    quic::Train train = session->write(now, room.first(train_bytes_max), 1200, headroom);
    if (train.size == 0) return {};
    for (size_t at = 0; over_tcp_ && at < train.size; at += train.segment)
      wire::put_tcp_frame_header(room.data() + at, std::min(train.segment, train.size - at) - headroom);
    return Transmit{server_address, over_tcp_ ? TcpId{1} : TcpId{0}, room.first(train.size), train.segment};
  }
  std::optional<Deadline> next_deadline() const override { return session ? session->next_deadline() : std::nullopt; }
  void drain_events(Instant) override {
    while (auto event = session ? session->poll_event() : std::nullopt) {
      if (std::holds_alternative<quic::Connected>(*event)) stream = session->open_stream();
      if (auto* end = std::get_if<quic::Closed>(&*event)) closed = *end;
    }
  }

  crypto::Identity identity;
  Address server_address = Address::v4(203, 0, 113, 1, 3478);
  std::unique_ptr<quic::Session> session;
  std::optional<quic::StreamId> stream;
  std::optional<quic::Closed> closed;

 private:
  void take(Instant now, MutableBytes packet) {
    if (session && wire::packet_kind(packet) == wire::PacketKind::quic) session->handle_packet(now, packet);
  }
  Rng& rng_;
  PublicKey server_;
  bool over_tcp_, asked_ = false, open_ = false;
};

class RendezvousWorld {
 public:
  enum class Passage { open, silent, refused };

  /// A transmit of the server, with a copy of its bytes.
  struct Sent {
    Address to;
    TcpId tcp;
    size_t segment;
    Octets bytes;
    const uint8_t* where;
    SocketId socket = 0;
  };

  explicit RendezvousWorld(rendezvous::ServerLimits limits = {}, std::set<PublicKey> allowed = {}, uint64_t seed = 1)
      : rng(seed), limits_(limits), allowed_(std::move(allowed)) {
    restart();
  }

  SeededRng rng;
  Instant now{1h};
  Address server_address = Address::v4(203, 0, 113, 1, 3478);
  std::vector<Address> resolved = {server_address};
  Duration resolving = 1ms;
  /// Which TCP connections get through to the server; RawAgent names no address.
  std::function<Passage(const ConnectTcp&)> doors = [this](const ConnectTcp& c) {
    bool own_port = c.dress == Dress::plain && !c.by_proxy && (c.to == server_address || c.to == Address{});
    return own_port ? Passage::open : Passage::silent;
  };
  std::string refusal = "connection refused";
  crypto::Identity server_key = crypto::Identity::generate(rng);
  std::unique_ptr<rendezvous::Server> server;
  bool server_cut = false;   ///< it is there but nothing passes
  bool server_gone = false;  ///< the host answers TCP with a refusal, UDP not at all
  bool server_udp = true;
  bool direct = true;  ///< agents reach each other
  std::vector<std::unique_ptr<Host>> agents;
  std::vector<Sent> sent;  ///< by the server, since clear()
  std::vector<rendezvous::ServerEvent> server_events;
  std::function<void(const Transmit&)> on_transmit;
  bool stuck = false;

  wire::ServerUrl url() const { return {server_key.public_key(), "server.example", server_address.port}; }

  /// A server with the same key and nothing in memory; TCP connections end.
  void restart() {
    while (!tcp_.empty()) break_tcp(tcp_.begin()->first, "reset");
    server = std::make_unique<rendezvous::Server>(server_key, allowed_, ++instance_, rng, limits_);
  }

  LinkAgent& add_link(uint8_t last, std::optional<crypto::Identity> key = {}, std::optional<wire::ServerUrl> to = {},
                      bool proxy = false) {
    auto agent = std::make_unique<LinkAgent>(Address::v4(192, 0, 2, last, 40'000), to.value_or(url()), rng,
                                             key ? std::move(*key) : crypto::Identity::generate(rng), proxy);
    LinkAgent& out = *agent;
    agents.push_back(std::move(agent));
    out.link.start(now);
    return out;
  }
  RawAgent& add_raw(uint8_t last, bool over_tcp = false, std::optional<crypto::Identity> key = {}) {
    auto agent = std::make_unique<RawAgent>(Address::v4(192, 0, 2, last, 40'000), server_key.public_key(), rng,
                                            key ? std::move(*key) : crypto::Identity::generate(rng), over_tcp);
    RawAgent& out = *agent;
    agents.push_back(std::move(agent));
    out.dial(now);
    return out;
  }
  NodeAgent& add_node(uint8_t last, peer::NodeConfig config = {}) {
    config.server = url();
    config.udp4_port = 40'000;
    auto agent = std::make_unique<NodeAgent>(Address::v4(192, 0, 2, last, 40'000), std::move(config), rng,
                                             crypto::Identity::generate(rng));
    NodeAgent& out = *agent;
    agents.push_back(std::move(agent));
    out.node.start(now);
    return out;
  }

  /// One input to the server, then its output, as hands do it.
  void give_server(Input input) {
    server->handle(now, input);
    drain_server();
  }
  /// One datagram, or train, from an agent's address, at once.
  void give_server(const Address& from, Octets& bytes, size_t segment = 0, SocketId socket = 0) {
    give_server(Datagrams{from, bytes, segment ? segment : bytes.size(), socket});
  }

  void run(Duration how_long) {
    for (Instant until = now + how_long; now < until;) step(until);
    drain_all();
  }
  bool run_until(const std::function<bool()>& done, Duration limit = 30s) {
    drain_all();
    for (Instant until = now + limit; now < until && !done();) step(until);
    drain_all();
    return done();
  }

  void step(Instant until) {
    drain_all();
    std::optional<Deadline> next = Deadline{until, "end"};
    if (!wire_.empty()) next = earlier(next, Deadline{wire_.begin()->first, "wire"});
    if (!server_gone) next = earlier(next, server->next_deadline());
    for (auto& agent : agents)
      if (!agent->manual) next = earlier(next, agent->next_deadline());
    if (next->when <= now && ++standstill_ > 10'000) {
      stuck = true;
      now = until;
      return;
    }
    if (next->when > now) standstill_ = 0;
    now = std::max(now, next->when);
    while (!wire_.empty() && wire_.begin()->first <= now) {
      auto act = std::move(wire_.begin()->second);
      wire_.erase(wire_.begin());
      act();
    }
    if (!server_gone) {
      server->handle_timeout(now);
      drain_server();
    }
    for (auto& agent : agents) {
      if (agent->manual) continue;
      agent->handle_timeout(now);
      drain(*agent);
    }
  }

  void drain_all() {
    drain_server();
    for (auto& agent : agents)
      if (!agent->manual) drain(*agent);
  }
  void drain(Host& agent) {
    agent.drain_events(now);
    while (auto action = agent.poll_action(now, agent_room_)) perform(agent, *action);
    agent.drain_events(now);
  }
  void drain_server() {
    if (server_gone) return;
    while (auto action = server->poll_action(now, server_room_)) {
      if (auto* transmit = std::get_if<Transmit>(&*action)) {
        if (on_transmit) on_transmit(*transmit);
        sent.push_back({transmit->to,
                        transmit->tcp,
                        transmit->segment,
                        {transmit->bytes.begin(), transmit->bytes.end()},
                        transmit->bytes.data(),
                        transmit->socket});
        if (!server_cut) transmit->tcp != 0 ? tcp_to_agent(*transmit) : udp_to_agent(*transmit);
      } else if (auto* close = std::get_if<CloseTcp>(&*action)) {
        break_tcp(close->id, "closed by the server", false);  // the machine knows
      }
    }
    while (auto event = server->poll_event()) server_events.push_back(*event);
  }

  /// The TCP connection between the two, by the number that the server gave it; 0: none.
  TcpId server_side(const Host& agent) const {
    for (auto& [id, c] : tcp_)
      if (c.agent == &agent) return id;
    return 0;
  }
  void break_tcp(TcpId server_id, const std::string& why, bool tell_server = true) {
    auto at = tcp_.find(server_id);
    if (at == tcp_.end()) return;
    Tcp c = at->second;
    tcp_.erase(at);
    c.agent->tcp_open.erase(c.agent_id);
    wire_.emplace(now + c.agent->one_way, [this, c, why] {
      if (c.agent->cut) return;
      Input closed = TcpClosed{c.agent_id, why};
      c.agent->handle(now, closed);
      drain(*c.agent);
    });
    if (server && !server_gone && tell_server) give_server(TcpClosed{server_id, why});
  }

 private:
  struct Tcp {
    Host* agent;
    TcpId agent_id;
    Octets to_server{}, to_agent{};
  };

  void perform(Host& agent, const Action& action) {
    if (auto* transmit = std::get_if<Transmit>(&action)) {
      transmit->tcp != 0 ? tcp_to_server(agent, *transmit) : udp_to_server(agent, *transmit);
    } else if (auto* connect = std::get_if<ConnectTcp>(&action)) {
      ++agent.tcp_dials;
      agent.dialled.emplace_back(now, *connect);
      wire_.emplace(now + 2 * agent.one_way, [this, &agent, c = *connect] {
        Passage passage = doors(c);
        if (passage == Passage::open) connect_tcp(agent, c.id);
        if (passage == Passage::refused) tell_closed(agent, c.id, refusal);
      });
    } else if (auto* close = std::get_if<CloseTcp>(&action)) {
      agent.tcp_open.erase(close->id);
      for (auto& [id, c] : tcp_)
        if (c.agent == &agent && c.agent_id == close->id) {
          wire_.emplace(now + agent.one_way, [this, id = id] {
            if (tcp_.erase(id) > 0 && !server_gone) give_server(TcpClosed{id, "closed by the agent"});
          });
          return;
        }
    } else if (std::holds_alternative<Resolve>(action)) {
      wire_.emplace(now + resolving, [this, &agent] {
        Input in = Resolved{resolved};
        agent.handle(now, in);
        drain(agent);
      });
    }
  }

  void tell_closed(Host& agent, TcpId id, const std::string& why) {
    Input closed = TcpClosed{id, why};
    agent.handle(now, closed);
    drain(agent);
  }

  void connect_tcp(Host& agent, TcpId id) {
    if (server_cut || !agent.tcp || agent.cut) return;  // no answer at all
    if (server_gone) return tell_closed(agent, id, "connection refused");
    TcpId server_id = next_tcp_++;
    tcp_.emplace(server_id, Tcp{&agent, id});
    agent.tcp_open.insert(id);
    give_server(TcpAccepted{server_id, agent.address.with_port(static_cast<uint16_t>(server_id))});
    Input in = TcpConnected{id, agent.address};
    agent.handle(now, in);
    drain(agent);
  }

  void udp_to_server(Host& agent, const Transmit& t) {
    for (size_t at = 0; at < t.bytes.size(); at += t.segment) {
      Bytes piece = t.bytes.subspan(at, std::min(t.segment, t.bytes.size() - at));
      Octets packet(piece.begin(), piece.end());
      agent.sent_udp.emplace_back(now, packet);
      if (!agent.udp || agent.cut || server_cut || server_gone || !server_udp) continue;
      if (t.to != server_address) {
        udp_between_agents(agent, t.to, std::move(packet));
        continue;
      }
      wire_.emplace(now + agent.one_way, [this, from = agent.address, at = agent.at, packet]() mutable {
        if (!server_gone) give_server(from, packet, 0, at);
      });
    }
  }
  void udp_between_agents(Host& from, const Address& to, Octets packet) {
    for (auto& other : agents)
      if (direct && other->address == to && other->udp)
        wire_.emplace(now + from.one_way + other->one_way,
                      [this, to = other.get(), source = from.address, packet]() mutable {
                        Input in = Datagrams{source, packet, packet.size()};
                        to->handle(now, in);
                        drain(*to);
                      });
  }
  void udp_to_agent(const Transmit& t) {
    for (auto& agent : agents) {
      if (agent->address != t.to || !agent->udp || agent->cut || !server_udp || agent->at != t.socket) continue;
      wire_.emplace(now + agent->one_way, [this, to = agent.get(), segment = t.segment,
                                           bytes = Octets(t.bytes.begin(), t.bytes.end())]() mutable {
        Input in = Datagrams{server_address, bytes, segment};
        to->handle(now, in);
        drain(*to);
      });
    }
  }

  void tcp_to_server(Host& agent, const Transmit& t) {
    ++agent.sent_tcp;
    if (!agent.tcp || agent.cut || server_cut) return;
    for (auto& [id, c] : tcp_) {
      if (c.agent != &agent || c.agent_id != t.tcp) continue;
      wire_.emplace(now + agent.one_way, [this, id = id, bytes = Octets(t.bytes.begin(), t.bytes.end())] {
        auto at = tcp_.find(id);
        if (at == tcp_.end() || server_gone) return;
        Octets& stream = at->second.to_server;
        stream.insert(stream.end(), bytes.begin(), bytes.end());
        Octets copy = stream;
        Input in = TcpReceived{id, copy};
        server->handle(now, in);
        drain_server();
        if (at = tcp_.find(id); at == tcp_.end()) return;
        size_t used = std::get<TcpReceived>(in).consumed;
        at->second.to_server.erase(at->second.to_server.begin(), at->second.to_server.begin() + used);
      });
    }
  }
  void tcp_to_agent(const Transmit& t) {
    auto found = tcp_.find(t.tcp);
    if (found == tcp_.end() || found->second.agent->cut || !found->second.agent->tcp) return;
    wire_.emplace(now + found->second.agent->one_way,
                  [this, id = t.tcp, bytes = Octets(t.bytes.begin(), t.bytes.end())] {
                    auto at = tcp_.find(id);
                    if (at == tcp_.end()) return;
                    Host& agent = *at->second.agent;
                    Octets& stream = at->second.to_agent;
                    stream.insert(stream.end(), bytes.begin(), bytes.end());
                    Octets copy = stream;
                    Input in = TcpReceived{at->second.agent_id, copy};
                    agent.handle(now, in);
                    size_t used = std::get<TcpReceived>(in).consumed;
                    stream.erase(stream.begin(), stream.begin() + used);
                    drain(agent);
                  });
  }

  Octets agent_room_ = Octets(room_size), server_room_ = Octets(room_size);
  rendezvous::ServerLimits limits_;
  std::set<PublicKey> allowed_;
  uint32_t instance_ = 0;
  TcpId next_tcp_ = 1u << 31;
  std::map<TcpId, Tcp> tcp_;
  std::multimap<Instant, std::function<void()>> wire_;  ///< what happens when
  int standstill_ = 0;
};

}  // namespace ginnel::test
