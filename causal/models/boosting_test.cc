#include "causal/models/boosting.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "causal/estimators/clustered_rows.h"
#include "causal/estimators/ridge.h"
#include "common/testing/mutation.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The finaliser of splitmix64, and whole numbers in [0, bound), as in tools/oracles/boosting.py.
uint64_t Mixed(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}
double Whole(uint64_t i, uint64_t c, uint64_t bound) {
  return static_cast<double>(Mixed((i << 8) + c) % bound);
}

struct Data {
  int64_t columns = 4;
  std::vector<double> x = {};
  std::vector<double> y = {};
  std::vector<double> weights = {};

  kernels::MatrixView<const double> view() const {
    return {x.data(), static_cast<int64_t>(y.size()), columns, columns};
  }
  RegressionData regression(bool binary = false, uint64_t seed = 1) const {
    return {
        .x = view(), .y = y, .weights = weights, .binary = binary, .stream = random::Stream(seed)};
  }
};

// The data of the oracle.
Data OracleData(bool weighted, bool binary, int units = 600) {
  Data data;
  for (int i = 0; i < units; ++i) {
    for (int c = 0; c < 4; ++c) data.x.push_back(Whole(i, c, 1000));
    const double* row = data.x.data() + data.x.size() - 4;
    const double y = (row[1] > 400 ? row[0] - 500 : 0) + .5 * row[2] + (Whole(i, 100, 201) - 100);
    data.y.push_back(binary ? (y > 250 ? 1 : 0) : y);
    if (weighted) data.weights.push_back(1 + Whole(i, 101, 4));
  }
  return data;
}

// LightGBM's own defaults, all units and a fixed number of rounds.
BoostingOptions Plain() {
  return {.rounds = 100,
          .learning_rate = .1,
          .leaves = 31,
          .min_data_in_leaf = 20,
          .lambda = 0,
          .early_stopping_share = 0};
}
template <typename Change>
BoostingOptions Plain(Change change) {
  BoostingOptions options = Plain();
  change(options);
  return options;
}

// One covariate of ten levels with twenty units each, and a target that steps from `low` to `high`
// after level `step`.
Data Steps(double low, double high, int step = 5) {
  Data data{.columns = 1};
  for (int i = 0; i < 200; ++i) {
    data.x.push_back(i % 10);
    data.y.push_back(i % 10 < step ? low : high);
  }
  return data;
}

std::unique_ptr<Regression> FitTo(const BoostingOptions& options, const RegressionData& data) {
  const auto boosting = Boosting::Create(options);
  EXPECT_TRUE(boosting.ok()) << boosting.status();
  auto fit = (*boosting)->Fit(data);
  EXPECT_TRUE(fit.ok()) << fit.status();
  return *std::move(fit);
}

std::vector<double> Predicted(const Regression& fit, kernels::MatrixView<const double> x) {
  std::vector<double> predicted(x.rows);
  fit.Predict(x, predicted);
  return predicted;
}

std::vector<double> FittedValues(const BoostingOptions& options, const Data& data,
                                 bool binary = false, uint64_t seed = 1) {
  return Predicted(*FitTo(options, data.regression(binary, seed)), data.view());
}

absl::StatusOr<std::unique_ptr<Regression>> Restored(const std::string& bytes) {
  return (*Boosting::Create({}))->Restore(bytes);
}

int TreesOf(const Regression& fit) {
  const std::string bytes = fit.Serialize();
  int trees = 0;
  for (size_t at = bytes.find("\nTree="); at != std::string::npos;
       at = bytes.find("\nTree=", at + 1))
    ++trees;
  return trees;
}

struct OracleCase {
  int rounds;
  int leaves;
  int min_data_in_leaf;
  double learning_rate;
  double lambda;
  bool weighted;
  bool binary;
  std::vector<double> predictions;
};

TEST(BoostingTest, PredictsWhatThePythonPackageOfTheSameVersionDoes) {
  const std::vector<OracleCase> cases = {
#include "causal/models/boosting_oracle.inc"
  };
  for (const OracleCase& oracle : cases) {
    const BoostingOptions options = {.rounds = oracle.rounds,
                                     .learning_rate = oracle.learning_rate,
                                     .leaves = oracle.leaves,
                                     .min_data_in_leaf = oracle.min_data_in_leaf,
                                     .lambda = oracle.lambda,
                                     .early_stopping_share = 0};
    const std::vector<double> fitted =
        FittedValues(options, OracleData(oracle.weighted, oracle.binary), oracle.binary);
    // The package's float32 targets are of size 1,000, and its scores are sums of them.
    const double tolerance = oracle.binary ? 1e-5 : 1e-3;
    for (size_t i = 0; i < oracle.predictions.size(); ++i) {
      EXPECT_NEAR(fitted[i], oracle.predictions[i], tolerance) << "unit " << i;
    }
  }
}

