#include "causal/estimators/ridge.h"

#include <cmath>
#include <string>
#include <vector>

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
