// What `ginnel nat show` prints: the answers of the control socket as a table for people, or whole for programs.
#pragma once
#include <optional>
#include <string>

#include "base/result.hpp"

namespace ginnel::cli {

/// Once, or every second until interrupted.
std::optional<Error> show_nat(const std::string& control, bool json, bool watch);
/// Sends one command (a JSON object) and gives the error that came back, if any.
std::optional<Error> command_nat(const std::string& control, const std::string& request);

}  // namespace ginnel::cli
