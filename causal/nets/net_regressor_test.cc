#include "causal/nets/net_regressor.h"

#include <cmath>
#include <memory>
#include <vector>

#include "causal/models/meta_learners.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

struct Data {
  std::vector<double> x, y, weights;
  RegressionData Of(bool binary = false) const {
    return {.x = {x.data(), static_cast<int64_t>(y.size()), 2, 2},
            .y = y,
            .weights = weights,
            .binary = binary,
            .stream = random::Stream(3)};
  }
};

// y = 100 + 10 (x1^2 + x2) without noise.
Data Curved(int64_t n, uint64_t seed) {
  random::Stream stream(seed);
  Data data;
  for (int64_t i = 0; i < n; ++i) {
    const double x1 = stream.Normal();
    const double x2 = stream.Normal();
    data.x.insert(data.x.end(), {x1, x2});
    data.y.push_back(100 + 10 * (x1 * x1 + x2));
  }
  return data;
}

NetRegressorOptions Small() {
  return {.hidden = {32, 32}, .learning_rate = 0.01, .batch_size = 50, .steps = 1500};
}

double Error(const Regression& fit, const Data& data) {
  std::vector<double> predicted(data.y.size());
  fit.Predict(data.Of().x, predicted);
  double squares = 0;
  for (size_t i = 0; i < predicted.size(); ++i) squares += std::pow(predicted[i] - data.y[i], 2);
  return std::sqrt(squares / static_cast<double>(predicted.size()));
}

TEST(NetRegressorTest, FindsACurveThatLeastSquaresCannot) {
  const auto fit = (*NetRegressor::Create(Small()))->Fit(Curved(800, 1).Of());
  ASSERT_TRUE(fit.ok()) << fit.status().message();
  // The deviation of y is 17; its best line leaves 14.
  EXPECT_LT(Error(**fit, Curved(300, 2)), 3);
}

TEST(NetRegressorTest, UnitsWithoutWeightAreAsGoodAsGone) {
  const Data clean = Curved(400, 1);
  Data spoilt = clean;
  spoilt.weights.assign(400, 2.0);
  for (int i = 0; i < 100; ++i) {
    spoilt.x.insert(spoilt.x.end(), {5.0, -7.0});
    spoilt.y.push_back(-1e6);
    spoilt.weights.push_back(0);
  }
  const auto regressor = *NetRegressor::Create(Small());
  const auto with = *regressor->Fit(spoilt.Of());
  const auto without = *regressor->Fit(clean.Of());
  EXPECT_NEAR(Error(*with, clean), Error(*without, clean), 1e-3);
}

TEST(NetRegressorTest, WeightsAreWorthCopies) {
  // Two constant groups of equal covariates: the prediction is their weighted mean.
  Data data;
  for (int i = 0; i < 200; ++i) {
    data.x.insert(data.x.end(), {1.0 * (i % 3), 0.0});
    data.y.push_back(i % 2 == 0 ? 1 : 0);
    data.weights.push_back(i % 2 == 0 ? 3 : 1);
  }
  NetRegressorOptions options = Small();
  options.validation_share = 0;
  options.learning_rate = 1e-3;
  const auto fit = *(*NetRegressor::Create(options))->Fit(data.Of());
  std::vector<double> predicted(200);
  fit->Predict(data.Of().x, predicted);
  for (const double p : predicted) EXPECT_NEAR(p, 0.75, 0.06);
}

TEST(NetRegressorTest, BinaryTargetsHaveProbabilities) {
  random::Stream stream(9);
  Data data;
  for (int i = 0; i < 1500; ++i) {
    const double x1 = stream.Below(2) == 0 ? -1 : 1;
    data.x.insert(data.x.end(), {x1, 0.0});
    data.y.push_back(stream.Uniform() < (x1 > 0 ? 0.9 : 0.2) ? 1 : 0);
  }
  NetRegressorOptions options = Small();
  options.learning_rate = 1e-3;
  const auto fit = *(*NetRegressor::Create(options))->Fit(data.Of(/*binary=*/true));
  const std::vector<double> x = {-1, 0, 1, 0};
  std::vector<double> predicted(2);
  fit->Predict({x.data(), 2, 2, 2}, predicted);
  EXPECT_NEAR(predicted[0], 0.2, 0.06);
  EXPECT_NEAR(predicted[1], 0.9, 0.06);
}

