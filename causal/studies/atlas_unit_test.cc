#include "causal/studies/atlas_unit.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "causal/studies/atlas.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

// Normal covariates and the same effect, 1, for all.
constexpr HonestConfig kKnobs = {.instruments = 1,
                                 .confounders = 2,
                                 .outcome_only = 1,
                                 .effect_only = 0,
                                 .noise = 0,
                                 .binary_share = 0,
                                 .effect_sd = 0};
constexpr int64_t kUnits = 64;
constexpr int64_t kTestUnits = 5;

const HonestGenerator& Generator() {
  static const HonestGenerator& generator =
      *new HonestGenerator(*HonestGenerator::Create(kKnobs, random::Stream(1)));
  return generator;
}

std::shared_ptr<const Observations> TestUnits() {
  return std::make_shared<const Observations>(*AtlasTestUnits(Generator(), kTestUnits, 1));
}

// Predicts 1 and an error that is made of known parts: a bias, the sample's (its mean of the first
// covariate, N(0, 1 / n)), the split's and the initialisation's (N(0, 1) by their streams).
struct Parts {
  double bias, sample, split, initialisation;
  double covariate = 0;  // Times the first covariate of each unit, to its effect.
};

class FakeFit final : public ModelFit {
 public:
  FakeFit(double effect, double covariate, int64_t steps)
      : effect_(effect), covariate_(covariate), steps_(steps) {}
  int64_t steps() const override { return steps_; }
  int64_t steps_done() const override { return done_; }
  absl::Status Advance(int64_t steps) override {
    done_ = std::min(steps_, done_ + steps);
    return absl::OkStatus();
  }
  absl::StatusOr<Predictions> Predict(kernels::MatrixView<const double> x) const override {
    Predictions predictions = {.effect = {std::vector<double>(x.rows, effect_)}};
    for (int64_t i = 0; i < x.rows; ++i) predictions.effect[0][i] += covariate_ * x(i, 0);
    return predictions;
  }
  absl::Status Save(absl::string_view prefix, record::SafetensorsWriter& writer) const override {
    const int64_t done[] = {done_};
    return writer.Add<int64_t>(std::string(prefix) + "done", {1}, done);
  }
  absl::Status Load(absl::string_view prefix, const record::SafetensorsFile& file) override {
    const auto done = file.Read<int64_t>(std::string(prefix) + "done");
    if (!done.ok()) return done.status();
    done_ = done->at(0);
    return absl::OkStatus();
  }
  double training_flops() const override { return 10; }

 private:
  double effect_;
  double covariate_;
  int64_t steps_;
  int64_t done_ = 0;
};

ModelFactory Fake(const Parts& parts, int64_t steps = 3) {
  return [parts, steps](FitData data) -> absl::StatusOr<std::unique_ptr<ModelFit>> {
    EXPECT_FALSE(data.observations.truth.has_value());
    EXPECT_EQ(data.observations.size(), kUnits);
    double mean = 0;
    for (int64_t i = 0; i < kUnits; ++i) mean += data.observations.x()(i, 0) / kUnits;
    const double error = parts.bias + parts.sample * std::sqrt(kUnits) * mean +
                         parts.split * data.held_out_stream->Normal() +
                         parts.initialisation * data.stream.Normal();
    return std::make_unique<FakeFit>(1 + error, parts.covariate, steps);
  };
}

absl::StatusOr<std::unique_ptr<AtlasUnit>> MakeUnit(const Parts& parts, uint64_t seed,
                                                    bool nested = true) {
  return AtlasUnit::Create(
      {.key = {"alpha_0_beta_0", "kappa_1_n_64", "realisation", std::to_string(seed)},
       .generator = Generator(),
       .n = kUnits,
       .test = TestUnits(),
       .model = Fake(parts),
       .nested = nested,
       .seed = seed});
}

double Metric(const population::UnitResults& results, const std::string& name) {
  for (const population::Measurement& measurement : results.measurements) {
    if (measurement.metric == name) return measurement.value;
  }
  ADD_FAILURE() << "no " << name;
  return std::nan("");
}

