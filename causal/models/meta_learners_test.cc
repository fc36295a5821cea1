#include "causal/models/meta_learners.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "causal/models/boosting.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

using X = kernels::MatrixView<const double>;
using Column = std::vector<double>;

constexpr MetaLearnerKind kKinds[] = {MetaLearnerKind::kS, MetaLearnerKind::kT, MetaLearnerKind::kX,
                                      MetaLearnerKind::kR, MetaLearnerKind::kDr};

// Exact regressors.

// The weighted mean of the units whose first `columns` covariates are equal; of all units for a
// cell that had none.
class CellMeans : public Regressor {
 public:
  explicit CellMeans(int columns = 1000) : columns_(columns) {}

  absl::StatusOr<std::unique_ptr<Regression>> Fit(const RegressionData& data) const override {
    std::map<Column, std::pair<double, double>> sums;
    double all = 0;
    double weights = 0;
    for (int64_t i = 0; i < data.x.rows; ++i) {
      const double weight = data.weights.empty() ? 1 : data.weights[i];
      auto& [sum, count] = sums[Cell(columns_, data.x, i)];
      sum += weight * data.y[i];
      count += weight;
      all += weight * data.y[i];
      weights += weight;
    }
    auto fit = std::make_unique<Means>(columns_);
    fit->means.push_back({{}, all / weights});
    for (const auto& [cell, sum] : sums) fit->means.push_back({cell, sum.first / sum.second});
    return fit;
  }

  // Numbers as they lie in memory: of each mean, the length of its cell, the cell, the mean.
  absl::StatusOr<std::unique_ptr<Regression>> Restore(const std::string& bytes) const override {
    if (bytes.empty() || bytes.size() % sizeof(double) != 0) return absl::DataLossError("no means");
    Column numbers(bytes.size() / sizeof(double));
    std::memcpy(numbers.data(), bytes.data(), bytes.size());
    auto fit = std::make_unique<Means>(columns_);
    for (size_t at = 0; at < numbers.size();) {
      const auto length = static_cast<size_t>(numbers[at]);
      if (numbers[at] < 0 || at + length + 2 > numbers.size()) return absl::DataLossError("cut");
      const auto begin = numbers.begin() + static_cast<int64_t>(at) + 1;
      fit->means.push_back(
          {Column(begin, begin + static_cast<int64_t>(length)), numbers[at + length + 1]});
      at += length + 2;
    }
    return fit;
  }

 private:
  static Column Cell(int columns, X x, int64_t i) {
    return Column(x.row(i), x.row(i) + std::min<int64_t>(columns, x.columns));
  }

  struct Means : public Regression {
    explicit Means(int of) : columns(of) {}
    void Predict(X x, std::span<double> predicted) const override {
      const std::map<Column, double> of(means.begin() + 1, means.end());
      for (int64_t i = 0; i < x.rows; ++i) {
        const auto found = of.find(Cell(columns, x, i));
        predicted[i] = found == of.end() ? means[0].second : found->second;
      }
    }
    std::string Serialize() const override {
      Column numbers;
      for (const auto& [cell, mean] : means) {
        numbers.push_back(static_cast<double>(cell.size()));
        numbers.insert(numbers.end(), cell.begin(), cell.end());
        numbers.push_back(mean);
      }
      return std::string(reinterpret_cast<const char*>(numbers.data()),
                         numbers.size() * sizeof(double));
    }
    int columns;
    std::vector<std::pair<Column, double>> means;  // The first is that of all.
  };

  int columns_;
};

// Least squares with an intercept: normal equations, by elimination with pivots.
class LeastSquares : public Regressor {
 public:
  absl::StatusOr<std::unique_ptr<Regression>> Fit(const RegressionData& data) const override {
    const int64_t p = data.x.columns + 1;
    std::vector<Column> a(p, Column(p + 1));
    for (int64_t i = 0; i < data.x.rows; ++i) {
      Column row(data.x.row(i), data.x.row(i) + p - 1);
      row.push_back(1);
      row.push_back(data.y[i]);
      for (int64_t r = 0; r < p; ++r) {
        for (int64_t c = 0; c <= p; ++c) a[r][c] += row[r] * row[c];
      }
    }
    for (int64_t k = 0; k < p; ++k) {
      const auto pivot = std::max_element(a.begin() + k, a.end(), [k](auto& l, auto& r) {
        return std::abs(l[k]) < std::abs(r[k]);
      });
      std::swap(a[k], *pivot);
      for (int64_t r = 0; r < p; ++r) {
        if (r == k) continue;
        const double factor = a[r][k] / a[k][k];
        for (int64_t c = k; c <= p; ++c) a[r][c] -= factor * a[k][c];
      }
    }
    auto fit = std::make_unique<Line>();
    for (int64_t r = 0; r < p; ++r) fit->beta.push_back(a[r][p] / a[r][r]);
    return fit;
  }
  absl::StatusOr<std::unique_ptr<Regression>> Restore(const std::string&) const override {
    return absl::UnimplementedError("not needed");
  }

