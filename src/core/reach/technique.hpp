// The name of what made a direct path possible (DESIGN.md section 1), from what both ends are. For people and programs:
// nothing is decided by it. Both ends come to the same name, since they ask the same of the same two addresses.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "wire/peer_message.hpp"

namespace ginnel::reach {

struct DirectPath {
  bool dialler = false;           ///< we are the dialler; the other side is the target
  bool tcp = false;
  Address remote;                 ///< where we send
  std::optional<Address> mapped;  ///< our own address as the other side sees it
};

/// Our own side, and what the other said of its.
struct BothEnds {
  const std::vector<Address>& interfaces;  ///< stand in for `mapped` before the first answer
  const std::vector<wire::Candidate>& own;
  const std::vector<wire::Candidate>& theirs;
};

/// lan, ipv6, hairpin, public, port-forward, port-mapping, reversal, udp-punch or tcp-punch.
std::string_view technique(const DirectPath& path, const BothEnds& ends);

}  // namespace ginnel::reach
