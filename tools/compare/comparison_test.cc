#include "tools/compare/comparison.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::compare {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kTight = 1e-12;
// Quantile 0.975 of Student's t distribution with two degrees of freedom: 0.95 sqrt(2 / 0.0975).
const double kT975 = 0.95 * std::sqrt(2 / (1 - 0.95 * 0.95));

using Values = std::map<std::string, double, record::NaturalLess>;

record::SummaryResult Result(std::string method, std::string metric, Values values,
                             std::string group = "rotated", std::string unit = "fraction") {
  return {.method = std::move(method),
          .group = std::move(group),
          .metric = std::move(metric),
          .unit = std::move(unit),
          .values = std::move(values)};
}

FinishedRun MakeRun(std::string label, std::vector<record::SummaryResult> results) {
  FinishedRun run = {.label = std::move(label)};
  run.summary = {.line = "continual", .results = std::move(results)};
  return run;
}

// Differences to naive: er 0.1, 0.2, 0.3 in accuracy, joint -0.2, -0.2, -0.3.
FinishedRun Example(std::string label = "a") {
  return MakeRun(std::move(label),
                 {Result("naive", "accuracy", {{"0", 0.5}, {"1", 0.6}, {"2", 0.7}}),
                  Result("naive", "forgetting", {{"0", 0.3}, {"1", 0.2}, {"2", 0.4}}),
                  Result("naive", "passes", {{"0", 10}, {"1", 10}, {"2", 10}}, "rotated", "count"),
                  Result("er", "accuracy", {{"0", 0.6}, {"1", 0.8}, {"2", 1.0}}),
                  Result("er", "forgetting", {{"0", 0.2}, {"1", 0.1}, {"2", 0.3}}),
                  Result("er", "passes", {{"0", 20}, {"1", 20}, {"2", 20}}, "rotated", "count"),
                  Result("joint", "accuracy", {{"0", 0.3}, {"1", 0.4}, {"2", 0.4}})});
}

Comparison MustCompare(const std::vector<FinishedRun>& runs, const CompareOptions& options = {}) {
  auto comparison = Compare(runs, options);
  EXPECT_TRUE(comparison.ok()) << comparison.status();
  return comparison.ok() ? *std::move(comparison) : Comparison();
}

std::string Error(const std::vector<FinishedRun>& runs, const CompareOptions& options = {}) {
  const auto comparison = Compare(runs, options);
  return comparison.ok() ? "" : std::string(comparison.status().message());
}

Row Find(const Comparison& comparison, const std::string& name, const std::string& metric) {
  for (const Block& block : comparison.blocks) {
    if (block.metric != metric) continue;
    for (const Row& row : block.rows) {
      if (comparison.entities[row.cell.entity].name == name) return row;
    }
  }
  ADD_FAILURE() << "no " << name << " of " << metric;
  return Row();
}

std::vector<std::string> BlockNames(const Comparison& comparison) {
  std::vector<std::string> names;
  for (const Block& block : comparison.blocks) names.push_back(block.group + "/" + block.metric);
  return names;
}

// Two-sided p of Student's t with two degrees of freedom, in closed form.
double P2(double t) { return 1 - std::abs(t) / std::sqrt(2 + t * t); }

