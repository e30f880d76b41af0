// The server: knows which agent serves what, introduces diallers to them, and passes on the packets of their end-to-end
// sessions without being able to read them. Everything is in memory and nothing of it must survive a restart. The relay
// changes four bytes of a packet in place and copies none (DESIGN: the bulk path is not made of small copies).
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/machine.hpp"
#include "base/rng.hpp"
#include "base/timer_set.hpp"
#include "core/quic/door.hpp"
#include "core/quic/session.hpp"
#include "core/rendezvous/search_turns.hpp"
#include "core/stun/binding_server.hpp"
#include "wire/relay_frame.hpp"
#include "wire/signal.hpp"

namespace ginnel::rendezvous {

struct ServerLimits {
  size_t agents = 50'000;
  size_t half_open = 1'000;         ///< handshakes under way
  size_t half_open_trusting = 64;   ///< above it an address must prove itself first (Retry)
  size_t routes_per_agent = 4'096;
  size_t tcp_strangers = 1'000;     ///< TCP connections without a session yet
  Duration stranger_time = 5s;      ///< how long one may stay so
  Duration asker_time = 25s;        ///< who asks for its address keeps it open while it punches
  Duration silence = 45s;           ///< an agent not heard for so long is gone: nine keepalives
};

struct ServerCounters {
  uint64_t relayed_packets = 0, relayed_bytes = 0;
  uint64_t unroutable = 0;   ///< relay frames without a route
  uint64_t malformed = 0;    ///< neither STUN, QUIC nor a relay frame, or broken framing
  uint64_t shed = 0;         ///< new work refused at a limit
  uint64_t introductions = 0;
};

/// For logs and the status line.
struct ServerEvent { std::string text; };

class Server {
 public:
  /// `allowed`: keys that may use the server; empty: everybody. `instance` differs at each start.
  Server(const crypto::Identity& self, std::set<PublicKey> allowed, uint32_t instance, Rng& rng, ServerLimits limits = {});
  ~Server();

  // ---- inputs
  void handle(Instant now, Input& input);
  void handle_timeout(Instant now);
  // ---- commands
  /// Where the UDP sockets of a family are: one per SocketId that the hands opened. Before the first input.
  void set_faces(bool v6, const stun::Faces& faces) { faces_[v6] = faces; }
  /// Tell every agent, so that they look elsewhere at once.
  void shut_down();
  // ---- polls
  /// Poll all of it before the next input: forwarded packets still lie in the input's buffer.
  std::optional<Action> poll_action(Instant now, MutableBytes room);
  std::optional<ServerEvent> poll_event();
  std::optional<Deadline> next_deadline() const;
  // ---- getters
  const ServerCounters& counters() const { return counters_; }
  size_t agent_count() const { return agents_.size(); }
  size_t service_count() const { return services_.size(); }

 private:
  struct Agent;
  struct Route { Agent* to; wire::RouteNumber number; };
  /// Packets on their way out, as they lie in the input's buffer.
  struct Run {
    Agent* to;
    MutableBytes bytes;
    size_t segment;
    bool framed;  ///< already as a TCP connection wants them
  };
  struct TcpPeer { Address from; Agent* agent = nullptr; Instant until; };  ///< it may be a stranger so long
  struct Origin { Address from; SocketId socket = 0; TcpId tcp = 0; };  ///< where something came in, and answers go
  struct Reply { Origin to; size_t size; std::array<uint8_t, 320> bytes; };

  void handle_datagrams(Instant now, Datagrams& in);
  void handle_tcp(Instant now, TcpReceived& in);
  void forget_tcp(TcpId id);
  void handle_packet(Instant now, const Address& from, SocketId socket, MutableBytes packet);
  void answer_stun(const Address& from, SocketId socket, TcpId tcp, Bytes packet);
  void relay_udp(Instant now, const Address& from, SocketId socket, MutableBytes frame);
  void relay_tcp(Instant now, Agent& from, MutableBytes framed_packet);
  const Route* route_of(Agent& from, MutableBytes frame);
  void handle_quic(Instant now, const Origin& origin, MutableBytes packet);
  Agent* open_session(Instant now, const Origin& origin, MutableBytes packet, const quic::PacketInfo& info);
  void process(Instant now, Agent& agent);
  void authenticated(Agent& agent, const PublicKey& key);
  void read_signals(Instant now, Agent& agent);
  void handle_signal(Instant now, Agent& agent, const wire::Signal& signal);
  void handle_vouch(Instant now, Agent& agent, const wire::Vouch& message);
  void handle_register(Agent& agent, const wire::Register& message);
  void handle_dial(Agent& agent, const wire::Dial& message);
  void close_route(Agent& agent, wire::RouteNumber number, wire::SignalCode code);
  void tell(Agent& agent, const wire::Signal& signal);
  void moved(Agent& agent, const Origin& origin);
  void remove(Agent& agent);
  void touch(Agent& agent);
  void reply(const Origin& to, Bytes bytes);
  std::optional<Action> forward(MutableBytes room);
  std::optional<Action> poll_session(Instant now, Agent& agent, MutableBytes room);
  void sweep(Instant now);

  const crypto::Identity& self_;
  quic::Door door_;
  std::set<PublicKey> allowed_;
  uint32_t instance_;
  std::array<stun::Faces, 2> faces_;
  Rng& rng_;
  ServerLimits limits_;
  ServerCounters counters_;

  std::shared_ptr<ChunkPool> chunks_ = std::make_shared<ChunkPool>();
  std::unordered_map<quic::Tag, std::unique_ptr<Agent>> agents_;
  std::unordered_map<Address, Agent*, AddressHash> by_address_;  ///< proven agents on UDP
  std::map<std::pair<Address, std::string>, Agent*> half_open_;  ///< by address and first connection id
  std::unordered_map<TcpId, TcpPeer> tcp_;
  size_t tcp_strangers_ = 0;
  std::map<std::pair<PublicKey, wire::ServiceId>, Agent*> services_;
  SearchTurns search_turns_;
  TimerSet<quic::Tag> timers_;
  std::deque<quic::Tag> dirty_;        ///< may have packets to send
  std::vector<Run> runs_;              ///< of the last input
  size_t next_run_ = 0;
  std::deque<Reply> replies_;
  std::deque<Action> actions_;
  std::deque<ServerEvent> events_;
  std::optional<Instant> next_sweep_;
  uint64_t last_serial_ = 0;
};

static_assert(Machine<Server>);

}  // namespace ginnel::rendezvous
