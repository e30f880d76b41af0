// What agent and server say to each other on stream 0 of their session. Every message: u16 length of what follows,
// u8 type, fields. Lists and texts carry their own length and have a cap; an unknown type is skipped, so that old and
// new versions talk; anything else malformed ends the session.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"
#include "base/public_key.hpp"
#include "wire/relay_frame.hpp"
#include "wire/ticket.hpp"

namespace ginnel::wire {

/// Names one end-to-end session for the two peers, across servers' restarts. Drawn by the dialler.
using SessionId = std::array<uint8_t, 8>;

inline constexpr size_t services_max = 64;
inline constexpr size_t signal_size_max = 1200;  ///< of one message, with its length

enum class SignalCode : uint8_t {
  not_here = 1,    ///< no such peer or service is registered at this server
  too_many = 2,    ///< a limit of the server
  refused = 3,     ///< the server does not serve this key
  replaced = 4,    ///< the same service was registered by a newer session
  peer_left = 5,   ///< the other end's session with the server ended
  closing = 6,     ///< the server stops
};

/// Agent: serve these. Replaces what this session had registered; an empty list is right for a dialler.
struct Register { std::vector<ServiceId> services; };
/// Server: done; this is the address your packets come from.
struct Registered { Address observed; };
/// Agent: make a route to that service and call it `route` towards me. Relay frames may follow at once.
struct Dial { RouteNumber route = 0; PublicKey peer; ServiceId service{}; SessionId session{}; };
struct DialFailed { RouteNumber route = 0; SignalCode code{}; };
/// Server: somebody dials you; towards you the route is called `route`.
struct Incoming { RouteNumber route = 0; PublicKey peer; ServiceId service{}; SessionId session{}; };
/// Either: the route is over.
struct RouteClosed { RouteNumber route = 0; SignalCode code{}; };
/// Server: a word about a service or this session (replaced, refused, closing).
struct Notice { SignalCode code{}; ServiceId service{}; };
/// Agent: tell the other end of this route the address my packets come from. It looks there only if both say so. `over`:
/// it has looked, and others at these addresses may have their turn.
struct Vouch { RouteNumber route = 0; bool over = false; };
/// Server: from this address come the packets of the other end of that route.
struct Vouched { RouteNumber route = 0; Address observed; };

using Signal = std::variant<Register, Registered, Dial, DialFailed, Incoming, RouteClosed, Notice, Vouch, Vouched>;

/// With its length in front; at most signal_size_max bytes.
std::vector<uint8_t> encode(const Signal& signal);

struct SignalResult {
  std::optional<Signal> signal;  ///< nothing: unknown type, skipped
  size_t size = 0;               ///< bytes used; 0: not whole yet
  bool malformed = false;
};
SignalResult next_signal(Bytes stream);

}  // namespace ginnel::wire
