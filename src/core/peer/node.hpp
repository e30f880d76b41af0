// One agent: its link to the server, its sockets as far as a machine knows of them, and all its peers. Sorts what
// arrives, makes and repairs relay routes, gets what a peer needs for a round of punching. `expose`, `connect` and `ping` are nodes with different
// owners; nothing here knows which.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "base/machine.hpp"
#include "base/socket_ids.hpp"
#include "base/timer_set.hpp"
#include "core/peer/peer.hpp"
#include "core/rendezvous/server_link.hpp"
#include "core/reach/budget.hpp"
#include "core/reach/easy_side.hpp"
#include "core/reach/hard_side.hpp"
#include "core/reach/local.hpp"
#include "wire/server_url.hpp"
#include "wire/ticket.hpp"

namespace ginnel::peer {

using PeerId = quic::Tag;

struct NodeConfig {
  wire::ServerUrl server;
  std::vector<wire::ServiceId> services;  ///< to be dialled; empty for a dialler
  uint16_t udp4_port = 0;                 ///< of our sockets; 0: none of that family. See set_ports
  uint16_t udp6_port = 0;
  uint16_t tcp_port = 0;                  ///< to listen on from the start; 0: only while TCP is tried, on any
  bool listen_tcp = false;                ///< from the start, for forwards and mappings
  bool relay_only = false;
  bool search = true;                     ///< for the ports of symmetric NATs, by many packets (reach/budget.hpp)
  bool proxy = false;                     ///< the hands know an HTTP proxy: the server may be reached through it
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
/// A search for a symmetric NAT's port is over; what was spent on our side. `ours`: the port was one of our NAT, and the
/// other side sent the probes.
struct Searched { PeerId peer; wire::SearchKind kind; bool ours; size_t sockets, probes; bool found; };
struct PeerGone { PeerId peer; };                             ///< after PeerClosed: the id is no longer valid
using NodeEvent = std::variant<ServerUp, Registered, ServerDown, ServerFailed, Replaced, PeerArrived, DialRefused, FromPeer, Searched, PeerGone>;

class Node {
 public:
  static constexpr Duration stranger_patience = 5s;  ///< who connects to us must show that a peer sent it
  static constexpr size_t strangers_max = 64;        ///< at once; the oldest makes room
  static constexpr size_t fresh_sockets_max = 64;    ///< of all peers together

  Node(NodeConfig config, const crypto::Identity& self, Rng& rng);

  // ---- inputs
  void start(Instant now);
  void handle(Instant now, Input& input);
  void handle_timeout(Instant now);
  // ---- commands
  /// Before start(), when the ports were not known to the constructor.
  void set_ports(uint16_t udp4, uint16_t udp6);
  /// Outside addresses that lead to our sockets by forwards or port mappings, all of them, now.
  void set_arranged(Instant now, std::vector<reach::Arranged> arranged);
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
  const reach::Local& local() const { return local_; }
  uint64_t malformed() const { return malformed_; }

 private:
  struct Entry {
    std::unique_ptr<Peer> peer;
    PublicKey key;
    wire::ServiceId service{};
    wire::SessionId session{};
    std::optional<wire::RouteNumber> route;
    Duration backoff{};
    std::optional<Address> vouched;  ///< where the server sees it, if the peer wished us to know
    std::optional<std::pair<wire::SearchOffer, Instant>> offer;  ///< waits for that, until then
    bool dirty = false;
    bool closing = false;   ///< on our side's wish: it goes as soon as its last word is written
  };
  /// What a peer waits for before its next round of punching.
  struct Wish {
    reach::Means means;
    SocketId socket = 0;  ///< fresh; 0: none asked for, or none to be had
    Instant until;        ///< then it goes on with what there is
  };
  struct PeerTcp { PeerId peer; Address remote; };
  struct Stranger { Address from; Instant until; };
  struct Search {
    Search(PeerId of, uint64_t named) : peer(of), token(named) {}
    PeerId peer;
    uint64_t token;
    std::optional<reach::HardSide> hard;  ///< one of the two
    std::optional<reach::EasySide> easy;
    size_t probes = 0;                    ///< the other side's
    bool found = false;
    bool refused = false;                 ///< by the other side, who may say yes later
  };
  static constexpr Duration wish_patience = 1500ms;

