#include "causal/estimators/ridge.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "causal/estimators/clustered_rows.h"
#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

struct RidgeRow {
  int64_t n, p;
  std::vector<double> x, y, weights;
  double penalty;
  std::vector<double> coefficients;
  double mean, intercept;
};
struct CrossValidationRow {
  int64_t n, p;
  std::vector<double> x, y, weights;
  double penalty;
};

struct RobustRow {
  int64_t n, p;
  std::vector<double> x, y;
  double penalty;
  std::vector<double> points, variances;
};

struct Data {
  std::vector<double> x;
  std::vector<double> y;
  int64_t p;
  kernels::MatrixView<const double> view() const {
    return {x.data(), static_cast<int64_t>(y.size()), p, p};
  }
};

Data Simulated(int64_t n, int64_t p, uint64_t seed) {
  random::Stream stream(seed);
  Data data = {.p = p};
  for (int64_t i = 0; i < n; ++i) {
    double y = 2;
    for (int64_t j = 0; j < p; ++j) {
      data.x.push_back(stream.Normal());
      y += data.x.back() * static_cast<double>(j);
    }
    data.y.push_back(y + stream.Normal());
  }
  return data;
}

TEST(FitRidge, AgreesWithScikitLearnStatsmodelsAndPseudoInverses) {
  const RidgeRow rows[] = {
#define PERENNIAL_RIDGE_ORACLE
#include "causal/estimators/regression_oracle.inc"
#undef PERENNIAL_RIDGE_ORACLE
  };
  for (const RidgeRow& row : rows) {
    const auto fit =
        FitRidge({row.x.data(), row.n, row.p, row.p}, row.y, row.weights, {.penalty = row.penalty});
    ASSERT_TRUE(fit.ok()) << fit.status();
    EXPECT_NEAR(fit->mean, row.mean, 1e-10 * (1 + std::abs(row.mean)));
    for (int64_t j = 0; j < row.p; ++j) {
      EXPECT_NEAR(fit->coefficients[j], row.coefficients[j],
                  1e-8 * (1e-3 + std::abs(row.coefficients[j])))
          << "n = " << row.n << ", p = " << row.p << ", column " << j;
    }
    EXPECT_NEAR(fit->intercept(), row.intercept, 1e-7 * (1 + std::abs(row.intercept)));
  }
}

TEST(FitRidge, PicksThePenaltyOfLeastCrossValidationByTheHatMatrix) {
  const CrossValidationRow rows[] = {
#define PERENNIAL_CROSS_VALIDATION_ORACLE
#include "causal/estimators/regression_oracle.inc"
#undef PERENNIAL_CROSS_VALIDATION_ORACLE
  };
  for (const CrossValidationRow& row : rows) {
    const kernels::MatrixView<const double> x = {row.x.data(), row.n, row.p, row.p};
    const auto fit = FitRidge(x, row.y, row.weights, {.cross_validation = true});
    ASSERT_TRUE(fit.ok()) << fit.status();
    EXPECT_NEAR(fit->penalty, row.penalty, 1e-6 * row.penalty);
    // Rows of weight 0 are no rows.
    std::vector<double> more_x = row.x;
    std::vector<double> more_y = row.y;
    std::vector<double> more_weights = row.weights;
    more_x.resize((row.n + 500) * row.p, 7);
    more_y.resize(row.n + 500, 99);
    more_weights.resize(row.n + 500, 0);
    const auto more = FitRidge({more_x.data(), row.n + 500, row.p, row.p}, more_y, more_weights,
                               {.cross_validation = true});
    EXPECT_EQ(more->penalty, fit->penalty);
    EXPECT_EQ(more->coefficients, fit->coefficients);
    // By eigenvalues or by a factor, the fit of a penalty is the same.
    const auto again = FitRidge(x, row.y, row.weights, {.penalty = fit->penalty});
    for (int64_t j = 0; j < row.p; ++j) {
      EXPECT_NEAR(fit->coefficients[j], again->coefficients[j],
                  1e-8 * (1 + std::abs(again->coefficients[j])));
    }
  }
}

// The folds as ridge.h says: clusters of these sizes, in the order of their first rows.
std::vector<int> DealtOut(const std::vector<int>& sizes) {
  std::vector<size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](size_t c) { return sizes[c]; });
  std::vector<int> rows(std::min<size_t>(5, sizes.size()));
  std::vector<int> fold_of(sizes.size());
  for (const size_t c : order) {
    const auto fold = std::ranges::min_element(rows) - rows.begin();
    fold_of[c] = static_cast<int>(fold);
    rows[fold] += sizes[c];
  }
  return fold_of;
}

