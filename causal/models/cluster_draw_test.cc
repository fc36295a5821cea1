#include "causal/models/cluster_draw.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "causal/data/observations.h"
#include "causal/estimators/average_effect.h"
#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::ElementsAre;

// A unit of each arm named, cluster by cluster; clusters have numbers with gaps, and their units do
// not stand together.
Observations Of(const std::vector<std::vector<int32_t>>& arms_of_clusters, int arms = 2) {
  Observations o = {.arms = arms};
  for (size_t k = 0; k < 1000; ++k) {
    bool any = false;
    for (size_t c = 0; c < arms_of_clusters.size(); ++c) {
      if (k >= arms_of_clusters[c].size()) continue;
      any = true;
      o.treatment.push_back(arms_of_clusters[c][k]);
      o.cluster.push_back(static_cast<int32_t>(500 - 3 * c));
      o.outcome.push_back(static_cast<double>(c));
    }
    if (!any) break;
  }
  return o;
}

// The clusters that are drawn, by their places; each is whole, and rows are in order.
std::vector<size_t> PlacesOf(const Observations& o, const std::vector<int32_t>& rows) {
  EXPECT_TRUE(std::ranges::is_sorted(rows));
  std::map<size_t, int64_t> units;
  for (const int32_t row : rows) ++units[static_cast<size_t>(o.outcome[row])];
  std::vector<size_t> places;
  for (const auto& [place, count] : units) {
    EXPECT_EQ(count, std::ranges::count(o.outcome, static_cast<double>(place)));
    places.push_back(place);
  }
  return places;
}

std::vector<size_t> Half(const Observations& o, uint64_t seed) {
  return PlacesOf(o, HalfOfClusters(o, random::Stream(seed)));
}

int64_t Holding(int32_t arm, const std::vector<std::vector<int32_t>>& clusters,
                const std::vector<size_t>& places) {
  return std::ranges::count_if(places, [&](size_t place) {
    return std::ranges::find(clusters[place], arm) != clusters[place].end();
  });
}

TEST(ClusterDraw, CountsClustersAndThoseOfEachArm) {
  const Observations o = Of({{0, 0, 1}, {1}, {2, 2, 2}, {0, 2}}, 4);
  EXPECT_EQ(ClusterCount(o), 4);
  EXPECT_THAT(ClustersOfArms(o), ElementsAre(2, 2, 2, 0));
}

// Kinds {0}, {1} and {0, 1} in all numbers from none to five: no arm is ever in fewer than half of
// its clusters, rounded down, nor in more than one beyond.
TEST(ClusterDraw, AHalfHoldsHalfOfTheClustersOfEachOfTwoArms) {
  for (int design = 0; design < 216; ++design) {
    std::vector<std::vector<int32_t>> clusters(design % 6, {0, 0});
    clusters.insert(clusters.end(), design / 6 % 6, {1});
    clusters.insert(clusters.end(), design / 36, {1, 0, 1});
    if (clusters.empty()) continue;
    const Observations o = Of(clusters);
    const std::vector<int64_t> in_all = ClustersOfArms(o);
    for (uint64_t seed = 0; seed < 60; ++seed) {
      const std::vector<size_t> places = Half(o, seed);
      ASSERT_EQ(places.size(), (clusters.size() + 1) / 2) << design;
      for (const int32_t arm : {0, 1}) {
        const int64_t drawn = Holding(arm, clusters, places);
        ASSERT_GE(drawn, in_all[arm] / 2) << design << " " << arm;
        ASSERT_LE(drawn, in_all[arm] / 2 + 1) << design << " " << arm;
      }
    }
  }
}

TEST(ClusterDraw, OfEvenKindsExactlyHalfAndEachClusterEquallyOften) {
  std::vector<std::vector<int32_t>> clusters(4, {1});
  clusters.resize(14, {0, 0});
  const Observations o = Of(clusters);
  constexpr int kDraws = 2000;
  std::vector<int> times(14);
  std::set<std::vector<size_t>> different;
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    const std::vector<size_t> places = Half(o, seed);
    ASSERT_EQ(Holding(1, clusters, places), 2);
    for (const size_t place : places) ++times[place];
    different.insert(places);
  }
  // Five standard deviations of a share of 1/2.
  for (const int count : times) EXPECT_NEAR(count, kDraws / 2, 5 * std::sqrt(kDraws) / 2);
  // 6 of four by 252 of ten.
  EXPECT_GT(different.size(), 900u);
  EXPECT_EQ(Half(o, 7), Half(o, 7));
}