TEST(Compare, NumbersAreThoseComputedByHand) {
  const Comparison comparison =
      MustCompare({Example()}, {.metrics = {"accuracy"}, .baseline = "naive"});
  const Row naive = Find(comparison, "naive", "accuracy");
  EXPECT_TRUE(naive.is_baseline);
  EXPECT_NEAR(naive.cell.summary.mean, 0.6, kTight);
  // The spread is 0.1, of three values.
  EXPECT_NEAR(naive.cell.interval->low, 0.6 - kT975 * 0.1 / std::sqrt(3), kTight);
  EXPECT_NEAR(naive.cell.interval->high, naive.cell.summary.ci95->high, kTight);

  const PairedTest er = *Find(comparison, "er", "accuracy").test;
  EXPECT_THAT(er.replicates, ElementsAre("0", "1", "2"));
  EXPECT_NEAR(er.difference.mean, 0.2, kTight);
  EXPECT_NEAR(*er.difference.standard_deviation, 0.1, kTight);
  EXPECT_NEAR(er.difference.interval->low, 0.2 - kT975 * 0.1 / std::sqrt(3), kTight);
  EXPECT_NEAR(er.hodges_lehmann, 0.2, kTight);
  const double p_er = P2(0.2 / (0.1 / std::sqrt(3)));
  EXPECT_NEAR(*er.p, p_er, 1e-10);
  EXPECT_EQ(er.win_rate, 1);

  // joint: -0.2, -0.2, -0.3: mean -7/30, spread 1/(10 sqrt 3).
  const PairedTest joint = *Find(comparison, "joint", "accuracy").test;
  const double p_joint = P2((7.0 / 30) / (1 / (10 * std::sqrt(3)) / std::sqrt(3)));
  EXPECT_NEAR(*joint.p, p_joint, 1e-10);
  EXPECT_EQ(joint.win_rate, 0);

  // Holm of two tests: the smaller twice, then the larger, not below.
  ASSERT_LT(p_joint, p_er);
  EXPECT_EQ(comparison.tests, 2);
  EXPECT_NEAR(*joint.p_holm, 2 * p_joint, 1e-10);
  EXPECT_NEAR(*er.p_holm, std::max(2 * p_joint, p_er), 1e-10);
  EXPECT_EQ(joint.verdict, Verdict::kWorse);
  EXPECT_EQ(er.verdict, Verdict::kInconclusive);
  EXPECT_GT(*er.minimum_detectable, 0.2) << "what was not found was too small to be found";
  for (const PairedTest& test : {er, joint}) {
    EXPECT_NEAR(*test.minimum_detectable,
                *stats::MinimumDetectableEffect(3, *test.difference.standard_deviation), 1e-8);
  }
}

TEST(Compare, WhereUnitsFailedThereIsNoVerdict) {
  FinishedRun run = Example();
  const std::string group = run.summary.results[0].group;
  run.summary.failed = {{absl::StrCat("joint.", group, ".seed.3"), "the loss is nan"}};
  const Comparison comparison = MustCompare({run}, {.metrics = {"accuracy"}, .baseline = "naive"});
  EXPECT_EQ(Find(comparison, "joint", "accuracy").test->verdict, Verdict::kFailures);
  EXPECT_EQ(Find(comparison, "er", "accuracy").test->verdict, Verdict::kInconclusive);
  run.summary.failed[0].unit = absl::StrCat("naive.", group, ".seed.3");
  EXPECT_EQ(
      Find(MustCompare({run}, {.metrics = {"accuracy"}, .baseline = "naive"}), "er", "accuracy")
          .test->verdict,
      Verdict::kFailures);
}

TEST(Compare, WilcoxonTestsAndSaysThatFewPairsFindNothing) {
  const Comparison comparison = MustCompare(
      {Example()}, {.metrics = {"accuracy"}, .baseline = "naive", .test = TestKind::kWilcoxon});
  // All three signs alike: 2 / 2^3.
  EXPECT_NEAR(*Find(comparison, "er", "accuracy").test->p, 0.25, kTight);
  EXPECT_NEAR(*Find(comparison, "er", "accuracy").test->p_holm, 0.5, kTight);
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("Wilcoxon's p of 3 pairs is at least 0.25 (0.5 "
                                                   "after Holm's adjustment of 2 tests)")));
}

TEST(Compare, EquivalenceIsToldWithinTheMargin) {
  const Comparison comparison =
      MustCompare({Example()}, {.metrics = {"accuracy"}, .baseline = "naive", .margin = 0.5});
  const PairedTest er = *Find(comparison, "er", "accuracy").test;
  // t = (0.2 - 0.5) / (0.1 / sqrt 3); one-sided p is half of the two-sided.
  const double p_er = P2(0.3 / (0.1 / std::sqrt(3))) / 2;
  const double p_joint = P2((0.5 - 7.0 / 30) / (1.0 / 30)) / 2;
  ASSERT_LT(p_joint, p_er);
  EXPECT_NEAR(*er.equivalence->p, p_er, 1e-10);
  EXPECT_NEAR(*er.p_equivalence_holm, std::max(2 * p_joint, p_er), 1e-10);
  EXPECT_EQ(comparison.equivalence_tests, 2);
  EXPECT_EQ(er.verdict, Verdict::kEquivalent);
  EXPECT_EQ(Find(comparison, "joint", "accuracy").test->verdict, Verdict::kWorseWithinMargin);
  EXPECT_EQ(VerdictText(er.verdict, 0.5), "equivalent within 0.5");
}

