// What every command has: the options all of them take, and the job that is run once the words are read.
#pragma once
#include <functional>
#include <optional>

#include "app/report.hpp"
#include "app/roles.hpp"
#include "base/result.hpp"

namespace ginnel::cli {

struct Common {
  app::CommonOptions options;
  bool json = false;
  int verbosity = 0;
};

using Role = std::function<std::optional<Error>(const app::Reporter&)>;

}  // namespace ginnel::cli
