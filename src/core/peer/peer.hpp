// One peer at the other end of one QUIC session, however its packets travel: relayed first, then by the best way that
// the checks have proven, back on the relay when that way dies. The composite of quic, ice and path for one session;
// introductions are the node's business (node.hpp).
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/carrier.hpp"
#include "base/deadline.hpp"
#include "base/input.hpp"
#include "base/result.hpp"
#include "core/ice/agent.hpp"
#include "core/path/choose.hpp"
#include "core/quic/door.hpp"
#include "core/quic/session.hpp"
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
  std::string technique;  ///< relay, lan, udp-punch, ipv6
  std::string transport;  ///< udp, tcp
  Address local;          ///< as the peer sees us, if known
  Address remote;
  std::optional<Duration> rtt;
  size_t packet_size = 0;
  std::string why;
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

class Peer {
 public:
  static constexpr Duration busy_time = 2s;         ///< after the last packet the path in use is still watched closely
  static constexpr Duration hello_time = 10s;       ///< an accepted session without a Hello ends
  static constexpr size_t unadmitted_buffer = 256 * 1024;

  Peer(Instant now, const crypto::Identity& self, const quic::Door& door, PeerConfig config, quic::Tag tag, Rng& rng);

  // ---- inputs
  void handle_packet(Instant now, const Carrier& from, MutableBytes packet);
  /// After a batch of packets: turn what they did into events, once.
  void settle(Instant now);
  void handle_timeout(Instant now);

  // ---- commands
  void set_relay(Instant now, std::optional<RelayWay> relay);
  void set_relay_full(bool full);
  /// Our own candidates, the first time and after each change.
  void set_candidates(Instant now, std::vector<wire::Candidate> candidates);
  void network_changed(Instant now);
  /// Measure all paths now.
  void probe(Instant now) { ice_.recheck(now); }
  void allow_loopback(bool allowed) { ice_.allow_loopback(allowed); }
  void admit(Instant now);
  void refuse(quic::Code code, std::string text);
  void close(quic::Code code, std::string text);

  // ---- polls
  struct Outgoing { Carrier to; Bytes bytes; size_t segment; };
  /// Packets for one carrier, relay and TCP frame headers included.
  std::optional<Outgoing> poll_packets(Instant now, MutableBytes room);
  std::optional<PeerEvent> poll_event();
  std::optional<Deadline> next_deadline() const;

  // ---- getters
  quic::Session* session() { return session_.get(); }   ///< none before the dialler's first packet
  const ice::Agent& ice() const { return ice_; }
  const PublicKey& key() const { return config_.key; }
  bool connected() const { return session_ && session_->connected(); }
  bool admitted() const { return admitted_; }
  bool closed() const { return reported_closed_; }
  bool dialler() const { return config_.capability.has_value(); }
  PathReport path() const;

 private:
  void handle_stun(Instant now, const Carrier& from, Bytes packet);
  void drain_session(Instant now);
  void drain_ice(Instant now);
  void read_control(Instant now);
  void handle_message(Instant now, const wire::PeerMessage& message);
  void begin_control(Instant now);
  void send_candidates();
  void begin_checks(Instant now);
  void review(Instant now);
  void use(Instant now, const Carrier& carrier, std::string_view why, bool old_died);
  void note_traffic(Instant now);
  size_t headroom(const Carrier& carrier) const;
  void put_relay_headers(MutableBytes bytes, size_t segment) const;
  PathReport report(const Carrier& carrier, std::string_view why) const;

  PeerConfig config_;
  const crypto::Identity& self_;
  const quic::Door& door_;
  Rng& rng_;
  quic::Tag tag_;
  std::unique_ptr<quic::Session> session_;
  ice::Agent ice_;
  std::optional<RelayWay> relay_;
  bool relay_dead_ = false;                ///< the checks through it said so
  std::optional<Carrier> current_;
  std::optional<Carrier> deserted_;        ///< it died under us, and the peer has not been heard elsewhere since
  std::optional<Instant> changed_mind_at_;
  std::optional<Instant> review_at_;       ///< round trips change without an event, and a choice may be put off
  std::string_view why_ = "first path";
  std::vector<wire::Candidate> candidates_;
  std::optional<wire::Candidates> remote_;  ///< kept until we admitted the peer
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