TEST(Compare, OneMarginForSeveralUnitsIsNoted) {
  const std::string note =
      "the margin 0.5 is applied to metrics of different units: fraction, count";
  EXPECT_THAT(MustCompare({Example()}, {.metrics = {"accuracy", "passes"}, .margin = 0.5}).notes,
              Contains(note));
  EXPECT_THAT(MustCompare({Example()}, {.metrics = {"accuracy"}, .margin = 0.5}).notes,
              Not(Contains(note)));
}

TEST(Compare, DirectionTurnsVerdictsAndWins) {
  const std::vector<FinishedRun> runs = {
      MakeRun("a", {Result("x", "loss", {{"0", 1.0}, {"1", 2.0}, {"2", 3.0}}),
                    Result("y", "loss", {{"0", 0.5}, {"1", 1.51}, {"2", 2.49}})})};
  const PairedTest lower = *Find(MustCompare(runs), "y", "loss").test;
  EXPECT_EQ(lower.verdict, Verdict::kBetter);
  EXPECT_EQ(lower.win_rate, 1);
  const PairedTest higher =
      *Find(MustCompare(runs, {.higher_is_better = {"loss"}}), "y", "loss").test;
  EXPECT_EQ(higher.verdict, Verdict::kWorse);
  EXPECT_EQ(higher.win_rate, 0);
}

TEST(Compare, EqualDifferencesAreNotTestedButNamed) {
  const std::vector<FinishedRun> runs = {MakeRun(
      "a",
      {Result("x", "score", {{"0", 1}, {"1", 2}}), Result("same", "score", {{"0", 1}, {"1", 2}}),
       Result("shifted", "score", {{"0", 3}, {"1", 4}})})};
  const Comparison comparison = MustCompare(runs, {.margin = 2.5});
  EXPECT_EQ(comparison.tests, 0);
  EXPECT_EQ(Find(comparison, "same", "score").test->verdict, Verdict::kIdentical);
  EXPECT_EQ(Find(comparison, "same", "score").test->win_rate, 0.5);
  EXPECT_EQ(Find(comparison, "shifted", "score").test->verdict, Verdict::kEquivalent);
  EXPECT_EQ(Find(MustCompare(runs), "shifted", "score").test->verdict, Verdict::kConstant);
}

TEST(Compare, OnlySharedReplicatesArePairedAndItIsSaid) {
  const std::vector<FinishedRun> runs = {
      MakeRun("a", {Result("er", "accuracy", {{"0", 0.1}, {"1", 0.2}, {"2", 0.4}})}),
      MakeRun("b", {Result("er", "accuracy", {{"1", 0.3}, {"2", 0.6}, {"10", 0.9}})}),
      MakeRun("c", {Result("er", "accuracy", {{"2", 0.3}, {"7", 0.6}})}),
      MakeRun("d", {Result("er", "accuracy", {{"8", 0.3}, {"9", 0.6}})})};
  const Comparison comparison = MustCompare(runs);
  const PairedTest b = *Find(comparison, "b/er", "accuracy").test;
  EXPECT_THAT(b.replicates, ElementsAre("1", "2"));
  EXPECT_NEAR(b.difference.mean, (0.1 + 0.2) / 2, kTight);
  EXPECT_FALSE(Find(comparison, "c/er", "accuracy").test);
  EXPECT_EQ(Find(comparison, "c/er", "accuracy").untested, "it shares only one seed with a/er");
  EXPECT_EQ(Find(comparison, "d/er", "accuracy").untested, "it shares no seed with a/er");
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("2 of 3 replicates are shared with a/er")));
  EXPECT_THAT(comparison.notes, Contains("accuracy of d/er (rotated) is not tested: it shares no "
                                         "seed with a/er"));
}

TEST(Compare, OtherReplicatesOrUnitsAreNotPaired) {
  std::vector<FinishedRun> runs = {
      MakeRun("a", {Result("er", "accuracy", {{"0", 0.1}, {"1", 0.2}})}),
      MakeRun("b", {Result("er", "accuracy", {{"0", 0.1}, {"1", 0.3}})}),
      MakeRun("c", {Result("er", "accuracy", {{"0", 10}, {"1", 30}}, "rotated", "percent")})};
  runs[1].summary.results[0].over = "task";
  const Comparison comparison = MustCompare(runs);
  EXPECT_EQ(Find(comparison, "b/er", "accuracy").untested,
            "its replicates are over task, those of a/er over seed");
  EXPECT_EQ(Find(comparison, "c/er", "accuracy").untested,
            "its unit is percent, that of a/er is fraction");
}

