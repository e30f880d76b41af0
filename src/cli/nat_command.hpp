// `ginnel nat` and what stands behind it: the gateway itself, the lists of presets and knobs, and the commands to a
// gateway that runs.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "app/roles.hpp"
#include "cli/role.hpp"

namespace ginnel::cli {

/// Holds the words; lives as long as they are parsed and the role runs.
class NatCommand {
 public:
  /// `common` and `role` outlive it; the caller adds the common options.
  CLI::App* add_to(CLI::App& cli, Common& common, Role& role);

 private:
  void add_lists(CLI::App* nat, Role& role);
  void add_show(CLI::App* nat, Role& role);
  void add_commands(CLI::App* nat, Role& role);
  CLI::App* add(CLI::App* nat, const char* name, const char* text, Role& role, Role job);
  std::string control_path() const;

  Common* common_ = nullptr;
  app::NatOptions options_;
  bool watch_ = false, remove_ = false;
  std::vector<std::string> addresses_;
  std::string word_, side_, file_;
};

}  // namespace ginnel::cli
