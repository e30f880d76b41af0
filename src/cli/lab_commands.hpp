// `ginnel lab ...`: argv to the functions of lab/, and their results to output and exit codes.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>

namespace ginnel::cli {

/// Adds the command. When one of its own was chosen, `chosen` becomes what runs it and gives the exit code.
void add_lab_commands(CLI::App& cli, std::function<int()>& chosen);

}  // namespace ginnel::cli