// Each tree takes the share `learning_rate * n / (n + lambda)` of what is left in either leaf.
TEST(BoostingTest, AStepFunctionIsApproachedGeometrically) {
  for (const double lambda : {0.0, 25.0}) {
    for (const int rounds : {1, 10, 100}) {
      const Data data = Steps(-3, 5);
      const std::vector<double> fitted = FittedValues({.rounds = rounds,
                                                       .learning_rate = .1,
                                                       .leaves = 2,
                                                       .lambda = lambda,
                                                       .early_stopping_share = 0},
                                                      data);
      const double left = std::pow(1 - .1 * 100 / (100 + lambda), rounds);
      for (size_t i = 0; i < data.y.size(); ++i) {
        EXPECT_NEAR(fitted[i], 1 + (1 - left) * (data.y[i] - 1), 1e-5) << rounds << " rounds";
      }
    }
  }
}

TEST(BoostingTest, TwoLeavesTheSizeOfTheLeastAreNeededForASplit) {
  const Data data = Steps(-3, 5);
  EXPECT_NE(FittedValues(Plain([](auto& o) { o.min_data_in_leaf = 100; }), data),
            std::vector<double>(200, 1.0));
  for (const double value : FittedValues(Plain([](auto& o) { o.min_data_in_leaf = 101; }), data)) {
    EXPECT_NEAR(value, 1, 1e-12);
  }
}

