// One peer at the other end of one QUIC session, however its packets travel: relayed first, then by the best way that
// the checks have proven, back on the relay when that way dies. The composite of quic, ice, reach and path for one
// session; introductions and sockets are the node's business (node.hpp).
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/action.hpp"
#include "base/allowance.hpp"
#include "base/carrier.hpp"
#include "base/deadline.hpp"
#include "base/input.hpp"
#include "base/result.hpp"
#include "base/tcp_ids.hpp"
#include "core/ice/agent.hpp"
#include "core/ice/tcp_dials.hpp"
#include "core/path/choose.hpp"
#include "core/path/rate_watch.hpp"
#include "core/quic/door.hpp"
#include "core/quic/session.hpp"
#include "core/reach/local.hpp"
#include "core/reach/plan.hpp"
#include "wire/peer_message.hpp"
#include "wire/relay_frame.hpp"

namespace ginnel::peer {

inline constexpr const char* peer_alpn = "ginnel/1";

/// How the relay is reached now.
struct RelayWay {
  wire::RouteNumber route = 0;
  Address server;
  TcpId tcp = 0;      ///< 0: UDP
  bool full = false;  ///< the TCP connection takes no more for now
};

/// The path in use, for people and programs (DESIGN section 7).
struct PathReport {
  std::string technique;  ///< relay, or as reach/technique names it
  std::string transport;  ///< udp, tcp
  Address local;          ///< as the peer sees us, if known
  Address remote;
  std::optional<Duration> rtt;
  size_t packet_size = 0;
  std::string why;
};

/// What became of one technique, for people and programs.
struct TechniqueReport {
  std::string_view name;     ///< as in path events
  std::string_view verdict;  ///< in use, works, trying, failed, not tried
  std::string text;          ///< what was seen, or why not
};

struct PeerConnected {};                                ///< both keys are proven; the dialler may open streams
struct PeerHello { wire::Capability capability; };      ///< the dialler asks: admit() or refuse()
struct PeerAdmitted {};                                 ///< the other side let us in
struct PathChanged { PathReport path; };
struct RelaySilent {};                                  ///< the checks through the relay get no answer
struct PeerClosed { Error error; quic::Code code; quic::Closed::Why why; };
using PeerEvent = std::variant<PeerConnected, PeerHello, PeerAdmitted, PathChanged, RelaySilent, quic::StreamOpened,
                               quic::StreamReadable, quic::StreamWritable, quic::StreamStopped, quic::StreamClosed, PeerClosed>;

struct PeerConfig {
  PublicKey key;                                ///< whom we dial, or who dials us
  std::optional<wire::Capability> capability;   ///< present: we dial, and show this
  bool relay_only = false;
  Duration idle_timeout = 1h;
};

/// What a peer needs of its node; all of it outlives the peer.
struct PeerContext {
  const crypto::Identity& self;
  const quic::Door& door;
  const reach::Local& local;
  TcpIds& tcp_ids;
  Rng& rng;
  std::shared_ptr<ChunkPool> chunks;
};

class Peer {
 public:
  static constexpr Duration busy_time = 2s;         ///< after the last packet the path in use is still watched closely
  static constexpr Duration hello_time = 10s;       ///< an accepted session without a Hello ends
  static constexpr size_t unadmitted_buffer = 256 * 1024;
  static constexpr size_t tcp_max = 4;          ///< connections with one peer
  static constexpr size_t fresh_sockets_max = 2;
  /// What the other side says about its addresses costs us sockets, packets and an answer: so much at once, then less.
  static constexpr int heed_at_once = 8;
  static constexpr Duration heed_each = 1s;
  static constexpr size_t unheard_max = 16 * 1024;  ///< of our own words about ours; the last one always says all

  Peer(Instant now, PeerContext context, PeerConfig config, quic::Tag tag);

  // ---- inputs
  void handle_packet(Instant now, const Carrier& from, MutableBytes packet);
  /// Of a connection that this peer asked for, or adopted.
  void handle_tcp_connected(Instant now, TcpId id);
  void handle_tcp_closed(Instant now, TcpId id, const std::string& why);
  /// Somebody connected to us and names this peer's credentials. False: no more of them.
  bool adopt_tcp(Instant now, TcpId id, const Address& from);
  void set_tcp_full(TcpId id, bool full);
  /// After a batch of packets: turn what they did into events, once.
  void settle(Instant now);
  void handle_timeout(Instant now);

