#include "causal/models/cross_fit.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "causal/estimators/baselines.h"
#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

Observations Sample(int64_t n) {
  random::Stream stream(2);
  Observations observations = {.covariate_names = {"x"}};
  for (int64_t i = 0; i < n; ++i) {
    const double x = stream.Normal();
    observations.covariates.push_back(x);
    observations.treatment.push_back(static_cast<int32_t>(i % 2));
    observations.outcome.push_back(x + static_cast<double>(i % 2) * 3 + 0.1 * stream.Normal());
  }
  return observations;
}

// Predicts for a unit, whose covariate is its number, how often it was among those fitted to. Takes
// three steps.
class Counter final : public ModelFit {
 public:
  explicit Counter(const FitData& data) {
    for (const double x : data.observations.covariates) ++seen_[x];
  }
  int64_t steps() const override { return 3; }
  int64_t steps_done() const override { return done_; }
  absl::Status Advance(int64_t steps) override {
    done_ = std::min<int64_t>(3, done_ + steps);
    return absl::OkStatus();
  }
  absl::StatusOr<Predictions> Predict(kernels::MatrixView<const double> x) const override {
    EXPECT_EQ(done_, 3) << "asked before the last step";
    Predictions predictions;
    predictions.effect.emplace_back();
    for (int64_t i = 0; i < x.rows; ++i) {
      predictions.effect[0].push_back(seen_.contains(x(i, 0)) ? seen_.at(x(i, 0)) : 0);
    }
    return predictions;
  }
  absl::Status Save(absl::string_view prefix, record::SafetensorsWriter& writer) const override {
    return writer.Add<int64_t>(std::string(prefix) + "done", {1}, std::span(&done_, 1));
  }
  absl::Status Load(absl::string_view prefix, const record::SafetensorsFile& file) override {
    const auto done = file.Read<int64_t>(std::string(prefix) + "done");
    if (!done.ok()) return done.status();
    done_ = done->at(0);
    return absl::OkStatus();
  }

 private:
  std::map<double, int> seen_;
  int64_t done_ = 0;
};

ModelFactory Counting(std::vector<int64_t>* sizes) {
  return [sizes](FitData data) -> absl::StatusOr<std::unique_ptr<ModelFit>> {
    sizes->push_back(data.observations.size());
    return std::make_unique<Counter>(data);
  };
}

TEST(CrossFitTest, NoUnitIsPredictedByAModelThatSawIt) {
  Observations observations = Sample(50);
  for (int i = 0; i < 50; ++i) observations.covariates[i] = i;
  std::vector<int64_t> sizes;
  const auto cross_fit = CrossFit::Create(
      Counting(&sizes), {.observations = observations, .stream = random::Stream(1)}, 5);
  ASSERT_TRUE(cross_fit.ok()) << cross_fit.status().message();
  EXPECT_EQ((*cross_fit)->steps(), 15);
  for (int64_t step = 0; step < 15; ++step) {
    EXPECT_EQ((*cross_fit)->steps_done(), step);
    ASSERT_TRUE((*cross_fit)->Advance(1).ok());
  }
  for (const double seen : (*cross_fit)->out_of_fold().effect[0]) EXPECT_EQ(seen, 0);
  for (const int64_t size : sizes) EXPECT_EQ(size, 40);
}

TEST(CrossFitTest, ClustersStayTogether) {
  Observations observations = Sample(60);
  for (int i = 0; i < 60; ++i) {
    observations.covariates[i] = i / 6;  // Of a cluster: it must not have been seen at all.
    observations.cluster.push_back(i / 6);
  }
  std::vector<int64_t> sizes;
  const auto cross_fit = CrossFit::Create(
      Counting(&sizes), {.observations = observations, .stream = random::Stream(1)}, 3);
  ASSERT_TRUE(cross_fit.ok()) << cross_fit.status().message();
  ASSERT_TRUE((*cross_fit)->Advance(100).ok());
  for (const double seen : (*cross_fit)->out_of_fold().effect[0]) EXPECT_EQ(seen, 0);
}

TEST(CrossFitTest, PropensitiesOfALogisticRegressionStandInWhereTheModelHasNone) {
  const auto cross_fit =
      CrossFit::Create(Ols2(), {.observations = Sample(200), .stream = random::Stream(1)}, 4);
  ASSERT_TRUE(cross_fit.ok());
  ASSERT_TRUE((*cross_fit)->Advance(100).ok());
  const Predictions& predictions = (*cross_fit)->out_of_fold();
  ASSERT_EQ(predictions.propensity.size(), 2);
  for (int i = 0; i < 200; ++i) {
    // Arms alternate, whatever x.
    EXPECT_NEAR(predictions.propensity[1][i], 0.5, 0.3);
    EXPECT_NEAR(predictions.propensity[0][i] + predictions.propensity[1][i], 1, 1e-12);
    EXPECT_NEAR(predictions.effect[0][i], 3, 0.2);
  }
}

TEST(CrossFitTest, GoesOnFromAnyStep) {
  const auto make = [] {
    std::vector<int64_t> sizes;
    Observations observations = Sample(50);
    return *CrossFit::Create(Ols2(), {.observations = observations, .stream = random::Stream(1)},
                             5);
  };
  const auto whole = make();
  ASSERT_TRUE(whole->Advance(100).ok());
  for (int64_t stop = 0; stop <= 5; ++stop) {
    const auto first = make();
    ASSERT_TRUE(first->Advance(stop).ok());
    record::SafetensorsWriter writer;
    ASSERT_TRUE(first->Save("c.", writer).ok());
    const auto second = make();
    ASSERT_TRUE(second->Load("c.", *record::SafetensorsFile::Parse(*writer.Finish())).ok());
    EXPECT_EQ(second->steps_done(), stop);
    ASSERT_TRUE(second->Advance(100).ok());
    EXPECT_EQ(second->out_of_fold().outcome, whole->out_of_fold().outcome);
    EXPECT_EQ(second->out_of_fold().propensity, whole->out_of_fold().propensity);
  }
}

TEST(CrossFitTest, SaysWhenThereAreTooFewUnits) {
  EXPECT_THAT(CrossFit::Create(Ols2(), {.observations = Sample(4), .stream = random::Stream(1)}, 5)
                  .status()
                  .message(),
              HasSubstr("4"));
}

}  // namespace
}  // namespace perennial::causal
