// The two texts made of the conformance suite's findings about the presets: the golden table, and docs/compliance.md.
// Knows how they look; refuses to have findings of its own. No RFC.
#pragma once
#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/conformance_cases.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/kernel_differences.hpp"

namespace ginnel::test {

/// Requirement and result, of each preset in its order.
inline const std::vector<std::vector<conform::Result>>& results_of_presets() {
  static const auto all = [] {
    std::vector<std::vector<conform::Result>> out;
    for (const auto& preset : nat::presets()) {
      EngineBench bench(preset);
      SeededRng rng(7);
      out.push_back(conform::run(bench, rng, {.slow = true}));
    }
    return out;
  }();
  return all;
}

inline std::string word_of(const conform::Result& result) {
  return std::string(to_string(result.finding.outcome, result.requirement->level));
}

inline std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

inline std::string golden_text() {
  std::string out = "# What the conformance suite finds out about each preset (tests/unit/conformance_test.cpp).\n";
  out += padded("", 28);
  for (const auto& preset : nat::presets()) out += " " + std::string(preset.name);
  const auto& all = results_of_presets();
  for (size_t row = 0; row < all[0].size(); ++row) {
    out += "\n" + padded(all[0][row].requirement->id(), 28);
    for (size_t i = 0; i < all.size(); ++i) out += " " + padded(word_of(all[i][row]), nat::presets()[i].name.size());
    out.erase(out.find_last_not_of(' ') + 1);
  }
  return out + "\n";
}

/// Unit tests that are named after the requirement: TEST(Rfc4787, Req9a_Something_Met) of the nat_rfc*_test.cpp files.
inline std::map<std::string, std::vector<std::string>> tests_by_requirement() {
  std::map<std::string, std::vector<std::string>> out;
  for (const char* file :
       {"nat_rfc4787_test.cpp", "nat_rfc5382_test.cpp", "nat_rfc5508_test.cpp", "nat_rfc7857_test.cpp"}) {
    std::string source = source_file(std::string("tests/unit/") + file);
    static const std::regex name(R"(TEST\((Rfc(\d+)), ((Req|Section)([0-9_]+[a-z]?)_\w+)\))");
    for (std::sregex_iterator it(source.begin(), source.end(), name), end; it != end; ++it) {
      std::string number = (*it)[5].str();
      std::replace(number.begin(), number.end(), '_', '.');
      out["RFC " + (*it)[2].str() + ((*it)[4] == "Req" ? " REQ-" : " section ") + number].push_back(
          (*it)[1].str() + "." + (*it)[3].str());
    }
  }
  return out;
}

/// Why the default does not do what is recommended.
struct Reason {
  std::string_view id, why;
};
inline constexpr Reason reasons_of_the_default[] = {
    {"RFC 4787 REQ-4",
     "RFC 7857 section 8 lets go of parity; with it a host has half of the ports to choose from. `ports.keep_parity` "
     "turns it on."},
    {"RFC 6888 REQ-7",
     "RFC 4787 REQ-8 recommends filtering by address where strictness counts more than openness. `cgn` and `full-cone` "
     "let everybody in."},
};

inline std::string compliance_page() {
  static constexpr std::string_view shown[] = {"rfc", "home", "linux", "cgn", "symmetric", "basic"};
  const auto& all = results_of_presets();
  auto presets = nat::presets();
  auto column = [&](std::string_view name) {
    return static_cast<size_t>(std::find_if(presets.begin(), presets.end(), [&](auto& p) { return p.name == name; }) -
                               presets.begin());
  };
  std::map<std::string, const ConformanceCase*> cases;
  for (const auto& each : conformance_cases) cases[std::string(each.id)] = &each;
  auto tests = tests_by_requirement();

  std::string out = R"(# What the NAT complies with

Made by a test (`Conformance.PageIsUpToDate`; `GINNEL_UPDATE=1` writes it anew): do not edit. Each requirement of RFC 4787
(UDP), 5382 (TCP), 5508 (ICMP), 7857 (updates) and 6888 (carriers) that packets can show is a script in
`src/core/conform`, run here against the engine in virtual time. `ginnel lab conformance` runs the same scripts against any
NAT on real interfaces; the test `LabConformance.RealGatewaysAreWhatThePageSays` holds `ginnel nat` to this page, and the
kernel to `linux`.

**Results**: `pass`; **FAIL** breaks a MUST; `fail` does not do what is recommended; `yes` and `no` answer a MAY; `-` cannot be
seen from packets, or not with this kind of NAT. All presets: `tests/golden/conformance.txt`.

**Met by, broken by**: for each requirement a NAT that meets it and one that breaks it, which the test
`Conformance/MetAndBroken.By/RFC_..._REQ_...` tells apart: a preset with knobs turned, or with a fault that only exists in
`tests/support/faults.hpp`. The tests named below go into detail.
)";
  std::string_view document;
  for (size_t row = 0; row < all[0].size(); ++row) {
    const conform::Requirement& r = *all[0][row].requirement;
    if (r.rfc != document) {
      document = r.rfc;
      out += "\n## " + std::string(document) + "\n\n| | a NAT |";
      for (auto name : shown) out += " " + std::string(name) + " |";
      out += " met by; broken by | more tests |\n|---|---|" + std::string(std::size(shown) * 4, ' ');
      out.resize(out.size() - std::size(shown) * 4);
      for (size_t i = 0; i < std::size(shown); ++i) out += "---|";
      out += "---|---|\n";
    }
    out += "| " + std::string(r.name) + " | " + std::string(r.word) + " " + std::string(r.sentence) + " |";
    for (auto name : shown) {
      std::string word = word_of(all[column(name)][row]);
      out += word == "FAIL" ? " **FAIL** |" : " " + word + " |";
    }
    if (auto found = cases.find(r.id()); found != cases.end()) {
      out += " `" + std::string(found->second->met) + "`; `" + std::string(found->second->broken) + "` |";
    } else {
      out += " " + std::string(r.reason) + " |";
    }
    std::string names;
    for (const auto& name : tests[r.id()]) names += (names.empty() ? " `" : ", `") + name + "`";
    out += names + " |\n";
  }
  out += "\n## Where the default does otherwise\n\n";
  for (const auto& reason : reasons_of_the_default)
    out += "- " + std::string(reason.id) + ": " + std::string(reason.why) + "\n";
  out += R"(
## `linux` against the kernel

`tests/differential` plays thousands of random scripts through the preset `linux` and, in a network namespace, through
nftables' masquerade (plain, `random`, `fully-random`; INPUT open and closed), and compares what comes out packet by packet:
where, from and to which endpoints, every byte that is not a port the NAT chose at random, all checksums. What may differ:

)";
  for (const auto& each : kernel_differences) out += "- " + std::string(each.text) + "\n";
  out += "\nScripts leave out:\n\n";
  for (auto text : left_out_of_scripts) out += "- " + std::string(text) + "\n";
  return out;
}

}  // namespace ginnel::test
