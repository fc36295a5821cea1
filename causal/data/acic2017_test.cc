#include "causal/data/acic2017.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <tuple>
#include <vector>

#include "causal/data/simulation_checks.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Acic2017Raw RawColumns() {
  return {
#define PERENNIAL_RAW_ORACLE
#include "causal/data/acic2017_oracle.inc"
#undef PERENNIAL_RAW_ORACLE
  };
}

struct Standardised {
  std::vector<double> x1, x43;
};
Standardised StandardisedColumns() {
  return {
#define PERENNIAL_STANDARDISED_ORACLE
#include "causal/data/acic2017_oracle.inc"
#undef PERENNIAL_STANDARDISED_ORACLE
  };
}

struct SurfaceRow {
  bool large_effect, high_noise, strong_confounding;
  double sd, center, spread;
  std::vector<double> propensity, mu, alpha, nonadditive_control, nonadditive_treated;
};

void ExpectNear(const std::vector<double>& values, const std::vector<double>& expected,
                double tolerance) {
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], expected[i], tolerance) << "unit " << i;
  }
}

// The prepared columns, with the digits of the oracle in x1 and x43.
Acic2017Columns OracleColumns() {
  Acic2017Columns columns = Acic2017Prepare(RawColumns()).value();
  Standardised standardised = StandardisedColumns();
  columns.x1 = standardised.x1;
  columns.x43 = standardised.x43;
  return columns;
}

TEST(Acic2017Prepare, StandardisedCountsAgreeWithScipy) {
  const auto columns = Acic2017Prepare(RawColumns());
  ASSERT_TRUE(columns.ok()) << columns.status();
  // The best lambda is flat: an optimiser finds half of its digits.
  ExpectNear(columns->x1, StandardisedColumns().x1, 1e-6);
  ExpectNear(columns->x43, StandardisedColumns().x43, 1e-6);
}

TEST(Acic2017Prepare, SplitsCountsAtZeroAndFindsLevelB) {
  const auto columns = Acic2017Prepare({.x1 = {1, 2, 4},
                                        .x43 = {0, 2, 5},
                                        .x3 = {0, 0.25, 60},
                                        .x10 = {0, 0, 8},
                                        .x14 = {1, 0, 0},
                                        .x15 = {2, 0, 1},
                                        .x21 = {0, 15, 7},
                                        .x24 = {0, 1, 4}});
  ASSERT_TRUE(columns.ok()) << columns.status();
  EXPECT_THAT(columns->i3, ElementsAre(1, 0, 0));
  EXPECT_THAT(columns->i10, ElementsAre(1, 1, 0));
  EXPECT_THAT(columns->i14, ElementsAre(0, 1, 1));
  EXPECT_THAT(columns->i15, ElementsAre(0, 1, 0));
  EXPECT_THAT(columns->x21, ElementsAre(0, 15, 7));
  EXPECT_THAT(columns->x24_is_b, ElementsAre(0, 1, 0));
}

TEST(Acic2017Prepare, NamesWhatIsWrong) {
  const auto message = [](const auto& change) {
    Acic2017Raw raw = RawColumns();
    change(raw);
    return std::string(Acic2017Prepare(raw).status().message());
  };
  EXPECT_THAT(message([](auto& raw) { raw.x14.pop_back(); }),
              HasSubstr("x14 has 11 units, but x1 has 12"));
  EXPECT_THAT(message([](auto& raw) { raw.x43[1] = -2; }), HasSubstr("x43 of unit 2 is -2"));
  EXPECT_THAT(message([](auto& raw) { raw.x3[0] = NAN; }), HasSubstr("x3 of unit 1 is nan"));
  EXPECT_THAT(message([](auto& raw) { raw.x1.assign(12, 5); }), HasSubstr("x1 is constant"));
  EXPECT_THAT(message([](auto& raw) { raw.x21[2] = 16; }),
              HasSubstr("x21 of unit 3 is level 16, must be from 0 to 15"));
  EXPECT_THAT(message([](auto& raw) { raw.x24[2] = -1; }), HasSubstr("x24 of unit 3 is level -1"));
  EXPECT_THAT(message([](auto& raw) { raw = {}; }), HasSubstr("0 units"));
}

TEST(Acic2017At, AgreesWithNumpyAndQuadrature) {
  const SurfaceRow rows[] = {
#define PERENNIAL_SURFACE_ORACLE
#include "causal/data/acic2017_oracle.inc"
#undef PERENNIAL_SURFACE_ORACLE
  };
  const Acic2017Columns columns = OracleColumns();
  for (const SurfaceRow& row : rows) {
    Acic2017Config config = {.large_effect = row.large_effect,
                             .high_noise = row.high_noise,
                             .strong_confounding = row.strong_confounding};
    for (const Acic2017Error error :
         {Acic2017Error::kGroupCorrelated, Acic2017Error::kHeteroskedastic, Acic2017Error::kIid,
          Acic2017Error::kNonadditive}) {
      config.error = error;
      const auto at = Acic2017At(config, columns);
      ASSERT_TRUE(at.ok()) << at.status();
      EXPECT_NEAR(at->noise_sd, row.sd, 1e-12);
      EXPECT_NEAR(at->center, row.center, 1e-12);
      EXPECT_NEAR(at->spread, row.spread, 1e-12);
      ExpectNear(at->propensity, row.propensity, 1e-13);
      ExpectNear(at->linear_mean, row.mu, 1e-11);
      ExpectNear(at->linear_effect, row.alpha, 1e-14);
      std::vector<double> treated = row.mu;
      for (size_t i = 0; i < treated.size(); ++i) treated[i] += row.alpha[i];
      const bool nonadditive = error == Acic2017Error::kNonadditive;
      ExpectNear(at->mean_outcome[0], nonadditive ? row.nonadditive_control : row.mu, 1e-10);
      ExpectNear(at->mean_outcome[1], nonadditive ? row.nonadditive_treated : treated, 1e-10);
    }
  }
}

