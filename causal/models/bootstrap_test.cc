#include "causal/models/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "causal/estimators/baselines.h"
#include "causal/estimators/ridge.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

// Two covariates; effects 1 + 2 a; noise that grows with |a|.
Observations Linear(int64_t n) {
  random::Stream stream(7);
  Observations o = {.covariate_names = {"a", "b"}};
  for (int64_t i = 0; i < n; ++i) {
    const double a = stream.Normal();
    const double b = stream.Uniform();
    const int32_t t = i % 3 == 0 ? 1 : 0;
    o.covariates.insert(o.covariates.end(), {a, b});
    o.treatment.push_back(t);
    o.outcome.push_back(a - b + t * (1 + 2 * a) + (0.2 + std::abs(a)) * stream.Normal());
  }
  return o;
}

std::unique_ptr<Bootstrap> Start(const ModelFactory& model, const Observations& o, int replicates) {
  auto bootstrap =
      Bootstrap::Create(model, {.observations = o, .stream = random::Stream(1).Split("bootstrap")},
                        replicates, {0, 0.5, 1.5, 0.1, -2, 0.9});
  EXPECT_TRUE(bootstrap.ok()) << bootstrap.status();
  return *std::move(bootstrap);
}

std::string StateOf(const Bootstrap& bootstrap) {
  record::SafetensorsWriter writer;
  EXPECT_TRUE(bootstrap.Save("b.", writer).ok());
  return *writer.Finish();
}

TEST(HalfSample, IsHalfOfEachArmRoundedUp) {
  Observations o = Linear(63);  // 21 treated.
  for (int64_t i = 0; i < o.size(); ++i) o.covariates[2 * i] = static_cast<double>(i);
  EXPECT_DOUBLE_EQ(HalfSampleFactor(o), std::sqrt(32.0 / 31));
  EXPECT_EQ(HalfSampleFactor(Linear(60)), 1);
  std::set<std::vector<double>> samples;
  std::vector<int> times(o.size());
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const Observations drawn = HalfSample(o, random::Stream(seed));
    EXPECT_EQ(std::ranges::count(drawn.treatment, 1), 11);
    EXPECT_EQ(std::ranges::count(drawn.treatment, 0), 21);
    for (int64_t i = 0; i < drawn.size(); ++i) {
      EXPECT_TRUE(i == 0 || drawn.covariates[2 * i] > drawn.covariates[2 * (i - 1)]);
      const auto unit = static_cast<size_t>(drawn.covariates[2 * i]);
      EXPECT_EQ(drawn.outcome[i], o.outcome[unit]);
      ++times[unit];
    }
    samples.insert(drawn.covariates);
  }
  EXPECT_EQ(samples.size(), 200u);
  // Of 200 draws of probability 1/2 or 11/21: five standard deviations.
  EXPECT_GT(*std::ranges::min_element(times), 64);
  EXPECT_LT(*std::ranges::max_element(times), 140);
}

TEST(HalfSample, DrawsClustersWhole) {
  Observations o = Linear(60);
  for (int32_t i = 0; i < 60; ++i) o.cluster.push_back(2 * (i / 6));  // Numbers with gaps.
  EXPECT_EQ(HalfSampleFactor(o), 1);
  const Observations drawn = HalfSample(o, random::Stream(3));
  EXPECT_EQ(drawn.size(), 30);
  std::map<int32_t, int> rows;
  for (const int32_t cluster : drawn.cluster) ++rows[cluster];
  EXPECT_EQ(rows.size(), 5u);
  for (const auto& [cluster, count] : rows) EXPECT_EQ(count, 6);
  // Five of nine clusters, whatever their units.
  for (int32_t i = 0; i < 12; ++i) o.cluster[i] = 0;
  EXPECT_DOUBLE_EQ(HalfSampleFactor(o), std::sqrt(5.0 / 4));
}