  void handle_datagrams(Instant now, Datagrams& in);
  void handle_packet(Instant now, const Carrier& from, MutableBytes packet);
  void handle_relayed(Instant now, MutableBytes frame);
  void handle_stun(Instant now, const Carrier& from, MutableBytes packet);
  void handle_stun_answer(Instant now, const Carrier& from, MutableBytes packet, const wire::StunMessage& message);
  void handle_opened(Instant now, const UdpOpened& in);
  void handle_tcp_connected(Instant now, const TcpConnected& in);
  void handle_tcp_accepted(Instant now, const TcpAccepted& in);
  void handle_tcp_closed(Instant now, const TcpClosed& in);
  void handle_tcp_full(Instant now, TcpId id, bool full);
  void handle_tcp(Instant now, TcpReceived& in);
  void handle_tcp_packet(Instant now, TcpId id, MutableBytes packet);
  bool adopt_tcp(Instant now, TcpId id, MutableBytes packet);
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
  void reflexive_changed(Instant now, bool v6, const reach::Reflexive::Change& change);
  void local_changed(Instant now);
  void serve_wish(Instant now, PeerId id, Entry& entry);
  void look_at_wishes(Instant now);
  SocketId open_socket();
  void close_socket(SocketId socket);
  bool waits(const Wish& wish) const;
  void note_peers_action(Instant now, PeerId id, const Action& action);
  void touch(PeerId id, Entry& entry);
  void received(PeerId id);
  void forget(PeerId id);
  void begin_search(Instant now, PeerId id, Entry& entry, wire::SearchKind kind);
  void begin_hard_side(Instant now, PeerId id, Entry& entry, wire::SearchKind kind, uint64_t token, const Address& easy);
  void consider_offers(Instant now);
  bool take_up(Instant now, PeerId id, Entry& entry, const wire::SearchOffer& offer);
  void handle_probe(Instant now, const Carrier& from, const wire::StunMessage& message);
  bool answers_a_shot(PeerId id, const Carrier& from) const;
  void look_at_search(Instant now);
  void handle_search_end(Instant now, PeerId id, const wire::SearchEnd& end);
  void end_search(Instant now, Entry* entry);
  std::optional<Action> poll_search(Instant now, MutableBytes room);
  std::optional<Deadline> search_deadline() const;
  void sweep_strangers(Instant now);
  void close_sockets_of(PeerId id);
  PeerId new_id();
  PeerContext context() { return {self_, door_, local_, tcp_ids_, rng_, chunks_}; }
  std::optional<Action> poll_own(Instant now, MutableBytes room);
  std::optional<Action> poll_peer(Instant now, PeerId id, Entry& entry, MutableBytes room);
  Entry* by_route(wire::RouteNumber route, PeerId* id);

  NodeConfig config_;
  const crypto::Identity& self_;
  Rng& rng_;
  quic::Door door_;
  std::shared_ptr<ChunkPool> chunks_ = std::make_shared<ChunkPool>();  ///< of all sessions with peers
  TcpIds tcp_ids_;
  SocketIds socket_ids_;
  rendezvous::ServerLink link_;
  reach::Local local_;
  std::map<PeerId, Entry> peers_;
  std::map<wire::RouteNumber, PeerId> routes_;
  std::map<PeerId, Wish> wishes_;
  std::map<TcpId, PeerTcp> tcp_;           ///< connections with peers, dialled or adopted
  std::map<TcpId, Stranger> strangers_;    ///< accepted, and not yet known to be a peer's
  std::set<SocketId> sockets_;             ///< the peers' own, open or about to be
  reach::Budget budget_;
  std::optional<Search> search_;           ///< one at a time
  wire::RouteNumber next_route_;           ///< even: odd ones are the server's to choose
  TimerSet<PeerId> timers_;                ///< of the peers
  TimerSet<PeerId> redials_;
  std::deque<PeerId> dirty_;               ///< may have packets to send
  std::vector<PeerId> received_;           ///< got packets in the input under way
  std::deque<NodeEvent> events_;
  struct Stray { Carrier to; std::vector<uint8_t> bytes; };
  std::vector<Stray> strays_;              ///< stateless resets to be sent
  std::deque<Action> actions_;
  bool tcp_full_ = false;
  bool server_silent_ = false;             ///< a STUN transaction with it failed, and none succeeded since
  bool saw_interfaces_ = false;
  bool closing_ = false;
  uint64_t malformed_ = 0;
};

static_assert(Machine<Node>);

}  // namespace ginnel::peer
