// A network of the lab before it is built: hosts, NATs, what hangs on what, and what happens when. Comes from a file
// (plan_file), from flags, or is written down by a test; complete_plan fills in what was left out. Pure values:
// topology.hpp builds them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/link/spec.hpp"
#include "lab/change.hpp"
#include "lab/nat_kind.hpp"

namespace ginnel::lab {

/// The line between a node and what it hangs on. Nothing said: as fast as the kernel.
struct Link {
  link::Spec up;    ///< from the node towards the internet
  link::Spec down;  ///< to the node
};

struct HostPlan {
  std::string name;
  std::string where = {};              ///< "FILE:LINE", for errors
  std::string behind;                  ///< the NAT it hangs on; empty: public
  std::vector<std::string> addresses;  ///< IPv4 and IPv6, its main one first
  Link link;
  bool ipv6 = false;  ///< of a public one: wants an IPv6 address, too
};

struct NatPlan {
  std::string name;
  std::string where = {};
  std::string behind;  ///< empty: the internet
  NatKind kind;
  std::string address;  ///< outside, IPv4
  std::string inside;   ///< "192.168.1.0/24"; of a router a public one
  Link link;
  bool ipv4 = true;      ///< off: IPv6 only
  std::string address6;  ///< outside
  std::string inside6;   ///< always a /64, written like "2001:db8:1::"
};

struct Plan {
  std::vector<NatPlan> nats;
  std::vector<HostPlan> hosts;
  std::vector<TimedChange> changes;  ///< by time
  uint64_t seed = 1;                 ///< of everything that lines do at random

  const NatPlan* nat(const std::string& name) const;
  const HostPlan* host(const std::string& name) const;
};

/// Checks names and addresses, puts NATs behind those they hang on, gives addresses to who has none, sorts changes. The
/// error names the node, and where it was written down.
Result<Plan> complete_plan(Plan plan);

}  // namespace ginnel::lab
