// An agent's session with its server: tries UDP, and where that does not answer the other doors (door.hpp), one after the
// other; comes back by itself after a restart of the server, a change of address, a dead network. Carries signals;
// relayed packets travel beside it on the same carrier. Knows nothing of end-to-end sessions.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/action.hpp"
#include "base/deadline.hpp"
#include "base/result.hpp"
#include "base/rng.hpp"
#include "base/tcp_ids.hpp"
#include "core/crypto/identity.hpp"
#include "core/quic/session.hpp"
#include "core/rendezvous/door.hpp"
#include "wire/server_url.hpp"
#include "wire/signal.hpp"

namespace ginnel::rendezvous {

inline constexpr const char* server_alpn = "ginnel-server/1";

/// How packets reach the server now.
struct LinkCarrier {
  Address server;  ///< by a proxy only the port: it alone knows the address
  TcpId tcp = 0;   ///< 0: UDP
  Door door = Door::udp;
  bool operator==(const LinkCarrier&) const = default;
};

struct LinkUp { LinkCarrier carrier; };             ///< connected; signals may be sent. Comes again for each new session
struct LinkDown { std::string why; };               ///< it was up; it tries again by itself
struct LinkFailed { Error error; };                 ///< one attempt round failed; it tries again unless the key was wrong
using LinkEvent = std::variant<LinkUp, LinkDown, LinkFailed, wire::Signal>;

class ServerLink {
 public:
  static constexpr Duration tcp_after = plan_of(Door::tcp).after;  // UDP's head start
  static constexpr Duration other_family_after = 250ms;
  static constexpr Duration attempt_limit = 6s;
  static constexpr Duration backoff_max = 10s;
  static constexpr Duration look_again = 5min;      // on a poor door: perhaps a better one opened

  /// `proxy`: there is an HTTP proxy, and doors through it are tried beside the others.
  ServerLink(wire::ServerUrl url, const crypto::Identity& self, TcpIds& tcp_ids, Rng& rng, bool proxy = false);

  // ---- inputs
  void start(Instant now);
  void handle_resolved(Instant now, const std::vector<Address>& addresses);
  /// A QUIC packet by UDP. True if it belonged to this link.
  bool handle_udp(Instant now, const Address& from, MutableBytes packet);
  void handle_tcp_connected(Instant now, TcpId id);
  void handle_tcp_packet(Instant now, TcpId id, MutableBytes packet);
  void handle_tcp_closed(Instant now, TcpId id, const std::string& why);
  void handle_timeout(Instant now);

  // ---- commands
  void send(const wire::Signal& signal);            ///< only while up; dropped otherwise
  /// Something says that the server may be gone or changed: prove it, and look for another carrier meanwhile.
  void suspect(Instant now);
  /// This address of the server answers on UDP: leave whatever else we are on for it.
  void prefer_udp(Instant now, const Address& server);
  /// The network is back: waste no time on what backed off.
  void hurry(Instant now);
  void close();

  // ---- polls
  std::optional<Action> poll_action(Instant now, MutableBytes room);
  std::optional<LinkEvent> poll_event();
  std::optional<Deadline> next_deadline() const;

  // ---- getters
  bool up() const { return link_ && link_->session->connected(); }
  std::optional<LinkCarrier> carrier() const { return up() ? std::optional(link_->carrier) : std::nullopt; }
  const std::vector<Address>& addresses() const { return addresses_; }
  bool owns(TcpId id) const;

 private:
  struct Attempt {
    LinkCarrier carrier;
    Instant begin;                 ///< when it may start sending
    bool tcp_asked = false;        ///< ConnectTcp was given out
    bool tcp_open = false;
    std::unique_ptr<quic::Session> session;
    std::optional<quic::StreamId> signals;
    std::string received;          ///< bytes of a signal that is not whole yet
  };

  void begin_round(Instant now);
  void try_doors(Instant now, Duration delay);
  void try_doors_of(Instant now, const Address& server, bool by_proxy, Duration delay);
  void try_door(Instant now, const DoorPlan& plan, const Address& server, Duration delay);
  bool wants(Door door) const;
  void hasten(Instant now);
  void note_problem(const LinkCarrier& carrier, const std::string& why);
  quic::SessionConfig session_config(Door door) const;
  std::string nobody_answers() const;
  void process(Instant now, Attempt& attempt);
  void read_signals(Attempt& attempt);
  void promote(Instant now, Attempt& attempt);
  void drop(Attempt& attempt);
  void proven();
  void lost(Instant now, const std::string& why, bool at_once);
  void refused(Instant now, const std::string& why);
  void round_failed(Instant now);
  Attempt* by_tcp(TcpId id);
  std::optional<Action> poll_attempt(Instant now, Attempt& attempt, MutableBytes room);

  wire::ServerUrl url_;
  const crypto::Identity& self_;
  TcpIds& tcp_ids_;
  Rng& rng_;
  bool proxy_;
  std::vector<Address> addresses_;
  std::unique_ptr<Attempt> link_;
  std::vector<std::unique_ptr<Attempt>> attempts_;
  std::deque<Action> actions_;
  std::deque<LinkEvent> events_;
  std::optional<Instant> retry_at_;      ///< of the next round
  std::optional<Instant> round_ends_;
  std::optional<Instant> proof_by_;      ///< suspected: drop the link if nothing authentic comes by then
  std::optional<Instant> look_at_;       ///< on a poor door: try the better ones
  Duration backoff_{};
  bool wrong_key_ = false;
  bool resolving_ = false;
  std::string problem_;                  ///< of the round under way: why the server's own port does not answer
  std::string proxy_problem_;            ///< and what the proxy said
};

}  // namespace ginnel::rendezvous
