// `ginnel lab conformance` by the real binary: of `ginnel nat` it finds out on real interfaces what the suite finds out
// about the engine in virtual time (tests/golden/conformance.txt), and the kernel is what the preset `linux` imitates.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "base/result.hpp"
#include "lab/agent.hpp"
#include "lab/process.hpp"

namespace ginnel::lab {
namespace {

using Results = std::map<std::string, std::string>;  ///< requirement: pass, fail, not-observable or skipped

Results written_down_of(const std::string& preset) {
  static const std::map<std::string, std::string> words = {{"pass", "pass"}, {"yes", "pass"}, {"FAIL", "fail"},
                                                           {"fail", "fail"}, {"no", "fail"},  {"-", "not-observable"}};
  constexpr size_t first_column = 28;
  std::ifstream file(std::string(GINNEL_SOURCE_DIR) + "/tests/golden/conformance.txt");
  Results out;
  std::string line;
  std::getline(file, line);
  std::getline(file, line);
  size_t column = 0;
  std::istringstream presets(line);
  for (std::string name; presets >> name && name != preset;) ++column;
  while (std::getline(file, line)) {
    std::istringstream cells(line.substr(first_column));
    std::string cell;
    for (size_t i = 0; i <= column; ++i) cells >> cell;
    out[line.substr(0, line.find_last_not_of(' ', first_column - 1) + 1)] = words.at(cell);
  }
  return out;
}

Process start_conformance(const std::string& arguments) {
  return spawn({.argv = words(std::string(GINNEL_BINARY) + " lab conformance " + arguments),
                .out = {Stream::pipe},
                .err = {Stream::pipe}});
}

struct Outcome {
  int code = -1;
  std::string errors;
  Results results;
  std::map<std::string, std::string> evidence;

  /// No sandbox can be made here.
  bool skipped() const { return code == static_cast<int>(Errc::permission) && results.empty(); }
};

Outcome outcome_of(Process& process) {
  const Time deadline = in(90s);
  Outcome out;
  while (auto line = process.read_line(deadline)) {
    const Event event{now(), *line};
    if (!event.is("requirement")) continue;
    const std::string id = event.text("rfc") + " " + event.text("name");
    out.results[id] = event.text("result");
    out.evidence[id] = event.text("evidence");
  }
  out.errors = process.read_errors(in(1s));
  out.code = process.wait(in(5s)).value_or(-1);
  return out;
}

/// Those that the lab can see, too, and took the time for, are as the page says; `differ` are the others.
void expect_as_written_down(const Outcome& outcome, const std::string& preset, const Results& differ = {}) {
  size_t compared = 0;
  for (const auto& [id, expected] : written_down_of(preset)) {
    const auto found = outcome.results.find(id);
    ASSERT_NE(found, outcome.results.end()) << id;
    if (found->second == "skipped" || found->second == "not-observable") continue;
    ++compared;
    const auto other = differ.find(id);
    EXPECT_EQ(found->second, other == differ.end() ? expected : other->second) << id << ": " << outcome.evidence.at(id);
  }
  EXPECT_GE(compared, 55u);
}

TEST(LabConformance, RealGatewaysAreWhatThePageSays) {
  struct Asked {
    const char *nat, *preset;
    int code;
    Results differ = {};
  };
  // What the engine does otherwise on purpose: tests/support/kernel_differences.hpp.
  const Results kernels_own = {{"RFC 5508 REQ-3a", "fail"}, {"RFC 5508 REQ-10c", "fail"}, {"RFC 5508 REQ-11", "fail"}};
  const int not_met = static_cast<int>(Errc::not_met);
  const std::vector<Asked> all = {
      {"linux-open", "linux", not_met, kernels_own},
      {"ginnel:linux", "linux", not_met},
      {"ginnel:rfc", "rfc", 0},
      {"ginnel:home", "home", 0},
      {"ginnel:symmetric", "symmetric", not_met},
      {"ginnel:basic --outside-addresses 4",
       "basic",
       0,
       {{"RFC 5508 REQ-10a echo", "pass"}}},  // by the host it runs on
  };
  std::vector<Process> running;  // each has a sandbox of its own, and mostly waits
  for (const auto& each : all) running.push_back(start_conformance(std::string("--json --nat ") + each.nat));
  for (size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(all[i].nat);
    const Outcome outcome = outcome_of(running[i]);
    if (outcome.skipped()) GTEST_SKIP() << outcome.errors;
    EXPECT_EQ(outcome.code, all[i].code) << outcome.errors;
    expect_as_written_down(outcome, all[i].preset, all[i].differ);
  }
}

TEST(LabConformance, ACommandMakesTheGateway) {
  Process process = start_conformance("--json --only 4787-1 --only 5382-2a");
  Process broken = spawn({.argv = {GINNEL_BINARY, "lab", "conformance", "--gateway-command", "echo I will not"},
                          .out = {Stream::pipe},
                          .err = {Stream::pipe}});
  const Outcome outcome = outcome_of(process);
  if (outcome.skipped()) GTEST_SKIP() << outcome.errors;
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.results, (Results{{"RFC 4787 REQ-1", "pass"}, {"RFC 5382 REQ-2a", "pass"}}));
  const Outcome nothing = outcome_of(broken);
  EXPECT_EQ(nothing.code, static_cast<int>(Errc::internal));
  EXPECT_NE(nothing.errors.find("nothing passes the gateway after 10 s; its command said: I will not"),
            std::string::npos)
      << nothing.errors;
}

TEST(LabConformance, BadWords) {
  const std::pair<const char*, const char*> rows[] = {
      {"--nat hoem", "There is no NAT \"hoem\""},
      {"--nat fw", "\"fw\" does not translate UDP"},
      {"--nat udp-blocked", "does not translate UDP"},
      {"--only 4787-99", "There is no requirement \"4787-99\""},
  };
  for (const auto& [arguments, sentence] : rows) {
    Process process = start_conformance(arguments);
    const Outcome outcome = outcome_of(process);
    EXPECT_EQ(outcome.code, static_cast<int>(Errc::usage)) << arguments;
    EXPECT_NE(outcome.errors.find(sentence), std::string::npos) << outcome.errors;
  }
}

}  // namespace
}  // namespace ginnel::lab