TEST(Acic2017At, RefusesColumnsThatAreNotStandardised) {
  Acic2017Columns columns = OracleColumns();
  columns.x1[4] = 29;
  EXPECT_THAT(Acic2017At({.strong_confounding = true}, columns).status().message(),
              HasSubstr("x1 and x43 of unit 5 are 29"));
  columns.x1[4] = NAN;
  EXPECT_FALSE(Acic2017At({}, columns).ok());
  columns = OracleColumns();
  columns.i15.pop_back();
  EXPECT_THAT(Acic2017At({}, columns).status().message(), HasSubstr("i15 has 11 units"));
}

TEST(Acic2017Setting, AreThirtyTwoInTheOrderOfTheChallenge) {
  std::set<std::tuple<int, bool, bool, bool>> all;
  for (int number = 1; number <= 32; ++number) {
    const Acic2017Config c = Acic2017Setting(number);
    all.insert({static_cast<int>(c.error), c.large_effect, c.high_noise, c.strong_confounding});
  }
  EXPECT_EQ(all.size(), 32u);
  EXPECT_EQ(Acic2017Setting(1).error, Acic2017Error::kGroupCorrelated);
  EXPECT_FALSE(Acic2017Setting(1).strong_confounding);
  EXPECT_TRUE(Acic2017Setting(2).strong_confounding);
  EXPECT_TRUE(Acic2017Setting(3).high_noise && !Acic2017Setting(3).strong_confounding);
  EXPECT_TRUE(Acic2017Setting(5).large_effect && !Acic2017Setting(5).high_noise);
  EXPECT_EQ(Acic2017Setting(9).error, Acic2017Error::kHeteroskedastic);
  EXPECT_EQ(Acic2017Setting(17).error, Acic2017Error::kIid);
  EXPECT_EQ(Acic2017Setting(32).error, Acic2017Error::kNonadditive);
  EXPECT_DEATH(Acic2017Setting(0), "number = 0");
}

TEST(SimulateAcic2017Columns, HaveTheirStatedDistributions) {
  const int64_t n = 20000;
  const Acic2017Columns columns = SimulateAcic2017Columns(n, random::Stream(1));
  ExpectMean(columns.x1, 0);
  ExpectMean(columns.x43, 0);
  EXPECT_NEAR(MomentsOf(columns.x1).sd, 1, 0.03);
  EXPECT_NEAR(MomentsOf(columns.x43).sd, 1, 0.03);
  const auto expect_share = [&](const std::vector<uint8_t>& bits, double share) {
    ExpectMean(std::vector<double>(bits.begin(), bits.end()), share);
  };
  expect_share(columns.i3, 0.5);
  expect_share(columns.i10, 0.9);
  expect_share(columns.i14, 0.85);
  expect_share(columns.i15, 0.65);
  expect_share(columns.x24_is_b, 0.25);
  std::vector<double> level(columns.x21.begin(), columns.x21.end());
  ExpectMean(level, 7.5);
  EXPECT_EQ(*std::ranges::max_element(columns.x21), 15);
}

class Acic2017Settings : public ::testing::TestWithParam<int> {};

TEST_P(Acic2017Settings, TreatmentAndOutcomesAreDrawnFromTheTruth) {
  const Acic2017Columns columns = SimulateAcic2017Columns(5000, random::Stream(2));
  const Acic2017Config config = Acic2017Setting(GetParam());
  const auto sample = Acic2017(config, columns, {}, random::Stream(3));
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->features(), 7 + kAcic2017Groups);
  if (config.error == Acic2017Error::kGroupCorrelated) {
    // Units of a group share an error, so they are not independent over it: see below.
    EXPECT_EQ(sample->cluster, columns.x21);
    return;
  }
  EXPECT_TRUE(sample->cluster.empty());
  ExpectTruthGenerates(*sample);
}

INSTANTIATE_TEST_SUITE_P(All, Acic2017Settings, ::testing::Range(1, 33));

// Y - mu_T by level of x21.
std::array<std::vector<double>, kAcic2017Groups> ErrorsByGroup(const Observations& sample,
                                                               const Acic2017Columns& columns) {
  std::array<std::vector<double>, kAcic2017Groups> errors;
  for (int64_t i = 0; i < sample.size(); ++i) {
    errors[columns.x21[i]].push_back(sample.outcome[i] -
                                     sample.truth->mean_outcome[sample.treatment[i]][i]);
  }
  return errors;
}

