// A network as a person writes it down: a short TOML file, or flags. lab/README.md has the format, examples/lab/ files.
// An error is one sentence that begins with file and line and names the key.
#pragma once
#include <string>
#include <vector>

#include "base/result.hpp"
#include "lab/plan.hpp"

namespace ginnel::lab {

/// `name` is how errors call it. The plan is complete.
Result<Plan> parse_plan(const std::string& text, const std::string& name);

/// What the command line says; each may be repeated.
struct PlanFlags {
  std::string file;                 ///< first; the others add to it
  std::vector<std::string> nats;    ///< NAME=KIND[@NAT]
  std::vector<std::string> hosts;   ///< NAME[=ADDRESS][@NAT]
  std::vector<std::string> links;   ///< NODE=SPEC
  std::vector<std::string> events;  ///< "TIME EVENT"

  bool empty() const { return file.empty() && nats.empty() && hosts.empty() && links.empty() && events.empty(); }
};

/// Nothing said: a public "server", and "alice" and "bob" behind home routers of their own.
Result<Plan> plan_of(const PlanFlags& flags);

}  // namespace ginnel::lab
