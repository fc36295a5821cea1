#include "causal/estimators/logistic.h"

#include <cmath>
#include <string>
#include <vector>

#include "causal/data/logit.h"
#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

struct LogisticRow {
  int64_t n, p;
  int classes;
  std::vector<double> x;
  std::vector<int32_t> class_of_row;
  std::vector<double> weights;
  double penalty;
  std::vector<double> coefficients, mean;
};

struct Data {
  std::vector<double> x;
  std::vector<int32_t> t;
  int64_t p;
  kernels::MatrixView<const double> view() const {
    return {x.data(), static_cast<int64_t>(t.size()), p, p};
  }
};

Data Simulated(int64_t n, int64_t p, int classes, uint64_t seed) {
  random::Stream stream(seed);
  Data data = {.p = p};
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < p; ++j) data.x.push_back(stream.Normal());
    const bool first = data.x.back() + stream.Normal() < 0;
    data.t.push_back(first ? 0 : static_cast<int32_t>(stream.Below(classes)));
  }
  return data;
}

TEST(FitLogistic, AgreesWithStatsmodelsAndScikitLearn) {
  const LogisticRow rows[] = {
#define PERENNIAL_LOGISTIC_ORACLE
#include "causal/estimators/regression_oracle.inc"
#undef PERENNIAL_LOGISTIC_ORACLE
  };
  for (const LogisticRow& row : rows) {
    const auto fit = FitLogistic({row.x.data(), row.n, row.p, row.p}, row.class_of_row, row.classes,
                                 row.weights, {.penalty = row.penalty});
    ASSERT_TRUE(fit.ok()) << fit.status();
    EXPECT_TRUE(fit->converged);
    ASSERT_EQ(fit->coefficients.size(), row.coefficients.size());
    for (size_t k = 0; k < row.coefficients.size(); ++k) {
      EXPECT_NEAR(fit->coefficients[k], row.coefficients[k],
                  1e-6 * (1e-2 + std::abs(row.coefficients[k])))
          << "n = " << row.n << ", " << row.classes << " classes, penalty " << row.penalty;
    }
    for (size_t k = 0; k < row.mean.size(); ++k) {
      EXPECT_NEAR(fit->mean[k], row.mean[k], 1e-6 * (1 + std::abs(row.mean[k])));
    }
  }
}

TEST(FitLogistic, ProbabilitiesAverageToTheShares) {
  // What the score of an intercept that is not penalised says.
  const Data data = Simulated(60, 3, 3, 1);
  const auto fit = FitLogistic(data.view(), data.t, 3, {}, {.penalty = 0.3});
  std::vector<double> mean(3);
  std::vector<double> share(3);
  std::vector<double> probability(3);
  for (int64_t i = 0; i < 60; ++i) {
    fit->Predict(data.view().row(i), probability);
    EXPECT_NEAR(probability[0] + probability[1] + probability[2], 1, 1e-14);
    for (int k = 0; k < 3; ++k) mean[k] += probability[k] / 60;
    share[data.t[i]] += 1.0 / 60;
  }
  for (int k = 0; k < 3; ++k) EXPECT_NEAR(mean[k], share[k], 1e-12);
}

TEST(FitLogistic, NumberingOfClassesHasNoSay) {
  const Data data = Simulated(60, 2, 3, 2);
  std::vector<int32_t> renumbered;
  for (const int32_t t : data.t) renumbered.push_back((t + 1) % 3);
  const auto fit = FitLogistic(data.view(), data.t, 3, {}, {.penalty = 0.05});
  const auto other = FitLogistic(data.view(), renumbered, 3, {}, {.penalty = 0.05});
  std::vector<double> a(3);
  std::vector<double> b(3);
  for (int64_t i = 0; i < 60; ++i) {
    fit->Predict(data.view().row(i), a);
    other->Predict(data.view().row(i), b);
    for (int k = 0; k < 3; ++k) EXPECT_NEAR(a[k], b[(k + 1) % 3], 1e-10);
  }
}

TEST(FitLogistic, SeparableClassesGiveFiniteSlopes) {
  for (const double penalty : {1e-12, 1e-4}) {
    std::vector<double> x;
    std::vector<int32_t> t;
    for (int i = 0; i < 40; ++i) {
      x.insert(x.end(), {i * 1.0, 5.0, i * 2.0});
      t.push_back(i < 13 ? 0 : i < 26 ? 1 : 2);
    }
    const auto fit = FitLogistic({x.data(), 40, 3, 3}, t, 3, {}, {.penalty = penalty});
    ASSERT_TRUE(fit.ok()) << fit.status();
    std::vector<double> probability(3);
    for (int i = 0; i < 40; ++i) {
      fit->Predict(&x[3 * i], probability);
      for (const double p : probability) EXPECT_TRUE(p >= 0 && p <= 1) << p;
      EXPECT_GT(probability[t[i]], 0.4) << "unit " << i;
    }
    for (const double b : fit->coefficients) EXPECT_TRUE(std::isfinite(b));
    EXPECT_EQ(fit->coefficients[1], 0);  // Of the constant column.
    EXPECT_TRUE(fit->converged || penalty < 1e-6);
  }
}

