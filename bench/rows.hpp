// What is measured, in five groups, each on a network of its own: bulk throughput, the first bytes at 50 ms, memory, paths
// punched through two NATs, and `ginnel nat` beside the kernel's own NAT.
// Within a round ginnel and its reference take turns, so what else the machine does falls on both. A run that breaks is
// a note in the report and not the end.
#pragma once
#include <functional>
#include <string>

#include "bench/table.hpp"

namespace ginnel::bench {

struct Plan {
  std::string binary;  ///< the ginnel to measure
  int rounds = 5;
  double seconds = 3;  ///< of one bulk run
  int idle_agents = 100;
  std::function<void(const std::string&)> progress;  ///< what is being done now
};

// All of them run inside a sandbox (lab/sandbox.hpp).
void measure_bulk(const Plan& plan, Report& report);
void measure_first_bytes(const Plan& plan, Report& report);
void measure_memory(const Plan& plan, Report& report);
void measure_paths(const Plan& plan, Report& report);
void measure_nat(const Plan& plan, Report& report);

}  // namespace ginnel::bench
