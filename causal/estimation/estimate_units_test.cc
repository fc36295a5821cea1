#include "causal/estimation/estimate_units.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "causal/data/observations.h"
#include "causal/estimation/effect_model.h"
#include "causal/estimators/average_effect.h"
#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kFolds = 5;

// Clusters of `units` each, those below `treated` in arm 1, with an effect that they share.
Observations ByCluster(int clusters, int treated, int units, uint64_t seed) {
  random::Stream stream = random::Stream(seed).Split("clusters");
  Observations o = {.covariate_names = {"x"}};
  for (int32_t g = 0; g < clusters; ++g) {
    const double shared = stream.Normal();
    for (int i = 0; i < units; ++i) {
      o.covariates.push_back(stream.Normal());
      o.treatment.push_back(g < treated ? 1 : 0);
      o.outcome.push_back(shared + 0.5 * stream.Normal());
      o.cluster.push_back(7 * g);
    }
  }
  return o;
}

class Parts {
 public:
  Parts(Observations o, EffectModelKind model)
      : observations_(std::move(o)),
        setting_{.observations = observations_,
                 .fold_of = fold_of_,
                 .model = model,
                 .estimator = EffectMethod::kAipw,
                 .folds = kFolds,
                 .level = 0.95,
                 .stream = random::Stream(2)} {}

  // The ATE of arm 1.
  Estimate Run(PartKind kind, int index) const {
    EstimatePart part(kind, index, setting_);
    const absl::Status status = part.Advance(part.plan().steps);
    EXPECT_TRUE(status.ok()) << PartName(kind) << " " << index << ": " << status;
    return status.ok() ? part.TakeResult().average[0][0] : Estimate();
  }

 private:
  Observations observations_;
  std::vector<std::vector<int32_t>> fold_of_;
  PartSetting setting_;
};

TEST(Refuted, WithoutClustersUnitsAreShuffledAndDrawn) {
  Observations o = ByCluster(12, 5, 3, 1);
  o.cluster.clear();
  const random::Stream stream = random::Stream(9).Split("change");
  std::vector<int32_t> arms = o.treatment;
  random::Stream again = stream;
  again.Shuffle(std::span<int32_t>(arms));
  EXPECT_EQ(Refuted(PartKind::kPlacebo, o, stream).treatment, arms);
  again = stream;
  std::vector<int32_t> rows = again.Sample(36, 29);
  std::ranges::sort(rows);
  EXPECT_EQ(Refuted(PartKind::kSubset, o, stream).outcome, Select(o, rows).outcome);
}

TEST(Refuted, APlaceboOfWholeClustersIsOfWholeClusters) {
  const Observations o = ByCluster(12, 5, 3, 1);
  std::set<std::vector<int32_t>> different;
  std::map<int32_t, int> treated;  // Times, by cluster.
  constexpr int kDraws = 600;
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    const Observations placebo = Refuted(PartKind::kPlacebo, o, random::Stream(seed));
    EXPECT_EQ(placebo.outcome, o.outcome);
    ASSERT_EQ(std::ranges::count(placebo.treatment, 1), 15);
    for (int32_t i = 0; i < 36; i += 3) {
      ASSERT_EQ(placebo.treatment[i + 1], placebo.treatment[i]);
      ASSERT_EQ(placebo.treatment[i + 2], placebo.treatment[i]);
      treated[i] += placebo.treatment[i];
    }
    different.insert(placebo.treatment);
  }
  EXPECT_GT(different.size(), 300u);  // Of 792.
  for (const auto& [cluster, times] : treated) {
    EXPECT_NEAR(times, kDraws * 5.0 / 12, 5 * std::sqrt(kDraws * 5.0 / 12 * 7 / 12)) << cluster;
  }
}

TEST(Refuted, APlaceboOfArmsThatVaryWithinClustersIsOfUnits) {
  Observations o = ByCluster(12, 5, 3, 1);
  o.treatment[0] = 0;
  std::vector<int32_t> arms = o.treatment;
  random::Stream stream(3);
  const Observations placebo = Refuted(PartKind::kPlacebo, o, stream);
  stream.Shuffle(std::span<int32_t>(arms));
  EXPECT_EQ(placebo.treatment, arms);
}

// Five units of an arm: one or none of them is left in one draw of a hundred and fifty.
TEST(Refuted, ASubsetOfUnitsLeavesTwoOfAnArm) {
  Observations o = ByCluster(20, 1, 5, 1);
  o.cluster.clear();
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const Observations subset = Refuted(PartKind::kSubset, o, random::Stream(seed));
    ASSERT_EQ(subset.size(), 80);
    ASSERT_GE(std::ranges::count(subset.treatment, 1), 2) << seed;
  }
}

// One cluster of 80 units and five of 4; five units are treated, in three of the clusters.
TEST(Refuted, APlaceboLeavesArmsInTwoClusters) {
  Observations o;
  o.covariate_names = {"x"};
  for (int i = 0; i < 100; ++i) {
    o.covariates.push_back(i);
    o.outcome.push_back(i);
    o.cluster.push_back(i < 80 ? 0 : 1 + (i - 80) / 4);
    o.treatment.push_back(i < 3 || i == 80 || i == 84 ? 1 : 0);
  }
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const Observations placebo = Refuted(PartKind::kPlacebo, o, random::Stream(seed));
    std::set<int32_t> clusters;
    for (int i = 0; i < 100; ++i) {
      if (placebo.treatment[i] == 1) clusters.insert(placebo.cluster[i]);
    }
    ASSERT_GE(clusters.size(), 2u) << seed;
  }
}

