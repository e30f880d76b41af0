// Labs that stay. `up` leaves a process behind that holds the namespaces, answers questions (control.hpp) and lets
// happen what the script says; the lab ends with it, however it ends.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "lab/plan.hpp"

namespace ginnel::lab {

struct LabUp {
  std::string name = "default";
  std::string binary;  ///< the ginnel that runs NATs which are not the kernel's
};

/// Returns when the network stands; the lab goes on without the caller. Its first error if it cannot be built.
std::optional<Error> bring_up(const LabUp& options, const Plan& plan);

struct LabInfo {
  struct Node {
    std::string name, kind, address, behind;  ///< kind of NATs, else "host"
  };
  std::string name;
  pid_t pid = -1;
  double up_seconds = 0;
  std::vector<Node> nodes;
};
Result<LabInfo> lab_info(const std::string& name);

/// Returns when everything of it is gone.
std::optional<Error> take_down(const std::string& name);
/// Lets something happen in it, now.
std::optional<Error> change_lab(const std::string& name, const Change& change);

/// Builds it, runs a program in one of its machines while the script goes on, takes it down. Gives the program's exit
/// code. `tell` hears of every change.
Result<int> run_in_lab(const std::string& binary, const Plan& plan, const std::string& host,
                       const std::vector<std::string>& argv, bool tell);

}  // namespace ginnel::lab
