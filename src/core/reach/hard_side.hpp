// The side behind a symmetric NAT, whose port the other one has to find: opens its NAT towards the other side's known
// address, from one socket whose port can be told nearly exactly (prediction), or from many, of which one will be hit
// (birthday). Packets that open travel few hops: they are not to reach the other side.
//
// Diagonal: both sides are such, and their ports come in sequence. Each sees where its sequence stands and names the port
// that one of its next sockets will have. Who begins tells first, and sends last: all its sockets shoot at the port that
// the other one named, which by then is open for the port that it named itself. Docs/decisions/011.
#pragma once
#include <algorithm>
#include <deque>
#include <optional>
#include <vector>

#include "base/action.hpp"
#include "base/deadline.hpp"
#include "base/rng.hpp"
#include "core/stun/transaction.hpp"
#include "wire/peer_message.hpp"

namespace ginnel::reach {

class HardSide {
 public:
  static constexpr Duration patience = 9s;
  static constexpr Duration last_moment = 500ms;
  static constexpr uint8_t opener_hops = 5;      // through a carrier's NAT, and no further
  static constexpr Duration opener_pace = 2ms;   // for each batch of:
  static constexpr size_t opener_batch = 8;
  static constexpr int shots = 3;                // of each socket that shoots, so far apart:
  static constexpr Duration shot_pause = 150ms;

  struct Config {
    wire::SearchKind kind{};
    uint64_t token = 0;
    /// The other side's address, that leads to a socket of its. Port 0: a diagonal that we begin; aim() tells it.
    Address easy;
    Address server, second;            ///< the server's ports; port 0: it has no second
    wire::PortPattern ports;           ///< of our own NAT
    SocketId first_socket = 0;         ///< ours are numbered from here
    size_t sockets = 1;
    size_t aim = 0;                    ///< diagonal: we name the port that so many steps later will be given
  };
  HardSide(Instant now, Config config, Rng& rng);

  // ---- inputs
  void handle_opened(Instant now, const UdpOpened& in);
  void handle_response(Instant now, SocketId socket, const Address& from, const wire::StunMessage& message);
  void handle_timeout(Instant now);
  /// Diagonal: the other side named its port, and opened it for us.
  void aim(Instant now, const Address& at);
  /// Something of the peer came in on that socket: it stays, all others are closed.
  void found(Instant now, SocketId socket);
  /// The other side sends no more probes: what its last one began may still succeed.
  void wind_up(Instant now) { ends_ = std::min(ends_, now + last_moment); }
  /// Close everything that was not found.
  void stop();
  // ---- polls
  std::optional<Action> poll_action(Instant now, MutableBytes room);
  /// What to tell the other side, once it makes sense to be looked for.
  std::optional<wire::SearchOffer> poll_offer();
  std::optional<Deadline> next_deadline() const;
  // ---- getters
  bool owns(SocketId socket) const { return socket >= config_.first_socket && socket < config_.first_socket + config_.sockets; }
  bool over() const { return over_; }
  size_t sockets() const { return config_.sockets; }
  wire::SearchKind kind() const { return config_.kind; }
  bool looks() const { return looks_; }
  bool shot_at(const Address& to) const { return looks_ && config_.easy == to; }
  size_t probes() const { return shots_sent_; }  ///< that travelled all the way

 private:
  struct Socket { SocketId id; bool open = false, answered = false, opener_sent = false; uint16_t local = 0; };

  bool sandwiched() const { return config_.kind == wire::SearchKind::prediction; }
  std::optional<Action> poll_opener(Instant now, MutableBytes room);
  Action open_towards_other(Socket& socket, MutableBytes room);
  void consider_offer(Instant now);
  wire::SearchOffer predicted() const;
  wire::SearchOffer named() const;

  Config config_;
  Rng& rng_;
  bool looks_;                         ///< diagonal, and we began: what it sends is to arrive
  Instant ends_;
  std::vector<Socket> sockets_;
  size_t next_opener_ = 0;
  size_t openers_sent_ = 0, shots_sent_ = 0;
  int shots_left_ = 0;                 ///< of each socket, after the one under way
  std::optional<Instant> next_batch_;
  // Where the sequence stands. Prediction: the one packet that matters leaves between two whose ports the server tells.
  stun::Transaction before_, after_;
  std::optional<Instant> offer_at_;    ///< with what is known then
  std::optional<wire::SearchOffer> offer_;
  bool offered_ = false;
  bool over_ = false;
  std::deque<Action> actions_;
};

/// The packet of a search: a STUN Binding indication (RFC 8489 section 6.3.2) that says nothing but its token.
Bytes make_probe(uint64_t token, Rng& rng, MutableBytes room);
/// Its token, if it is one.
std::optional<uint64_t> probe_token(const wire::StunMessage& message);

}  // namespace ginnel::reach
