// `ginnel lab conformance`: what the RFCs ask of a NAT, asked of one. In a sandbox of its own the NAT is any that the
// lab knows (lab/nat_kind), or a program's that is started on the gateway.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace ginnel::lab {

struct ConformanceOptions {
  std::string nat = "home";     ///< a kind (lab/nat_kind) that translates UDP, if there is no command
  std::string gateway_command;  ///< run by sh on the gateway, which has interfaces `lan` and `wan`, and makes it a NAT
  int outside_addresses = 1;    ///< of the gateway: a pool if there are several
  std::vector<std::string> only;  ///< "4787", "5382-2a", "RFC 7857 section 3": these and nothing else
  bool slow = false;              ///< also what waits for minutes and hours
  bool json = false;
  bool evidence = false;
};

/// Builds it, asks, takes it down. 0: no MUST is broken; Errc::not_met; or an error, of which the sentence is on
/// stderr.
int run_conformance(const ConformanceOptions& options);

}  // namespace ginnel::lab