TEST(Compare, TheBaselineIsAMethodARunOrBoth) {
  const std::vector<FinishedRun> runs = {Example("a"), Example("b")};
  const Comparison by_default = MustCompare(runs);
  EXPECT_TRUE(by_default.by_method);
  EXPECT_EQ(by_default.baseline, "a");
  const auto baseline_of = [](const Comparison& comparison, const std::string& name) {
    const Row row = Find(comparison, name, "accuracy");
    return row.is_baseline ? std::string("itself") : comparison.entities[row.test->baseline].name;
  };
  EXPECT_EQ(baseline_of(by_default, "b/er"), "a/er");
  EXPECT_EQ(baseline_of(by_default, "b/joint"), "a/joint");
  EXPECT_EQ(baseline_of(by_default, "a/er"), "itself");
  EXPECT_EQ(baseline_of(MustCompare(runs, {.baseline = "b"}), "a/er"), "b/er");
  EXPECT_EQ(baseline_of(MustCompare(runs, {.baseline = "b/er"}), "a/naive"), "b/er");
  EXPECT_EQ(baseline_of(MustCompare({Example()}, {.baseline = "er"}), "joint"), "er");
  EXPECT_EQ(baseline_of(MustCompare({Example()}), "joint"), "naive");
  EXPECT_EQ(Error(runs, {.baseline = "er"}),
            "--baseline er: several runs have this method; choose among a/er, b/er");
  EXPECT_THAT(Error({Example()}, {.baseline = "jiont"}), HasSubstr("did you mean \"joint\"?"));
}

TEST(Compare, RunsWithoutACommonMethodAreComparedWithTheFirstMethod) {
  const Comparison comparison =
      MustCompare({MakeRun("a", {Result("x", "score", {{"0", 1}, {"1", 2}})}),
                   MakeRun("b", {Result("y", "score", {{"0", 2}, {"1", 4}})})});
  EXPECT_FALSE(comparison.by_method);
  EXPECT_EQ(comparison.baseline, "a/x");
  EXPECT_NEAR(Find(comparison, "y", "score").test->difference.mean, 1.5, kTight);
}

TEST(Compare, DefaultMetricsAreTheSharedOnesWithoutCosts) {
  const Comparison comparison = MustCompare({Example()});
  EXPECT_THAT(BlockNames(comparison), ElementsAre("rotated/accuracy"));
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("not every method has forgetting")));
  const Comparison chosen = MustCompare({Example()}, {.metrics = {"passes", "forgetting"}});
  EXPECT_THAT(BlockNames(chosen), ElementsAre("rotated/passes", "rotated/forgetting"));
  EXPECT_EQ(chosen.blocks[0].rows.size(), 2);
  EXPECT_THAT(Error({Example()}, {.metrics = {"acuracy"}}),
              AllOf(HasSubstr("--metric"), HasSubstr("did you mean \"accuracy\"?")));
  EXPECT_THAT(
      Error({MakeRun("a", {Result("x", "score", {{"0", 1}}), Result("y", "other", {{"0", 1}})})}),
      HasSubstr("no metric in common"));
}

TEST(Compare, MethodsMeetWithinTheirGroupOnly) {
  const std::vector<FinishedRun> runs = {
      MakeRun("a", {Result("x", "score", {{"0", 1}, {"1", 3}}, "one"),
                    Result("x", "score", {{"0", 5}, {"1", 6}}, "two"),
                    Result("x", "score", {{"0", 5}, {"1", 6}}, "three")}),
      MakeRun("b", {Result("x", "score", {{"0", 6}, {"1", 9}}, "two"),
                    Result("x", "score", {{"0", 2}, {"1", 5}}, "one")})};
  const Comparison comparison = MustCompare(runs);
  EXPECT_THAT(BlockNames(comparison), ElementsAre("one/score", "two/score"));
  EXPECT_NEAR(comparison.blocks[0].rows[1].test->difference.mean, 1.5, kTight);
  EXPECT_NEAR(comparison.blocks[1].rows[1].test->difference.mean, 2, kTight);
  EXPECT_EQ(comparison.tests, 2) << "one family over groups";
  EXPECT_THAT(comparison.notes, Contains("group three is left out, as only a has it; --group "
                                         "shows it"));
  EXPECT_THAT(BlockNames(MustCompare(runs, {.groups = {"three"}})), ElementsAre("three/score"));
  EXPECT_THAT(Error(runs, {.groups = {"tow"}}), HasSubstr("did you mean \"two\"?"));
  EXPECT_EQ(Error({MakeRun("a", {Result("x", "score", {{"0", 1}}, "one")}),
                   MakeRun("b", {Result("x", "score", {{"0", 1}}, "two")}), MakeRun("c", {})}),
            "the runs have no group in common: a has one; b has two; c has no results");
}