TEST(BoostingTest, EqualFitsAreEqualBytesInAnyNumberOfThreads) {
  for (const bool binary : {false, true}) {
    const Data data = OracleData(true, binary);
    const BoostingOptions options = {.feature_fraction = .5,
                                     .row_fraction = .7,
                                     .early_stopping_share = .2,
                                     .start = BoostingStart::kLinear};
    const std::string alone = FitTo(options, data.regression(binary))->Serialize();
    std::vector<std::string> together(4);
    std::vector<std::thread> threads;
    for (std::string& bytes : together) {
      threads.emplace_back([&] { bytes = FitTo(options, data.regression(binary))->Serialize(); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& bytes : together) EXPECT_EQ(bytes, alone);
  }
}

TEST(BoostingTest, TheStreamMattersOnlyWhereThereIsADraw) {
  const Data data = OracleData(false, false);
  EXPECT_EQ(FittedValues(Plain(), data, false, 1), FittedValues(Plain(), data, false, 2));
  for (const BoostingOptions& options : {Plain([](auto& o) { o.feature_fraction = .5; }),
                                         Plain([](auto& o) { o.row_fraction = .5; }),
                                         Plain([](auto& o) { o.early_stopping_share = .3; })}) {
    EXPECT_NE(FittedValues(options, data, false, 1), FittedValues(options, data, false, 2));
  }
}

TEST(BoostingTest, AConstantTargetIsPredictedExactly) {
  for (const double value : {0.0, 1.0, .1, 1e300, -7e-310}) {
    Data data = Steps(value, value);
    EXPECT_EQ(FittedValues(Plain(), data), data.y);
  }
  for (const double value : {0.0, 1.0}) {
    EXPECT_EQ(FittedValues(Plain(), Steps(value, value), /*binary=*/true),
              std::vector<double>(200, value));
  }
}

TEST(BoostingTest, OneUnitIsItsTarget) {
  const Data data = {.columns = 2, .x = {1, 2}, .y = {.7}};
  EXPECT_EQ(FittedValues(Plain(), data), std::vector<double>({.7}));
}

TEST(BoostingTest, WithoutCovariatesTheWeightedMeanIsPredicted) {
  const Data data = {.columns = 0, .y = {1, 2, 6}, .weights = {2, 1, 1}};
  EXPECT_EQ(FittedValues(Plain(), data), std::vector<double>(3, 2.5));
}

TEST(BoostingTest, ConstantCovariatesPredictTheMean) {
  Data data = {.columns = 2, .x = std::vector<double>(200, 3)};
  for (int i = 0; i < 100; ++i) data.y.push_back(i % 4);
  for (const double value : FittedValues(Plain(), data)) EXPECT_NEAR(value, 1.5, 1e-12);
  for (double& y : data.y) y = y > 0;
  for (const double value : FittedValues(Plain(), data, /*binary=*/true))
    EXPECT_NEAR(value, .75, 1e-6);
}

TEST(BoostingTest, AUnitOfWeightZeroIsAbsent) {
  Data data = OracleData(true, false);
  Data without;
  for (size_t i = 0; i < data.y.size(); ++i) {
    if (i % 3 == 0) {
      data.weights[i] = 0;
      data.y[i] = 1e6;
      continue;
    }
    without.x.insert(without.x.end(), data.x.begin() + 4 * i, data.x.begin() + 4 * i + 4);
    without.y.push_back(data.y[i]);
    without.weights.push_back(data.weights[i]);
  }
  EXPECT_EQ(FitTo(Plain(), data.regression())->Serialize(),
            FitTo(Plain(), without.regression())->Serialize());
}

TEST(BoostingTest, AUnitOfWeightTwoIsThereTwice) {
  Data weighted = Steps(-3, 5);
  Data twice = weighted;
  for (size_t i = 0; i < weighted.y.size(); ++i) {
    // Something to weigh: within a level, half of the units are higher and weigh 2.
    const bool heavy = i % 20 < 10;
    weighted.y[i] += heavy ? 1 : 0;
    twice.y[i] = weighted.y[i];
    weighted.weights.push_back(heavy ? 2 : 1);
    if (!heavy) continue;
    twice.x.push_back(weighted.x[i]);
    twice.y.push_back(weighted.y[i]);
  }
  const BoostingOptions options = Plain([](auto& o) { o.min_data_in_leaf = 1; });
  const std::vector<double> fitted = FittedValues(options, weighted);
  const auto fit = FitTo(options, twice.regression());
  const std::vector<double> expected = Predicted(*fit, weighted.view());
  for (size_t i = 0; i < fitted.size(); ++i) {
    EXPECT_NEAR(fitted[i], expected[i], 1e-5);
    EXPECT_NEAR(fitted[i], (weighted.x[i] < 5 ? -3 : 5) + 2. / 3, 1e-3);
  }
}

TEST(BoostingTest, TheScaleOfWeightsDoesNotMatter) {
  Data data = OracleData(true, false);
  const std::string before =
      FitTo(Plain([](auto& o) { o.lambda = 5; }), data.regression())->Serialize();
  for (double& weight : data.weights) weight *= 1024;
  EXPECT_EQ(FitTo(Plain([](auto& o) { o.lambda = 5; }), data.regression())->Serialize(), before);
  // Equal weights are as good as none.
  std::ranges::fill(data.weights, .3);
  const Data unweighted = OracleData(false, false);
  EXPECT_EQ(FittedValues(Plain([](auto& o) { o.lambda = 5; }), data),
            FittedValues(Plain([](auto& o) { o.lambda = 5; }), unweighted));
}

// Targets as float32 would keep 64 as the finest step at 1e9.
TEST(BoostingTest, ATargetFarFromZeroLosesNoDigits) {
  Data data = OracleData(false, false);
  const std::vector<double> near = FittedValues(Plain(), data);
  for (double& y : data.y) y += 1e9;
  const std::vector<double> far = FittedValues(Plain(), data);
  for (size_t i = 0; i < near.size(); ++i) EXPECT_NEAR(far[i] - 1e9, near[i], 1e-3);
}

TEST(BoostingTest, ProbabilitiesFollowTheShares) {
  Data data{.columns = 1};
  for (int i = 0; i < 1000; ++i) {
    data.x.push_back(i % 2);
    data.y.push_back(i % 2 == 0 ? i % 10 < 2 : i % 10 < 8);  // .2 and .8
  }
  const std::vector<double> fitted = FittedValues(Plain(), data, /*binary=*/true);
  EXPECT_NEAR(fitted[0], .2, 1e-3);
  EXPECT_NEAR(fitted[1], .8, 1e-3);
}

TEST(BoostingTest, EarlyStoppingKeepsFewerTreesAndFitsNoiseLess) {
  // A step, and noise that many leaves of few units learn by heart.
  Data data = OracleData(false, false, 400);
  for (size_t i = 0; i < data.y.size(); ++i) {
    data.y[i] = (data.x[4 * i] < 500 ? 0 : 1) + (Whole(i, 102, 2001) - 1000) / 500;
  }
  const BoostingOptions all = Plain([](auto& o) {
    o.rounds = 300;
    o.min_data_in_leaf = 2;
  });
  BoostingOptions stopped = all;
  stopped.early_stopping_share = .25;
  stopped.patience = 20;
  stopped.refit = false;
  const auto fit = FitTo(stopped, data.regression());
  EXPECT_LT(TreesOf(*fit), 100);
  EXPECT_EQ(TreesOf(*FitTo(all, data.regression())), 300);
  const auto error = [&](const std::vector<double>& fitted) {
    double sum = 0;
    for (size_t i = 0; i < fitted.size(); ++i) {
      sum += std::pow(fitted[i] - (data.x[4 * i] < 500 ? 0 : 1), 2);
    }
    return sum / static_cast<double>(fitted.size());
  };
  EXPECT_LT(2 * error(Predicted(*fit, data.view())), error(FittedValues(all, data)));
}

// With a patience of ten the rounds up to the best and ten more are run, and those ten are dropped.
TEST(BoostingTest, StoppingWaitsForThePatienceAndKeepsTheBestRounds) {
  const Data data = OracleData(false, true);
  const auto fit = [&](int rounds, int patience) {
    const BoostingOptions options = Plain([&](auto& o) {
      o.rounds = rounds;
      o.early_stopping_share = .25;
      o.patience = patience;
      o.refit = false;
    });
    return FitTo(options, data.regression(/*binary=*/true));
  };
  const std::string best = fit(300, 10)->Serialize();
  const int trees = TreesOf(*fit(300, 10));
  ASSERT_GT(trees, 5);
  ASSERT_LT(trees, 280);
  EXPECT_EQ(fit(trees + 9, 10)->Serialize(), best);
  EXPECT_EQ(fit(trees + 9, 300)->Serialize(), best);
  EXPECT_EQ(fit(trees, 10)->Serialize(), best);
  // A longer wait finds more where the loss goes up for a while.
  EXPECT_LT(TreesOf(*fit(300, 1)), TreesOf(*fit(300, 300)));
}

TEST(BoostingTest, AfterStoppingAllUnitsAreFittedInAsManyRounds) {
  for (const bool binary : {false, true}) {
    const Data data = OracleData(true, binary);
    BoostingOptions options = {.refit = false};
    const int trees = TreesOf(*FitTo(options, data.regression(binary)));
    options.refit = true;
    const std::string refitted = FitTo(options, data.regression(binary))->Serialize();
    options.early_stopping_share = 0;
    options.rounds = trees;
    EXPECT_EQ(FitTo(options, data.regression(binary))->Serialize(), refitted);
  }
}

TEST(BoostingTest, AHeldOutShareOfNoUnitIsNone) {
  Data data = OracleData(false, false, 90);
  EXPECT_EQ(
      FitTo(Plain([](auto& o) { o.early_stopping_share = .01; }), data.regression())->Serialize(),
      FitTo(Plain(), data.regression())->Serialize());
}

// A sample with copies, as a bootstrap draws it: without clusters a held-out copy of what is fitted
// to asks for ever more trees.
TEST(BoostingTest, CopiesOfAUnitThatAreAClusterAreHeldOutTogether) {
  for (const bool binary : {false, true}) {
    Data data{.columns = 2};
    std::vector<int32_t> cluster;
    random::Stream stream(5);
    for (int i = 0; i < 100; ++i) {
      const double x[] = {stream.Normal(), stream.Normal()};
      const double noise = stream.Normal();
      const double y = binary ? (noise > 0 ? 1 : 0) : noise;
      for (int copy = 0; copy < 3; ++copy) {
        data.x.insert(data.x.end(), std::begin(x), std::end(x));
        data.y.push_back(y);
        cluster.push_back(i);
      }
    }
    RegressionData regression = data.regression(binary);
    const BoostingOptions options = {.rounds = 300, .refit = false};
    const int trees_of_copies = TreesOf(*FitTo(options, regression));
    regression.cluster = cluster;
    const int trees = TreesOf(*FitTo(options, regression));
    EXPECT_GT(trees_of_copies, 250) << binary;  // Of pure noise.
    EXPECT_LT(trees, 30) << binary;
  }
}

TEST(BoostingTest, ClustersOfOneUnitChangeNothing) {
  const Data data = OracleData(true, true);
  std::vector<int32_t> cluster(data.y.size());
  std::iota(cluster.begin(), cluster.end(), 0);
  RegressionData regression = data.regression(true);
  const std::string alone = FitTo({}, regression)->Serialize();
  regression.cluster = cluster;
  EXPECT_EQ(FitTo({}, regression)->Serialize(), alone);
}

// Of `units` of which each has `columns` normal covariates, and a target that is their function.
template <typename Target>
Data NormalData(int units, int columns, Target target) {
  Data data{.columns = columns};
  random::Stream stream(11);
  for (int i = 0; i < units; ++i) {
    for (int c = 0; c < columns; ++c) data.x.push_back(stream.Normal());
    data.y.push_back(target(data.x.data() + i * columns, stream));
  }
  return data;
}

TEST(BoostingTest, FromALinearStartALineIsFoundAndGoesOn) {
  const auto line = [](const double* x) { return 7 + 2 * x[0] - x[1]; };
  const Data data = NormalData(200, 3, [&](const double* x, random::Stream&) { return line(x); });
  const auto fit = FitTo({.start = BoostingStart::kLinear}, data.regression());
  const Data beyond = {.columns = 3, .x = {10, -10, 0, 0, 0, 5, 1, 1, 1}, .y = {0, 0, 0}};
  const std::vector<double> predicted = Predicted(*fit, beyond.view());
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(predicted[i], line(beyond.x.data() + 3 * i), 1e-3) << i;
  // From the mean trees are flat beyond the units.
  EXPECT_LT(Predicted(*FitTo({}, data.regression()), beyond.view())[0], line(beyond.x.data()) - 10);
}

TEST(BoostingTest, FromALinearStartTreesAreFittedToWhatTheLineLeaves) {
  for (const bool weighted : {false, true}) {
    const Data data = OracleData(weighted, false);
    const auto line = FitRidge(data.view(), data.y, data.weights, {.cross_validation = true});
    ASSERT_TRUE(line.ok()) << line.status();
    Data left = data;
    for (size_t i = 0; i < left.y.size(); ++i) left.y[i] -= line->Predict(data.x.data() + 4 * i);
    const std::vector<double> trees = FittedValues(Plain(), left);
    const std::vector<double> both =
        FittedValues(Plain([](auto& o) { o.start = BoostingStart::kLinear; }), data);
    for (size_t i = 0; i < both.size(); ++i) {
      EXPECT_NEAR(both[i], line->Predict(data.x.data() + 4 * i) + trees[i], .02) << i;
    }
  }
}

// Covariates of clusters, which move nothing; no tree has a split, so that the line is all.
TEST(BoostingTest, FromALinearStartTheLineKnowsOfClusters) {
  const auto without_trees = [](auto& o) {
    o.start = BoostingStart::kLinear;
    o.min_data_in_leaf = 500;
  };
  double moved[2] = {};  // Of lines of a part of the units.
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const ClusteredRows rows = DrawClusteredRows(random::Stream(seed));
    const Data data{.columns = 8, .x = rows.x, .y = rows.y};
    RegressionData regression = data.regression();
    for (const bool clustered : {false, true}) {
      if (clustered) regression.cluster = rows.cluster;
      const auto line =
          FitRidge(data.view(), data.y, {}, {.cross_validation = true}, regression.cluster);
      ASSERT_TRUE(line.ok()) << line.status();
      const std::vector<double> fitted =
          Predicted(*FitTo(Plain(without_trees), regression), data.view());
      const std::vector<double> of_part = Predicted(*FitTo(Plain([&](auto& o) {
                                                             without_trees(o);
                                                             o.early_stopping_share = .2;
                                                             o.refit = false;
                                                           }),
                                                           regression),
                                                    data.view());
      for (size_t i = 0; i < fitted.size(); i += 25) {
        EXPECT_NEAR(fitted[i], line->Predict(data.x.data() + 8 * i), 1e-4) << seed << " " << i;
        moved[clustered ? 1 : 0] += std::pow(of_part[i] - line->mean, 2);
      }
    }
  }
  EXPECT_LT(moved[1], 0.6 * moved[0]);
}

// Log odds that no line has: the shares of four cells, of which trees see each.
TEST(BoostingTest, FromALinearStartProbabilitiesFollowTheShares) {
  const double share[] = {.1, .6, .9, .2};
  Data data{.columns = 2};
  for (int i = 0; i < 2000; ++i) {
    const int cell = i % 4;
    data.x.insert(data.x.end(), {static_cast<double>(cell / 2), static_cast<double>(cell % 2)});
    data.y.push_back(i / 4 % 10 < std::lround(10 * share[cell]) ? 1 : 0);
  }
  const std::vector<double> fitted =
      FittedValues(Plain([](auto& o) { o.start = BoostingStart::kLinear; }), data, /*binary=*/true);
  for (int cell = 0; cell < 4; ++cell) EXPECT_NEAR(fitted[cell], share[cell], 1e-3) << cell;
}

TEST(BoostingTest, FromALinearStartProbabilitiesGoOnAsALogisticCurve) {
  const Data data = NormalData(2000, 2, [](const double* x, random::Stream& stream) {
    return stream.Uniform() < 1 / (1 + std::exp(-1 - 2 * x[0])) ? 1.0 : 0.0;
  });
  const Data beyond = {.columns = 2, .x = {-6, 0, 6, 0, -3, 0}, .y = {0, 0, 0}};
  const std::vector<double> started =
      Predicted(*FitTo({.start = BoostingStart::kLinear}, data.regression(true)), beyond.view());
  EXPECT_LT(started[0], 1e-4);
  EXPECT_GT(started[1], 1 - 1e-4);
  EXPECT_NEAR(started[2], 1 / (1 + std::exp(5)), .005);
  EXPECT_GT(Predicted(*FitTo({}, data.regression(true)), beyond.view())[0], 1e-3);
}

TEST(BoostingTest, TheBetterStartIsTheOneThatHeldOutUnitsPrefer) {
  const auto bytes = [](const Data& data, bool binary, BoostingStart start, bool refit,
                        double share = .2) {
    return FitTo({.early_stopping_share = share, .refit = refit, .start = start},
                 data.regression(binary))
        ->Serialize();
  };
  using enum BoostingStart;
  for (const bool binary : {false, true}) {
    for (const bool refit : {false, true}) {
      const Data line = NormalData(300, 3, [&](const double* x, random::Stream& stream) {
        const double y = 2 * x[0] - x[1] + stream.Normal();
        return binary ? (y > 0 ? 1 : 0) : y;
      });
      EXPECT_NE(bytes(line, binary, kLinear, refit), bytes(line, binary, kMean, refit));
      EXPECT_EQ(bytes(line, binary, kBetter, refit), bytes(line, binary, kLinear, refit));
      // A hill, of which a line sees nothing but noise.
      const Data hill = NormalData(300, 20, [&](const double* x, random::Stream& stream) {
        const double y = (std::abs(x[0]) < .7 ? 2 : -2) + stream.Normal();
        return binary ? (y > 0 ? 1 : 0) : y;
      });
      EXPECT_EQ(bytes(hill, binary, kBetter, refit), bytes(hill, binary, kMean, refit));
      // Without held-out units, or with too few others, nothing speaks for a line.
      EXPECT_EQ(bytes(line, binary, kBetter, refit, 0), bytes(line, binary, kMean, refit, 0));
      const Data wide = NormalData(100, 45, [&](const double* x, random::Stream& stream) {
        const double y = 4 * x[0] + stream.Normal();
        return binary ? (y > 0 ? 1 : 0) : y;
      });
      EXPECT_EQ(bytes(wide, binary, kBetter, refit), bytes(wide, binary, kMean, refit));
    }
  }
}

// Too few units for leaves of twenty: the line alone is better than the mean alone.
TEST(BoostingTest, WhereThereIsNoSplitTheBetterStartIsStillFound) {
  for (const bool binary : {false, true}) {
    const Data data = NormalData(40, 1, [&](const double* x, random::Stream& stream) {
      const double y = 3 * x[0] + stream.Normal();
      return binary ? (y > 0 ? 1 : 0) : y;
    });
    const auto bytes = [&](BoostingStart start) {
      return FitTo({.min_data_in_leaf = 20, .start = start}, data.regression(binary))->Serialize();
    };
    EXPECT_EQ(bytes(BoostingStart::kBetter), bytes(BoostingStart::kLinear));
    EXPECT_NE(bytes(BoostingStart::kBetter), bytes(BoostingStart::kMean));
  }
}

// Clusters of a rare class may all be held out.
TEST(BoostingTest, AClassThatIsAllHeldOutLeavesTheMean) {
  Data data = NormalData(40, 2, [](const double*, random::Stream&) { return 0.0; });
  std::vector<int32_t> cluster(40);
  std::iota(cluster.begin(), cluster.end(), 0);
  // One cluster holds the rare class, and begins with the common one.
  for (int i = 0; i < 4; ++i) cluster[i] = 0;
  data.y[1] = data.y[2] = data.y[3] = 1;
  int fallen_back = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    for (const BoostingStart start : {BoostingStart::kLinear, BoostingStart::kBetter}) {
      RegressionData regression = data.regression(/*binary=*/true, seed);
      regression.cluster = cluster;
      const auto fit = (*Boosting::Create({.start = start}))->Fit(regression);
      ASSERT_TRUE(fit.ok()) << fit.status();
      const auto mean = (*Boosting::Create({}))->Fit(regression);
      ASSERT_TRUE(mean.ok()) << mean.status();
      fallen_back += start == BoostingStart::kLinear && (*fit)->Serialize() == (*mean)->Serialize();
    }
  }
  EXPECT_GT(fallen_back, 0);
  EXPECT_LT(fallen_back, 40);
}

