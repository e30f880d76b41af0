// Prints reports: JSON lines for programs, calm text for people. On a terminal one status line updates in place.
#pragma once
#include <chrono>

#include "app/report.hpp"
#include "base/result.hpp"

namespace ginnel::cli {

class Output {
 public:
  Output(bool json, int verbosity, bool to_stderr);

  void report(const app::Report& report);
  /// The one sentence of a failure, on stderr. Returns the exit code.
  int fail(const Error& error);

 private:
  void print_json(const app::Report& report);

  bool json_;
  int verbosity_;
  bool to_stderr_;  ///< stdout carries the application's bytes (--stdio)
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace ginnel::cli