TEST(AtlasUnitTest, TheAtlasFindsThePartsThatErrorsAreMadeOf) {
  const Parts parts = {.bias = 0.5, .sample = 1, .split = 0.7, .initialisation = 0.4};
  constexpr int kReplicates = 3000;
  std::vector<experiment::FinishedUnit> units;
  for (uint64_t seed = 0; seed < kReplicates; ++seed) {
    const auto unit = MakeUnit(parts, seed);
    ASSERT_TRUE(unit.ok()) << unit.status();
    ASSERT_TRUE((*unit)->Advance(100).ok());
    units.push_back(
        {.key = (*unit)->key(), .plan = (*unit)->plan(), .results = (*unit)->Results()});
  }
  for (const AtlasEstimand estimand :
       {AtlasEstimand::kAte, AtlasEstimand::kAtt, AtlasEstimand::kEffect}) {
    const auto errors = AtlasErrors(units, "alpha_0_beta_0", "kappa_1_n_64", estimand);
    ASSERT_TRUE(errors.ok()) << errors.status();
    ASSERT_EQ(errors->size(), kReplicates);
    EXPECT_EQ((*errors)[0].mean.size(), estimand == AtlasEstimand::kEffect ? kTestUnits : 1);
    const auto cell = DecomposeErrors(*errors, 2, random::Stream(0));
    ASSERT_TRUE(cell.ok()) << cell.status();
    // A variance of 3000 normal numbers has an error of sqrt(2 / 3000) = 2.6 %.
    EXPECT_NEAR(cell->bias_squared.value, 0.25, 4 * std::sqrt(1.33 / kReplicates));
    EXPECT_NEAR(cell->parts->sampling.value, 1, 0.15);
    EXPECT_NEAR(cell->parts->split.value, 0.49, 0.06);
    EXPECT_NEAR(cell->parts->initialisation.value, 0.16, 0.02);
    EXPECT_NEAR(cell->parts->interaction.value, 0, 1e-12);
  }
}

TEST(AtlasUnitTest, ErrorsAreThoseOfTheFits) {
  const auto unit = MakeUnit({.bias = -0.25}, 7, /*nested=*/false);
  ASSERT_TRUE(unit.ok()) << unit.status();
  EXPECT_EQ((*unit)->plan().steps, 3);
  EXPECT_EQ((*unit)->plan().training_flops, 10);
  ASSERT_TRUE((*unit)->Advance(100).ok());
  const population::UnitResults results = (*unit)->Results();
  EXPECT_NEAR(Metric(results, "ate_bias"), -0.25, 1e-12);
  EXPECT_NEAR(Metric(results, "att_bias"), -0.25, 1e-12);
  EXPECT_NEAR(Metric(results, "ate_error"), 0.25, 1e-12);
  EXPECT_NEAR(Metric(results, "sqrt_pehe_out"), 0.25, 1e-12);
  ASSERT_EQ(results.curves.size(), 1);
  for (const double effect : results.curves[0].x) EXPECT_NEAR(effect, 1, 1e-12);
  for (const double error : results.curves[0].y) EXPECT_NEAR(error, -0.25, 1e-12);
  for (const population::Measurement& measurement : results.measurements) {
    EXPECT_THAT(measurement.metric, ::testing::Not(HasSubstr("split")));
  }
}

TEST(AtlasUnitTest, TheSlopeIsThatOfPredictedOnTrueEffects) {
  HonestConfig knobs = kKnobs;
  knobs.effect_only = 2;
  knobs.effect_sd = 1;
  const auto generator = HonestGenerator::Create(knobs, random::Stream(1));
  ASSERT_TRUE(generator.ok());
  const auto results_of = [&](const Parts& parts) {
    auto unit = AtlasUnit::Create(
        {.key = {"alpha_0_beta_0", "kappa_1_n_64", "realisation", "1"},
         .generator = *generator,
         .n = kUnits,
         .test = std::make_shared<const Observations>(*AtlasTestUnits(*generator, 30, 1)),
         .model = Fake(parts),
         .seed = 1});
    EXPECT_TRUE(unit.ok()) << unit.status();
    EXPECT_TRUE((*unit)->Advance(100).ok());
    return (*unit)->Results();
  };
  // What is predicted for all alike has slope 0.
  EXPECT_NEAR(Metric(results_of({.bias = 0.3}), "effect_slope_bias"), -1, 1e-12);

  const population::UnitResults results = results_of({.bias = 0.3, .covariate = 0.7});
  const population::Curve& curve = results.curves[0];
  double x = 0, y = 0, xx = 0, xy = 0;
  const auto n = static_cast<double>(curve.x.size());
  for (size_t i = 0; i < curve.x.size(); ++i) {
    const double predicted = curve.x[i] + curve.y[i];
    x += curve.x[i];
    y += predicted;
    xx += curve.x[i] * curve.x[i];
    xy += curve.x[i] * predicted;
  }
  const double slope = (n * xy - x * y) / (n * xx - x * x);
  EXPECT_GT(std::abs(slope), 1e-3);
  EXPECT_NEAR(Metric(results, "effect_slope_bias"), slope - 1, 1e-9);
}