TEST(Compare, CpuSecondsAreTheMeanOverReplicates) {
  FinishedRun run = Example();
  run.cpu_seconds = {{"er.rotated.seed.0", 1}, {"er.rotated.seed.1", 2}, {"er.other.seed.0", 9}};
  const Comparison comparison = MustCompare({run});
  EXPECT_FALSE(comparison.entities[0].cpu_seconds);
  EXPECT_EQ(comparison.entities[1].cpu_seconds, 1.5);
}

TEST(Compare, OptionsOutOfRangeAreRefused) {
  EXPECT_THAT(Error({Example()}, {.confidence = 95}), HasSubstr("--confidence 95"));
  EXPECT_THAT(Error({Example()}, {.confidence = std::nan("")}), HasSubstr("--confidence"));
  EXPECT_THAT(Error({Example()}, {.margin = 0}), HasSubstr("--equivalence 0"));
  EXPECT_THAT(
      Error({Example()}, {.lower_is_better = {"accuracy"}, .higher_is_better = {"accuracy"}}),
      HasSubstr("both"));
  EXPECT_THAT(Error({Example()}, {.lower_is_better = {"forgeting"}}),
              HasSubstr("did you mean \"forgetting\"?"));
}

TEST(Compare, ASingleReplicateHasNoIntervalAndNoTest) {
  const Comparison comparison = MustCompare(
      {MakeRun("a", {Result("x", "score", {{"0", 1}}), Result("y", "score", {{"0", 2}})})});
  EXPECT_FALSE(Find(comparison, "x", "score").cell.interval);
  EXPECT_EQ(Find(comparison, "y", "score").untested, "it shares only one seed with x");
}

// Everything that a test says, by names instead of indices.
using TestLine = std::tuple<std::string, std::string, std::string, double, double, double>;
std::set<TestLine> TestLines(const Comparison& comparison) {
  std::set<TestLine> lines;
  for (const Block& block : comparison.blocks) {
    for (const Row& row : block.rows) {
      if (!row.test) continue;
      lines.insert({block.group + block.metric, comparison.entities[row.cell.entity].name,
                    comparison.entities[row.test->baseline].name, row.test->difference.mean,
                    *row.test->p, *row.test->p_holm});
    }
  }
  return lines;
}

TEST(Compare, TheOrderOfRunsChangesTheOrderOnly) {
  FinishedRun second = Example("b");
  FinishedRun third = Example("c");
  int i = 0;
  for (record::SummaryResult& result : second.summary.results) {
    for (auto& [key, value] : result.values) value += 0.01 * (++i % 5);
  }
  for (record::SummaryResult& result : third.summary.results) {
    for (auto& [key, value] : result.values) value -= 0.02 * (++i % 4);
  }
  std::vector<FinishedRun> runs = {Example("a"), second, third};
  for (const char* baseline : {"a/naive", "a"}) {
    std::vector<int> order = {0, 1, 2};
    const CompareOptions options = {.metrics = {"accuracy", "forgetting"}, .baseline = baseline};
    const std::set<TestLine> expected = TestLines(MustCompare(runs, options));
    EXPECT_GE(expected.size(), 8);
    while (std::ranges::next_permutation(order).found) {
      EXPECT_EQ(TestLines(MustCompare({runs[order[0]], runs[order[1]], runs[order[2]]}, options)),
                expected);
    }
  }
}

TEST(LowerIsBetterByName, KnowsTheUsualWords) {
  for (const char* name : {"loss", "test_loss", "forgetting", "pehe", "sqrt_pehe", "ate_error",
                           "seconds", "cpu_seconds", "gradient_passes", "training_flops"}) {
    EXPECT_TRUE(LowerIsBetterByName(name)) << name;
  }
  for (const char* name :
       {"accuracy", "average_accuracy", "return", "effective_rank", "lossless", "flopsy"}) {
    EXPECT_FALSE(LowerIsBetterByName(name)) << name;
  }
}

}  // namespace
}  // namespace perennial::compare