// By fits to the other rows, one for each penalty and fold.
TEST(FitRidge, PicksThePenaltyOfLeastErrorOnClustersLeftOut) {
  const std::vector<std::vector<int>> designs = {
      {5, 9}, {7, 3, 8, 8}, {4, 6, 1, 9, 2, 5, 5, 12, 3}};
  std::set<double> picked;
  for (size_t design = 0; design < designs.size(); ++design) {
    for (const bool weighted : {false, true}) {
      random::Stream stream(20 + design);
      const std::vector<int>& sizes = designs[design];
      const std::vector<int> fold_of_cluster = DealtOut(sizes);
      Data data = {.p = 4};
      std::vector<int32_t> cluster;
      std::vector<int> fold_of;
      std::vector<double> weights;
      for (size_t c = 0; c < sizes.size(); ++c) {
        const double shared = stream.Normal();
        const double level = stream.Normal();
        for (int i = 0; i < sizes[c]; ++i) {
          // The third column is the cluster's, the last one varies in the first cluster alone.
          const double a = stream.Normal();
          data.x.insert(data.x.end(),
                        {a, 1000 + 5 * stream.Normal(), level, c == 0 ? stream.Normal() : 2.0});
          data.y.push_back(a + 3 * shared + stream.Normal());
          cluster.push_back(static_cast<int32_t>(90 - 7 * c));
          fold_of.push_back(fold_of_cluster[c]);
          if (weighted) weights.push_back(stream.Uniform(0.5, 2));
        }
      }
      double best = 0;
      double least = std::numeric_limits<double>::infinity();
      for (int step = 36; step >= 0; --step) {
        const double penalty = 1e-6 * std::pow(10.0, step / 4.0);
        double error = 0;
        for (int fold = 0; fold <= std::ranges::max(fold_of); ++fold) {
          Data others = {.p = 4};
          std::vector<double> of_others;
          for (size_t i = 0; i < fold_of.size(); ++i) {
            if (fold_of[i] == fold) continue;
            others.x.insert(others.x.end(), data.view().row(i), data.view().row(i) + 4);
            others.y.push_back(data.y[i]);
            if (weighted) of_others.push_back(weights[i]);
          }
          const auto fit = FitRidge(others.view(), others.y, of_others, {.penalty = penalty});
          ASSERT_TRUE(fit.ok()) << fit.status();
          for (size_t i = 0; i < fold_of.size(); ++i) {
            if (fold_of[i] != fold) continue;
            error += (weighted ? weights[i] : 1) *
                     std::pow(data.y[i] - fit->Predict(data.view().row(i)), 2);
          }
        }
        if (error < least * (1 - 1e-12)) {
          least = error;
          best = penalty;
        }
      }
      const auto fit = FitRidge(data.view(), data.y, weights, {.cross_validation = true}, cluster);
      ASSERT_TRUE(fit.ok()) << fit.status();
      EXPECT_NEAR(fit->penalty, best, 1e-9 * best) << design << " " << weighted;
      picked.insert(fit->penalty);
      const auto same = FitRidge(data.view(), data.y, weights, {.penalty = fit->penalty});
      EXPECT_EQ(fit->coefficients, same->coefficients);
      // Rows of weight 0 are no rows, nor are their clusters.
      if (!weighted) continue;
      std::vector<double> more_x = data.x;
      std::vector<double> more_y = data.y;
      for (int i = 0; i < 50; ++i) {
        more_x.insert(more_x.end(), {7, 7, 7, 7});
        more_y.push_back(99);
        weights.push_back(0);
        cluster.push_back(i);
      }
      EXPECT_EQ(FitRidge({more_x.data(), std::ssize(more_y), 4, 4}, more_y, weights,
                         {.cross_validation = true}, cluster)
                    ->penalty,
                fit->penalty);
    }
  }
  EXPECT_GT(picked.size(), 2u);
}

TEST(FitRidge, OneClusterAloneAndClustersOfARowAreAsNone) {
  const Data data = Simulated(25, 3, 8);
  const auto none = FitRidge(data.view(), data.y, {}, {.cross_validation = true});
  std::vector<int32_t> rows(25);
  std::iota(rows.begin(), rows.end(), 0);
  for (const std::vector<int32_t>& cluster : {std::vector<int32_t>(25, 4), rows}) {
    const auto fit = FitRidge(data.view(), data.y, {}, {.cross_validation = true}, cluster);
    EXPECT_EQ(fit->penalty, none->penalty);
    EXPECT_EQ(fit->coefficients, none->coefficients);
  }
}

