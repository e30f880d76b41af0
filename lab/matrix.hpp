// Every kind of NAT against every other: who connects how. One network with two sites for each kind and a server in the
// middle; in each pairing the real ginnel exposes an echo in one and connects from the other, several at a time, with
// keys of its own. What came out is a value: matrix_report.hpp writes it down.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"

namespace ginnel::lab {

struct MatrixOptions {
  std::vector<std::string> program;  ///< the ginnel to run: words before its own arguments
  std::string binary;                ///< the ginnel that runs NATs which are not the kernel's
  std::vector<std::string> kinds = {"none", "fw", "cone", "home", "linux-open", "symmetric", "udp-blocked", "strict"};
  std::string line = "delay=5ms";  ///< of each site and of the server
  Duration settle = 4s;            ///< how long a pair that is relayed may still go direct
  int parallel = 4;                ///< pairings at a time
};

struct MatrixCell {
  std::string technique;  ///< of the last path event; empty: it did not connect
  std::string transport;  ///< "udp" or "tcp"
  double echo_ms = -1;    ///< from the start of connect to the first byte that came back; -1: never
  double direct_ms = -1;  ///< ... to the path event that stayed, if it is not the relay
  double rtt_ms = -1;     ///< of that path
  std::string problem;    ///< why it did not connect

  bool connected() const { return echo_ms >= 0; }
  bool is_direct() const { return connected() && !technique.empty() && technique != "relay"; }
  bool operator==(const MatrixCell&) const = default;
};

struct Matrix {
  std::vector<std::string> kinds;
  std::string line;
  std::vector<MatrixCell> cells;  ///< row by row: a row is where expose runs, a column where connect does
  double seconds = 0;

  const MatrixCell& cell(size_t row, size_t column) const { return cells.at(row * kinds.size() + column); }
  size_t count(const std::function<bool(const MatrixCell&)>& what) const;
};

/// In a kind "/" stands between a NAT and the one around it: "home/symmetric". "double" is "home/home".
/// `progress` hears how many pairings are done.
Result<Matrix> run_matrix(const MatrixOptions& options, const std::function<void(size_t done, size_t all)>& progress);

}  // namespace ginnel::lab
