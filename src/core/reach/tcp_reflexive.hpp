// TCP candidates: one local port that listens, and what it looks like from the server, learned by a connection from that
// same port (RFC 6544 section 5.2). Both stay open while anybody punches: the connection keeps the NAT's mapping.
#pragma once
#include <deque>
#include <optional>
#include <vector>

#include "base/action.hpp"
#include "base/deadline.hpp"
#include "base/rng.hpp"
#include "base/tcp_ids.hpp"
#include "core/stun/transaction.hpp"

namespace ginnel::reach {

class TcpReflexive {
 public:
  static constexpr Duration linger = 15s;    ///< how long connection and port outlive the last who asked
  static constexpr Duration patience = 4s;

  TcpReflexive(TcpIds& ids, Rng& rng) : ids_(ids), asking_(rng) {}

  // ---- inputs
  void handle_listening(Instant now, const Address& local);
  bool handle_connected(Instant now, TcpId id);
  /// A whole STUN message from that connection.
  void handle_stun(Instant now, TcpId id, const wire::StunMessage& message);
  bool handle_closed(Instant now, TcpId id);
  void handle_timeout(Instant now);
  // ---- commands
  /// Listen for ever, at `port` if it is not 0, without being asked for an address: for forwards.
  void listen(uint16_t port, bool v4, bool v6);
  /// Learn, or keep what is known alive. `server` is an address of the server's TCP port.
  void ask(Instant now, const Address& server, bool v4, bool v6);
  /// The network changed: no address is known.
  void reset();
  // ---- polls
  std::optional<Action> poll_action(Instant now, MutableBytes room);
  std::optional<Deadline> next_deadline() const;
  // ---- getters
  bool owns(TcpId id) const { return id != 0 && id == connection_; }
  /// Nothing more is to be learned now.
  bool settled() const { return mapped_ || !waits_until_; }
  uint16_t port(bool v6) const { return port_[v6]; }
  const std::optional<Address>& mapped() const { return mapped_; }  ///< as the server sees our port

 private:
  void begin_listening(uint16_t port, bool v4, bool v6);
  void stop_listening();
  void connect(Instant now);
  void drop();

  TcpIds& ids_;
  stun::Transaction asking_;
  uint16_t port_[2] = {};
  bool asked_to_listen_[2] = {};
  bool lasting_ = false;  ///< it listens also when nobody punches
  Address server_;
  TcpId connection_ = 0;
  std::optional<Address> mapped_;
  std::optional<Instant> waits_until_;  ///< for an answer
  std::optional<Instant> needed_until_;
  std::deque<Action> actions_;
};

}  // namespace ginnel::reach
