// One drawn pair meets: the real cores of both peers and of the server, in a world of their own, until they are as well
// connected as these two can be or nobody would wait any longer. What came of it is an Outcome.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "sim/population/site_of.hpp"

namespace ginnel::sim::population {

struct Outcome {
  uint8_t kinds[2] = {};   ///< dialler, acceptor: in Model::classes
  bool connected = false;  ///< a byte came back from the other side's application
  std::string technique;   ///< of the first path by UDP, or of the last; "relay": no direct one
  bool tcp = false;        ///< it is a TCP path
  // Milliseconds since the dialler was started.
  float first_byte = 0;    ///< until the answer's first byte
  float direct = 0;        ///< until both sides carry data directly
  float from_relay = 0;    ///< the same since the session stood
  // What both peers spent.
  uint32_t searches = 0, probes = 0, sockets = 0;
  uint32_t bytes = 0;      ///< IP packets that they sent, to the server and to each other
  uint32_t relayed = 0;    ///< bytes that the server passed on

  bool is_direct() const { return connected && technique != "relay"; }
};

/// Searches take up to 9 s each, the tries with TCP and fresh sockets begin within 3 s, and the next round comes after
/// 20 s: what has not become direct by then waits for luck.
inline constexpr Duration patience = 12s;
/// To be heard at all: longer than any handshake.
inline constexpr Duration connect_patience = 30s;

/// `trace`: gets what happened, if it is wanted.
Outcome meet(const Model& model, const PairDraw& pair, const Techniques& with, std::string* trace = nullptr);

}  // namespace ginnel::sim::population
