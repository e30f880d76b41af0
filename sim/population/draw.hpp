// Pairs of peers, drawn from the population: pair number i of a seed is the same whoever else is drawn, and whatever is
// done with it later. So the same pairs can be tried with one technique less. Knows chances; refuses to know networks.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/instant.hpp"
#include "sim/population/model.hpp"

namespace ginnel::sim::population {

enum class Ipv6Luck : uint8_t { none, works, broken };

/// One peer and the network it is in.
struct PeerDraw {
  size_t kind = 0;  ///< in Model::classes
  double x = 0, y = 0;  ///< where it is, milliseconds
  Duration line{}, jitter{};
  double loss = 0;
  Ipv6Luck ipv6{};
  bool port_mapping = false, hairpin = false, stranger_state = false, answers_443 = false;
  double cross_traffic = 0;
  uint16_t outside_port = 0;  ///< that a port mapping got
};

struct PairDraw {
  uint64_t seed = 0;  ///< of the world they meet in
  PeerDraw dialler, acceptor;
};

PairDraw draw_pair(const Model& model, const Variant& variant, uint64_t seed, uint64_t number);

/// One way between two peers, and between a peer and the server, which is in the middle.
Duration delay_between(const PeerDraw& a, const PeerDraw& b);
Duration delay_to_server(const PeerDraw& peer, const Network& network);

}  // namespace ginnel::sim::population