 private:
  struct Line : public Regression {
    void Predict(X x, std::span<double> predicted) const override {
      for (int64_t i = 0; i < x.rows; ++i) {
        predicted[i] = beta.back();
        for (int64_t c = 0; c < x.columns; ++c) predicted[i] += beta[c] * x(i, c);
      }
    }
    std::string Serialize() const override { return ""; }
    Column beta;
  };
};

// A function that needs no data.
class Known : public Regressor {
 public:
  using Function = std::function<double(const double*)>;
  explicit Known(Function function) : function_(std::move(function)) {}
  absl::StatusOr<std::unique_ptr<Regression>> Fit(const RegressionData&) const override {
    return std::make_unique<Fixed>(function_);
  }
  absl::StatusOr<std::unique_ptr<Regression>> Restore(const std::string&) const override {
    return std::make_unique<Fixed>(function_);
  }

 private:
  struct Fixed : public Regression {
    explicit Fixed(Function of) : function(std::move(of)) {}
    void Predict(X x, std::span<double> predicted) const override {
      for (int64_t i = 0; i < x.rows; ++i) predicted[i] = function(x.row(i));
    }
    std::string Serialize() const override { return ""; }
    Function function;
  };
  Function function_;
};

// Writes down what another regressor is asked to fit.
class Recorder : public Regressor {
 public:
  struct Call {
    Column x, y, weights;
    bool binary;
    random::PhiloxBlock stream;
  };
  explicit Recorder(std::shared_ptr<const Regressor> of) : of_(std::move(of)) {}
  absl::StatusOr<std::unique_ptr<Regression>> Fit(const RegressionData& data) const override {
    Call& call = calls.emplace_back();
    for (int64_t i = 0; i < data.x.rows; ++i) {
      call.x.insert(call.x.end(), data.x.row(i), data.x.row(i) + data.x.columns);
    }
    call.y.assign(data.y.begin(), data.y.end());
    call.weights.assign(data.weights.begin(), data.weights.end());
    call.binary = data.binary;
    call.stream = data.stream.identity();
    return of_->Fit(data);
  }
  absl::StatusOr<std::unique_ptr<Regression>> Restore(const std::string& bytes) const override {
    return of_->Restore(bytes);
  }
  mutable std::vector<Call> calls;

 private:
  std::shared_ptr<const Regressor> of_;
};

std::shared_ptr<const Regressor> Cells(int columns = 1000) {
  return std::make_shared<CellMeans>(columns);
}
std::shared_ptr<const Regressor> GlobalMean() { return Cells(0); }
std::shared_ptr<const Regressor> Function(Known::Function function) {
  return std::make_shared<Known>(std::move(function));
}
std::shared_ptr<const Regressor> Linear() { return std::make_shared<LeastSquares>(); }

// Data. One covariate, a cell in {0, ..., 3}; a unit of cell c is in arm a with Probability(a, c),
// its outcome has the mean Mean(a, c) and the standard deviation `noise`.
double Probability(int arm, int cell, int arms) {
  const double treated = .2 + .15 * cell;
  if (arm == 0) return 1 - treated;
  if (arms == 2) return treated;
  return arm == 1 ? .7 * treated : .3 * treated;
}
double Mean(int arm, int cell) { return 3 * cell + arm * (1 + .5 * cell) - (arm == 2 ? 4 : 0); }
double Effect(int arm, int cell) { return Mean(arm, cell) - Mean(0, cell); }

Observations CellData(int n, int arms, double noise, uint64_t seed = 1) {
  Observations data{.covariate_names = {"cell"}, .arms = arms};
  random::Stream stream(seed);
  for (int i = 0; i < n; ++i) {
    const int cell = static_cast<int>(stream.Below(4));
    double u = stream.Uniform();
    int arm = 0;
    while (arm + 1 < arms && u >= Probability(arm, cell, arms)) {
      u -= Probability(arm++, cell, arms);
    }
    data.covariates.push_back(cell);
    data.treatment.push_back(arm);
    data.outcome.push_back(Mean(arm, cell) + noise * stream.Normal());
  }
  return data;
}

// One row a cell.
constexpr double kCells[] = {0, 1, 2, 3};
constexpr X kAllCells = {kCells, 4, 1, 1};

std::unique_ptr<ModelFit> Begin(const MetaLearnerOptions& options, const Observations& data,
                                uint64_t seed = 7) {
  const auto factory = MetaLearner(options);
  EXPECT_TRUE(factory.ok()) << factory.status();
  auto fit = (*factory)({.observations = data, .stream = random::Stream(seed)});
  EXPECT_TRUE(fit.ok()) << fit.status();
  return *std::move(fit);
}

