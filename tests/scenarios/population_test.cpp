// Pairs drawn from the population meet: exactly so many become direct, by these techniques, with this seed. What changes
// that on purpose writes tests/golden anew (GINNEL_UPDATE=1).
#include <gtest/gtest.h>

#include <thread>

#include "sim/population/crowd.hpp"
#include "sim/population/report.hpp"
#include "tests/support/golden.hpp"

namespace ginnel::scenarios {
namespace {

using namespace sim::population;

constexpr uint64_t seed = 1;
constexpr size_t few = 250, many = 2'000;  // the few are the first of the many

Model the_model() {
  auto model = load_model(std::string(GINNEL_SOURCE_DIR) + "/sim/population/model.toml");
  EXPECT_TRUE(model) << model.error().text;
  return *model;
}

std::string counts(const Model& model, const std::vector<Outcome>& outcomes) {
  return report_counts(std::to_string(outcomes.size()) + " pairs", Tally(model, outcomes));
}

std::vector<Outcome> meet(const Model& model, size_t pairs, unsigned threads = 2) {
  return meet_all(model, *model.variant("base"), {seed, pairs, threads, {}});
}

TEST(Population, TheSamePairsConnectInTheSameWays) {
  Model model = the_model();
#ifdef __SANITIZE_ADDRESS__
  std::vector<Outcome> outcomes = meet(model, few);
#else
  std::vector<Outcome> outcomes = meet(model, many);
  Tally tally(model, outcomes);
  EXPECT_EQ(tally.failed, 0u);
  EXPECT_GE(tally.natted.rate(), 0.90);
  test::expect_same_text("tests/golden/population.txt", counts(model, outcomes));
  outcomes.resize(few);
#endif
  test::expect_same_text("tests/golden/population_few.txt", counts(model, outcomes));
}

TEST(Population, WorseNetworksStillConnect) {
  Model model = the_model();
  auto outcomes = meet_all(model, *model.variant("pessimistic"), {seed, few, 2, {}});
  Tally tally(model, outcomes);
  EXPECT_EQ(tally.failed, 0u);
  EXPECT_GE(tally.natted.rate(), 0.85);
}

TEST(Population, ThreadsChangeNothing) {
  Model model = the_model();
  auto report = [&](unsigned threads) {
    Tally tally(model, meet(model, 60, threads));
    return report_counts("", tally) + report_costs(tally);
  };
  EXPECT_EQ(report(1), report(3));
}

/// Each technique that is left out costs some pairs their direct path, and gives none to others.
TEST(Population, EachTechniqueIsWorthSomething) {
  Model model = the_model();
  uint64_t before = 0;
  for (const Level& level : levels) {
    Tally tally(model, meet_all(model, *model.variant("base"), {seed, few, 2, level.with}));
    EXPECT_EQ(tally.failed, 0u) << level.letter;
    EXPECT_GE(tally.all.direct, before) << level.letter;
    before = tally.all.direct;
  }
}

}  // namespace
}  // namespace ginnel::scenarios
