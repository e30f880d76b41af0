// `ginnel lab demo`: the main job on one machine, so that one can watch it. A server on a small internet, two homes
// behind NATs, a web server in one and curl in the other: first the relay is measured, then a large file finds its
// direct path.
#pragma once
#include <string>

namespace ginnel::lab {

struct DemoOptions {
  std::string binary;  ///< the ginnel to run
  int file_mib = 256;
  bool json = false;   ///< steps as JSON lines
  bool quiet = false;  ///< only the exit code
};

/// Builds it, runs it, takes it down. 0 only if the file came over a direct path in the end and is the same byte for
/// byte.
int run_demo(const DemoOptions& options);

}  // namespace ginnel::lab