TEST(Acic2017, HeteroskedasticErrorsGrowEvenlyWithTheGroup) {
  const Acic2017Columns columns = SimulateAcic2017Columns(40000, random::Stream(4));
  const Acic2017Config config = {.error = Acic2017Error::kHeteroskedastic, .high_noise = true};
  const auto sample = Acic2017(config, columns, {}, random::Stream(5));
  ASSERT_TRUE(sample.ok());
  const double sd = Acic2017At(config, columns)->noise_sd;
  const auto errors = ErrorsByGroup(*sample, columns);
  for (int g = 0; g < kAcic2017Groups; ++g) {
    const double expected = sd * (0.4 + g / 15.0);
    EXPECT_NEAR(MomentsOf(errors[g]).sd, expected,
                4.5 * expected / std::sqrt(2.0 * static_cast<double>(errors[g].size())));
  }
}

TEST(Acic2017, GroupErrorsAreATenthAndTheRestNineTenths) {
  const Acic2017Columns columns = SimulateAcic2017Columns(8000, random::Stream(6));
  const Acic2017Config config = {.error = Acic2017Error::kGroupCorrelated, .high_noise = true};
  const double sd = Acic2017At(config, columns)->noise_sd;
  std::vector<double> group_means;
  std::vector<double> within_noise;
  for (uint64_t draw = 0; draw < 20; ++draw) {
    const auto sample = Acic2017(config, columns, {}, random::Stream(7).Split(draw));
    ASSERT_TRUE(sample.ok());
    for (const auto& errors : ErrorsByGroup(*sample, columns)) {
      const SampleMoments moments = MomentsOf(errors);
      EXPECT_NEAR(moments.sd, 0.9 * sd, 0.15 * sd);
      // Their mean's own variance is taken off.
      group_means.push_back(moments.mean * moments.mean -
                            moments.standard_error * moments.standard_error);
      within_noise.push_back(moments.sd * moments.sd);
    }
  }
  ExpectMean(group_means, 0.01 * sd * sd);
  ExpectMean(within_noise, 0.81 * sd * sd);
}

TEST(Acic2017, IidErrorsHaveTheNoiseOfTheSetting) {
  const Acic2017Columns columns = SimulateAcic2017Columns(20000, random::Stream(8));
  for (const bool high : {false, true}) {
    const Acic2017Config config = {.high_noise = high};
    const auto sample = Acic2017(config, columns, {}, random::Stream(9));
    ASSERT_TRUE(sample.ok());
    const double sd = Acic2017At(config, columns)->noise_sd;
    std::vector<double> squares;
    for (const auto& errors : ErrorsByGroup(*sample, columns)) {
      for (const double error : errors) squares.push_back(error * error);
    }
    ExpectMean(squares, sd * sd);
  }
}

TEST(Acic2017, StrongConfoundingSelectsMoreAndLeavesTheNoise) {
  const Acic2017Columns columns = SimulateAcic2017Columns(5000, random::Stream(10));
  const auto weak = Acic2017({}, columns, {}, random::Stream(11));
  const auto strong = Acic2017({.strong_confounding = true}, columns, {}, random::Stream(11));
  ASSERT_TRUE(weak.ok() && strong.ok());
  EXPECT_GT(std::abs(NaiveBias(*strong)), 1.5 * std::abs(NaiveBias(*weak)));
  EXPECT_EQ(weak->covariates, strong->covariates);
}

TEST(Acic2017, LearnersSeeTheCovariatesGivenAndEqualStreamsGiveEqualBits) {
  const Acic2017Columns columns = SimulateAcic2017Columns(100, random::Stream(12));
  const Acic2017Covariates covariates = {.names = {"only"},
                                         .values = std::vector<double>(100, 0.25)};
  const auto sample = Acic2017({}, columns, covariates, random::Stream(13));
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->covariate_names, covariates.names);
  EXPECT_EQ(sample->covariates, covariates.values);
  ExpectEqualBits(*sample, Acic2017({}, columns, covariates, random::Stream(13)).value());
  const auto bare = Acic2017({}, columns, {}, random::Stream(13));
  EXPECT_EQ(bare->outcome, sample->outcome);
  // The columns as they are, and one level of x21.
  const double* x = bare->x().row(7);
  const Acic2017Columns& c = columns;
  EXPECT_THAT(std::vector<double>(x, x + 7),
              ElementsAre(c.x1[7], c.x43[7], c.i3[7], c.i10[7], c.i14[7], c.i15[7], c.x24_is_b[7]));
  for (int g = 0; g < kAcic2017Groups; ++g) EXPECT_EQ(x[7 + g], c.x21[7] == g);
  const auto refused =
      Acic2017({}, columns, {.names = {"a", "b"}, .values = covariates.values}, random::Stream(13));
  EXPECT_THAT(refused.status().message(), HasSubstr("covariates has 100 values, expected 200"));
}

}  // namespace
}  // namespace perennial::causal