// Given the sample, the mean of m of n units drawn without replacement has the variance
// (1 - m / n) s^2 / m, with n - 1 below the squares of s; so of the difference, for halves, s1^2 /
// n1 + s0^2 / n0.
TEST(Bootstrap, OfADifferenceOfMeansMeetsItsVariance) {
  const Observations o = Linear(90);
  double variance = 0;
  for (const int32_t arm : {0, 1}) {
    std::vector<double> y;
    for (int64_t i = 0; i < o.size(); ++i) {
      if (o.treatment[i] == arm) y.push_back(o.outcome[i]);
    }
    const auto n = static_cast<double>(y.size());
    double mean = 0;
    for (const double value : y) mean += value / n;
    for (const double value : y) variance += (value - mean) * (value - mean) / (n * (n - 1));
  }
  constexpr int kReplicates = 3000;
  const auto bootstrap = Start(NaiveDifference(), o, kReplicates);
  ASSERT_TRUE(bootstrap->Advance(bootstrap->steps()).ok());
  // Four standard errors of a standard deviation.
  EXPECT_NEAR(bootstrap->Errors()[0][0] / std::sqrt(variance), 1, 4 / std::sqrt(2.0 * kReplicates));
}

// The same of clusters, each of one arm and as many units: of their means. 15 and 9 of them, so
// that an odd one of each arm is drawn or left out with the other.
TEST(Bootstrap, OfADifferenceOfClustersMeansMeetsItsVariance) {
  random::Stream stream(3);
  Observations o = {.covariate_names = {"a", "b"}};
  std::vector<double> means[2];
  for (int32_t g = 0; g < 24; ++g) {
    const double shared = 2 * stream.Normal();
    means[g < 9 ? 1 : 0].push_back(0);
    for (int i = 0; i < 5; ++i) {
      o.covariates.insert(o.covariates.end(), {0.0, 0.0});
      o.treatment.push_back(g < 9 ? 1 : 0);
      o.outcome.push_back(shared + 0.3 * stream.Normal());
      o.cluster.push_back(g);
      means[g < 9 ? 1 : 0].back() += o.outcome.back() / 5;
    }
  }
  double variance = 0;
  for (const std::vector<double>& of_arm : means) {
    const auto n = static_cast<double>(of_arm.size());
    double mean = 0;
    for (const double value : of_arm) mean += value / n;
    for (const double value : of_arm) variance += (value - mean) * (value - mean) / (n * (n - 1));
  }
  constexpr int kReplicates = 3000;
  const auto bootstrap = Start(NaiveDifference(), o, kReplicates);
  ASSERT_TRUE(bootstrap->Advance(bootstrap->steps()).ok());
  // Five of nine or four: to the second order of 1 / 9 off.
  EXPECT_NEAR(bootstrap->Errors()[0][0] / std::sqrt(variance), 1,
              4 / std::sqrt(2.0 * kReplicates) + 0.02);
}

TEST(Bootstrap, OfLeastSquaresMeetsTheRobustFormula) {
  const Observations o = Linear(1500);
  constexpr int kReplicates = 1000;
  const auto bootstrap = Start(Ols2({}), o, kReplicates);
  ASSERT_TRUE(bootstrap->Advance(bootstrap->steps()).ok());
  const auto fit = *Ols2({}, true)({.observations = o, .stream = random::Stream(0)});
  ASSERT_TRUE(fit->Advance(1).ok());
  const std::vector<double> points = {0, 0.5, 1.5, 0.1, -2, 0.9};
  const auto predicted = fit->Predict({points.data(), 3, 2, 2});
  ASSERT_TRUE(predicted.ok());
  for (int i = 0; i < 3; ++i) {
    EXPECT_NEAR(bootstrap->Errors()[0][i] / predicted->effect_error[0][i], 1,
                4 / std::sqrt(2.0 * kReplicates) + 0.02)
        << i;
  }
}

