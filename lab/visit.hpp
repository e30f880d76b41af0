// Programs that a person runs in a machine of the lab: as an inhabitant (its network, its name, a place of its own for
// keys), by somebody who is in the sandbox already or comes from outside.
#pragma once
#include <string>
#include <vector>

#include "base/result.hpp"
#include "lab/process.hpp"

namespace ginnel::lab {

/// What Host::start takes to run it there, on the terminal of this process.
Command inhabitant(const std::string& host, const std::vector<std::string>& argv);

/// Runs a program in a host of a lab that is up; gives its exit code, 128 + signal if it was killed.
Result<int> visit(const std::string& lab, const std::string& host, const std::vector<std::string>& argv);

}  // namespace ginnel::lab