Predictions Predict(const MetaLearnerOptions& options, const Observations& data, X x,
                    uint64_t seed = 7) {
  const auto fit = Begin(options, data, seed);
  const absl::Status status = fit->Advance(1'000'000);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(fit->steps_done(), fit->steps());
  const auto predictions = fit->Predict(x);
  EXPECT_TRUE(predictions.ok()) << predictions.status();
  return *predictions;
}

void ExpectNear(const Column& actual, const Column& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], tolerance) << i;
}

// Means by arm and cell, straight from the data.
double CellMean(const Observations& data, int arm, int cell) {
  double sum = 0;
  int count = 0;
  for (int i = 0; i < data.size(); ++i) {
    if (data.treatment[i] != arm || data.covariates[i] != cell) continue;
    sum += data.outcome[i];
    ++count;
  }
  return sum / count;
}
int Count(const Observations& data, int arm, int cell) {
  int count = 0;
  for (int i = 0; i < data.size(); ++i) {
    count += data.treatment[i] == arm && data.covariates[i] == cell ? 1 : 0;
  }
  return count;
}

TEST(MetaLearnersTest, SFindsEffectsThatAreAddedToALinearOutcome) {
  Observations data = CellData(100, 3, 0);
  for (int i = 0; i < data.size(); ++i) {
    const double added[] = {0, 3, -1.5};
    data.outcome[i] = 1 + 2 * data.covariates[i] + added[data.treatment[i]];
  }
  const Predictions predictions =
      Predict({.kind = MetaLearnerKind::kS, .outcome = Linear()}, data, kAllCells);
  ExpectNear(predictions.effect[0], Column(4, 3), 1e-9);
  ExpectNear(predictions.effect[1], Column(4, -1.5), 1e-9);
  ExpectNear(predictions.outcome[2], {-.5, 1.5, 3.5, 5.5}, 1e-9);
}

TEST(MetaLearnersTest, TIsASeparateFitInEachArm) {
  const Observations data = CellData(400, 3, 1);
  // Without draws, so that streams do not matter.
  const std::shared_ptr<const Regressor> trees = *Boosting::Create({.early_stopping_share = 0});
  const Predictions predictions =
      Predict({.kind = MetaLearnerKind::kT, .outcome = trees}, data, kAllCells);
  for (int arm = 0; arm < 3; ++arm) {
    std::vector<int32_t> rows;
    for (int i = 0; i < data.size(); ++i) {
      if (data.treatment[i] == arm) rows.push_back(i);
    }
    const Observations part = Select(data, rows);
    Column outcome(4);
    (*trees->Fit({.x = part.x(), .y = part.outcome, .stream = random::Stream(1)}))
        ->Predict(kAllCells, outcome);
    EXPECT_EQ(predictions.outcome[arm], outcome);
    if (arm == 0) continue;
    for (int cell = 0; cell < 4; ++cell) {
      EXPECT_EQ(predictions.effect[arm - 1][cell], outcome[cell] - predictions.outcome[0][cell]);
    }
  }
}

// With means by cell for outcomes and propensities, and one mean for effects, tau_1 is the mean
// over the treated of the cells' differences, tau_0 that over control.
TEST(MetaLearnersTest, XWeighsImputedEffectsByThePropensity) {
  const Observations data = CellData(300, 3, 1);
  constexpr double kClip = .3;
  const Predictions predictions = Predict({.kind = MetaLearnerKind::kX,
                                           .outcome = Cells(),
                                           .effect = GlobalMean(),
                                           .propensity = Cells(),
                                           .clip = kClip},
                                          data, kAllCells);
  int clipped = 0;
  for (int arm = 1; arm < 3; ++arm) {
    double sum[2] = {};
    double count[2] = {};
    for (int cell = 0; cell < 4; ++cell) {
      const double difference = CellMean(data, arm, cell) - CellMean(data, 0, cell);
      for (const int treated : {0, 1}) {
        const int units = Count(data, treated * arm, cell);
        sum[treated] += units * difference;
        count[treated] += units;
      }
    }
    const double tau_0 = sum[0] / count[0];
    const double tau_1 = sum[1] / count[1];
    ASSERT_GT(std::abs(tau_1 - tau_0), .05);
    for (int cell = 0; cell < 4; ++cell) {
      const double treated = Count(data, arm, cell);
      double e = treated / (treated + Count(data, 0, cell));
      clipped += e < kClip || e > 1 - kClip ? 1 : 0;
      e = std::min(std::max(e, kClip), 1 - kClip);
      EXPECT_NEAR(predictions.effect[arm - 1][cell], e * tau_0 + (1 - e) * tau_1, 1e-12);
      EXPECT_NEAR(predictions.outcome[arm][cell], CellMean(data, arm, cell), 1e-12);
    }
  }
  EXPECT_GT(clipped, 0);
}

