// `ginnel lab ...`: argv to the functions of lab/, and their results to output and exit codes.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace ginnel::cli {

/// Of `ginnel lab run ... -- COMMAND`: takes COMMAND off, which belongs to another program; argc is less by it and the
/// dashes. Nothing of any other command.
std::vector<std::string> cut_off_command(int& argc, char** argv);

/// Adds the command. When one of its own was chosen, `chosen` becomes what runs it and gives the exit code.
/// `cut_off` is for `run`.
void add_lab_commands(CLI::App& cli, const std::vector<std::string>& cut_off, std::function<int()>& chosen);

}  // namespace ginnel::cli
