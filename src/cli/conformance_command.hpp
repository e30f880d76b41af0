// `ginnel lab conformance` on the command line: its options, as CLI11 wants them.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>

namespace ginnel::cli {

/// Adds it below `lab`; `chosen` is set to what it does when it is the one on the command line.
void add_conformance_command(CLI::App& lab, std::function<int()>& chosen);

}  // namespace ginnel::cli
