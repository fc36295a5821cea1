#include "causal/data/ihdp.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::pair<int32_t, int32_t> kDropped[] = {
#define PERENNIAL_DROPPED_ORACLE
#include "causal/data/ihdp_oracle.inc"
#undef PERENNIAL_DROPPED_ORACLE
};
struct XRow {
  int unit;
  double bw, birth_order, mother_age;
};
constexpr XRow kX[] = {
#define PERENNIAL_X_ORACLE
#include "causal/data/ihdp_oracle.inc"
#undef PERENNIAL_X_ORACLE
};
struct MeansRow {
  IhdpSurface surface;
  int unit;
  double control, treated, treated_for_controls;
};
constexpr MeansRow kMeans[] = {
#define PERENNIAL_MEANS_ORACLE
#include "causal/data/ihdp_oracle.inc"
#undef PERENNIAL_MEANS_ORACLE
};
struct QuartilesRow {
  IhdpSurface surface;
  std::array<double, 3> deviation, effect;
};
constexpr QuartilesRow kQuartiles[] = {
#define PERENNIAL_QUARTILES_ORACLE
#include "causal/data/ihdp_oracle.inc"
#undef PERENNIAL_QUARTILES_ORACLE
};
constexpr double kLogitDeviation[] = {
#define PERENNIAL_LOGIT_ORACLE
#include "causal/data/ihdp_oracle.inc"
#undef PERENNIAL_LOGIT_ORACLE
};

constexpr IhdpSurface kSurfaces[] = {IhdpSurface::kHillA, IhdpSurface::kHillB, IhdpSurface::kNpciB,
                                     IhdpSurface::kNpciC};

const Ihdp& Data() {
  static const auto* const data = new Ihdp(LoadIhdp().value());
  return *data;
}

random::Stream Realisation(int index) {
  return random::Stream(7).Split("ihdp").Split(static_cast<uint64_t>(index));
}

std::vector<double> Effects(const Observations& observations) {
  const auto& mean = observations.truth->mean_outcome;
  std::vector<double> effects;
  for (int64_t i = 0; i < observations.size(); ++i) effects.push_back(mean[1][i] - mean[0][i]);
  return effects;
}

double Mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double Deviation(std::span<const double> values) {
  const double mean = Mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

double MeanOfArm(const Observations& observations, std::span<const double> values, int arm) {
  std::vector<double> selected;
  for (int64_t i = 0; i < observations.size(); ++i) {
    if (observations.treatment[i] == arm) selected.push_back(values[i]);
  }
  return Mean(selected);
}

double Quantile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

TEST(IhdpTest, HasHillsChildrenAndCovariates) {
  const Ihdp& data = Data();
  EXPECT_EQ(data.size(), 747);
  EXPECT_EQ(std::ranges::count(data.treatment, 1), 139);
  EXPECT_EQ(std::ranges::count(data.treatment, 0), 608);
  EXPECT_EQ(data.features(), 25);
  for (int64_t c = 0; c < 25; ++c) {
    std::vector<double> column;
    for (int64_t i = 0; i < 747; ++i) column.push_back(data.covariates[i * 25 + c]);
    if (c < 6) {
      EXPECT_NEAR(Mean(column), 0, 1e-12);
      EXPECT_NEAR(Deviation(column) * std::sqrt(747.0 / 746), 1, 1e-12);
    } else {
      EXPECT_EQ(std::ranges::count(column, 0) + std::ranges::count(column, 1), 747);
    }
  }
  for (const XRow& row : kX) {
    EXPECT_NEAR(data.covariates[row.unit * 25 + 0], row.bw, 1e-12);
    EXPECT_NEAR(data.covariates[row.unit * 25 + 3], row.birth_order, 1e-12);
    EXPECT_NEAR(data.covariates[row.unit * 25 + 5], row.mother_age, 1e-12);
  }
}

// Against ranks that numpy found by least squares.
TEST(IhdpTest, ProductsThatAreCombinationsOfOthersDropOut) {
  std::vector<std::pair<int32_t, int32_t>> expected;
  const auto keep = [&](int32_t a, int32_t b) {
    if (std::ranges::count(kDropped, std::pair(a, b)) == 0) expected.emplace_back(a, b);
  };
  for (int32_t c = 0; c < 6; ++c) keep(c, c);
  for (int32_t a = 0; a < 25; ++a) {
    for (int32_t b = a + 1; b < 25; ++b) keep(a, b);
  }
  EXPECT_EQ(expected.size(), 306 - 29);
  EXPECT_EQ(Data().products, expected);
}

TEST(IhdpTest, MeanOutcomesAgreeWithNumpy) {
  const auto pattern = [](const std::vector<double>& values, size_t count, size_t arm) {
    std::vector<double> coefficients;
    for (size_t j = 0; j < count; ++j) {
      coefficients.push_back(values[(5 * j + 3 + arm) % values.size()]);
    }
    return coefficients;
  };
  for (const MeansRow& row : kMeans) {
    IhdpCoefficients coefficients;
    if (row.surface == IhdpSurface::kHillB) {
      coefficients.control = pattern({0, 0.1, 0.2, 0.3, 0.4, 0, 0}, 26, 0);
    } else {
      coefficients.control = pattern({0, 0.5, 1, 0, 0, 0, 2}, 303, 0);
      coefficients.treated = pattern({0, 0.5, 1, 0, 0, 0, 2}, 303, 1);
    }
    const auto mean = IhdpMeanOutcomes(Data(), row.surface, coefficients);
    EXPECT_NEAR(mean[0][row.unit], row.control, 1e-11);
    for (const int arm : {0, 1}) {
      double omega = 0, units = 0;
      for (int64_t i = 0; i < 747; ++i) {
        if (Data().treatment[i] != arm) continue;
        omega += mean[1][i] - mean[0][i] - 4;
        ++units;
      }
      EXPECT_NEAR(mean[1][row.unit] - omega / units,
                  arm == 1 ? row.treated : row.treated_for_controls, 1e-11);
    }
  }
}

TEST(IhdpTest, HillsSurfaceAHasTheEffectFourAndALinearMean) {
  std::vector<double> coefficients(26, 0.0);
  coefficients[0] = 3;   // Intercept.
  coefficients[14] = 2;  // first, coded 1 and 2 in the surfaces.
  const auto mean = IhdpMeanOutcomes(Data(), IhdpSurface::kHillA, {.control = coefficients});
  for (int64_t i = 0; i < 747; ++i) {
    EXPECT_EQ(mean[0][i], 3 + 2 * (1 + Data().covariates[i * 25 + 13]));
    EXPECT_EQ(mean[1][i], mean[0][i] + 4);
  }
  const Observations realisation =
      IhdpRealisation(Data(), {.surface = IhdpSurface::kHillA}, Realisation(0));
  for (const double effect : Effects(realisation)) EXPECT_NEAR(effect, 4, 1e-12);
}

TEST(IhdpTest, MeanEffectOfTheAnchorIsFourAndOfTheOthersIsNot) {
  for (const IhdpSurface surface :
       {IhdpSurface::kHillB, IhdpSurface::kNpciB, IhdpSurface::kNpciC}) {
    for (int r = 0; r < 20; ++r) {
      const Observations treated = IhdpRealisation(Data(), {.surface = surface}, Realisation(r));
      EXPECT_NEAR(MeanOfArm(treated, Effects(treated), 1), 4, 1e-9);
      EXPECT_GT(std::abs(MeanOfArm(treated, Effects(treated), 0) - 4), 1e-6);
      const Observations controls = IhdpRealisation(
          Data(), {.surface = surface, .anchor = IhdpAnchor::kControls}, Realisation(r));
      EXPECT_NEAR(MeanOfArm(controls, Effects(controls), 0), 4, 1e-9);
      EXPECT_TRUE(Validate(treated).ok()) << Validate(treated);
    }
  }
}

// 20,000 realisations by numpy's generator against ours.
TEST(IhdpTest, EffectsHaveTheDistributionThatNumpyDraws) {
  for (const QuartilesRow& row : kQuartiles) {
    const bool hill = row.surface == IhdpSurface::kHillB;
    std::vector<double> deviations, effects;
    for (int r = 0; r < (hill ? 4000 : 500); ++r) {
      const std::vector<double> effect =
          Effects(IhdpRealisation(Data(), {.surface = row.surface}, Realisation(r)));
      deviations.push_back(Deviation(effect));
      effects.push_back(Mean(effect));
    }
    for (const int q : {0, 1, 2}) {
      EXPECT_NEAR(Quantile(deviations, 0.25 * (q + 1)), row.deviation[q], 0.07 * row.deviation[q]);
      EXPECT_NEAR(Quantile(effects, 0.25 * (q + 1)), row.effect[q], hill ? 0.05 : 0.15);
    }
  }
}

TEST(IhdpTest, CoefficientsTakeTheirValuesWithTheirProbabilities) {
  struct Values {
    IhdpSurface surface;
    size_t begin, end;  // Of the coefficients.
    std::vector<std::pair<double, double>> expected;
  };
  const std::vector<std::pair<double, double>> npci = {{0, .6}, {1, .3}, {2, .1}};
  std::vector<std::pair<double, double>> intercept;
  for (int k = -4; k <= 4; ++k) intercept.emplace_back(k * .25, 1 / 9.0);
  for (const Values& values : std::vector<Values>{
           {IhdpSurface::kHillA, 0, 26, {{0, .5}, {1, .2}, {2, .15}, {3, .1}, {4, .05}}},
           {IhdpSurface::kHillB, 0, 1, intercept},
           {IhdpSurface::kHillB, 1, 26, {{0, .6}, {.1, .1}, {.2, .1}, {.3, .1}, {.4, .1}}},
           {IhdpSurface::kNpciB, 0, 26, npci},
           {IhdpSurface::kNpciC, 0, 26, npci},
           {IhdpSurface::kNpciC, 26, 303, {{0, .8}, {.5, .15}, {1, .05}}}}) {
    std::vector<double> drawn;
    for (uint64_t r = 0; r < 4000; ++r) {
      const IhdpCoefficients coefficients =
          DrawIhdpCoefficients(Data(), values.surface, random::Stream(3).Split(r));
      for (const auto* arm : {&coefficients.control, &coefficients.treated}) {
        if (arm->empty()) continue;
        drawn.insert(drawn.end(), arm->begin() + values.begin, arm->begin() + values.end);
      }
    }
    const auto n = static_cast<double>(drawn.size());
    double total = 0;
    for (const auto& [value, probability] : values.expected) {
      const auto count = static_cast<double>(std::ranges::count(drawn, value));
      EXPECT_NEAR(count / n, probability, 4.5 * std::sqrt(probability * (1 - probability) / n));
      total += count;
    }
    EXPECT_EQ(total, n);
  }
}

TEST(IhdpTest, BothArmsOfNpcisSurfacesHaveCoefficientsOfTheirOwn) {
  const IhdpCoefficients coefficients =
      DrawIhdpCoefficients(Data(), IhdpSurface::kNpciB, random::Stream(3));
  EXPECT_EQ(coefficients.control.size(), 303);
  EXPECT_EQ(coefficients.treated.size(), 303);
  EXPECT_NE(coefficients.control, coefficients.treated);
}

TEST(IhdpTest, OnlyNpcisCDrawsTheArmsAnewAndKnowsTheirPropensity) {
  for (const IhdpSurface surface : kSurfaces) {
    const Observations realisation = IhdpRealisation(Data(), {.surface = surface}, Realisation(1));
    EXPECT_EQ(realisation.treatment == Data().treatment, surface != IhdpSurface::kNpciC);
    EXPECT_EQ(realisation.truth->propensity.empty(), surface != IhdpSurface::kNpciC);
  }
}

TEST(IhdpTest, PropensityOfNpcisCHasItsMedianItsSpreadAndItsArms) {
  std::vector<double> deviations;
  double surplus = 0, variance = 0, slope = 0, slope_variance = 0;
  for (int r = 0; r < 1000; ++r) {
    const Observations realisation =
        IhdpRealisation(Data(), {.surface = IhdpSurface::kNpciC}, Realisation(r));
    std::vector<double> logits;
    for (int64_t i = 0; i < realisation.size(); ++i) {
      const double e = realisation.truth->propensity[1][i];
      logits.push_back(std::log(e / (1 - e)));
      // Sums of independent terms with mean zero, if the arms are drawn with these propensities.
      const double difference = (realisation.treatment[i] == 1) - e;
      surplus += difference;
      variance += e * (1 - e);
      slope += difference * logits.back();
      slope_variance += e * (1 - e) * logits.back() * logits.back();
    }
    EXPECT_NEAR(Quantile(logits, 0.5), -1.35, 1e-9);
    deviations.push_back(Deviation(logits));
  }
  EXPECT_LT(std::abs(surplus), 4 * std::sqrt(variance));
  EXPECT_LT(std::abs(slope), 4 * std::sqrt(slope_variance));
  for (const int q : {0, 1, 2}) {
    EXPECT_NEAR(Quantile(deviations, 0.25 * (q + 1)), kLogitDeviation[q], 0.012);
  }
}

TEST(IhdpTest, OutcomesAreTheMeansOfTheArmWithNoiseOfDeviationOne) {
  for (const IhdpSurface surface : kSurfaces) {
    double sum = 0, squares = 0, n = 0;
    for (int r = 0; r < 50; ++r) {
      const Observations realisation =
          IhdpRealisation(Data(), {.surface = surface}, Realisation(r));
      for (int64_t i = 0; i < realisation.size(); ++i) {
        const double noise =
            realisation.outcome[i] - realisation.truth->mean_outcome[realisation.treatment[i]][i];
        sum += noise;
        squares += noise * noise;
        ++n;
      }
    }
    EXPECT_NEAR(sum / n, 0, 4 / std::sqrt(n));
    EXPECT_NEAR(squares / n, 1, 4 * std::sqrt(2 / n));
  }
}

TEST(IhdpTest, EqualStreamsGiveEqualBitsAndOthersOtherRealisations) {
  for (const IhdpSurface surface : kSurfaces) {
    const Observations a = IhdpRealisation(Data(), {.surface = surface}, Realisation(3));
    const Observations b = IhdpRealisation(Data(), {.surface = surface}, Realisation(3));
    const Observations c = IhdpRealisation(Data(), {.surface = surface}, Realisation(4));
    EXPECT_EQ(a.outcome, b.outcome);
    EXPECT_EQ(a.truth->mean_outcome, b.truth->mean_outcome);
    EXPECT_NE(a.outcome, c.outcome);
    EXPECT_NE(a.truth->mean_outcome, c.truth->mean_outcome);
  }
}

TEST(IhdpTest, TheCodeOfFirstChangesTheCovariateAndNothingElse) {
  for (const IhdpSurface surface : kSurfaces) {
    const Observations zero = IhdpRealisation(Data(), {.surface = surface}, Realisation(5));
    const Observations one =
        IhdpRealisation(Data(), {.surface = surface, .first_from_one = true}, Realisation(5));
    EXPECT_EQ(zero.outcome, one.outcome);
    ASSERT_EQ(zero.covariate_names[13], "first");
    for (int64_t i = 0; i < 747 * 25; ++i) {
      ASSERT_EQ(one.covariates[i] - zero.covariates[i], i % 25 == 13 ? 1 : 0);
    }
  }
}

TEST(IhdpTest, ErrorsNameTheFileAndTheColumn) {
  EXPECT_EQ(LoadIhdp("no/such.csv").status().code(), absl::StatusCode::kNotFound);
  const std::string path = absl::StrCat(std::getenv("TEST_TMPDIR"), "/ihdp.csv");
  const auto error = [&](const std::string& text) {
    std::ofstream(path) << text;
    return std::string(LoadIhdp(path).status().message());
  };
  EXPECT_THAT(error("treat,momwhite\n1,1\n2,1\n"),
              AllOf(HasSubstr("ihdp.csv"), HasSubstr("column treat: row 2 is 2")));
  EXPECT_THAT(error("treat,momwhite\n1,1\n0,1\n"), AllOf(HasSubstr("ihdp.csv"), HasSubstr("bw")));
  EXPECT_THAT(error("treat,momwhite,bw\n1,1,5\n0,1,5\n"), HasSubstr("bw is constant"));
  EXPECT_THAT(error("treat,momwhite,bw\n1,1,5\n0,1,\n"), HasSubstr("bw: row 2"));
  EXPECT_THAT(error("treat,momwhite,bw\n1,0,5\n0,1,6\n"), HasSubstr("an arm has no children"));
}

}  // namespace
}  // namespace perennial::causal