// Eight columns of clusters, which move nothing, among 20 clusters that differ.
TEST(FitRidge, WithClustersColumnsOfTheClusterAreNotTrustedTooMuch) {
  double error[2] = {};
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const ClusteredRows rows = DrawClusteredRows(random::Stream(100 + seed));
    const Data data = {.x = rows.x, .y = rows.y, .p = 8};
    for (const bool clustered : {false, true}) {
      const auto fit = FitRidge(data.view(), data.y, {}, {.cross_validation = true},
                                clustered ? rows.cluster : std::vector<int32_t>());
      // Of clusters that are not seen: the squares of the coefficients, on levels of variance 1.
      for (const double b : fit->coefficients) error[clustered ? 1 : 0] += b * b;
    }
  }
  EXPECT_LT(error[1], 0.5 * error[0]);
}

TEST(FitRidge, AWeightIsARepetition) {
  const Data data = Simulated(12, 3, 1);
  std::vector<double> weights;
  Data repeated = {.p = 3};
  for (int64_t i = 0; i < 12; ++i) {
    weights.push_back(static_cast<double>(i % 3));
    for (int64_t k = 0; k < i % 3; ++k) {
      repeated.x.insert(repeated.x.end(), data.x.begin() + i * 3, data.x.begin() + i * 3 + 3);
      repeated.y.push_back(data.y[i]);
    }
  }
  for (const double penalty : {0.0, 0.2}) {
    const auto weighted = FitRidge(data.view(), data.y, weights, {.penalty = penalty});
    const auto plain = FitRidge(repeated.view(), repeated.y, {}, {.penalty = penalty});
    for (int j = 0; j < 3; ++j) {
      EXPECT_NEAR(weighted->coefficients[j], plain->coefficients[j], 1e-12);
    }
    EXPECT_NEAR(weighted->intercept(), plain->intercept(), 1e-12);
  }
}

TEST(FitRidge, UnitsOfACovariateHaveNoSay) {
  Data data = Simulated(20, 3, 2);
  const auto before = FitRidge(data.view(), data.y, {}, {.penalty = 0.1});
  for (int64_t i = 0; i < 20; ++i) data.x[i * 3 + 1] = 1000 * data.x[i * 3 + 1] - 7;
  const auto after = FitRidge(data.view(), data.y, {}, {.penalty = 0.1});
  EXPECT_NEAR(after->coefficients[1] * 1000, before->coefficients[1], 1e-11);
  EXPECT_NEAR(after->coefficients[2], before->coefficients[2], 1e-11);
}

TEST(FitRidge, EqualColumnsShareTheCoefficientAndFitsAreUnchanged) {
  const Data data = Simulated(20, 2, 3);
  Data doubled = {.y = data.y, .p = 3};
  for (int64_t i = 0; i < 20; ++i) {
    doubled.x.insert(doubled.x.end(), {data.x[2 * i], data.x[2 * i + 1], data.x[2 * i + 1]});
  }
  const auto single = FitRidge(data.view(), data.y, {}, {});
  const auto both = FitRidge(doubled.view(), data.y, {}, {});
  EXPECT_NEAR(both->coefficients[1], single->coefficients[1] / 2, 1e-12);
  EXPECT_NEAR(both->coefficients[2], single->coefficients[1] / 2, 1e-12);
  for (int64_t i = 0; i < 20; ++i) {
    EXPECT_NEAR(both->Predict(doubled.view().row(i)), single->Predict(data.view().row(i)), 1e-11);
  }
}

TEST(FitRidge, OneRowAndConstantTargetsGiveConstants) {
  const Data one = Simulated(1, 3, 4);
  for (const RidgeOptions& options :
       {RidgeOptions{}, RidgeOptions{.penalty = 1}, RidgeOptions{.cross_validation = true}}) {
    const auto fit = FitRidge(one.view(), one.y, {}, options);
    ASSERT_TRUE(fit.ok()) << fit.status();
    EXPECT_EQ(fit->Predict(std::vector<double>{9, 9, 9}.data()), one.y[0]);
    const Data data = Simulated(9, 3, 5);
    const std::vector<double> same(9, 0.7);
    EXPECT_NEAR(
        FitRidge(data.view(), same, {}, options)->Predict(std::vector<double>{9, 9, 9}.data()), 0.7,
        1e-13);
  }
}

TEST(FitRidge, NamesBadInput) {
  Data data = Simulated(4, 2, 6);
  const auto message = [&](std::vector<double> weights, RidgeOptions options) {
    return std::string(FitRidge(data.view(), data.y, weights, options).status().message());
  };
  EXPECT_THAT(message({}, {.penalty = -1}), HasSubstr("penalty of a ridge regression is -1"));
  EXPECT_THAT(message({1, -1, 1, 1}, {}), HasSubstr("the weight of row 2 is -1"));
  EXPECT_THAT(message({0, 0, 0, 0}, {}), HasSubstr("the weights add up to 0"));
  data.y[2] = NAN;
  EXPECT_THAT(message({}, {}), HasSubstr("the target of row 3 is nan"));
  data.x[1] = INFINITY;
  EXPECT_THAT(message({}, {}), HasSubstr("covariate 2 of row 1 is inf"));
}

