// Runs a scenario over many seeds. A seed that fails is printed with the command that runs it again; GINNEL_SEED=n runs
// that one alone, and prints the trace of what happened in it. GINNEL_SEEDS=n runs so many in place of each test's own number.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "sim/world.hpp"

namespace ginnel::scenarios {

/// What a run left: empty if all was well, else sentences.
struct Outcome {
  std::string problems;
  std::string trace;

  void expect(bool good, const std::string& sentence) {
    if (!good) problems += (problems.empty() ? "" : "; ") + sentence;
  }
};

using Scenario = std::function<Outcome(uint64_t seed, bool traced)>;

inline Outcome run_guarded(const Scenario& scenario, uint64_t seed, bool traced) {
  try {
    return scenario(seed, traced);
  } catch (const std::exception& e) {
    Outcome out;
    out.expect(false, e.what());
    return out;
  }
}

inline const char* wanted_seed() { return std::getenv("GINNEL_SEED"); }

/// Seeds 1 to `count`, each of which must be without problems.
inline void for_each_seed(uint64_t count, const Scenario& scenario) {
  auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  std::string name = std::string(info->test_suite_name()) + "." + info->name();
  if (const char* one = wanted_seed()) {
    Outcome out = run_guarded(scenario, std::strtoull(one, nullptr, 10), true);
    std::printf("%s", out.trace.c_str());
    EXPECT_EQ(out.problems, "");
    return;
  }
  if (const char* many = std::getenv("GINNEL_SEEDS")) count = std::strtoull(many, nullptr, 10);
#ifdef __SANITIZE_ADDRESS__
  count = (count + 7) / 8;  // ten times slower, and the same lines of code: the optimised run has them all
#endif
  size_t failed = 0;
  for (uint64_t seed = 1; seed <= count; ++seed) {
    Outcome out = run_guarded(scenario, seed, false);
    if (out.problems.empty() || ++failed > 5) continue;
    ADD_FAILURE() << "seed " << seed << ": " << out.problems << "\nagain: GINNEL_SEED=" << seed
                  << " scenario_tests --gtest_filter=" << name;
  }
  EXPECT_EQ(failed, 0u) << "of " << count << " seeds";
}

/// The whole trace, twice.
inline void same_seed_same_trace(uint64_t seed, const Scenario& scenario) {
  Outcome first = run_guarded(scenario, seed, true), second = run_guarded(scenario, seed, true);
  ASSERT_GT(first.trace.size(), 1000u);
  if (first.trace == second.trace) return;
  size_t at = static_cast<size_t>(
      std::mismatch(first.trace.begin(), first.trace.end(), second.trace.begin(), second.trace.end()).first -
      first.trace.begin());
  size_t begin = at < 300 ? 0 : at - 300;
  ADD_FAILURE() << "the traces part at byte " << at << ":\n"
                << first.trace.substr(begin, 600) << "\n---- and ----\n"
                << second.trace.substr(begin, 600);
}

/// Numbers that a scenario measures over all its seeds.
class Measure {
 public:
  explicit Measure(std::string name, std::string unit) : name_(std::move(name)), unit_(std::move(unit)) {}
  void add(double value) { values_.push_back(value); }
  double quantile(double q) {
    std::sort(values_.begin(), values_.end());
    return values_.empty() ? 0 : values_[static_cast<size_t>(q * static_cast<double>(values_.size() - 1))];
  }
  void print() {
    if (values_.empty() || wanted_seed()) return;
    std::printf("    %-58s median %8.2f  p95 %8.2f  max %8.2f %s (%zu)\n", name_.c_str(), quantile(0.5), quantile(0.95),
                quantile(1), unit_.c_str(), values_.size());
  }

 private:
  std::string name_, unit_;
  std::vector<double> values_;
};

}  // namespace ginnel::scenarios