  // ---- commands
  void set_relay(Instant now, std::optional<RelayWay> relay);
  void set_relay_full(bool full);
  /// reach::Local changed: tell the other side.
  void local_changed(Instant now);
  void network_changed(Instant now);
  /// What the node should get before this peer goes on (poll_wish): a fresh socket (0: none was to be had).
  void provide(Instant now, SocketId fresh);
  /// Measure all paths now.
  void probe(Instant now) { ice_.recheck(now); }
  void allow_loopback(bool allowed) { ice_.allow_loopback(allowed); }
  void admit(Instant now);
  void refuse(quic::Code code, std::string text);
  void close(quic::Code code, std::string text);

  // Searches for the port of a symmetric NAT: the node conducts them, this peer talks with the other.
  /// The peer was met on that carrier.
  void meet(Instant now, const Carrier& carrier);
  void say_search(const wire::SearchOffer& offer);
  void say_search_end(const wire::SearchEnd& end);
  /// We look for the other side, as it offered.
  void search_begins(const wire::SearchOffer& offer) { searched_ip_ = offer.ip, search_kind_ = offer.kind; }
  /// Of one that we began: what it cost.
  void search_ended(Instant now);
  /// It was not begun: one of us had no room, or somebody else at our addresses has its turn.
  void search_refused(Instant now);
  /// This socket of a search is the peer's own now.
  void keep_socket(SocketId socket, wire::SearchKind kind);

  // ---- polls
  /// Packets for one carrier, relay and TCP frame headers included, or what else is to be done for this peer.
  std::optional<Action> poll_action(Instant now, MutableBytes room);
  /// Means that the node must get for the next round; answered by provide().
  std::optional<reach::Means> poll_wish();
  /// A search that we should begin, an offer of the other side, and its end.
  std::optional<wire::SearchKind> poll_search_wish() { return std::exchange(search_wish_, std::nullopt); }
  std::optional<wire::SearchOffer> poll_offer() { return std::exchange(heard_offer_, std::nullopt); }
  std::optional<wire::SearchEnd> poll_search_end() { return std::exchange(heard_end_, std::nullopt); }
  std::optional<PeerEvent> poll_event();
  std::optional<Deadline> next_deadline() const;

  // ---- getters
  /// The other side's outside address, to open our NAT towards.
  std::optional<Address> search_target() const;
  int searches() const { return searches_; }  ///< that we began, with the one under way
  bool direct_by_udp() const;
  /// A socket among those on which the peer answers.
  template <typename Among>
  std::optional<SocketId> found_on(Among among) const {
    for (const ice::Pair& pair : ice_.pairs())
      if (pair.carrier.kind == Carrier::Kind::udp && pair.state == ice::Pair::State::alive && among(pair.carrier.local))
        return pair.carrier.local;
    return {};
  }
  quic::Session* session() { return session_.get(); }   ///< none before the dialler's first packet
  const ice::Agent& ice() const { return ice_; }
  const ice::TcpDials& dials() const { return dials_; }
  const std::vector<SocketId>& sockets() const { return sockets_; }  ///< fresh ones that are its own now
  const PublicKey& key() const { return config_.key; }
  bool connected() const { return session_ && session_->connected(); }
  bool admitted() const { return admitted_; }
  bool closed() const { return reported_closed_; }
  bool dialler() const { return config_.capability.has_value(); }
  PathReport path() const;
  /// Every technique: tried or not, what was seen, why it lost or won.
  std::vector<TechniqueReport> explain() const;

 private:
  struct TcpWay { TcpId id; Address remote; bool full = false; };

