#include "lab/conform/conformance.hpp"

#include <cstdio>
#include <optional>

#include "drive/entropy.hpp"
#include "lab/conform/local_bench.hpp"
#include "lab/conform/report.hpp"
#include "lab/conform/selection.hpp"
#include "lab/conform/world.hpp"
#include "lab/error.hpp"
#include "lab/gateway.hpp"
#include "lab/sandbox.hpp"

namespace ginnel::lab {
namespace {

/// What makes the gateway a NAT.
struct Nat {
  std::optional<Gateway> gateway;
  Process command;
};

/// The RFCs' questions are put to what translates, and the bench itself watches with UDP.
bool is_asked_with_udp(const NatKind& kind) {
  return kind.translates() && kind.udp == NatKind::Udp::passes && !kind.web_only;
}

std::string command_log() { return scratch() + "/gateway.log"; }

Nat start_nat(const World& world, const ConformanceOptions& options, const NatKind& kind) {
  Nat out;
  if (options.gateway_command.empty()) {
    out.gateway.emplace(world.gateway(), kind, own_binary(), world.pool());
  } else {
    out.command = world.gateway().start(Command{.argv = {"sh", "-c", "exec " + options.gateway_command},
                                                .out = {Stream::to_file(command_log())},
                                                .err = {Stream::to_file(command_log())}});
  }
  return out;
}

int ask(const ConformanceOptions& options, const NatKind& kind, const Selection& selection) {
  World world(options.outside_addresses);
  const Nat nat = start_nat(world, options, kind);
  LocalBench bench(RawPort("lan", world.inside().netns()), RawPort("wan", world.outside().netns()), world.network());
  if (!bench.comes_to_life(in(10s)))
    throw LabError("nothing passes the gateway after 10 s" +
                   (options.gateway_command.empty()
                        ? ""
                        : "; its command said: " + run({.argv = {"tail", "-n", "5", command_log()}})));
  Entropy rng;
  ConformanceReport report({options.json, options.evidence});
  report.begin("The NAT " + (options.gateway_command.empty() ? kind.text : "of: " + options.gateway_command),
               selection.size());
  auto results =
      conform::run(bench, rng, {options.slow, selection.filter(), [&](const auto& each) { report.progress(each); }});
  report.end(results);
  return conform::all_musts_met(results) ? 0 : static_cast<int>(Errc::not_met);
}

int fail(const Error& error) {
  std::fprintf(stderr, "ginnel: %s\n", error.text.c_str());
  return static_cast<int>(error.code);
}

}  // namespace

int run_conformance(const ConformanceOptions& options) {
  const auto kind = parse_nat_kind(options.nat);
  if (!kind) return fail(kind.error());
  if (options.gateway_command.empty() && !is_asked_with_udp(*kind))
    return fail({Errc::usage, "\"" + options.nat + "\" does not translate UDP: there is nothing to ask it."});
  auto selection = Selection::parse(options.only);
  if (!selection) return fail(selection.error());
  std::string why;
  const int code = run_in_sandbox([&] { return ask(options, *kind, *selection); }, &why);
  if (!why.empty()) return fail({Errc::permission, why + "."});
  return code;
}

}  // namespace ginnel::lab
