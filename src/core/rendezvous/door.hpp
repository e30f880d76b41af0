// The doors to a server: by what ways an agent's packets may reach it, from best to worst. A table and nothing else; the
// race between them is ServerLink's.
#pragma once
#include <array>
#include <cstdint>

#include "base/action.hpp"
#include "base/instant.hpp"

namespace ginnel::rendezvous {

inline constexpr uint16_t https_port = 443;  ///< what every network that has browsers lets through

/// Best first: less is better.
enum class Door : uint8_t {
  udp,
  tcp,                  ///< on the port of the server's URL, as UDP
  tcp_443,
  websocket_443,        ///< where only TLS passes
  websocket,            ///< ... and the server could not have port 443
  proxy_websocket_443,  ///< where nothing passes but an HTTP proxy
  proxy_tcp_443,
  proxy_tcp,
};

struct DoorPlan {
  Door door;
  Dress dress;
  bool by_proxy;
  bool on_443;     ///< else on the port of the server's URL
  Duration after;  ///< the head start of better ones, as RFC 8305 section 5 has it
};

/// Two queues side by side: the direct doors, and those through a proxy, which need two or three round trips more and so
/// rarely overtake a direct one that works. Where that happens, ServerLink moves back later.
inline constexpr std::array<DoorPlan, 8> door_plans = {{
    {Door::udp, Dress::plain, false, false, 0ms},
    {Door::tcp, Dress::plain, false, false, 600ms},
    {Door::tcp_443, Dress::plain, false, true, 900ms},
    {Door::websocket_443, Dress::websocket, false, true, 1200ms},
    {Door::websocket, Dress::websocket, false, false, 1500ms},
    {Door::proxy_websocket_443, Dress::websocket, true, true, 900ms},
    {Door::proxy_tcp_443, Dress::plain, true, true, 1200ms},
    {Door::proxy_tcp, Dress::plain, true, false, 1500ms},
}};

constexpr const DoorPlan& plan_of(Door door) { return door_plans[static_cast<size_t>(door)]; }

/// Where the server's URL has port 443, some doors are the same: the one that stays is the one named by its port.
constexpr bool is_double(const DoorPlan& plan, uint16_t url_port) {
  return url_port == https_port && (plan.door == Door::tcp_443 || plan.door == Door::websocket || plan.door == Door::proxy_tcp);
}

}  // namespace ginnel::rendezvous