  // peer.cpp: the session and what is said in it
  void handle_stun(Instant now, const Carrier& from, Bytes packet);
  void drain_session(Instant now);
  void read_control(Instant now);
  void handle_message(Instant now, const wire::PeerMessage& message);
  void begin_control();
  std::optional<Action> poll_check(Instant now, MutableBytes room);
  std::optional<Action> poll_session(Instant now, MutableBytes room);
  Transmit transmit(const Carrier& to, MutableBytes bytes, size_t segment, uint8_t hops = 0);
  size_t headroom(const Carrier& carrier) const;
  void note_traffic(Instant now);
  // peer_paths.cpp: candidates, rounds, and which way carries
  void send_candidates();
  void begin_plan(Instant now);
  void handle_candidates(Instant now, const wire::Candidates& message);
  void consider(Instant now);
  void plan_search(Instant now);
  void search_is_due();
  std::string_view technique_of(const Carrier& carrier, const ice::Pair* pair) const;
  void try_candidates(Instant now, bool open_first);
  void drain_ice(Instant now);
  void close_spare_tcp();
  void review(Instant now);
  void use(Instant now, const Carrier& carrier, std::string_view why, bool old_died);
  void watch_rate(Instant now);
  void begin_trial(Instant now);
  void end_trial(Instant now);
  bool can_carry(const Carrier& carrier) const;
  bool is_ours(const Carrier& carrier) const;
  TcpWay* tcp_way(TcpId id);
  PathReport report(const Carrier& carrier, std::string_view why) const;
  TechniqueReport not_tried(std::string_view name, const std::vector<wire::Candidate>& theirs) const;

  PeerConfig config_;
  PeerContext context_;
  quic::Tag tag_;
  std::unique_ptr<quic::Session> session_;
  ice::Agent ice_;
  ice::TcpDials dials_;
  reach::Plan plan_;                       ///< of a dialler
  std::optional<RelayWay> relay_;
  bool relay_dead_ = false;                ///< the checks through it said so
  std::vector<TcpWay> tcp_;
  std::vector<SocketId> sockets_;          ///< fresh ones, the newest last
  std::deque<Action> actions_;
  std::optional<Carrier> current_;
  std::optional<Carrier> deserted_;        ///< it died under us, and the peer has not been heard elsewhere since
  std::optional<Instant> changed_mind_at_;
  std::optional<Instant> review_at_;       ///< round trips change without an event, and a choice may be put off
  std::string_view why_ = "first path";

  // A path that carries too little: another one is tried, and kept if it carries more.
  struct Trial { Carrier from; double rate; Instant until; };
  struct Avoided { Carrier carrier; Instant until; };
  path::RateWatch rate_;
  std::optional<Trial> trial_;
  std::optional<Avoided> avoided_;
  Instant next_trial_{};
  Duration trial_pause_ = 30s;             ///< doubles with each trial that was in vain

  // Searches
  std::optional<Instant> search_at_;       ///< unless a direct path is there by then
  int searches_ = 0;                       ///< that we began
  int refusals_ = 0;
  std::optional<wire::SearchKind> search_wish_, search_kind_;
  std::optional<wire::SearchOffer> heard_offer_;
  std::optional<wire::SearchEnd> heard_end_;
  std::optional<Address> searched_ip_;     ///< we looked for the peer there
  std::vector<SocketId> found_sockets_;    ///< the peer found us there

  // Candidates, ours and theirs (wire/peer_message.hpp: how they are tried)
  std::vector<wire::Candidate> told_;      ///< what we said last
  wire::NatView told_nat_;
  uint32_t generation_ = 0;                ///< of ours; 0: nothing was said yet
  std::optional<wire::Candidates> remote_;  ///< kept until we admitted the peer
  uint32_t heard_generation_ = 0;          ///< of theirs, that we act on
  uint32_t opened_ = 0;                    ///< of theirs, that our NAT is open for
  uint32_t answered_ = 0;                  ///< of ours, that they opened for and we checked
  reach::Means means_;                     ///< of the round under way
  std::optional<reach::Means> wish_;       ///< for a round, not told to the node yet
  std::optional<reach::Means> awaited_;    ///< told; provide() will come
  bool leading_ = false;                   ///< the wish was ours; else theirs, who wait for our answer
  bool unsaid_ = false;                    ///< our candidates, while they do not hear us
  Allowance heed_{heed_at_once, heed_each};
  std::optional<Instant> heed_at_;         ///< what they said last

  std::optional<quic::StreamId> control_;
  std::string received_;                    ///< of a message on the control stream that is not whole yet
  bool admitted_ = false;
  bool hello_seen_ = false;
  bool reported_closed_ = false;
  bool busy_ = false;
  Instant last_traffic_{};
  std::optional<Instant> hello_by_;
  std::vector<uint8_t> stray_reply_;        ///< a stateless reset for a session of our former life
  std::deque<PeerEvent> events_;
  std::deque<PeerEvent> held_;              ///< of streams, until the peer is admitted
};

}  // namespace ginnel::peer
