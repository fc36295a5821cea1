#include "causal/data/observations.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Observations Three() {
  return {.covariate_names = {"age", "bmi"},
          .covariates = {30, 20, 40, 21, 50, 22},
          .treatment = {0, 1, 0},
          .outcome = {1, 0, 1},
          .binary_outcome = true,
          .cluster = {7, 7, 8},
          .randomised = {1, 1, 0},
          .truth = Truth{.mean_outcome = {{0.1, 0.2, 0.3}, {0.4, 0.5, 0.6}},
                         .propensity = {{0.5, 0.25, 0.75}, {0.5, 0.75, 0.25}}}};
}

TEST(ObservationsTest, WhatFitsIsValid) {
  EXPECT_TRUE(Validate(Three()).ok());
  Observations no_covariates = Three();
  no_covariates.covariate_names.clear();
  no_covariates.covariates.clear();
  EXPECT_TRUE(Validate(no_covariates).ok());
}

TEST(ObservationsTest, SelectTakesRowsOfEverything) {
  const int32_t rows[] = {2, 1, 2};
  const Observations selected = Select(Three(), rows);
  EXPECT_TRUE(Validate(selected).ok());
  EXPECT_THAT(selected.covariates, ElementsAre(50, 22, 40, 21, 50, 22));
  EXPECT_THAT(selected.treatment, ElementsAre(0, 1, 0));
  EXPECT_THAT(selected.outcome, ElementsAre(1, 0, 1));
  EXPECT_THAT(selected.cluster, ElementsAre(8, 7, 8));
  EXPECT_THAT(selected.randomised, ElementsAre(0, 1, 0));
  EXPECT_THAT(selected.truth->mean_outcome[1], ElementsAre(0.6, 0.5, 0.6));
  EXPECT_THAT(selected.truth->propensity[0], ElementsAre(0.75, 0.25, 0.75));
  EXPECT_EQ(selected.x()(0, 1), 22);
}

TEST(ObservationsTest, SaysWhatDoesNotFit) {
  const auto message = [](auto change) {
    Observations observations = Three();
    change(observations);
    return std::string(Validate(observations).message());
  };
  using O = Observations;
  EXPECT_THAT(message([](O& o) { o = {}; }), HasSubstr("no units"));
  EXPECT_THAT(message([](O& o) { o.arms = 1; }), HasSubstr("1 arms"));
  EXPECT_THAT(message([](O& o) { o.covariates.pop_back(); }),
              HasSubstr("covariates has 5 values, expected 6"));
  EXPECT_THAT(message([](O& o) { o.outcome.pop_back(); }), HasSubstr("outcome has 2"));
  EXPECT_THAT(message([](O& o) { o.cluster.pop_back(); }), HasSubstr("cluster has 2"));
  EXPECT_THAT(message([](O& o) { o.randomised.pop_back(); }), HasSubstr("randomised has 2"));
  EXPECT_THAT(message([](O& o) { o.treatment[1] = 2; }),
              HasSubstr("treatment of unit 2 is 2, must be an arm, 0 to 1"));
  EXPECT_THAT(message([](O& o) { o.treatment[1] = 0; }), HasSubstr("arm 1 has no units"));
  EXPECT_THAT(message([](O& o) { o.covariates[3] = std::nan(""); }),
              HasSubstr("covariate bmi of unit 2"));
  EXPECT_THAT(message([](O& o) { o.outcome[0] = std::numeric_limits<double>::infinity(); }),
              HasSubstr("outcome of unit 1 is inf"));
  EXPECT_THAT(message([](O& o) { o.outcome[0] = 0.5; }), HasSubstr("must be 0 or 1"));
  EXPECT_THAT(message([](O& o) { o.truth->mean_outcome.pop_back(); }),
              HasSubstr("truth.mean_outcome has 1"));
  EXPECT_THAT(message([](O& o) { o.truth->mean_outcome[0].pop_back(); }),
              HasSubstr("of an arm has 2"));
  EXPECT_THAT(message([](O& o) { o.truth->propensity[0][0] = 1; }), HasSubstr("between 0 and 1"));
  EXPECT_THAT(message([](O& o) { o.truth->propensity[0][0] = 0.6; }), HasSubstr("adds up to 1.1"));
}

}  // namespace
}  // namespace perennial::causal
