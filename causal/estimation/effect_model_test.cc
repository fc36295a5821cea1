#include "causal/estimation/effect_model.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "causal/data/observations.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

Observations Simulate(int64_t n, int arms, bool binary = false) {
  random::Stream stream = random::Stream(3).Split("simulate");
  Observations o = {.covariate_names = {"a", "b"}, .arms = arms, .binary_outcome = binary};
  for (int64_t i = 0; i < n; ++i) {
    const double a = stream.Normal();
    const double b = stream.Uniform();
    const auto t = static_cast<int32_t>(stream.Below(arms));
    o.covariates.insert(o.covariates.end(), {a, b});
    o.treatment.push_back(t);
    const double mean = a + t * (1 + b);
    o.outcome.push_back(binary ? (stream.Normal() < mean ? 1 : 0) : mean + stream.Normal());
  }
  return o;
}

struct Case {
  EffectModelKind kind;
  int arms;
  bool binary;
};

class EffectModelTest : public ::testing::TestWithParam<Case> {};

TEST_P(EffectModelTest, PredictsWhatTheFitOfItsFactoryDoesAlsoFromAFile) {
  const Observations o = Simulate(150, GetParam().arms, GetParam().binary);
  const random::Stream stream = random::Stream(1).Split("fit");
  const auto model = EffectModel::Fit(GetParam().kind, o, stream);
  ASSERT_TRUE(model.ok()) << model.status().message();
  const auto predictions = model->Predict(o.x());
  ASSERT_TRUE(predictions.ok());

  const auto factory = EffectModelFactory(GetParam().kind, o.size());
  ASSERT_TRUE(factory.ok());
  const auto fit = (*factory)({.observations = o, .stream = stream});
  ASSERT_TRUE(fit.ok());
  ASSERT_TRUE((*fit)->Advance((*fit)->steps()).ok());
  const auto expected = (*fit)->Predict(o.x());
  ASSERT_TRUE(expected.ok());
  EXPECT_EQ(predictions->effect, expected->effect);
  EXPECT_EQ(predictions->outcome, expected->outcome);
  if (!expected->propensity.empty()) {
    EXPECT_EQ(predictions->propensity, expected->propensity);
  }

  ASSERT_EQ(std::ssize(predictions->propensity), GetParam().arms);
  for (int64_t i = 0; i < o.size(); ++i) {
    double sum = 0;
    for (const auto& of_arm : predictions->propensity) sum += of_arm[i];
    EXPECT_NEAR(sum, 1, 1e-12);
  }

  record::SafetensorsWriter writer;
  ASSERT_TRUE(model->Save("m.", writer).ok());
  const auto file = record::SafetensorsFile::Parse(*writer.Finish());
  ASSERT_TRUE(file.ok());
  const auto loaded = EffectModel::Load("m.", *file);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->Predict(o.x())->effect, expected->effect);
  EXPECT_EQ(loaded->Predict(o.x())->propensity, predictions->propensity);
  EXPECT_EQ(loaded->kind(), GetParam().kind);
  EXPECT_THAT(std::string(loaded->Predict({o.covariates.data(), 1, 1, 1}).status().message()),
              HasSubstr("the model was fitted to 2"));
}

INSTANTIATE_TEST_SUITE_P(Kinds, EffectModelTest,
                         ::testing::Values(Case{EffectModelKind::kBoosting, 2, false},
                                           Case{EffectModelKind::kBoosting, 3, false},
                                           Case{EffectModelKind::kBoosting, 2, true},
                                           Case{EffectModelKind::kLinear, 2, false},
                                           Case{EffectModelKind::kLinear, 3, false},
                                           Case{EffectModelKind::kNet, 2, false},
                                           Case{EffectModelKind::kNet, 3, true}));

TEST(EffectModelTest, FilesOfOtherShapesAreRefused) {
  const Observations o = Simulate(100, 2);
  const auto model = EffectModel::Fit(EffectModelKind::kLinear, o, random::Stream(1));
  ASSERT_TRUE(model.ok());
  for (const std::vector<int64_t>& shape :
       std::vector<std::vector<int64_t>>{{7, 2, 2}, {1, 1, 2}, {1, 2, 0}, {1, 2}, {1, 3, 2}}) {
    record::SafetensorsWriter writer;
    ASSERT_TRUE(model->Save("m.", writer).ok());
    record::SafetensorsWriter other;
    const auto file = record::SafetensorsFile::Parse(*writer.Finish());
    for (const auto& [name, info] : file->tensors()) {
      if (name == "m.shape") {
        ASSERT_TRUE(other.Add<int64_t>(name, {std::ssize(shape)}, shape).ok());
      } else {
        const auto bytes = file->Read<uint8_t>(name);
        ASSERT_TRUE(other.Add<uint8_t>(name, {std::ssize(*bytes)}, *bytes).ok());
      }
    }
    EXPECT_FALSE(EffectModel::Load("m.", *record::SafetensorsFile::Parse(*other.Finish())).ok());
  }
}

TEST(EffectModelTest, UnknownNamesGetTheNearest) {
  EXPECT_EQ(*EffectModelKindOf("net"), EffectModelKind::kNet);
  EXPECT_THAT(std::string(EffectModelKindOf("bosting").status().message()),
              HasSubstr("did you mean \"boosting\""));
}

}  // namespace
}  // namespace perennial::causal
