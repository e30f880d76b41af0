// One agent: its link to the server, its one UDP socket as far as a machine knows of it, and all its peers. Sorts what
// arrives, makes and repairs relay routes, gathers candidates. `expose`, `connect` and `ping` are nodes with different
// owners; nothing here knows which.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/machine.hpp"
#include "base/timer_set.hpp"
#include "core/peer/peer.hpp"
#include "core/rendezvous/server_link.hpp"
#include "core/stun/keepalive.hpp"
#include "wire/server_url.hpp"
#include "wire/ticket.hpp"

namespace ginnel::peer {

using PeerId = quic::Tag;

struct NodeConfig {
  wire::ServerUrl server;
  std::vector<wire::ServiceId> services;  ///< to be dialled; empty for a dialler
  uint16_t udp4_port = 0;                 ///< of our sockets; 0: none of that family. See set_ports
  uint16_t udp6_port = 0;
  bool relay_only = false;
  size_t peers_max = 1'000;               ///< accepted ones
};

struct ServerUp { rendezvous::LinkCarrier carrier; };
struct Registered { Address observed; };                      ///< the server took our services
struct ServerDown { std::string why; };
struct ServerFailed { Error error; };                         ///< it goes on trying unless the key was wrong
struct Replaced { wire::ServiceId service; };                 ///< somebody with our key serves it now
struct PeerArrived { PeerId peer; PublicKey key; };           ///< a dialler was introduced; nothing is proven yet
struct DialRefused { PeerId peer; wire::SignalCode code; };   ///< it goes on dialling
struct FromPeer { PeerId peer; PeerEvent event; };
struct PeerGone { PeerId peer; };                             ///< after PeerClosed: the id is no longer valid
using NodeEvent = std::variant<ServerUp, Registered, ServerDown, ServerFailed, Replaced, PeerArrived, DialRefused, FromPeer, PeerGone>;

class Node {
 public:
  Node(NodeConfig config, const crypto::Identity& self, Rng& rng);

  // ---- inputs
  void start(Instant now);
  void handle(Instant now, Input& input);
  void handle_timeout(Instant now);
  // ---- commands
  /// Before start(), when the ports were not known to the constructor.
  void set_ports(uint16_t udp4, uint16_t udp6) { config_.udp4_port = udp4, config_.udp6_port = udp6; }
  PeerId dial(Instant now, const wire::Ticket& ticket);
  void close_peer(Instant now, PeerId id, quic::Code code, std::string text);
  /// Ends all sessions and the link politely; poll the actions once more, then drop the node.
  void shut_down(Instant now);
  /// For commands on the peer or its session; whatever they leave to send is polled. Null if it is gone.
  Peer* use(PeerId id);
  // ---- polls
  std::optional<Action> poll_action(Instant now, MutableBytes room);
  std::optional<NodeEvent> poll_event();
  std::optional<Deadline> next_deadline() const;
  // ---- getters
  const Peer* peer(PeerId id) const;
  std::vector<PeerId> peers() const;
  const rendezvous::ServerLink& link() const { return link_; }
  const std::optional<Address>& reflexive() const { return keepalive_.reflexive(); }
  std::vector<wire::Candidate> candidates() const;
  uint64_t malformed() const { return malformed_; }

 private:
  struct Entry {
    std::unique_ptr<Peer> peer;
    PublicKey key;
    wire::ServiceId service{};
    wire::SessionId session{};
    std::optional<wire::RouteNumber> route;
    Duration backoff{};
    bool dirty = false;
    bool closing = false;   ///< on our side's wish: it goes as soon as its last word is written
  };

  void handle_datagrams(Instant now, Datagrams& in);
  void handle_packet(Instant now, const Address& from, MutableBytes packet);
  void handle_relayed(Instant now, MutableBytes frame);
  void handle_stun(Instant now, const Address& from, MutableBytes packet);
  void handle_tcp(Instant now, TcpReceived& in);
  void handle_interfaces(Instant now, const std::vector<Address>& addresses);
  void drain_link(Instant now);
  void handle_signal(Instant now, const wire::Signal& signal);
  void handle_incoming(Instant now, const wire::Incoming& message);
  void link_up(Instant now);
  void link_down(Instant now);
  void make_route(Instant now, PeerId id, Entry& entry);
  void attach(Instant now, PeerId id, Entry& entry, wire::RouteNumber route);
  void detach(Instant now, PeerId id, Entry& entry, bool tell_server);
  void redial_later(Instant now, PeerId id, Entry& entry);
  void suspect_server(Instant now);
  void process(Instant now, PeerId id, Entry& entry);
  void keepalive_changed(Instant now, const stun::Keepalive::Change& change);
  void update_candidates(Instant now);
  void touch(PeerId id, Entry& entry);
  void received(PeerId id);
  void forget(PeerId id);
  bool server_is_here() const;
  PeerId new_id();
  std::optional<Action> poll_keepalive(Instant now, MutableBytes room);
  std::optional<Action> poll_peer(Instant now, PeerId id, Entry& entry, MutableBytes room);
  Entry* by_route(wire::RouteNumber route, PeerId* id);

  NodeConfig config_;
  const crypto::Identity& self_;
  Rng& rng_;
  quic::Door door_;
  rendezvous::ServerLink link_;
  stun::Keepalive keepalive_;
  std::vector<Address> interfaces_;
  std::map<PeerId, Entry> peers_;
  std::map<wire::RouteNumber, PeerId> routes_;
  wire::RouteNumber next_route_;           ///< even: odd ones are the server's to choose
  TimerSet<PeerId> timers_;                ///< of the peers
  TimerSet<PeerId> redials_;
  std::deque<PeerId> dirty_;               ///< may have packets to send
  std::vector<PeerId> received_;           ///< got packets in the input under way
  std::deque<NodeEvent> events_;
  std::vector<std::pair<Address, std::vector<uint8_t>>> strays_;  ///< stateless resets to be sent
  bool tcp_full_ = false;
  bool server_silent_ = false;             ///< a STUN transaction with it failed, and none succeeded since
  bool closing_ = false;
  uint64_t malformed_ = 0;
};

static_assert(Machine<Node>);

}  // namespace ginnel::peer
