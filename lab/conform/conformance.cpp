#include "lab/conform/conformance.hpp"

#include <cstdio>

#include "drive/entropy.hpp"
#include "lab/conform/local_bench.hpp"
#include "lab/conform/report.hpp"
#include "lab/conform/selection.hpp"
#include "lab/conform/world.hpp"
#include "lab/error.hpp"
#include "lab/sandbox.hpp"

namespace ginnel::lab {
namespace {

struct Kind {
  std::string_view name, text, masquerade;
  bool input_open;
};
constexpr Kind kinds[] = {
    {"home", "masquerade; strangers are dropped", "masquerade", false},
    {"linux-open", "masquerade; strangers reach the gateway itself", "masquerade", true},
    {"symmetric", "masquerade fully-random; strangers are dropped", "masquerade fully-random", false},
};

const Kind* find_kind(std::string_view name) {
  for (const Kind& kind : kinds)
    if (kind.name == name) return &kind;
  return nullptr;
}

std::string rules(const Kind& kind) {
  return R"(
table ip lab {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" )" +
         std::string(kind.masquerade) + R"(
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "wan" ct state established,related accept
)" + (kind.input_open ? "" : "    iifname \"wan\" drop\n") +
         R"(  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state invalid drop
    ct state established,related accept
    iifname "lan" oifname "wan" accept
  }
}
)";
}

/// Makes the gateway a NAT; the process is the command's, if there is one.
Process start_nat(const Host& gateway, const ConformanceOptions& options) {
  if (!options.gateway_command.empty())
    return gateway.start(Command{.argv = {"sh", "-c", "exec " + options.gateway_command},
                                 .out = {Stream::to_file(scratch() + "/gateway.log")},
                                 .err = {Stream::to_file(scratch() + "/gateway.log")}});
  gateway.sysctl("net/ipv4/ip_forward", "1");
  gateway.nft(rules(*find_kind(options.nat)));
  return {};
}

int ask(const ConformanceOptions& options, const Selection& selection) {
  World world(options.outside_addresses);
  Process nat = start_nat(world.gateway(), options);
  LocalBench bench(RawPort("lan", world.inside().netns()), RawPort("wan", world.outside().netns()), world.network());
  if (!bench.comes_to_life(in(10s)))
    throw LabError("nothing passes the gateway after 10 s" +
                   (options.gateway_command.empty()
                        ? ""
                        : "; its command said: " + run({.argv = {"tail", "-n", "5", scratch() + "/gateway.log"}})));
  Entropy rng;
  ConformanceReport report({options.json, options.evidence});
  report.begin(options.gateway_command.empty()
                   ? "The kernel's NAT \"" + options.nat + "\": " + std::string(find_kind(options.nat)->text)
                   : "The NAT of: " + options.gateway_command,
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

std::string conformance_kinds() {
  std::string out;
  for (const Kind& kind : kinds) out += (out.empty() ? "" : ", ") + std::string(kind.name);
  return out;
}

int run_conformance(const ConformanceOptions& options) {
  if (options.gateway_command.empty() && !find_kind(options.nat))
    return fail(
        {Errc::usage, "There is no NAT \"" + options.nat + "\" of the kernel; there are " + conformance_kinds() + "."});
  auto selection = Selection::parse(options.only);
  if (!selection) return fail(selection.error());
  std::string why;
  const int code = run_in_sandbox([&] { return ask(options, *selection); }, &why);
  if (!why.empty()) return fail({Errc::permission, why + "."});
  return code;
}

}  // namespace ginnel::lab
