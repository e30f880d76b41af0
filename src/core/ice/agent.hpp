// Finds and watches the ways to one peer by connectivity checks: STUN Binding requests with short-term credentials
// (RFC 8445 sections 6 and 7, RFC 7675). The same checks measure round trips, prove packet sizes, keep NAT mappings
// alive and notice within about a second that a way died. It judges; which way carries data is core/path's business,
// so there is no nomination (docs/decisions/003).
#pragma once
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/deadline.hpp"
#include "base/rng.hpp"
#include "core/ice/pair.hpp"

namespace ginnel::ice {

struct PairUp { Carrier carrier; };
struct PairDown { Carrier carrier; };
struct PairResized { Carrier carrier; };  ///< its packet_size changed
struct PairGivenUp { Carrier carrier; };  ///< a TCP connection that does not answer: close it
using Event = std::variant<PairUp, PairDown, PairResized, PairGivenUp>;

/// How to begin with candidates that lie behind a NAT.
struct Approach {
  SocketId socket = 0;       ///< of ours
  bool open_first = false;   ///< first a packet of few hops; full checks when the other side says so, or after `hold`
  uint8_t opener_hops = 2;   ///< beyond our own router, but not beyond theirs
  Duration hold = 500ms;
};

class Agent {
 public:
  // RFC 8445 section 14.2 allows a pace of 5 ms; section 6.1.2.5 asks for a limit of pairs.
  static constexpr Duration pace = 5ms;
  static constexpr size_t pairs_max = 64;
  static constexpr int tries_max = 8;                 // 50 ms doubling: 6.4 s from first to last
  static constexpr Duration retry_dead = 20s;         // a dead way is looked at again: networks change
  static constexpr Duration busy_interval = 300ms;    // of the way in use, while data flows
  static constexpr Duration warm_interval = 2s;       // of the others meanwhile
  static constexpr Duration idle_interval = 10s;      // of all when nothing flows: UDP mappings may last 30 s only

  /// `tag` leads every transaction id, so that answers find their agent whatever address they come from.
  Agent(bool controlling, uint32_t tag, Rng& rng);

  // ---- inputs
  /// A STUN message that came on `from` and parsed; anything without valid credentials is ignored.
  void handle_stun(Instant now, const Carrier& from, Bytes datagram, const wire::StunMessage& message);
  /// Something else authentic came on `from`.
  void note_received(Instant now, const Carrier& from);
  void handle_timeout(Instant now);

  // ---- commands
  /// UDP candidates become pairs; those for TCP are dialled elsewhere (tcp_dials.hpp).
  void set_remote(Instant now, const wire::Candidates& remote, const Approach& approach = {});
  /// The other side has opened its NAT for us: full checks of what was held.
  void release(Instant now);
  /// A TCP connection with the peer, or with somebody who says so: it is checked like any pair. False: no room for it.
  bool add_tcp(Instant now, const Carrier& carrier, wire::CandidateType type);
  /// The peer was met there by other means than a check: check that way at once.
  void meet(Instant now, const Carrier& carrier);
  /// The connection ended, or the socket is closed.
  void remove(const Carrier& carrier);
  void remove_socket(SocketId socket);
  /// The relay is a pair of its own: it is measured and watched like the others.
  void set_relay(Instant now, bool there);
  /// Which way carries data, and whether any flows: sets how often ways are checked.
  void set_use(Instant now, const std::optional<Carrier>& in_use, bool busy);
  /// For peers on one machine, when their server is there too; otherwise nobody may aim us at our own host.
  void allow_loopback(bool allowed) { allow_loopback_ = allowed; }
  /// The network changed, or the other side says so: look at everything again at once.
  void recheck(Instant now);

  // ---- polls
  struct Check { Carrier to; Bytes bytes; uint8_t hops = 0; };
  std::optional<Check> poll_check(Instant now, MutableBytes room);
  std::optional<Event> poll_event();
  std::optional<Deadline> next_deadline() const;

  // ---- getters
  const std::vector<Pair>& pairs() const { return pairs_; }
  const Pair* find(const Carrier& carrier) const;
  const std::string& ufrag() const { return ufrag_; }
  const std::string& password() const { return password_; }
  bool started() const { return !remote_ufrag_.empty(); }
  uint64_t checks_sent() const { return checks_sent_; }

 private:
  struct Answer { Carrier to; wire::TransactionId id; Address mapped; uint16_t error = 0; };

  bool may_send_to(const Address& address) const;
  Pair* find_pair(const Carrier& carrier);
  void erase(const Pair* pair);
  Pair* add(Instant now, const Carrier& carrier, wire::CandidateType type, uint32_t priority);
  void handle_request(Instant now, const Carrier& from, Bytes datagram, const wire::StunMessage& message);
  void handle_success(Instant now, const Carrier& from, Bytes datagram, const wire::StunMessage& message);
  void became_alive(Instant now, Pair& pair);
  void begin_checking(Instant now, Pair& pair);
  void judge(Instant now, Pair& pair);
  Duration interval(const Pair& pair);
  Duration answer_timeout(const Pair& pair) const;
  Duration doubt_timeout(const Pair& pair) const;
  void approach_pair(Instant now, Pair& pair, const Approach& approach);
  std::optional<Check> next_answer(MutableBytes room);
  Check make_check(Instant now, Pair& pair, size_t size, bool search, MutableBytes room);
  Check make_opener(Instant now, Pair& pair, MutableBytes room);

  bool controlling_;
  bool allow_loopback_ = false;
  uint32_t tag_;
  Rng& rng_;
  uint64_t tie_breaker_;
  std::string ufrag_, password_, remote_ufrag_, remote_password_;
  std::vector<Pair> pairs_;
  std::optional<Carrier> in_use_;
  bool busy_ = false;
  uint8_t opener_hops_ = 2;
  Instant next_slot_{};
  std::deque<Answer> answers_;
  std::deque<Event> events_;
  uint64_t checks_sent_ = 0;
};

}  // namespace ginnel::ice