TEST(NetRegressorTest, IsRestoredBitForBitAndFitsAlike) {
  const Data data = Curved(300, 1);
  NetRegressorOptions options = Small();
  options.steps = 100;
  const auto regressor = *NetRegressor::Create(options);
  const auto fit = *regressor->Fit(data.Of());
  EXPECT_EQ(fit->Serialize(), (*regressor->Fit(data.Of()))->Serialize());
  const auto restored = regressor->Restore(fit->Serialize());
  ASSERT_TRUE(restored.ok()) << restored.status().message();
  std::vector<double> a(300), b(300);
  fit->Predict(data.Of().x, a);
  (*restored)->Predict(data.Of().x, b);
  EXPECT_EQ(a, b);
  std::string cut = fit->Serialize();
  cut.resize(cut.size() - 5);
  EXPECT_FALSE(regressor->Restore(cut).ok());
  options.hidden = {7};
  EXPECT_THAT((*NetRegressor::Create(options))->Restore(fit->Serialize()).status().message(),
              HasSubstr("a network of these options"));
}

// The effect is 1 + x2 in lines, x1 decides who is treated and the outcome.
Observations Confounded(int64_t n, uint64_t seed) {
  random::Stream stream(seed);
  Observations observations = {.covariate_names = {"x1", "x2"}};
  for (int64_t i = 0; i < n; ++i) {
    const double x1 = stream.Normal();
    const double x2 = stream.Normal();
    const int32_t t = stream.Uniform() < 1 / (1 + std::exp(-x1)) ? 1 : 0;
    observations.covariates.insert(observations.covariates.end(), {x1, x2});
    observations.treatment.push_back(t);
    observations.outcome.push_back(3 + 2 * x1 + t * (1 + x2) + 0.1 * stream.Normal());
  }
  return observations;
}

TEST(NetRegressorTest, MetaLearnersOfItFindEffectsAndGoOnBitForBit) {
  const Observations train = Confounded(500, 1);
  const Observations test = Confounded(200, 2);
  NetRegressorOptions small = Small();
  small.hidden = {16};
  small.steps = 600;
  const std::shared_ptr<const Regressor> net = *NetRegressor::Create(small);
  for (const MetaLearnerKind kind : {MetaLearnerKind::kS, MetaLearnerKind::kT, MetaLearnerKind::kX,
                                     MetaLearnerKind::kR, MetaLearnerKind::kDr}) {
    SCOPED_TRACE(static_cast<int>(kind));
    const MetaLearnerOptions options = {
        .kind = kind, .outcome = net, .effect = net, .propensity = net, .folds = 2};
    const ModelFactory factory = *MetaLearner(options);
    const auto create = [&] {
      return *factory({.observations = train, .stream = random::Stream(3)});
    };
    const auto saved = [](const ModelFit& fit) {
      record::SafetensorsWriter writer;
      EXPECT_TRUE(fit.Save("fit.", writer).ok());
      return *record::SafetensorsFile::Parse(*writer.Finish());
    };
    const auto whole = create();
    ASSERT_TRUE(whole->Advance(whole->steps()).ok());
    const Predictions predictions = *whole->Predict(test.x());
    double squares = 0;
    for (int64_t i = 0; i < test.size(); ++i) {
      squares += std::pow(predictions.effect[0][i] - (1 + test.covariates[i * 2 + 1]), 2);
    }
    // The effects' own deviation is 1.
    EXPECT_LT(std::sqrt(squares / static_cast<double>(test.size())), 0.3);

    const auto first = create();
    ASSERT_TRUE(first->Advance(1).ok());
    const auto second = create();
    ASSERT_TRUE(second->Load("fit.", saved(*first)).ok());
    EXPECT_EQ(second->steps_done(), 1);
    ASSERT_TRUE(second->Advance(second->steps()).ok());
    EXPECT_EQ(second->Predict(test.x())->effect, predictions.effect);
    const auto restored = RestoreMetaLearner(options, 2, 2, "fit.", saved(*second));
    ASSERT_TRUE(restored.ok()) << restored.status().message();
    EXPECT_EQ((*restored)->Predict(test.x())->effect, predictions.effect);
  }
}

TEST(NetRegressorTest, SaysWhatIsWrong) {
  EXPECT_THAT(NetRegressor::Create({.steps = 0}).status().message(), HasSubstr("steps = 0"));
  EXPECT_THAT(NetRegressor::Create({.learning_rate = -1}).status().message(),
              HasSubstr("learning_rate"));
  Data bad = Curved(10, 1);
  bad.y[3] = std::nan("");
  EXPECT_FALSE((*NetRegressor::Create(Small()))->Fit(bad.Of()).ok());
  NetRegressorOptions wild = Small();
  wild.learning_rate = 1e30;
  EXPECT_THAT((*NetRegressor::Create(wild))->Fit(Curved(100, 1).Of()).status().message(),
              HasSubstr("choose a learning rate"));
}

}  // namespace
}  // namespace perennial::causal