// As many covariates as there are units in the arm of a small study, none of which says anything.
TEST(BoostingTest, ALinearStartDoesNotFitNoise) {
  for (const bool binary : {false, true}) {
    const Data data = NormalData(100, 60, [&](const double*, random::Stream& stream) {
      const double noise = stream.Normal();
      return binary ? (noise > 0 ? 1 : 0) : noise;
    });
    const Data fresh = NormalData(300, 60, [](const double*, random::Stream&) { return 0.0; });
    const auto deviation = [&](const BoostingOptions& options) {
      double sum = 0;
      for (const double value : Predicted(*FitTo(options, data.regression(binary)), fresh.view())) {
        sum += std::pow(value - (binary ? .5 : 0), 2);
      }
      return std::sqrt(sum / 300);
    };
    EXPECT_LT(deviation({.start = BoostingStart::kLinear}), binary ? .2 : .4) << binary;
  }
}

TEST(BoostingTest, ARestoredFitPredictsTheSameBits) {
  for (const bool binary : {false, true}) {
    for (const BoostingStart start : {BoostingStart::kMean, BoostingStart::kLinear}) {
      const Data data = OracleData(true, binary);
      const auto fit = FitTo(Plain([&](auto& o) { o.start = start; }), data.regression(binary));
      const auto restored = Restored(fit->Serialize());
      ASSERT_TRUE(restored.ok()) << restored.status();
      EXPECT_EQ(Predicted(**restored, data.view()), Predicted(*fit, data.view()));
      EXPECT_EQ((*restored)->Serialize(), fit->Serialize());
    }
  }
  const auto constant = FitTo(Plain(), Steps(2, 2).regression());
  const auto restored = Restored(constant->Serialize());
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(Predicted(**restored, Steps(0, 0).view()), std::vector<double>(200, 2));
}