// A model of three steps, whose effect is the mean outcome of those treated.
class Slow final : public ModelFit {
 public:
  explicit Slow(FitData data) : data_(std::move(data)) {}
  int64_t steps() const override { return 3; }
  int64_t steps_done() const override { return done_; }
  absl::Status Advance(int64_t steps) override {
    done_ = std::min<int64_t>(3, done_ + steps);
    return absl::OkStatus();
  }
  absl::StatusOr<Predictions> Predict(kernels::MatrixView<const double> x) const override {
    EXPECT_EQ(done_, 3) << "asked before the last step";
    random::Stream stream = data_.stream;
    const double own = stream.Normal();
    double sum = 0;
    for (const double y : data_.observations.outcome) sum += y;
    return Predictions{.effect = {std::vector<double>(x.rows, sum + own)}};
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
  FitData data_;
  int64_t done_ = 0;
};

absl::StatusOr<std::unique_ptr<ModelFit>> MakeSlow(FitData data) {
  return std::make_unique<Slow>(std::move(data));
}

TEST(Bootstrap, GoesOnFromAnyStepBitForBit) {
  const Observations o = Linear(30);
  const auto whole = Start(MakeSlow, o, 4);
  ASSERT_EQ(whole->steps(), 12);
  ASSERT_TRUE(whole->Advance(100).ok());
  EXPECT_EQ(whole->steps_done(), 12);
  EXPECT_GT(whole->Errors()[0][0], 0);
  for (int64_t stop = 0; stop <= 12; ++stop) {
    const auto stopped = Start(MakeSlow, o, 4);
    ASSERT_TRUE(stopped->Advance(stop).ok());
    ASSERT_EQ(stopped->steps_done(), stop);
    const auto resumed = Start(MakeSlow, o, 4);
    ASSERT_TRUE(resumed->Load("b.", *record::SafetensorsFile::Parse(StateOf(*stopped))).ok());
    EXPECT_EQ(resumed->steps_done(), stop);
    for (int i = 0; i < 12; ++i) ASSERT_TRUE(resumed->Advance(1).ok());
    EXPECT_EQ(resumed->Errors(), whole->Errors()) << stop;
  }
}

TEST(Bootstrap, RefusesStatesOfOthers) {
  const auto four = Start(MakeSlow, Linear(30), 4);
  ASSERT_TRUE(four->Advance(100).ok());
  const auto file = record::SafetensorsFile::Parse(StateOf(*four));
  EXPECT_FALSE(Start(MakeSlow, Linear(30), 3)->Load("b.", *file).ok());
  EXPECT_FALSE(Start(MakeSlow, Linear(30), 4)->Load("other.", *file).ok());
  auto fewer = Bootstrap::Create(
      MakeSlow, {.observations = Linear(30), .stream = random::Stream(1)}, 4, {0, 0.5});
  ASSERT_TRUE(fewer.ok());
  EXPECT_FALSE((*fewer)->Load("b.", *file).ok());
}

TEST(Bootstrap, NamesTheReplicateThatFails) {
  int fits = 0;
  const ModelFactory second_fails =
      [&fits](FitData data) -> absl::StatusOr<std::unique_ptr<ModelFit>> {
    // One fit counts the steps.
    if (++fits == 3) return absl::InvalidArgumentError("too few units");
    return MakeSlow(std::move(data));
  };
  const auto bootstrap = Start(second_fails, Linear(30), 4);
  const absl::Status status = bootstrap->Advance(100);
  EXPECT_EQ(status.message(), "bootstrap replicate 2: too few units");
}

TEST(EffectSpread, DoesNotDependOnWhichReplicateEndsFirst) {
  const std::vector<std::vector<std::vector<double>>> effects = {
      {{0.1, 3}}, {{0.7, 3}}, {}, {{1e-3, 3}}};
  EffectSpread in_order(1, 2);
  for (int r = 0; r < 4; ++r) in_order.Take(r, effects[r]);
  // Of 0.1, 0.7 and 0.001: the one that failed has no part in it.
  const double mean = 0.801 / 3;
  EXPECT_NEAR(
      in_order.Errors(1)[0][0],
      std::sqrt((std::pow(0.1 - mean, 2) + std::pow(0.7 - mean, 2) + std::pow(0.001 - mean, 2)) /
                2),
      1e-12);
  EXPECT_EQ(in_order.Errors(1)[0][1], 0);
  EffectSpread other(1, 2);
  for (const int r : {2, 3, 1, 0}) other.Take(r, effects[r]);
  EXPECT_EQ(other.Errors(1), in_order.Errors(1));
}

}  // namespace
}  // namespace perennial::causal
