// Server-reflexive addresses (RFC 8445 section 5.1.1.2): what our UDP sockets look like from the server. The main
// sockets ask for ever (stun/keepalive); fresh ones once. Asked at two ports of the server, a socket also shows how the
// NAT maps (RFC 5780 section 4.3).
#pragma once
#include <array>
#include <map>
#include <optional>
#include <vector>

#include "base/address.hpp"
#include "base/deadline.hpp"
#include "base/input.hpp"
#include "base/rng.hpp"
#include "core/stun/keepalive.hpp"
#include "core/stun/transaction.hpp"
#include "wire/peer_message.hpp"

namespace ginnel::reach {

class Reflexive {
 public:
  using Change = stun::Keepalive::Change;
  static constexpr size_t fresh_max = 16;

  explicit Reflexive(Rng& rng);

  // ---- inputs
  /// Where to ask, one of each family; port 0: no server, or no socket of ours, in that family.
  void set_server(Instant now, bool v6, const Address& server);
  /// A response that came from `from` on `socket`. What it changed about the main socket of that family.
  Change handle_response(Instant now, SocketId socket, const Address& from, const wire::StunMessage& message);
  /// What the time changed, by family.
  std::array<Change, 2> handle_timeout(Instant now);
  // ---- commands
  /// The network changed: ask again at once.
  void restart(Instant now);
  void stop();
  /// For a socket that was opened for one purpose; of IPv4, where addresses are translated.
  void learn(Instant now, SocketId socket);
  void forget(SocketId socket) { fresh_.erase(socket); }
  // ---- polls
  struct Request { Address to; SocketId socket; Bytes bytes; };
  std::optional<Request> poll_request(Instant now, MutableBytes room);
  std::optional<Deadline> next_deadline() const;
  // ---- getters
  const std::optional<Address>& main(bool v6) const { return family_[v6].keepalive.reflexive(); }
  /// Of a fresh socket: nothing while it is not known; `failed` tells that it never will be.
  std::optional<Address> of(SocketId socket) const;
  bool failed(SocketId socket) const;
  /// RFC 4787 section 4.1, of the main socket; `none` is for the caller to find out, who knows the interfaces.
  wire::NatMapping mapping(bool v6) const;
  bool is_server(const Address& from) const;
  const Address& server(bool v6) const { return family_[v6].server; }
  /// The server's second port; port 0: it has none, or we do not know yet.
  Address second_port(bool v6) const { return second_port(family_[v6]); }

 private:
  struct Family {
    explicit Family(Rng& rng) : keepalive(rng), second(rng) {}
    Address server{};  ///< port 0: none
    stun::Keepalive keepalive;
    stun::Transaction second;  ///< at the server's other port
    std::optional<Address> first_mapped;  ///< what the main port said when the other one was asked
  };

  Address second_port(const Family& family) const;

  Rng& rng_;
  std::array<Family, 2> family_;
  std::map<SocketId, stun::Transaction> fresh_;
};

}  // namespace ginnel::reach