TEST(ClusterDraw, NoKindIsRoundedUpEachTime) {
  // Three kinds of odd number, of which one is rounded up, and of two others one.
  std::vector<std::vector<int32_t>> clusters(3, {1});
  clusters.resize(8, {0});
  clusters.resize(9, {0, 1});
  const Observations o = Of(clusters);
  constexpr int kDraws = 3000;
  int up[3] = {};
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    const std::vector<size_t> places = Half(o, seed);
    int64_t of_kind[3] = {};
    for (const size_t place : places) ++of_kind[place < 3 ? 0 : place < 8 ? 1 : 2];
    up[0] += of_kind[0] == 2;
    up[1] += of_kind[1] == 3;
    up[2] += of_kind[2] == 1;
  }
  for (const int count : up) {
    EXPECT_NEAR(count, kDraws * 2.0 / 3, 5 * std::sqrt(kDraws * 2.0 / 9));
  }
}

double MeanOf(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double SquaresOf(std::span<const double> values) {
  const double mean = MeanOf(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return squares;
}

// Of the mean of a half about that of all, over draws.
double VarianceOfHalves(const Observations& o, const std::vector<double>& of_cluster, int draws) {
  double squares = 0;
  for (int seed = 0; seed < draws; ++seed) {
    double sum = 0;
    const std::vector<size_t> places = Half(o, static_cast<uint64_t>(seed));
    for (const size_t place : places) sum += of_cluster[place];
    const double off = sum / static_cast<double>(places.size()) - MeanOf(of_cluster);
    squares += off * off;
  }
  return squares / draws;
}

// Sampling theory: the mean of m of n, drawn without replacement, has the variance
// (1 - m / n) s^2 / m; times m / (n - m) that of a mean of n, s^2 / n.
TEST(ClusterDraw, TheMeanOfAHalfSpreadsAsWithoutReplacement) {
  random::Stream stream(4);
  constexpr int kDraws = 6000;
  for (const size_t n : {14, 15}) {
    const Observations o = Of(std::vector<std::vector<int32_t>>(n, {0, 1}));
    std::vector<double> value(n);
    for (double& v : value) v = stream.Normal();
    const double m = std::ceil(static_cast<double>(n) / 2);
    const double expected = SquaresOf(value) / static_cast<double>(n * (n - 1));
    const double factor = m / (static_cast<double>(n) - m);
    EXPECT_NEAR(factor * VarianceOfHalves(o, value, kDraws) / expected, 1,
                4 * std::sqrt(2.0 / kDraws))
        << n;
  }
}

// The half less the whole is 1 / n of the sum of differences within pairs, of either sign. Two of a
// kind differ by 2 s^2 in the mean square, the odd ones of two kinds by their variances (n below
// the squares) and the square of the difference of means.
TEST(ClusterDraw, WithKindsTheMeanSpreadsAsPairsDiffer) {
  random::Stream stream(5);
  std::vector<std::vector<int32_t>> clusters(5, {1});
  clusters.resize(12, {0});
  clusters.resize(18, {0, 1});
  const Observations o = Of(clusters);
  std::vector<double> value(18);
  for (size_t c = 0; c < 18; ++c) value[c] = (c < 5 ? 3 : c < 12 ? 0 : -4) + stream.Normal();
  const std::span<const double> all(value);
  const std::span<const double> kinds[] = {all.first(5), all.subspan(5, 7), all.last(6)};
  double sum = 0;
  for (const std::span<const double> kind : kinds) {
    const auto n = static_cast<double>(kind.size());
    const double in_pairs = 2 * std::floor(n / 2);
    sum += in_pairs * SquaresOf(kind) / (n - 1) + (n - in_pairs) * SquaresOf(kind) / n;
  }
  sum += std::pow(MeanOf(kinds[0]) - MeanOf(kinds[1]), 2);
  constexpr int kDraws = 6000;
  EXPECT_NEAR(VarianceOfHalves(o, value, kDraws) / (sum / (18 * 18)), 1,
              5 * std::sqrt(2.0 / kDraws));
  // Where kinds were drawn as one, their means, which differ more, would spread the half's mean.
  EXPECT_LT(sum / (18 * 18), 0.5 * SquaresOf(value) / (18 * 17));
}

// Up to five arms, in clusters of any of them and of all sizes; each arm in at least four.
TEST(ClusterDraw, AHalfCanBeCrossFittedWhereEachArmIsInFourClusters) {
  random::Stream stream(6);
  int tried = 0;
  for (int design = 0; design < 3000; ++design) {
    const int arms = 2 + static_cast<int>(stream.Below(4));
    const auto count = 9 + static_cast<int64_t>(stream.Below(8));
    const double share = stream.Uniform(0.1, 0.6);
    std::vector<std::vector<int32_t>> clusters(count);
    for (std::vector<int32_t>& cluster : clusters) {
      for (int32_t arm = 0; arm < arms; ++arm) {
        if (stream.Uniform() >= share) continue;
        cluster.resize(cluster.size() + 1 + (stream.Below(4) == 0 ? stream.Below(60) : 0), arm);
      }
      if (cluster.empty()) cluster.push_back(0);
    }
    const Observations o = Of(clusters, arms);
    if (std::ranges::min(ClustersOfArms(o)) < 4) continue;
    ++tried;
    for (uint64_t seed = 0; seed < 5; ++seed) {
      const std::vector<int32_t> rows = HalfOfClusters(o, random::Stream(seed));
      const Observations half = Select(o, rows);
      ASSERT_GE(std::ranges::min(ClustersOfArms(half)), 2);
      ASSERT_GE(ClusterCount(half), (count + 1) / 2);
      const auto folds = Folds(half.treatment, 5, half.cluster, random::Stream(seed));
      ASSERT_TRUE(folds.ok()) << folds.status();
      if (arms > 2) continue;
      const auto two = Folds(half.treatment, 2, half.cluster, random::Stream(seed));
      ASSERT_TRUE(two.ok()) << two.status();
    }
  }
  EXPECT_GT(tried, 500);
}

// So that four is the least.
TEST(ClusterDraw, SomeHalvesHoldOneOfThreeClusters) {
  std::vector<std::vector<int32_t>> clusters(3, {1});
  clusters.resize(12, {0, 0});
  const Observations o = Of(clusters);
  int lone = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const Observations half = Select(o, HalfOfClusters(o, random::Stream(seed)));
    if (ClustersOfArms(half)[1] > 1) continue;
    ++lone;
    EXPECT_FALSE(Folds(half.treatment, 5, half.cluster, random::Stream(seed)).ok());
  }
  EXPECT_GT(lone, 25);
}

TEST(ClusterDraw, FourFifthsKeepEachArmInTwoClusters) {
  std::vector<std::vector<int32_t>> clusters(2, {2});
  clusters.resize(5, {1, 0});
  clusters.resize(17, {0, 0});
  const Observations o = Of(clusters, 3);
  constexpr int kDraws = 1000;
  std::vector<int> times(17);
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    const std::vector<size_t> places = PlacesOf(o, FourFifthsOfClusters(o, random::Stream(seed)));
    ASSERT_EQ(Holding(2, clusters, places), 2);
    ASSERT_GE(Holding(1, clusters, places), 2);
    ASSERT_GE(places.size(), 14u);
    ASSERT_LE(places.size(), 15u);
    for (const size_t place : places) ++times[place];
  }
  for (size_t c = 5; c < 17; ++c) EXPECT_NEAR(times[c], 0.8 * kDraws, 0.06 * kDraws) << c;
  // With nothing to keep: 12 of 15.
  const Observations alike = Of(std::vector<std::vector<int32_t>>(15, {0, 1}));
  EXPECT_EQ(PlacesOf(alike, FourFifthsOfClusters(alike, random::Stream(1))).size(), 12u);
}

}  // namespace
}  // namespace perennial::causal
