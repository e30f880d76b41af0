#include "cli/conformance_command.hpp"

#include <memory>

#include "lab/conform/conformance.hpp"

namespace ginnel::cli {

void add_conformance_command(CLI::App& lab, std::function<int()>& chosen) {
  auto options = std::make_shared<lab::ConformanceOptions>();
  auto* command = lab.add_subcommand("conformance", "Ask a NAT what RFC 4787, 5382, 5508, 7857 and 6888 ask of it");
  auto* nat = command->add_option("--nat", options->nat, "The NAT to ask: home, symmetric, cone ... or ginnel:PRESET, as in `ginnel lab up` (home)")->type_name("KIND");
  command->add_option("--gateway-command", options->gateway_command, "What makes a gateway with interfaces lan and wan a NAT, to ask that")
      ->type_name("COMMAND")->excludes(nat);
  command->add_option("--outside-addresses", options->outside_addresses, "Of the gateway (1)")->check(CLI::Range(1, 16));
  command->add_option("--only", options->only, "Ask only this: 4787, 5382-2a, 7857-2.3 ...; may be repeated")->type_name("WHAT");
  command->add_flag("--slow", options->slow, "Also what waits for minutes, and for two hours");
  command->add_flag("--json", options->json, "One JSON object a line instead of a table");
  command->add_flag("-v,--verbose", options->evidence, "With the evidence for everything");
  command->callback([options, &chosen] { chosen = [options] { return lab::run_conformance(*options); }; });
}

}  // namespace ginnel::cli
