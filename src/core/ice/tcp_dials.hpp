// Dials a peer's TCP addresses from the port that listens, several at once and again and again: both sides do, and where
// their SYNs cross, both connections are one (RFC 9293 section 3.5, RFC 5382 REQ-2, RFC 6544 simultaneous-open
// candidates). Knows when to dial whom; what is connected is a pair of the ice agent, which alone says whether it is the
// peer.
#pragma once
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/action.hpp"
#include "base/deadline.hpp"
#include "base/instant.hpp"
#include "base/rng.hpp"
#include "base/tcp_ids.hpp"
#include "wire/peer_message.hpp"

namespace ginnel::ice {

class TcpDials {
 public:
  static constexpr size_t targets_max = 8;
  static constexpr int tries_max = 40;
  static constexpr Duration patience = 9s;  // of one round: NATs that refuse at first need several tries
  // A refused dial is tried again after a random time: two sides that both wait a fixed one stay out of step for ever
  // (facts: nat.md 2.3, 0 of 42 with a fixed period, 20 of 20 with this).
  static constexpr Duration retry_min = 50ms, retry_max = 350ms;

  struct Target {
    Address to;
    wire::CandidateType type{};
    TcpId id = 0;                 ///< of the dial under way, or of the connection; 0: none
    bool connected = false;
    int tries = 0;
    std::optional<Instant> next;  ///< of the next dial
    std::string seen;             ///< how the last one ended
  };

  TcpDials(TcpIds& ids, Rng& rng) : ids_(ids), rng_(rng) {}

  // ---- inputs
  /// True if it was ours; then the connection is to be checked.
  const Target* handle_connected(TcpId id);
  /// True if it was ours.
  bool handle_closed(Instant now, TcpId id, const std::string& why);
  void handle_timeout(Instant now);
  // ---- commands
  /// The owner closed a connection that it does not need: in this round it is not dialled again.
  void forget(TcpId id, const std::string& why);
  /// A new round, first dials at `when`, from our listening ports (by family; 0: not in that one). Addresses that are
  /// connected stay so.
  void begin(Instant now, const std::vector<wire::Candidate>& remote, const uint16_t (&from_port)[2],
             Instant when);
  /// Enough: what is not connected is given up.
  void stop();
  // ---- polls
  std::optional<Action> poll_action();
  std::optional<Deadline> next_deadline() const;
  // ---- getters
  bool active() const { return ends_.has_value(); }
  const std::vector<Target>& targets() const { return targets_; }
  uint64_t dials() const { return dials_; }

 private:
  void dial(Target& target);

  TcpIds& ids_;
  Rng& rng_;
  uint16_t from_port_[2] = {};  ///< by family
  std::optional<Instant> ends_;
  std::vector<Target> targets_;
  std::deque<Action> actions_;
  uint64_t dials_ = 0;
};

}  // namespace ginnel::ice
