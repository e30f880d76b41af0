// `ginnel lab matrix`: plays it in a sandbox, prints the table, writes the files.
#pragma once
#include <string>

#include "base/result.hpp"
#include "lab/matrix.hpp"

namespace ginnel::lab {

struct MatrixFiles {
  std::string json, svg;  ///< paths; empty: not wanted
};

/// The exit code: 1 if a pair did not connect at all. An error if there is no sandbox.
Result<int> show_matrix(const MatrixOptions& options, const MatrixFiles& files);

}  // namespace ginnel::lab
