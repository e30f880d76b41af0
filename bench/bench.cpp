// The bench as a program: what bench/run starts after it has built everything. Measures in a sandbox, prints the table,
// writes it as JSON; ends with 0 whatever the numbers are, and 77 where no sandbox can be made. ginnel itself is a
// process here, as in the lab.
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

#include "bench/rows.hpp"
#include "bench/table.hpp"
#include "lab/error.hpp"
#include "lab/process.hpp"
#include "lab/sandbox.hpp"

namespace {

using namespace ginnel;
using bench::Facts;
using bench::Plan;
using bench::Report;

constexpr int kUsage = 2;

struct Options {
  Plan plan{.binary = GINNEL_BINARY};
  std::string out;
  std::string only = "bulk,first,memory,paths,nat";
};

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown model";
}

std::string iperf_version() {
  const std::string said = lab::run({.argv = {"iperf3", "--version"}});  // "iperf 3.12 (cJSON 1.7.15)"
  return lab::words(said).at(1);
}

Facts facts() {
  utsname system{};
  ::uname(&system);
  const char* commit = std::getenv("GINNEL_COMMIT");
  const std::string load = first_line("/proc/loadavg");
  return {{"ginnel", commit ? commit : "unknown commit"},
          {"kernel", system.release},
          {"ngtcp2", BENCH_NGTCP2_VERSION},
          {"GnuTLS", BENCH_GNUTLS_VERSION},
          {"iperf3", iperf_version()},
          {"machine", std::to_string(std::thread::hardware_concurrency()) + " cores, " + cpu_model()},
          {"load before", load.substr(0, load.find(' '))}};
}

/// What is being done: on a terminal one line that renews itself.
void tell(const std::string& what) {
  static const bool terminal = ::isatty(STDERR_FILENO);
  std::fprintf(stderr, terminal ? "\r\033[K%s" : "bench: %s\n", what.c_str());
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (word == "--quick") {
      options.plan.rounds = 3;
      options.plan.seconds = 1;
      options.plan.idle_agents = 50;
    } else if (word == "--runs" && value && std::atoi(value) > 0) {
      options.plan.rounds = std::atoi(argv[++i]);
    } else if (word == "--only" && value) {
      options.only = argv[++i];
    } else if (word == "--ginnel" && value) {
      options.plan.binary = argv[++i];
    } else if (word == "--out" && value) {
      options.out = argv[++i];
    } else {
      return false;
    }
  }
  return true;
}

int measure(const Options& options) {
  const struct {
    const char* name;
    void (*run)(const Plan&, Report&);
  } groups[] = {
      {"bulk", bench::measure_bulk}, {"first", bench::measure_first_bytes}, {"memory", bench::measure_memory},
      {"paths", bench::measure_paths}, {"nat", bench::measure_nat}};
  Report report{.facts = facts()};
  const lab::Time start = lab::now();
  for (const auto& group : groups) {
    if (options.only.find(group.name) == std::string::npos) continue;
    try {
      group.run(options.plan, report);
    } catch (const lab::LabError& e) {
      report.notes.push_back(std::string(group.name) + " ended early: " + e.what());
    }
  }
  tell("measured in " + std::to_string(static_cast<int>(lab::ms_since(start) / 1000)) + " s");
  std::fputs("\n", stderr);
  bench::print(report);
  if (!options.out.empty()) bench::write_json(report, options.out);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.plan.progress = tell;
  if (!parse(argc, argv, options)) {
    std::fprintf(stderr,
                 "usage: ginnel_bench [--quick] [--runs N] [--only bulk,first,memory,paths,nat] "
                 "[--ginnel PROGRAM] [--out FILE]\n");
    return kUsage;
  }
  std::string why;
  const int code = lab::run_in_sandbox([&] { return measure(options); }, &why);
  if (!why.empty()) std::fprintf(stderr, "bench: %s\n", why.c_str());
  return code;
}