TEST(AtlasUnitTest, EqualEffectsHaveNoSlope) {
  const auto unit = MakeUnit({.bias = 0.3}, 1);
  ASSERT_TRUE((*unit)->Advance(100).ok());
  for (const population::Measurement& measurement : (*unit)->Results().measurements) {
    EXPECT_NE(measurement.metric, "effect_slope_bias");
  }
}

TEST(AtlasUnitTest, UnitsGoOnFromTheirStateBitForBit) {
  const Parts parts = {.bias = 0.5, .sample = 1, .split = 0.7, .initialisation = 0.4};
  const auto whole = MakeUnit(parts, 3);
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ((*whole)->plan().steps, 12);
  ASSERT_TRUE((*whole)->Advance(100).ok());
  for (int64_t stop = 0; stop <= 12; ++stop) {
    const auto stopped = MakeUnit(parts, 3);
    const auto resumed = MakeUnit(parts, 3);
    ASSERT_TRUE((*stopped)->Advance(stop).ok());
    ASSERT_EQ((*stopped)->steps_done(), stop);
    const auto state = (*stopped)->Save();
    ASSERT_TRUE(state.ok()) << state.status();
    ASSERT_TRUE((*resumed)->Load(*state).ok());
    EXPECT_EQ((*resumed)->steps_done(), stop);
    ASSERT_TRUE((*resumed)->Advance(100).ok());
    const auto results = (*resumed)->Results();
    ASSERT_EQ(results.measurements.size(), (*whole)->Results().measurements.size());
    for (size_t m = 0; m < results.measurements.size(); ++m) {
      EXPECT_EQ(results.measurements[m].value, (*whole)->Results().measurements[m].value);
    }
    EXPECT_EQ(results.curves[0].y, (*whole)->Results().curves[0].y);
  }
}

TEST(AtlasUnitTest, AStateOfAnotherConfigurationIsRefused) {
  const auto unit = MakeUnit({.bias = 1}, 3);
  const auto one_fit = MakeUnit({.bias = 1}, 3, /*nested=*/false);
  ASSERT_TRUE((*unit)->Advance(8).ok());
  const auto state = (*unit)->Save();
  ASSERT_TRUE(state.ok());
  EXPECT_THAT(std::string((*one_fit)->Load(*state).message()), HasSubstr("does not belong"));
  const auto other = MakeUnit({.bias = 1}, 4);
  EXPECT_THAT(std::string((*other)->Load(*state).message()), HasSubstr("realisation.3"));
}

TEST(AtlasSampleTest, CellsHaveCommonRandomNumbers) {
  HonestConfig strong = kKnobs;
  strong.kappa = 3;
  const auto generator = HonestGenerator::Create(strong, random::Stream(1));
  ASSERT_TRUE(generator.ok());
  const auto weak = AtlasSample(Generator(), 50, 5);
  const auto confounded = AtlasSample(*generator, 50, 5);
  const auto larger = AtlasSample(Generator(), 80, 5);
  const auto other = AtlasSample(Generator(), 50, 6);
  ASSERT_TRUE(weak.ok() && confounded.ok() && larger.ok() && other.ok());
  EXPECT_EQ(weak->covariates, confounded->covariates);
  EXPECT_EQ(weak->truth->mean_outcome, confounded->truth->mean_outcome);
  EXPECT_NE(weak->treatment, confounded->treatment);
  EXPECT_NE(weak->covariates, other->covariates);
  EXPECT_TRUE(std::equal(weak->outcome.begin(), weak->outcome.end(), larger->outcome.begin()));
  // The same noise.
  for (int i = 0; i < 50; ++i) {
    const auto noise = [i](const Observations& units) {
      return units.outcome[i] - units.truth->mean_outcome[units.treatment[i]][i];
    };
    EXPECT_NEAR(noise(*weak), noise(*confounded), 1e-12);
  }
}

TEST(AtlasSampleTest, TestUnitsAreThoseOfNoSeedAndInOrderOfTheirEffects) {
  HonestConfig knobs = kKnobs;
  knobs.effect_only = 2;
  knobs.effect_sd = 1;
  const auto generator = HonestGenerator::Create(knobs, random::Stream(1));
  const auto test = AtlasTestUnits(*generator, 30, 1);
  ASSERT_TRUE(test.ok());
  for (int i = 1; i < 30; ++i) {
    EXPECT_LE(test->truth->mean_outcome[1][i - 1] - test->truth->mean_outcome[0][i - 1],
              test->truth->mean_outcome[1][i] - test->truth->mean_outcome[0][i]);
  }
  EXPECT_NE(test->x()(0, 0), AtlasSample(*generator, 30, 1)->x()(0, 0));
}

}  // namespace
}  // namespace perennial::causal