TEST(MetaLearnersTest, PropensitiesOfManyArmsAreTheirSharesOfACell) {
  const Observations data = CellData(2000, 3, 1);
  const Predictions predictions = Predict(
      {.kind = MetaLearnerKind::kX, .outcome = Cells(), .effect = Cells(), .propensity = Cells()},
      data, kAllCells);
  ASSERT_EQ(predictions.propensity.size(), 3);
  for (int cell = 0; cell < 4; ++cell) {
    double units = 0;
    for (int arm = 0; arm < 3; ++arm) units += Count(data, arm, cell);
    for (int arm = 0; arm < 3; ++arm) {
      EXPECT_NEAR(predictions.propensity[arm][cell], Count(data, arm, cell) / units, 1e-12);
    }
  }
}

TEST(MetaLearnersTest, RFindsAConstantEffectExactlyWithTheRightNuisances) {
  constexpr double kEffect = 1.7;
  Observations data = CellData(200, 2, 0);
  for (int i = 0; i < data.size(); ++i) {
    data.outcome[i] = std::exp(data.covariates[i]) + kEffect * data.treatment[i];
  }
  const Predictions predictions = Predict(
      {.kind = MetaLearnerKind::kR,
       .outcome = Function([&](const double* x) {
         return std::exp(*x) + kEffect * Probability(1, static_cast<int>(*x), 2);
       }),
       .effect = Cells(),
       .propensity =
           Function([](const double* x) { return Probability(1, static_cast<int>(*x), 2); })},
      data, kAllCells);
  ExpectNear(predictions.effect[0], Column(4, kEffect), 1e-12);
}

// tau of a cell minimises its part of the R-loss.
TEST(MetaLearnersTest, RIsWeightedLeastSquaresOfResiduals) {
  const Observations data = CellData(300, 3, 1);
  const auto m = [](double x) { return 2 * x; };
  const auto e = [](double x) { return .2 + .1 * x; };
  const Predictions predictions =
      Predict({.kind = MetaLearnerKind::kR,
               .outcome = Function([m](const double* x) { return m(*x); }),
               .effect = Cells(),
               .propensity = Function([e](const double* x) { return e(*x); })},
              data, kAllCells);
  for (int arm = 1; arm < 3; ++arm) {
    for (int cell = 0; cell < 4; ++cell) {
      double product = 0;
      double square = 0;
      for (int i = 0; i < data.size(); ++i) {
        const int t = data.treatment[i];
        if (data.covariates[i] != cell || (t != 0 && t != arm)) continue;
        const double residual = (t == arm ? 1 : 0) - e(cell);
        product += residual * (data.outcome[i] - m(cell));
        square += residual * residual;
      }
      EXPECT_NEAR(predictions.effect[arm - 1][cell], product / square, 1e-12);
    }
  }
  // Odds of 1/4 in the first cell for both arms.
  EXPECT_NEAR(predictions.propensity[0][0], 1 / 1.5, 1e-12);
  EXPECT_NEAR(predictions.propensity[2][0], .25 / 1.5, 1e-12);
  EXPECT_TRUE(predictions.outcome.empty());
}

// What R's last stage is given shows the m that each unit got: a mean of the other folds' outcomes.
TEST(MetaLearnersTest, NoUnitsOwnOutcomeIsInWhatIsSubtractedFromIt) {
  constexpr int kFolds = 4;
  const Observations data = CellData(101, 2, 1);
  const auto recorder = std::make_shared<Recorder>(GlobalMean());
  Predict({.kind = MetaLearnerKind::kR,
           .outcome = GlobalMean(),
           .effect = recorder,
           .propensity = Function([](const double*) { return .5; }),
           .folds = kFolds},
          data, kAllCells);
  ASSERT_EQ(recorder->calls.size(), 1);
  const Recorder::Call& call = recorder->calls[0];
  ASSERT_EQ(call.y.size(), 101);
  std::map<int64_t, std::vector<int>> units_of;  // By m, rounded.
  for (int i = 0; i < 101; ++i) {
    EXPECT_DOUBLE_EQ(call.weights[i], .25);
    const double m = data.outcome[i] - call.y[i] * (data.treatment[i] - .5);
    units_of[std::llround(m * 1e9)].push_back(i);
  }
  ASSERT_EQ(units_of.size(), kFolds);
  for (const auto& [m, units] : units_of) {
    const std::set<int> own(units.begin(), units.end());
    double sum = 0;
    int treated = 0;
    for (int i = 0; i < 101; ++i) {
      if (own.contains(i)) {
        treated += data.treatment[i];
      } else {
        sum += data.outcome[i];
      }
    }
    EXPECT_NEAR(sum / (101 - static_cast<double>(units.size())), m * 1e-9, 1e-8);
    // Folds are alike in size and in each arm.
    EXPECT_NEAR(static_cast<double>(units.size()), 101. / kFolds, 1);
    int all_treated = 0;
    for (const int t : data.treatment) all_treated += t;
    EXPECT_NEAR(treated, static_cast<double>(all_treated) / kFolds, 1);
  }
}

