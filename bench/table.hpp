// The result of a bench: rows of samples, and the table a person reads. A row compares samples of ginnel with samples
// of its reference that were taken in turn, so its ratio is the median of the ratios of neighbours. Nothing here
// judges: a missed target is printed like any other number.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace ginnel::bench {

using Samples = std::vector<double>;

double median(Samples samples);  ///< 0 if there are none

struct Row {
  std::string name;
  std::string unit;
  int digits = 2;
  Samples ginnel;
  Samples reference;   ///< the i-th was taken next to ginnel's i-th; empty: there is none
  std::string target;  ///< of the ratio or of the value, as it says; empty: none is set

  Samples ratios() const;
};

/// What was measured where, in the order it is printed.
using Facts = std::vector<std::pair<std::string, std::string>>;

struct Report {
  std::vector<Row> rows;
  std::vector<std::string> notes;  ///< what went wrong or was odd, a sentence each
  Facts facts;
};

void print(const Report& report);
/// The same with every sample, as JSON.
void write_json(const Report& report, const std::string& path);

}  // namespace ginnel::bench
