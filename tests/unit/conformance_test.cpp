// The conformance suite against the engine in virtual time: each requirement is met by one NAT and broken by another,
// which proves the suite as much as the engine; and what every preset does is written down and does not change unseen.
#include <gtest/gtest.h>

#include <set>

#include "tests/support/conformance_cases.hpp"
#include "tests/support/conformance_page.hpp"

namespace ginnel::test {
namespace {

using conform::Level, conform::Outcome, conform::Requirement;

class MetAndBroken : public testing::TestWithParam<ConformanceCase> {};

TEST_P(MetAndBroken, By) {
  conform::Result met = conformance_of(GetParam().id, GetParam().met);
  ASSERT_TRUE(met.requirement) << "there is no " << GetParam().id;
  EXPECT_EQ(met.finding.outcome, Outcome::pass) << GetParam().met << ": " << met.finding.evidence;
  conform::Result broken = conformance_of(GetParam().id, GetParam().broken);
  EXPECT_EQ(broken.finding.outcome, Outcome::fail) << GetParam().broken << ": " << broken.finding.evidence;
}
INSTANTIATE_TEST_SUITE_P(Conformance, MetAndBroken, testing::ValuesIn(conformance_cases),
                         [](const auto& each) { return test_name(each.param.id); });

TEST(Conformance, EveryRequirementHasACase) {
  std::set<std::string> covered;
  for (const auto& each : conformance_cases) EXPECT_TRUE(covered.insert(std::string(each.id)).second) << each.id;
  for (const Requirement* each : conform::requirements()) {
    EXPECT_EQ(covered.contains(each->id()), each->script != nullptr) << each->id();
    EXPECT_EQ(each->reason.empty(), each->script != nullptr) << each->id();
  }
  EXPECT_EQ(conform::find_requirement("RFC 4787 REQ-9a")->sentence, conform::rfc4787()[13].sentence);
}

TEST(Conformance, DefaultBreaksNoMust) {
  EngineBench bench(nat::Behaviour{});
  SeededRng rng(7);
  auto results = conform::run(bench, rng, {.slow = true});
  for (const auto& each : results) {
    bool broken = each.requirement->level == Level::must && each.finding.outcome == Outcome::fail;
    EXPECT_FALSE(broken) << each.requirement->id() << ": " << each.finding.evidence;
  }
  EXPECT_TRUE(conform::all_musts_met(results));
}

TEST(Conformance, SlowOnesAreSkippedUnlessWanted) {
  EngineBench bench(nat::Behaviour{});
  SeededRng rng(7);
  size_t skipped = 0, told = 0;
  auto results = conform::run(bench, rng, {.progress = [&](const auto&) { ++told; }});
  for (const auto& each : results) skipped += each.finding.outcome == Outcome::skipped;
  EXPECT_EQ(told, results.size());
  EXPECT_GE(skipped, 10u);
  EXPECT_LT(bench.elapsed(), 60s) << "what a run without --slow takes, not counting the network";
}

TEST(Conformance, ADeadNatIsNoReasonToHang) {
  EngineBench bench(nat::Behaviour{}, {"dead", {}, [](conform::Side, conform::PacketBytes&) { return false; }});
  SeededRng rng(7);
  auto results = conform::run(bench, rng, {.slow = true});
  EXPECT_FALSE(conform::all_musts_met(results));
  size_t passed = 0;
  for (const auto& each : results)
    passed += each.finding.outcome == Outcome::pass && each.requirement->level == Level::must;
  EXPECT_EQ(passed, 0u) << "what lets nothing through meets no MUST";
}

TEST(Conformance, PresetsAreAsWrittenDown) { expect_same_text("tests/golden/conformance.txt", golden_text()); }
TEST(Conformance, PageIsUpToDate) { expect_same_text("docs/compliance.md", compliance_page()); }

}  // namespace
}  // namespace ginnel::test
