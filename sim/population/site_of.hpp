// The network of a drawn peer, built: NATs of the real engine with the class's behaviour, what its border forbids, and
// the port that its gateway forwards if there is one to be asked. What is left out to see what it was worth (an
// ablation) is left out here.
#pragma once
#include <array>
#include <string_view>
#include <vector>

#include "core/reach/local.hpp"
#include "sim/population/draw.hpp"
#include "sim/site.hpp"
#include "sim/world.hpp"

namespace ginnel::sim::population {

/// What may be used besides UDP punching and reversal.
struct Techniques {
  bool tcp = true;  ///< directly; the server is reached by TCP in any case
  bool port_mapping = true;
  bool search = true;  ///< prediction and birthday
  bool ipv6 = true;
};

/// What the docs call levels: each allows one more than those before it.
struct Level {
  std::string_view letter, text;
  Techniques with;
};
inline constexpr std::array<Level, 5> levels = {{
    {"a", "UDP punching and reversal", {false, false, false, false}},
    {"b", "... and TCP", {true, false, false, false}},
    {"c", "... and port mapping", {true, true, false, false}},
    {"d", "... and searches", {true, true, true, false}},
    {"e", "... and IPv6", {true, true, true, true}},
}};

/// Both of the server's; a peer without a technique "tcp" may speak to these only.
inline const std::vector<uint16_t> server_tcp_ports = {World::server_port, 443};
/// Where a peer whose TCP is forwarded, or has no NAT before it, listens.
inline constexpr uint16_t listening_port = 41'000;

SiteConfig site_of(const Class& c, const PeerDraw& peer, const Techniques& with);

/// The TCP port that the peer's node listens on from the start, for everybody who can reach it; 0: none.
uint16_t tcp_port_of(const Class& c, const PeerDraw& peer, const Techniques& with);

/// Forwards `peer`'s port through every NAT of its site, as a port mapping that works does, and returns what the peer
/// may tell others. `host`: its address inside; `udp`: the port of its socket.
std::vector<reach::Arranged> forward(World& world, SiteId site, const PeerDraw& peer, const Address& host, uint16_t udp,
                                     uint16_t tcp);

}  // namespace ginnel::sim::population