TEST(MetaLearnersTest, FoldsKeepClustersWhole) {
  Observations data = CellData(300, 2, 1);
  for (int i = 0; i < 300; ++i) data.cluster.push_back(1000 - i * i % 23);
  const auto recorder = std::make_shared<Recorder>(GlobalMean());
  Predict({.kind = MetaLearnerKind::kR,
           .outcome = GlobalMean(),
           .effect = recorder,
           .propensity = Function([](const double*) { return .5; }),
           .folds = 3},
          data, kAllCells);
  std::map<int, std::set<int64_t>> folds_of;
  std::map<int64_t, int> size;
  for (int i = 0; i < 300; ++i) {
    const double m = data.outcome[i] - recorder->calls[0].y[i] * (data.treatment[i] - .5);
    folds_of[data.cluster[i]].insert(std::llround(m * 1e9));
    ++size[std::llround(m * 1e9)];
  }
  ASSERT_GT(folds_of.size(), 5);
  for (const auto& [cluster, folds] : folds_of) EXPECT_EQ(folds.size(), 1) << cluster;
  ASSERT_EQ(size.size(), 3);
  for (const auto& [fold, units] : size) EXPECT_NEAR(units, 100, 15);
}

// Robust to the propensity: where outcomes are right to the last digit, every score is the effect.
TEST(MetaLearnersTest, DrWithTheRightOutcomesDoesNotNeedTheRightPropensity) {
  const Observations data = CellData(400, 3, 0);  // mu is linear in the cell, in each arm.
  const Predictions predictions =
      Predict({.kind = MetaLearnerKind::kDr,
               .outcome = Linear(),
               .effect = Cells(),
               .propensity = Function([](const double* x) { return .9 - .2 * *x; })},
              data, kAllCells);
  for (int arm = 1; arm < 3; ++arm) {
    for (int cell = 0; cell < 4; ++cell) {
      EXPECT_NEAR(predictions.effect[arm - 1][cell], Effect(arm, cell), 1e-9);
      EXPECT_NEAR(predictions.outcome[arm][cell], Mean(arm, cell), 1e-9);
    }
  }
}

// Robust to the outcomes: where they are 0, the scores are those of inverse propensities.
TEST(MetaLearnersTest, DrWithoutOutcomesIsInversePropensityWeighting) {
  const Observations data = CellData(4000, 2, 1);
  const Predictions predictions = Predict({.kind = MetaLearnerKind::kDr,
                                           .outcome = Function([](const double*) { return 0; }),
                                           .effect = Cells(),
                                           .propensity = Function([](const double* x) {
                                             return Probability(1, static_cast<int>(*x), 2);
                                           })},
                                          data, kAllCells);
  for (int cell = 0; cell < 4; ++cell) {
    const double e = Probability(1, cell, 2);
    double sum = 0;
    double squares = 0;
    int n = 0;
    for (int i = 0; i < data.size(); ++i) {
      if (data.covariates[i] != cell) continue;
      const double score =
          data.treatment[i] == 1 ? data.outcome[i] / e : -data.outcome[i] / (1 - e);
      sum += score;
      squares += score * score;
      ++n;
    }
    EXPECT_NEAR(predictions.effect[0][cell], sum / n, 1e-9);
    const double error = std::sqrt((squares / n - sum / n * sum / n) / n);
    EXPECT_NEAR(predictions.effect[0][cell], Effect(1, cell), 4 * error);
  }
}