TEST(Refuted, ASubsetIsOfWholeClustersAndLeavesNoArmOut) {
  const Observations o = ByCluster(20, 2, 3, 1);
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const Observations subset = Refuted(PartKind::kSubset, o, random::Stream(seed));
    std::map<int32_t, int> units;
    for (const int32_t cluster : subset.cluster) ++units[cluster];
    for (const auto& [cluster, count] : units) ASSERT_EQ(count, 3);
    ASSERT_EQ(std::ranges::count(subset.treatment, 1), 6);
    ASSERT_GE(units.size(), 16u);
    ASSERT_LE(units.size(), 18u);
  }
}

// By the randomisation of clusters the difference of means of 20 and 20 of them has the variance
// s^2 (1 / 20 + 1 / 20), s the deviation of all clusters' means; one of units would be many times
// less. Nothing was done to any unit, so that 95 % of the intervals hold 0.
TEST(EstimateParts, PlacebosOfWholeClustersSpreadAsClustersDoAndTheirIntervalsHoldNothing) {
  constexpr int kClusters = 40;
  constexpr int kUnits = 5;
  constexpr int kRuns = 300;
  const Observations o = ByCluster(kClusters, kClusters / 2, kUnits, 4);
  std::vector<double> means(kClusters);
  for (int i = 0; i < kClusters * kUnits; ++i) means[i / kUnits] += o.outcome[i] / kUnits;
  const double mean = std::accumulate(means.begin(), means.end(), 0.0) / kClusters;
  double squares = 0;
  for (const double m : means) squares += (m - mean) * (m - mean);
  const double deviation = std::sqrt(squares / (kClusters - 1) * 2 / (kClusters / 2));

  const Parts parts(o, EffectModelKind::kLinear);
  int holds = 0;
  double sum = 0;
  double of_runs = 0;
  for (int run = 0; run < kRuns; ++run) {
    const Estimate placebo = parts.Run(PartKind::kPlacebo, run);
    holds += placebo.low <= 0 && 0 <= placebo.high ? 1 : 0;
    sum += placebo.value;
    of_runs += placebo.value * placebo.value / kRuns;
  }
  EXPECT_NEAR(sum / kRuns, 0, 4 * deviation / std::sqrt(kRuns));
  // Cross-fitting adds to it: nuisances are of a few clusters.
  EXPECT_GT(std::sqrt(of_runs) / deviation, 0.9);
  EXPECT_LT(std::sqrt(of_runs) / deviation, 1.4);
  EXPECT_NEAR(static_cast<double>(holds) / kRuns, 0.95, 0.04);
}

// Four clusters of an arm, one of them most of the data: with fewer a half could lack the arm.
TEST(EstimateParts, NoReplicateFailsWhereAnArmIsInFourClusters) {
  for (const int treated_units : {1, 6}) {
    Observations o = ByCluster(12, 0, 6, 5);
    for (int32_t g = 0; g < 4; ++g) {
      for (int i = 0; i < treated_units * (g == 0 ? 8 : 1); ++i) {
        o.covariates.push_back(0.1 * i);
        o.treatment.push_back(1);
        o.outcome.push_back(0.3 * i + g);
        o.cluster.push_back(100 + g);
      }
    }
    ASSERT_TRUE(CheckDraws(o, kFolds, true, true, {}).ok());
    for (const EffectModelKind model : {EffectModelKind::kLinear, EffectModelKind::kBoosting}) {
      const Parts parts(o, model);
      const int runs = model == EffectModelKind::kLinear ? 150 : 2;
      for (int run = 0; run < runs; ++run) {
        parts.Run(PartKind::kReplicate, run);
        parts.Run(PartKind::kPlacebo, run);
        parts.Run(PartKind::kSubset, run);
      }
    }
  }
}

TEST(CheckDraws, NamesWhatCannotBeDrawnAndWhatToDo) {
  const std::vector<std::string> arms = {"no", "yes"};
  const auto message = [&](const Observations& o, bool bootstrap, bool refute) {
    return std::string(CheckDraws(o, kFolds, bootstrap, refute, arms).message());
  };
  EXPECT_EQ(message(ByCluster(13, 3, 2, 1), false, true), "");
  EXPECT_EQ(
      message(ByCluster(13, 3, 2, 1), true, false),
      "arm \"yes\" is in only 3 clusters, and --bootstrap needs 4 for each arm, so that every "
      "half of them can be spread over folds; leave out --bootstrap, or --cluster if units "
      "are independent");
  EXPECT_EQ(message(ByCluster(9, 4, 2, 1), true, true), "");
  EXPECT_EQ(
      message(ByCluster(8, 4, 2, 1), true, false),
      "there are 8 clusters, of which a half, 4, cannot be spread over 5 folds; give --folds 4 "
      "or fewer, or leave out --bootstrap");
  EXPECT_EQ(message(ByCluster(5, 2, 2, 1), false, true),
            "there are 5 clusters, of which four fifths, 4, cannot be spread over 5 folds; give "
            "--folds 4 or fewer, or leave out --refute");
  EXPECT_EQ(message(ByCluster(5, 2, 2, 1), false, false), "");
  EXPECT_THAT(message(ByCluster(3, 1, 2, 1), false, false), HasSubstr("only 3 clusters"));
  Observations units = ByCluster(20, 2, 1, 1);
  units.cluster.clear();
  EXPECT_THAT(message(units, true, false),
              AllOf(HasSubstr("arm \"yes\" has only 2 units, and --bootstrap needs 3"),
                    ::testing::Not(HasSubstr("--cluster"))));
  units.arms = 3;
  EXPECT_THAT(std::string(CheckDraws(units, kFolds, true, false, {}).message()),
              AllOf(HasSubstr("arm 1 has only 2 units"), HasSubstr("or make one arm of two")));
}

}  // namespace
}  // namespace perennial::causal