TEST(FitLogistic, ADefaultPenaltyKeepsSeparableProbabilitiesOffTheEnds) {
  std::vector<double> x;
  std::vector<int32_t> t;
  for (int i = 0; i < 200; ++i) {
    x.push_back(i < 100 ? -1 : 1);
    t.push_back(i < 100 ? 0 : 1);
  }
  const auto fit = FitLogistic({x.data(), 200, 1, 1}, t, 2, {}, {});
  std::vector<double> probability(2);
  fit->Predict(x.data(), probability);
  // At the optimum 1 - p = penalty * b with b the log odds: about 0.0007.
  EXPECT_NEAR(probability[1], 1e-4 * Logit(probability[0]), 1e-9);
  EXPECT_GT(probability[1], 5e-4);
}

TEST(FitLogistic, AWeightIsARepetition) {
  const Data data = Simulated(30, 2, 2, 3);
  std::vector<double> weights;
  Data repeated = {.p = 2};
  for (int64_t i = 0; i < 30; ++i) {
    weights.push_back(static_cast<double>(i % 3));
    for (int64_t k = 0; k < i % 3; ++k) {
      repeated.x.insert(repeated.x.end(), {data.x[2 * i], data.x[2 * i + 1]});
      repeated.t.push_back(data.t[i]);
    }
  }
  const auto weighted = FitLogistic(data.view(), data.t, 2, weights, {.penalty = 0.01});
  const auto plain = FitLogistic(repeated.view(), repeated.t, 2, {}, {.penalty = 0.01});
  for (int j = 0; j < 2; ++j) {
    EXPECT_NEAR(weighted->coefficients[j], plain->coefficients[j], 1e-10);
  }
  EXPECT_NEAR(weighted->mean[0], plain->mean[0], 1e-10);
}

TEST(FitLogistic, NamesBadInput) {
  const Data data = Simulated(10, 2, 2, 4);
  const auto message = [&](std::vector<int32_t> t, int classes, double penalty) {
    return std::string(
        FitLogistic(data.view(), t, classes, {}, {.penalty = penalty}).status().message());
  };
  EXPECT_THAT(message(data.t, 2, 0), HasSubstr("penalty of a logistic regression is 0"));
  EXPECT_THAT(message(std::vector<int32_t>(10), 2, 1), HasSubstr("no row is of class 1"));
  EXPECT_THAT(message(std::vector<int32_t>(10, 2), 2, 1), HasSubstr("the class of row 1 is 2"));
}

TEST(Logistic, RestoresTheSameFunction) {
  const Data data = Simulated(40, 3, 2, 5);
  const std::vector<double> y(data.t.begin(), data.t.end());
  const Logistic logistic({});
  const auto fit =
      logistic.Fit({.x = data.view(), .y = y, .binary = true, .stream = random::Stream(0)});
  ASSERT_TRUE(fit.ok()) << fit.status();
  const auto restored = logistic.Restore((*fit)->Serialize());
  ASSERT_TRUE(restored.ok()) << restored.status();
  std::vector<double> predicted(40);
  std::vector<double> again(40);
  (*fit)->Predict(data.view(), predicted);
  (*restored)->Predict(data.view(), again);
  EXPECT_EQ(predicted, again);
  const auto direct = FitLogistic(data.view(), data.t, 2, {}, {});
  std::vector<double> probability(2);
  direct->Predict(data.view().row(7), probability);
  EXPECT_EQ(predicted[7], probability[1]);
}

TEST(Logistic, AConstantTargetHasOneProbabilityOffTheEnds) {
  const Data data = Simulated(9, 2, 2, 6);
  const Logistic logistic({});
  for (const double value : {0.0, 1.0}) {
    const std::vector<double> y(9, value);
    const auto fit =
        logistic.Fit({.x = data.view(), .y = y, .binary = true, .stream = random::Stream(0)});
    ASSERT_TRUE(fit.ok()) << fit.status();
    std::vector<double> predicted(9);
    (*fit)->Predict(data.view(), predicted);
    for (const double p : predicted) EXPECT_NEAR(p, value == 1 ? 0.95 : 0.05, 1e-14);
  }
}

TEST(Logistic, NamesBadInput) {
  const Data data = Simulated(3, 2, 2, 7);
  const std::vector<double> y = {0, 1, 0.5};
  const Logistic logistic({});
  EXPECT_THAT(
      std::string(
          logistic.Fit({.x = data.view(), .y = y, .binary = true, .stream = random::Stream(0)})
              .status()
              .message()),
      HasSubstr("the target of row 3 is 0.5"));
  EXPECT_FALSE(logistic.Fit({.x = data.view(), .y = y, .stream = random::Stream(0)}).ok());
  EXPECT_FALSE(logistic.Restore("x").ok());
}

TEST(Sigmoid, IsTheInverseOfLogitWithoutOverflow) {
  for (const double x : {-30.0, -2.0, 0.0, 0.5, 20.0}) EXPECT_NEAR(Logit(Sigmoid(x)), x, 1e-6);
  EXPECT_EQ(Sigmoid(1000), 1);
  EXPECT_EQ(Sigmoid(-1000), 0);
}

}  // namespace
}  // namespace perennial::causal