// A wrong outcome model alone would be off by the confounding, 3 a cell.
TEST(MetaLearnersTest, DrWithThePropensityAloneCorrectsAWrongOutcomeOfManyArms) {
  const Observations data = CellData(20'000, 3, 1);
  const auto effect = [&](MetaLearnerKind kind) {
    return Predict(
        {.kind = kind, .outcome = GlobalMean(), .effect = GlobalMean(), .propensity = Cells()},
        data, kAllCells);
  };
  const Predictions dr = effect(MetaLearnerKind::kDr);
  const Predictions t = effect(MetaLearnerKind::kT);
  for (int arm = 1; arm < 3; ++arm) {
    double average = 0;
    for (int i = 0; i < data.size(); ++i) {
      average += Effect(arm, static_cast<int>(data.covariates[i])) / 20'000;
    }
    EXPECT_NEAR(dr.effect[arm - 1][0], average, .2);
    EXPECT_GT(std::abs(t.effect[arm - 1][0] - average), .8);
  }
}

TEST(MetaLearnersTest, OnlyOutcomesAndPropensitiesAreBinary) {
  Observations data = CellData(200, 2, 1);
  for (double& y : data.outcome) y = y > 4;
  for (const bool binary : {false, true}) {
    data.binary_outcome = binary;
    for (const MetaLearnerKind kind : kKinds) {
      const auto outcome = std::make_shared<Recorder>(Cells());
      const auto effect = std::make_shared<Recorder>(Cells());
      const auto propensity = std::make_shared<Recorder>(Cells());
      Predict({.kind = kind, .outcome = outcome, .effect = effect, .propensity = propensity}, data,
              kAllCells);
      EXPECT_FALSE(outcome->calls.empty());
      for (const auto& call : outcome->calls) EXPECT_EQ(call.binary, binary);
      for (const auto& call : propensity->calls) EXPECT_TRUE(call.binary);
      for (const auto& call : effect->calls) EXPECT_FALSE(call.binary);
    }
  }
}

TEST(MetaLearnersTest, AStepIsOneRegression) {
  const auto steps = [](MetaLearnerKind kind, int arms) {
    const auto cells = Cells();
    return Begin({.kind = kind, .outcome = cells, .effect = cells, .propensity = cells, .folds = 4},
                 CellData(200, arms, 1))
        ->steps();
  };
  EXPECT_EQ(steps(MetaLearnerKind::kS, 3), 1);
  EXPECT_EQ(steps(MetaLearnerKind::kT, 3), 3);
  EXPECT_EQ(steps(MetaLearnerKind::kX, 2), 5);
  EXPECT_EQ(steps(MetaLearnerKind::kX, 3), 9);
  EXPECT_EQ(steps(MetaLearnerKind::kR, 3), 18);
  EXPECT_EQ(steps(MetaLearnerKind::kDr, 3), 22);
}

absl::StatusOr<record::SafetensorsFile> Saved(const ModelFit& fit, std::string* bytes = nullptr) {
  record::SafetensorsWriter writer;
  EXPECT_TRUE(fit.Save("model.", writer).ok());
  const std::string all = *writer.Finish();
  if (bytes != nullptr) *bytes = all;
  return record::SafetensorsFile::Parse(all);
}

void ExpectSame(const Predictions& a, const Predictions& b) {
  EXPECT_EQ(a.effect, b.effect);
  EXPECT_EQ(a.outcome, b.outcome);
  EXPECT_EQ(a.propensity, b.propensity);
}

TEST(MetaLearnersTest, SavedAfterAnyStepAFitGoesOnWithTheSameBits) {
  const std::shared_ptr<const Regressor> trees =
      *Boosting::Create({.rounds = 5, .row_fraction = .8, .early_stopping_share = 0});
  for (const MetaLearnerKind kind : kKinds) {
    for (const int arms : {2, 3}) {
      const MetaLearnerOptions options = {
          .kind = kind, .outcome = trees, .effect = Cells(), .propensity = trees, .folds = 3};
      const Observations data = CellData(200, arms, 1);
      const auto whole = Begin(options, data);
      ASSERT_TRUE(whole->Advance(1000).ok());
      std::string expected;
      ASSERT_TRUE(Saved(*whole, &expected).ok());
      for (int64_t step = 0; step <= whole->steps(); ++step) {
        const auto first = Begin(options, data);
        for (int64_t s = 0; s < step; ++s) ASSERT_TRUE(first->Advance(1).ok());
        EXPECT_EQ(first->steps_done(), step);
        const auto second = Begin(options, data);
        const absl::Status status = second->Load("model.", *Saved(*first));
        ASSERT_TRUE(status.ok()) << status;
        EXPECT_EQ(second->steps_done(), step);
        ASSERT_TRUE(second->Advance(1000).ok());
        std::string bytes;
        ASSERT_TRUE(Saved(*second, &bytes).ok());
        EXPECT_EQ(bytes, expected) << "saved after step " << step;
        ExpectSame(*second->Predict(kAllCells), *whole->Predict(kAllCells));
      }
    }
  }
}

TEST(MetaLearnersTest, RestoredWithoutItsDataAFitPredictsTheSameBits) {
  for (const MetaLearnerKind kind : kKinds) {
    const MetaLearnerOptions options = {
        .kind = kind, .outcome = Cells(), .effect = Cells(), .propensity = Cells(), .folds = 3};
    const auto fit = Begin(options, CellData(200, 3, 1));
    ASSERT_TRUE(fit->Advance(1).ok());
    const auto restore = [&](int arms, int64_t features) {
      return RestoreMetaLearner(options, arms, features, "model.", *Saved(*fit));
    };
    if (fit->steps() > 1) {
      EXPECT_EQ(restore(3, 1).status().code(), absl::StatusCode::kInvalidArgument);
    }
    ASSERT_TRUE(fit->Advance(1000).ok());
    const auto restored = restore(3, 1);
    ASSERT_TRUE(restored.ok()) << restored.status();
    ExpectSame(*(*restored)->Predict(kAllCells), *fit->Predict(kAllCells));
    EXPECT_EQ(restore(2, 1).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(restore(3, 2).status().code(), absl::StatusCode::kInvalidArgument);
    MetaLearnerOptions other = options;
    other.kind = kind == MetaLearnerKind::kT ? MetaLearnerKind::kS : MetaLearnerKind::kT;
    EXPECT_FALSE(RestoreMetaLearner(other, 3, 1, "model.", *Saved(*fit)).ok());
  }
}

TEST(MetaLearnersTest, FoldsComeFromTheStream) {
  const Observations data = CellData(200, 2, 1);
  const MetaLearnerOptions options = {
      .kind = MetaLearnerKind::kDr, .outcome = Cells(), .effect = Cells(), .propensity = Cells()};
  ExpectSame(Predict(options, data, kAllCells, 1), Predict(options, data, kAllCells, 1));
  EXPECT_NE(Predict(options, data, kAllCells, 1).effect,
            Predict(options, data, kAllCells, 2).effect);
}

// And from no place in a list: the streams of the regressions differ from each other, and do not
// depend on what is fitted besides.
TEST(MetaLearnersTest, EachRegressionHasAStreamOfItsOwn) {
  const auto streams = [](int folds) {
    const auto recorder = std::make_shared<Recorder>(Cells());
    Predict({.kind = MetaLearnerKind::kDr,
             .outcome = recorder,
             .effect = recorder,
             .propensity = recorder,
             .folds = folds},
            CellData(200, 3, 1), kAllCells);
    std::set<random::PhiloxBlock> identities;
    for (const auto& call : recorder->calls) identities.insert(call.stream);
    EXPECT_EQ(identities.size(), recorder->calls.size());
    return identities;
  };
  const auto two = streams(2);
  const auto three = streams(3);
  EXPECT_EQ(two.size(), 12);
  EXPECT_TRUE(std::ranges::includes(three, two));
}

TEST(MetaLearnersTest, AStateOfSomethingElseIsRefusedAndChangesNothing) {
  const Observations data = CellData(200, 2, 1);
  const MetaLearnerOptions options = {.kind = MetaLearnerKind::kDr,
                                      .outcome = Cells(),
                                      .effect = Cells(),
                                      .propensity = Cells(),
                                      .folds = 3};
  const auto fit = Begin(options, data);
  ASSERT_TRUE(fit->Advance(4).ok());
  const auto refuse = [&](const MetaLearnerOptions& by, const Observations& of) {
    const auto other = Begin(by, of);
    ASSERT_TRUE(other->Advance(1).ok());
    EXPECT_EQ(other->Load("model.", *Saved(*fit)).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(other->steps_done(), 1);
  };
  MetaLearnerOptions other = options;
  other.kind = MetaLearnerKind::kR;
  refuse(other, data);
  other = options;
  other.folds = 4;
  refuse(other, data);
  refuse(options, CellData(200, 3, 1));
  refuse(options, CellData(201, 2, 1));
  EXPECT_EQ(fit->Load("elsewhere.", *Saved(*fit)).code(), absl::StatusCode::kNotFound);

  // Files that are not whole, of a state that would be.
  const auto load = [&](int64_t done, int components, const std::string& last) {
    record::SafetensorsWriter writer;
    const std::vector<int64_t> shape = {static_cast<int64_t>(options.kind), 2, 3, 200, 1, done};
    EXPECT_TRUE(writer.Add("model.meta_learner", {6}, std::span<const int64_t>(shape)).ok());
    for (int i = 0; i < components; ++i) {
      const std::vector<uint8_t> bytes(last.begin(), last.end());
      EXPECT_TRUE(writer
                      .Add(absl::StrCat("model.component.", i),
                           {static_cast<int64_t>(bytes.size())}, std::span<const uint8_t>(bytes))
                      .ok());
    }
    const absl::Status status =
        fit->Load("model.", *record::SafetensorsFile::Parse(*writer.Finish()));
    if (!status.ok()) {
      EXPECT_EQ(fit->steps_done(), 4);
    }
    return status;
  };
  EXPECT_EQ(load(-1, 0, "").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(load(11, 11, "").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(load(2, 1, std::string(16, '\0')).code(), absl::StatusCode::kNotFound);
  const absl::Status damaged = load(1, 1, "odd");
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(damaged.message(), HasSubstr("outcome of arm 0, fold 1"));
  EXPECT_TRUE(load(1, 1, std::string(16, '\0')).ok());
}

TEST(MetaLearnersTest, WrongOptionsAreNamed) {
  const auto cells = Cells();
  const auto expect = [](const MetaLearnerOptions& options, const std::string& message) {
    const auto factory = MetaLearner(options);
    ASSERT_EQ(factory.status().code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(factory.status().message(), HasSubstr(message));
  };
  expect({.kind = MetaLearnerKind::kT}, "no regressor of outcome");
  expect({.outcome = cells, .propensity = cells}, "no regressor of effect");
  expect({.outcome = cells, .effect = cells}, "no regressor of propensity");
  MetaLearnerOptions options = {
      .kind = MetaLearnerKind::kR, .outcome = cells, .effect = cells, .propensity = cells};
  options.folds = 1;
  expect(options, "folds is 1, must be at least 2");
  options.folds = 2;
  for (const double clip : {0.0, .5, -1.0, std::nan("")}) {
    options.clip = clip;
    expect(options, "clip is ");
  }
  EXPECT_TRUE(MetaLearner({.kind = MetaLearnerKind::kT, .outcome = cells}).ok());
}

TEST(MetaLearnersTest, DataThatDoNotFitAreNamed) {
  const auto cells = Cells();
  const auto error = [&](const Observations& data, int folds) {
    const auto factory = MetaLearner({.kind = MetaLearnerKind::kR,
                                      .outcome = cells,
                                      .effect = cells,
                                      .propensity = cells,
                                      .folds = folds});
    const auto fit = (*factory)({.observations = data, .stream = random::Stream(1)});
    EXPECT_EQ(fit.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(fit.status().message());
  };
  Observations data = CellData(20, 2, 1);
  EXPECT_THAT(error(data, 21), HasSubstr("20 units cannot be spread over 21 folds"));
  std::ranges::fill(data.treatment, 0);
  EXPECT_THAT(error(data, 2), HasSubstr("arm 1 has no units"));
  data.treatment[3] = 1;
  EXPECT_THAT(error(data, 2), HasSubstr("all 1 units of arm 1 are in one fold of 2"));
  data = CellData(20, 2, 1);
  data.cluster.assign(20, 5);
  EXPECT_THAT(error(data, 2), HasSubstr("1 clusters cannot be spread over 2 folds"));

  const auto fit = Begin({.kind = MetaLearnerKind::kT, .outcome = cells}, CellData(20, 2, 1));
  ASSERT_TRUE(fit->Advance(2).ok());
  const auto predictions = fit->Predict({kCells, 2, 2, 2});
  EXPECT_EQ(predictions.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(predictions.status().message(), HasSubstr("2 covariates"));
}

TEST(MetaLearnersTest, AnErrorNamesTheRegression) {
  class Failing : public Regressor {
    absl::StatusOr<std::unique_ptr<Regression>> Fit(const RegressionData&) const override {
      return absl::InternalError("no luck");
    }
    absl::StatusOr<std::unique_ptr<Regression>> Restore(const std::string&) const override {
      return absl::InternalError("no luck");
    }
  };
  const auto fit = Begin({.kind = MetaLearnerKind::kX,
                          .outcome = Cells(),
                          .effect = Cells(),
                          .propensity = std::make_shared<Failing>()},
                         CellData(50, 2, 1));
  EXPECT_EQ(fit->Advance(100).message(), "propensity of arm 1: no luck");
  EXPECT_EQ(fit->steps_done(), 4);
}

// Effects 1 or 3, confounded: a constant effect is off by 1.
TEST(MetaLearnersTest, OverTreesEveryLearnerFindsAStepOfTheEffect) {
  Observations data{.covariate_names = {"a", "b", "c"}};
  random::Stream stream(3);
  std::vector<double> effect;
  for (int i = 0; i < 3000; ++i) {
    const double a = stream.Uniform(), b = stream.Uniform(), c = stream.Uniform();
    data.covariates.insert(data.covariates.end(), {a, b, c});
    effect.push_back(b > .5 ? 3 : 1);
    data.treatment.push_back(stream.Uniform() < .2 + .6 * a ? 1 : 0);
    data.outcome.push_back(3 * a + std::sin(6 * c) + data.treatment.back() * effect.back() +
                           .5 * stream.Normal());
  }
  const std::shared_ptr<const Regressor> trees = *Boosting::Create({});
  for (const MetaLearnerKind kind : kKinds) {
    const Predictions predictions = Predict(
        {.kind = kind, .outcome = trees, .effect = trees, .propensity = trees}, data, data.x());
    double sum = 0;
    for (size_t i = 0; i < effect.size(); ++i) {
      sum += std::pow(predictions.effect[0][i] - effect[i], 2) / 3000;
    }
    EXPECT_LT(std::sqrt(sum), .4) << "kind " << static_cast<int>(kind);
  }
}

}  // namespace
}  // namespace perennial::causal
