#include "causal/data/lalonde.h"

#include <algorithm>
#include <string>
#include <vector>

#include "common/base/runfiles.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Recorded by pandas 3.1.1 and scipy 1.17.1, ttest_ind with equal_var=False
// (tools/oracles/real_data.py).
TEST(LalondeTest, TheExperimentHasTheEffectThatScipyFinds) {
  const absl::StatusOr<Lalonde> lalonde = LoadLalonde();
  ASSERT_TRUE(lalonde.ok()) << lalonde.status();
  EXPECT_EQ(lalonde->experiment.size(), 445);
  EXPECT_EQ(std::ranges::count(lalonde->experiment.treatment, 1), 185);
  EXPECT_NEAR(lalonde->benchmark.effect, 1794.3423818501024, 1e-7);
  EXPECT_NEAR(lalonde->benchmark.standard_error, 670.9965444673315, 1e-7);
}

TEST(LalondeTest, TheSurveyBringsOtherControlsForTheSameTrained) {
  const Lalonde lalonde = LoadLalonde().value();
  const Observations& survey = lalonde.survey;
  ASSERT_EQ(survey.size(), 185 + 15992);
  EXPECT_EQ(std::ranges::count(survey.treatment, 1), 185);
  EXPECT_THAT(survey.covariate_names,
              ElementsAre("age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75"));
  double trained = 0, controls = 0;
  int64_t row = 0;
  for (int64_t i = 0; i < lalonde.experiment.size(); ++i) {
    if (lalonde.experiment.treatment[i] == 0) continue;
    EXPECT_EQ(survey.outcome[row], lalonde.experiment.outcome[i]);
    for (int c = 0; c < 8; ++c) {
      EXPECT_EQ(survey.covariates[row * 8 + c], lalonde.experiment.covariates[i * 8 + c]);
    }
    trained += survey.outcome[row];
    ++row;
  }
  for (; row < survey.size(); ++row) {
    EXPECT_EQ(survey.treatment[row], 0);
    controls += survey.outcome[row];
  }
  EXPECT_NEAR(trained / 185, 6349.143502065298, 1e-7);
  EXPECT_NEAR(controls / 15992, 14846.659650198277, 1e-7);
  // The first row of each file, by pandas.
  EXPECT_THAT(std::vector<double>(survey.covariates.begin(), survey.covariates.begin() + 8),
              ElementsAre(37.0, 11.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0));
  EXPECT_THAT(
      std::vector<double>(survey.covariates.begin() + 185 * 8, survey.covariates.begin() + 186 * 8),
      ElementsAre(45.0, 11.0, 0.0, 0.0, 1.0, 1.0, 21516.669921875, 25243.55078125));
}

TEST(LalondeTest, ErrorsNameTheFile) {
  EXPECT_EQ(LoadLalonde({.experiment_path = "no/such.dta"}).status().code(),
            absl::StatusCode::kNotFound);
  // The survey has no treated, so it is no experiment.
  const std::string survey = base::FindRunfile("causaldata/cps_mixtape.dta").value();
  EXPECT_THAT(std::string(LoadLalonde({.experiment_path = survey}).status().message()),
              HasSubstr("cps_mixtape.dta: arm 1 has 0 units"));
}

}  // namespace
}  // namespace perennial::causal