TEST(Ridge, RestoresTheSameFunction) {
  const Ridge ridge({.penalty = 0.01});
  const Data data = Simulated(30, 4, 7);
  const auto fit = ridge.Fit({.x = data.view(), .y = data.y, .stream = random::Stream(0)});
  ASSERT_TRUE(fit.ok()) << fit.status();
  const auto restored = ridge.Restore((*fit)->Serialize());
  ASSERT_TRUE(restored.ok()) << restored.status();
  std::vector<double> predicted(30);
  std::vector<double> again(30);
  (*fit)->Predict(data.view(), predicted);
  (*restored)->Predict(data.view(), again);
  EXPECT_EQ(predicted, again);
  EXPECT_EQ((*restored)->Serialize(), (*fit)->Serialize());
}

TEST(Ridge, HandsOnTheClusters) {
  const Data data = Simulated(30, 3, 9);
  std::vector<int32_t> cluster;
  for (int32_t i = 0; i < 30; ++i) cluster.push_back(i / 5);
  const Ridge ridge({.cross_validation = true});
  const auto fit =
      ridge.Fit({.x = data.view(), .y = data.y, .cluster = cluster, .stream = random::Stream(0)});
  const auto expected = FitRidge(data.view(), data.y, {}, {.cross_validation = true}, cluster);
  ASSERT_NE(expected->penalty,
            FitRidge(data.view(), data.y, {}, {.cross_validation = true})->penalty);
  std::vector<double> predicted(30);
  (*fit)->Predict(data.view(), predicted);
  for (int64_t i = 0; i < 30; ++i) EXPECT_EQ(predicted[i], expected->Predict(data.view().row(i)));
}

TEST(Ridge, ABinaryTargetIsPredictedWithinItsRange) {
  const Ridge ridge({});
  std::vector<double> x;
  std::vector<double> y;
  for (int i = 0; i < 10; ++i) {
    x.push_back(i);
    y.push_back(i < 3 ? 0 : 1);
  }
  const kernels::MatrixView<const double> view = {x.data(), 10, 1, 1};
  std::vector<double> predicted(10);
  for (const bool binary : {true, false}) {
    const auto fit = ridge.Fit({.x = view, .y = y, .binary = binary, .stream = random::Stream(0)});
    const auto restored = ridge.Restore((*fit)->Serialize());
    (*restored)->Predict(view, predicted);
    if (binary) {
      EXPECT_EQ(predicted[9], 1);
    } else {
      EXPECT_GT(predicted[9], 1);
    }
  }
}

TEST(Ridge, RefusesOtherBytes) {
  EXPECT_FALSE(Ridge({}).Restore("").ok());
  record::SafetensorsWriter writer;
  EXPECT_THAT(std::string(Ridge({}).Restore(*writer.Finish()).status().message()),
              HasSubstr("not the bytes of a ridge regression"));
}

TEST(RobustCovariance, AgreesWithStatsmodelsAndWholeMatrices) {
  const RobustRow rows[] = {
#define PERENNIAL_ROBUST_ORACLE
#include "causal/estimators/regression_oracle.inc"
#undef PERENNIAL_ROBUST_ORACLE
  };
  for (const RobustRow& row : rows) {
    const kernels::MatrixView<const double> x = {row.x.data(), row.n, row.p, row.p};
    const auto fit = FitRidge(x, row.y, {}, {.penalty = row.penalty});
    ASSERT_TRUE(fit.ok()) << fit.status();
    const RobustCovariance covariance(x, row.y, *fit);
    for (size_t i = 0; i < row.variances.size(); ++i) {
      EXPECT_NEAR(covariance.Variance(row.points.data() + i * row.p), row.variances[i],
                  1e-8 * row.variances[i])
          << "n = " << row.n << ", p = " << row.p << ", point " << i;
    }
  }
}

// Without a penalty e / (1 - h) is the error of the fit to the other rows.
TEST(RobustCovariance, OfAMeanIsTheSumOfSquaredErrorsLeftOut) {
  const Data data = Simulated(12, 1, 4);
  const std::vector<double> constant(12, 3.0);
  const kernels::MatrixView<const double> x = {constant.data(), 12, 1, 1};
  const auto fit = FitRidge(x, data.y, {}, {});
  ASSERT_TRUE(fit.ok());
  double sum = 0;
  for (const double y : data.y) sum += y;
  double squares = 0;
  for (const double y : data.y) squares += std::pow(y - (sum - y) / 11, 2);
  EXPECT_NEAR(RobustCovariance(x, data.y, *fit).Variance(constant.data()), squares / 144, 1e-12);
}

}  // namespace
}  // namespace perennial::causal