TEST(BoostingTest, RowsMayLieApart) {
  const Data data = OracleData(false, false, 40'000);
  const auto fit = FitTo(Plain([](auto& o) { o.rounds = 5; }), data.regression());
  std::vector<double> apart;
  for (size_t i = 0; i < data.y.size(); ++i) {
    apart.insert(apart.end(), data.x.begin() + 4 * i, data.x.begin() + 4 * i + 4);
    apart.insert(apart.end(), {-1e9, 1e9});
  }
  EXPECT_EQ(Predicted(*fit, {apart.data(), 40'000, 4, 6}), Predicted(*fit, data.view()));
  EXPECT_EQ(
      Predicted(
          *FitTo(Plain([](auto& o) { o.rounds = 5; }),
                 {.x = {apart.data(), 40'000, 4, 6}, .y = data.y, .stream = random::Stream(1)}),
          data.view()),
      Predicted(*fit, data.view()));
}

TEST(BoostingTest, NothingIsPrinted) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  // Each in a thread that has not told LightGBM to be silent before.
  const auto in_thread = [](const auto& body) { std::thread(body).join(); };
  std::string bytes;
  in_thread([&] { bytes = FitTo(Plain(), Steps(0, 1).regression(true))->Serialize(); });
  in_thread([&] { EXPECT_TRUE(Restored(bytes).ok()); });
  in_thread([&] {
    const auto fit = Restored(bytes);
    EXPECT_EQ(Predicted(**fit, Steps(0, 1).view()).size(), 200);
  });
  in_thread([&] {
    const Data small = {.columns = 2, .x = {1, 1, 1, 1, 1, 1}, .y = {1, 2, 3}};
    FitTo(Plain([](auto& o) { o.early_stopping_share = .4; }), small.regression());
  });
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(BoostingTest, OptionsOutOfRangeAreNamed) {
  const std::vector<std::pair<BoostingOptions, std::string>> cases = {
      {{.rounds = 0}, "rounds is 0"},
      {{.learning_rate = 0}, "learning_rate is 0"},
      {{.learning_rate = 1.5}, "learning_rate is 1.5"},
      {{.leaves = 1}, "leaves is 1"},
      {{.min_data_in_leaf = 0}, "min_data_in_leaf is 0"},
      {{.feature_fraction = 0}, "feature_fraction is 0"},
      {{.feature_fraction = NAN}, "feature_fraction is nan"},
      {{.row_fraction = 1.1}, "row_fraction is 1.1"},
      {{.lambda = -1}, "lambda is -1"},
      {{.lambda = kInfinity}, "lambda is inf"},
      {{.early_stopping_share = 1}, "early_stopping_share is 1"},
      {{.patience = 0}, "patience is 0"},
  };
  for (const auto& [options, message] : cases) {
    const auto boosting = Boosting::Create(options);
    ASSERT_EQ(boosting.status().code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(boosting.status().message(), HasSubstr(message + ", must be"));
  }
}

TEST(BoostingTest, DataThatDoNotFitAreNamed) {
  const auto expect = [](const Data& data, bool binary, const std::string& message) {
    const auto fit = (*Boosting::Create({}))->Fit(data.regression(binary));
    ASSERT_EQ(fit.status().code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(fit.status().message(), HasSubstr(message));
  };
  Data data = Steps(0, 1);
  data.x[2] = NAN;
  expect(data, false, "covariate 1 of unit 3 is nan");
  data = Steps(0, 1);
  data.y[3] = kInfinity;
  expect(data, false, "target of unit 4 is inf, not a finite number");
  expect(Steps(0, 2), true, "target of unit 6 is 2, must be 0 or 1");
  expect(Steps(-1e308, 1e308), false, "too large");
  data = Steps(0, 1);
  data.weights.assign(200, 1);
  data.weights[9] = -1;
  expect(data, false, "weight of unit 10 is -1");
  data.weights.assign(200, 0);
  expect(data, false, "all weights are 0");
}

TEST(BoostingTest, BytesOfSomethingElseAreRefused) {
  EXPECT_EQ(Restored("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Restored("tree\nversion=v4\n").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Restored("pnboost2").status().code(), absl::StatusCode::kDataLoss);
}

// Whatever is changed, LightGBM's parser does not see it.
TEST(BoostingTest, DamagedBytesAreRefused) {
  const std::string small =
      FitTo(Plain([](auto& o) { o.rounds = 2; }), Steps(0, 1).regression())->Serialize();
  const std::string constant = FitTo(Plain(), Steps(1, 1).regression())->Serialize();
  const std::string line = FitTo(Plain([](auto& o) {
                                   o.rounds = 1;
                                   o.start = BoostingStart::kLinear;
                                 }),
                                 Steps(0, 1).regression())
                               ->Serialize();
  for (size_t i = 0; i < small.size(); ++i) {
    std::string damaged = small;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << i % 8));
    EXPECT_FALSE(Restored(damaged).ok()) << "byte " << i;
    EXPECT_FALSE(Restored(small.substr(0, i)).ok()) << i << " bytes";
  }
  testing::RunMutations(
      {.corpus = {small, constant, line}, .tokens = {"pnboost2", "num_leaves=", "Tree=1"}},
      [&](absl::string_view bytes) {
        const auto fit = Restored(std::string(bytes));
        if (fit.ok()) {
          EXPECT_TRUE(bytes == small || bytes == constant || bytes == line);
        }
        return fit.status();
      });
}

}  // namespace
}  // namespace perennial::causal
