// Behind a symmetric NAT: makes some new mappings, one after the other, and looks which external ports they get. Costs
// four sockets for a moment, and eight mappings.
#pragma once
#include <deque>
#include <optional>
#include <vector>

#include "base/action.hpp"
#include "base/deadline.hpp"
#include "base/rng.hpp"
#include "base/socket_ids.hpp"
#include "core/reach/ports.hpp"
#include "core/stun/transaction.hpp"

namespace ginnel::reach {

class PortProbe {
 public:
  static constexpr size_t sockets = 4;
  static constexpr Duration patience = 1200ms;

  PortProbe(SocketIds& ids, Rng& rng) : ids_(ids), rng_(rng) {}

  // ---- inputs
  void handle_opened(Instant now, const UdpOpened& in);
  void handle_response(Instant now, SocketId socket, const Address& from, const wire::StunMessage& message);
  /// True if the pattern is known now, or known to be unknown.
  bool handle_timeout(Instant now);
  // ---- commands
  /// Look (again). `second` is the server's second port; port 0: none.
  void start(Instant now, const Address& server, const Address& second);
  void stop();
  // ---- polls
  std::optional<Action> poll_action(Instant now, MutableBytes room);
  std::optional<Deadline> next_deadline() const;
  // ---- getters
  bool owns(SocketId socket) const { return !asked_.empty() && socket >= first_ && socket < first_ + sockets; }
  bool under_way() const { return ends_.has_value(); }
  const wire::PortPattern& pattern() const { return pattern_; }  ///< of the last look

 private:
  struct Asked {
    SocketId socket;
    Address to;
    uint16_t local = 0;
    bool open = false;
    Instant sent{};
    stun::Transaction transaction;
  };
  void finish();

  SocketIds& ids_;
  Rng& rng_;
  SocketId first_ = 0;
  std::vector<Asked> asked_;  ///< in the order of sending
  std::optional<Instant> ends_;
  wire::PortPattern pattern_;
  std::deque<Action> actions_;
};

}  // namespace ginnel::reach
