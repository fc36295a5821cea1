#include "causal/data/honest_generator.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "causal/data/simulation_checks.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

HonestGenerator MakeGenerator(const HonestConfig& config, uint64_t seed = 1) {
  auto generator = HonestGenerator::Create(config, random::Stream(seed));
  EXPECT_TRUE(generator.ok()) << generator.status();
  return *std::move(generator);
}

Observations Draw(const HonestGenerator& generator, int64_t n, uint64_t seed = 100,
                  double shift = 0) {
  auto sample = generator.Sample(n, HonestStreams(random::Stream(seed)), shift);
  EXPECT_TRUE(sample.ok()) << sample.status();
  return *std::move(sample);
}

double Correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const SampleMoments x = MomentsOf(a);
  const SampleMoments y = MomentsOf(b);
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - x.mean) * (b[i] - y.mean);
  return sum / static_cast<double>(a.size() - 1) / (x.sd * y.sd);
}

// kappa f + c, with the floor's squeeze undone.
std::vector<double> LogOdds(const Observations& sample, double floor, int32_t arm = 1) {
  std::vector<double> values;
  for (int64_t i = 0; i < sample.size(); ++i) {
    values.push_back(std::log((sample.truth->propensity[arm][i] - floor) /
                              (sample.truth->propensity[0][i] - floor)));
  }
  return values;
}

double Column(const Observations& sample, int64_t row, const std::string& name) {
  const auto at = std::ranges::find(sample.covariate_names, name);
  EXPECT_NE(at, sample.covariate_names.end()) << name;
  return sample.x()(row, at - sample.covariate_names.begin());
}

// One normal covariate a block, all surfaces linear: every score is its covariate, up to sign and
// the rounding of the reference.
HonestConfig LinearConfig() {
  return {.instruments = 1,
          .confounders = 1,
          .outcome_only = 1,
          .effect_only = 1,
          .noise = 1,
          .binary_share = 0,
          .kappa = 1.5,
          .instrument_share = 0.36,
          .overlap_floor = 0.05,
          .nonlinearity = 0,
          .alignment = 0.6,
          .outcome_mean = 10,
          .outcome_sd = 2,
          .effect_mean = 3,
          .effect_sd = 0.5,
          .effect_alignment = -0.8};
}

// What the header says with scores s x of every block, worked out anew from the covariates.
TEST(HonestGenerator, SurfacesOfLinearScoresAreTheFormulas) {
  const HonestGenerator generator = MakeGenerator(LinearConfig());
  const Observations sample = Draw(generator, 400);
  const std::vector<double> log_odds = LogOdds(sample, 0.05);
  bool found = false;
  for (int signs = 0; signs < 16; ++signs) {
    const auto sign = [&](int bit) { return (signs >> bit & 1) != 0 ? -1.0 : 1.0; };
    double worst = 0;
    for (int64_t i = 0; i < sample.size(); ++i) {
      const double w = sign(0) * Column(sample, i, "instrument_1");
      const double c = sign(1) * Column(sample, i, "confounder_1");
      const double o = sign(2) * Column(sample, i, "outcome_1");
      const double t = sign(3) * Column(sample, i, "effect_1");
      const double f = 1.5 * (0.8 * c + 0.6 * w) + generator.intercepts()[0];
      const double mu0 = 10 + 2 * (0.6 * c + 0.8 * o);
      const double tau = 3 + 0.5 * (-0.8 * c + 0.6 * t);
      worst = std::max({worst, std::abs(log_odds[i] - f),
                        std::abs(sample.truth->mean_outcome[0][i] - mu0),
                        std::abs(sample.truth->mean_outcome[1][i] - mu0 - tau)});
    }
    // Means and deviations of 16384 reference units are within 0.03 of 0 and 1.
    found |= worst < 0.2;
  }
  EXPECT_TRUE(found);
}

// And exactly: they are affine in the covariates of their blocks and in no other.
TEST(HonestGenerator, BlocksActOnWhatTheyAreNamedFor) {
  const HonestConfig config = LinearConfig();
  const Observations sample = Draw(MakeGenerator(config), 400);
  const std::vector<double> log_odds = LogOdds(sample, config.overlap_floor);
  const std::vector<double> tau = EffectsOf(sample);
  const std::vector<double>& mu0 = sample.truth->mean_outcome[0];
  const auto residual = [&](const std::vector<double>& y, std::vector<std::string> names) {
    // Least squares by Gram-Schmidt on columns and a constant; the largest residual.
    std::vector<std::vector<double>> basis;
    std::vector<double> rest = y;
    names.push_back("");
    const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
      double sum = 0;
      for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
      return sum;
    };
    const auto remove = [&](std::vector<double>& from) {
      for (const std::vector<double>& b : basis) {
        const double part = dot(from, b) / dot(b, b);
        for (size_t i = 0; i < from.size(); ++i) from[i] -= part * b[i];
      }
    };
    for (const std::string& name : names) {
      std::vector<double> column;
      for (int64_t i = 0; i < sample.size(); ++i) {
        column.push_back(name.empty() ? 1 : Column(sample, i, name));
      }
      remove(column);
      basis.push_back(column);
    }
    remove(rest);
    remove(rest);
    double worst = 0;
    for (const double value : rest) worst = std::max(worst, std::abs(value));
    return worst;
  };
  EXPECT_LT(residual(log_odds, {"instrument_1", "confounder_1"}), 1e-10);
  EXPECT_GT(residual(log_odds, {"confounder_1"}), 0.5);
  EXPECT_GT(residual(log_odds, {"instrument_1"}), 0.5);
  EXPECT_LT(residual(mu0, {"confounder_1", "outcome_1"}), 1e-10);
  EXPECT_GT(residual(mu0, {"confounder_1"}), 0.5);
  EXPECT_GT(residual(mu0, {"outcome_1"}), 0.5);
  EXPECT_LT(residual(tau, {"confounder_1", "effect_1"}), 1e-10);
  EXPECT_GT(residual(tau, {"confounder_1"}), 0.2);
}

TEST(HonestGenerator, TreatmentAndOutcomesAreDrawnFromTheTruth) {
  for (const bool binary : {false, true}) {
    for (const int32_t arms : {2, 4}) {
      SCOPED_TRACE(arms);
      HonestConfig config = {.binary_share = 0.4,
                             .categorical_share = 0.3,
                             .arms = arms,
                             .treated_share = 0.6,
                             .effect_alignment = 0.5,
                             .binary_outcome = binary,
                             .noise_sd = 2,
                             .heteroskedasticity = binary ? 0 : 0.4};
      const Observations sample = Draw(MakeGenerator(config), 20000);
      EXPECT_EQ(sample.arms, arms);
      EXPECT_EQ(sample.binary_outcome, binary);
      ExpectTruthGenerates(sample);
    }
  }
}

TEST(HonestGenerator, KappaZeroIsRandomised) {
  const Observations sample =
      Draw(MakeGenerator({.treated_share = 0.3, .kappa = 0, .alignment = 1}), 20000);
  for (const double e : sample.truth->propensity[1]) EXPECT_NEAR(e, 0.3, 1e-12);
  // The outcome's deviation is 1, in arms of 6000 and 14000.
  EXPECT_NEAR(NaiveBias(sample), 0, 4 * std::sqrt(1.0 / 6000 + 1.0 / 14000));
}

TEST(HonestGenerator, TheTreatedShareIsHit) {
  for (const double share : {0.05, 0.5, 0.8}) {
    for (const double kappa : {1.0, 20.0}) {
      const HonestGenerator generator = MakeGenerator({.treated_share = share, .kappa = kappa});
      const Observations sample = Draw(generator, 20000);
      // Over this sample and the generator's own reference.
      const SampleMoments e = MomentsOf(sample.truth->propensity[1]);
      EXPECT_NEAR(e.mean, share, 4 * e.sd * std::sqrt(1.0 / 20000 + 1.0 / 16384));
      double treated = 0;
      for (const int32_t arm : sample.treatment) treated += arm;
      EXPECT_NEAR(treated / 20000, share,
                  4 * std::sqrt(share * (1 - share) * (1.0 / 20000 + 1.0 / 16384)));
    }
  }
}

TEST(HonestGenerator, EveryTreatedArmGetsItsShare) {
  const Observations sample = Draw(
      MakeGenerator({.arms = 4, .treated_share = 0.6, .kappa = 2, .overlap_floor = 0.03}), 20000);
  for (int a = 0; a < 4; ++a) {
    const SampleMoments e = MomentsOf(sample.truth->propensity[a]);
    EXPECT_NEAR(e.mean, a == 0 ? 0.4 : 0.2, 4 * e.sd * std::sqrt(1.0 / 20000 + 1.0 / 16384));
    EXPECT_GT(e.sd, 0.05);
    EXPECT_GE(*std::ranges::min_element(sample.truth->propensity[a]), 0.03);
  }
}

TEST(HonestGenerator, TheFloorHoldsAndIsReached) {
  for (const double floor : {0.02, 0.1}) {
    const Observations sample = Draw(MakeGenerator({.kappa = 20, .overlap_floor = floor}), 5000);
    const auto [low, high] = std::ranges::minmax(sample.truth->propensity[1]);
    EXPECT_GE(low, floor);
    EXPECT_LE(high, 1 - floor);
    EXPECT_LT(low, floor + 1e-3);
    EXPECT_GT(high, 1 - floor - 1e-3);
  }
}

// With one normal confounder and nothing else f = g ~ N(0, 1) and half are treated: the naive bias
// is alignment sd E[g expit(kappa g)] / (1/2)^2 = 4 alignment sd kappa E[expit'(kappa g)] (Stein).
TEST(HonestGenerator, AlignmentIsTheNaiveBiasOfTheClosedForm) {
  for (const double kappa : {1.0, 3.0}) {
    const double slope = NormalMean([&](double z) {
      const double e = 1 / (1 + std::exp(-kappa * z));
      return e * (1 - e);
    });
    for (const double alignment : {-0.5, 0.0, 0.5, 1.0}) {
      HonestConfig config = LinearConfig();
      config.kappa = kappa;
      config.instruments = 0;
      config.instrument_share = 0;
      config.overlap_floor = 0;
      config.alignment = alignment;
      const Observations sample = Draw(MakeGenerator(config), 40000);
      // Deviation 2 in arms of 20000, and scales of the reference to 1 %.
      EXPECT_NEAR(NaiveBias(sample), 4 * alignment * 2 * kappa * slope,
                  4 * 2 * std::sqrt(2.0 / 20000) + 0.03 * std::abs(alignment))
          << kappa << " " << alignment;
    }
  }
}

TEST(HonestGenerator, AlignmentRaisesTheNaiveBiasOfNonlinearSurfacesFromNothing) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    double before = 0;
    for (const double alignment : {0.0, 0.4, 0.8, 1.0}) {
      const HonestConfig config = {.kappa = 2, .alignment = alignment};
      const Observations sample = Draw(MakeGenerator(config, seed), 20000);
      const double bias = NaiveBias(sample);
      if (alignment == 0) {
        EXPECT_NEAR(bias, 0, 4 * std::sqrt(2.0 / 10000));
      } else {
        EXPECT_GT(bias, before + 0.1) << seed << " " << alignment;
      }
      before = bias;
      EXPECT_NEAR(Correlation(LogOdds(sample, config.overlap_floor), sample.truth->mean_outcome[0]),
                  alignment * std::sqrt(0.8), 0.04);
    }
  }
}

TEST(HonestGenerator, ScoresHaveTheMomentsAskedFor) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    const HonestConfig config = {.binary_share = 0.4,
                                 .categorical_share = 0.2,
                                 .treated_share = 0.4,
                                 .kappa = 1.5,
                                 .outcome_mean = -3,
                                 .outcome_sd = 2,
                                 .effect_mean = 1.5,
                                 .effect_sd = 0.7,
                                 .effect_alignment = 0.5};
    const HonestGenerator generator = MakeGenerator(config, seed);
    const Observations sample = Draw(generator, 20000);
    // Over the sample and the reference, with tails heavier than normal.
    const double relative = 0.05;
    const SampleMoments mu0 = MomentsOf(sample.truth->mean_outcome[0]);
    EXPECT_NEAR(mu0.mean, -3, 2 * relative);
    EXPECT_NEAR(mu0.sd, 2, 2 * relative);
    const SampleMoments tau = MomentsOf(EffectsOf(sample));
    EXPECT_NEAR(tau.mean, 1.5, 0.7 * relative);
    EXPECT_NEAR(tau.sd, 0.7, 0.7 * relative);
    const SampleMoments f = MomentsOf(LogOdds(sample, config.overlap_floor));
    EXPECT_NEAR(f.mean, generator.intercepts()[0], 1.5 * relative);
    EXPECT_NEAR(f.sd, 1.5, 1.5 * relative);
  }
}

TEST(HonestGenerator, EffectAlignmentPartsTheEffectOnTheTreatedFromTheAverage) {
  for (const double alignment : {-0.7, 0.0, 0.7}) {
    const Observations sample =
        Draw(MakeGenerator({.kappa = 2, .effect_sd = 1, .effect_alignment = alignment}), 20000);
    const std::vector<double> tau = EffectsOf(sample);
    double att = 0;
    double treated = 0;
    for (int64_t i = 0; i < sample.size(); ++i) {
      att += sample.treatment[i] * tau[i];
      treated += sample.treatment[i];
    }
    const SampleMoments moments = MomentsOf(tau);
    const double excess = att / treated - moments.mean;
    if (alignment == 0) {
      EXPECT_NEAR(excess, 0, 4 / std::sqrt(10000.0));
    } else {
      EXPECT_GT(excess * alignment, 0.1);
    }
    EXPECT_NEAR(Correlation(LogOdds(sample, 0.01), tau), alignment * std::sqrt(0.8), 0.04);
  }
}

TEST(HonestGenerator, KappaLeavesCovariatesSurfacesAndNoiseAlone) {
  const Observations weak = Draw(MakeGenerator({.kappa = 0}), 1000);
  const Observations strong = Draw(MakeGenerator({.kappa = 3}), 1000);
  EXPECT_EQ(weak.covariates, strong.covariates);
  EXPECT_EQ(weak.truth->mean_outcome, strong.truth->mean_outcome);
  int moved = 0;
  for (int i = 0; i < 1000; ++i) {
    // One uniform a unit: who is the likelier treated under 3 stays treated.
    if (strong.truth->propensity[1][i] >= weak.truth->propensity[1][i]) {
      EXPECT_GE(strong.treatment[i], weak.treatment[i]);
    } else {
      EXPECT_LE(strong.treatment[i], weak.treatment[i]);
    }
    if (strong.treatment[i] == weak.treatment[i]) {
      EXPECT_EQ(strong.outcome[i], weak.outcome[i]);
    } else {
      ++moved;
    }
  }
  EXPECT_GT(moved, 100);
}

TEST(HonestGenerator, KappaRaisesTheSpreadOfPropensities) {
  double before = -1;
  for (const double kappa : {0.0, 0.5, 1.0, 3.0, 10.0}) {
    const Observations sample = Draw(MakeGenerator({.kappa = kappa}), 5000);
    const double sd = MomentsOf(sample.truth->propensity[1]).sd;
    EXPECT_GT(sd, before + 0.02) << kappa;
    before = sd;
  }
}

TEST(HonestGenerator, EqualStreamsGiveEqualBitsAndFewerUnitsAreTheFirst) {
  const HonestConfig config = {
      .categorical_share = 0.2, .arms = 3, .kappa = 2, .heteroskedasticity = 0.5};
  const Observations sample = Draw(MakeGenerator(config, 3), 200, 4);
  ExpectEqualBits(sample, Draw(MakeGenerator(config, 3), 200, 4));
  std::vector<int32_t> first(60);
  for (int i = 0; i < 60; ++i) first[i] = i;
  ExpectEqualBits(Draw(MakeGenerator(config, 3), 60, 4), Select(sample, first));
  const Observations other_surfaces = Draw(MakeGenerator(config, 5), 200, 4);
  EXPECT_NE(other_surfaces.truth->mean_outcome, sample.truth->mean_outcome);
  EXPECT_NE(Draw(MakeGenerator(config, 3), 200, 6).covariates, sample.covariates);
}

TEST(HonestGenerator, EachStreamRedrawsItsOwnAndSurfacesStay) {
  const HonestGenerator generator = MakeGenerator({.kappa = 2});
  const random::Stream a(1), b(2), c(3), other(4);
  const auto draw = [&](const random::Stream& x, const random::Stream& t, const random::Stream& y) {
    return generator.Sample(500, HonestStreams(x, t, y)).value();
  };
  const Observations base = draw(a, b, c);
  const Observations new_y = draw(a, b, other);
  EXPECT_EQ(new_y.covariates, base.covariates);
  EXPECT_EQ(new_y.treatment, base.treatment);
  EXPECT_EQ(new_y.truth->mean_outcome, base.truth->mean_outcome);
  EXPECT_NE(new_y.outcome, base.outcome);
  const Observations new_t = draw(a, other, c);
  EXPECT_EQ(new_t.covariates, base.covariates);
  EXPECT_EQ(new_t.truth->propensity, base.truth->propensity);
  EXPECT_NE(new_t.treatment, base.treatment);
  const Observations new_x = draw(other, b, c);
  EXPECT_NE(new_x.covariates, base.covariates);
  for (int i = 0; i < 500; ++i) {
    if (new_x.treatment[i] != base.treatment[i]) continue;
    const int32_t arm = base.treatment[i];
    // The noise is the same.
    EXPECT_NEAR(new_x.outcome[i] - new_x.truth->mean_outcome[arm][i],
                base.outcome[i] - base.truth->mean_outcome[arm][i], 1e-12);
  }
}

TEST(HonestGenerator, HiddenShareDropsConfoundersAndNothingElse) {
  HonestConfig config = {.confounders = 10, .categorical_share = 0.2, .levels = 3, .kappa = 2};
  const Observations whole = Draw(MakeGenerator(config), 300);
  const std::set<std::string> names(whole.covariate_names.begin(), whole.covariate_names.end());
  std::vector<std::string> fewer;
  for (const double share : {0.0, 0.3, 0.5, 1.0}) {
    config.hidden_share = share;
    const HonestGenerator generator = MakeGenerator(config);
    const Observations sample = Draw(generator, 300);
    EXPECT_EQ(generator.hidden().size(), static_cast<size_t>(std::lround(10 * share)));
    EXPECT_THAT(generator.hidden(), IsSupersetOf(fewer));
    fewer = generator.hidden();
    EXPECT_EQ(sample.treatment, whole.treatment);
    EXPECT_EQ(sample.outcome, whole.outcome);
    EXPECT_EQ(sample.truth->propensity, whole.truth->propensity);
    std::set<std::string> expected = names;
    for (const std::string& hidden : generator.hidden()) {
      EXPECT_THAT(hidden, HasSubstr("confounder_"));
      const bool plain = expected.erase(hidden) == 1;
      for (int level = 1; level <= 3; ++level) {
        EXPECT_EQ(expected.erase(hidden + "=" + std::to_string(level)), plain ? 0u : 1u);
      }
    }
    EXPECT_EQ(std::set<std::string>(sample.covariate_names.begin(), sample.covariate_names.end()),
              expected);
    // What is left has its own values.
    for (const std::string& name : sample.covariate_names) {
      for (int i = 0; i < 300; i += 37) {
        EXPECT_EQ(Column(sample, i, name), Column(whole, i, name)) << name;
      }
    }
  }
}

TEST(HonestGenerator, CovariatesAreNormalBinaryAndCategorical) {
  const HonestGenerator generator = MakeGenerator({.instruments = 0,
                                                   .confounders = 10,
                                                   .outcome_only = 0,
                                                   .effect_only = 0,
                                                   .noise = 10,
                                                   .binary_share = 0.3,
                                                   .categorical_share = 0.2,
                                                   .levels = 4,
                                                   .instrument_share = 0,
                                                   .alignment = 1,
                                                   .effect_sd = 0});
  const Observations sample = Draw(generator, 20000);
  // Of 10 each: 5 normal, 3 binary, 2 categorical of 4 columns.
  EXPECT_EQ(sample.features(), 2 * (5 + 3 + 2 * 4));
  std::vector<double> shares;
  for (int64_t c = 0; c < sample.features(); ++c) {
    const std::string& name = sample.covariate_names[c];
    SCOPED_TRACE(name);
    std::vector<double> values = CovariateOf(sample, c);
    const std::set<double> distinct(values.begin(), values.end());
    if (name.find('=') != std::string::npos) {
      EXPECT_EQ(distinct, std::set<double>({0, 1}));
      ExpectMean(values, 0.25);
    } else if (distinct.size() == 2) {
      EXPECT_EQ(distinct, std::set<double>({0, 1}));
      shares.push_back(MomentsOf(values).mean);
    } else {
      ExpectMean(values, 0);
      EXPECT_NEAR(MomentsOf(values).sd, 1, 0.03);
    }
  }
  ASSERT_EQ(shares.size(), 6u);
  const auto [fewest, most] = std::ranges::minmax(shares);
  EXPECT_GT(fewest, 0.18);
  EXPECT_LT(most, 0.82);
  EXPECT_GT(most, fewest + 0.1);
  for (int i = 0; i < 100; ++i) {
    double levels = 0;
    for (int level = 1; level <= 4; ++level) {
      levels += Column(sample, i, "noise_10=" + std::to_string(level));
    }
    EXPECT_EQ(levels, 1);
  }
}

TEST(HonestGenerator, ShiftMovesCovariatesAndKeepsSurfaces) {
  HonestConfig config = LinearConfig();
  config.noise = 6;
  const HonestGenerator generator = MakeGenerator(config);
  const Observations here = Draw(generator, 4000);
  const Observations there = Draw(generator, 4000, 100, 0.75);
  int up = 0;
  for (int64_t c = 0; c < here.features(); ++c) {
    const double first = there.x()(0, c) - here.x()(0, c);
    EXPECT_NEAR(std::abs(first), 0.75, 1e-12);
    for (int i = 0; i < 4000; ++i) {
      EXPECT_NEAR(there.x()(i, c) - here.x()(i, c), first, 1e-12);
    }
    up += first > 0;
  }
  EXPECT_GT(up, 0);
  EXPECT_LT(up, here.features());
  // A linear surface moves by the same amount everywhere; its slopes stay.
  const double moved = there.truth->mean_outcome[0][0] - here.truth->mean_outcome[0][0];
  EXPECT_GT(std::abs(moved), 0.1);
  for (int i = 0; i < 4000; ++i) {
    EXPECT_NEAR(there.truth->mean_outcome[0][i] - here.truth->mean_outcome[0][i], moved, 1e-10);
  }
  ExpectTruthGenerates(there);
}

TEST(HonestGenerator, HeteroskedasticNoiseKeepsItsMeanSquareAndSpreads) {
  for (const double spread : {0.0, 0.5}) {
    const Observations sample =
        Draw(MakeGenerator({.noise_sd = 3, .heteroskedasticity = spread}), 40000);
    std::vector<double> squares;
    std::vector<double> logs;
    for (int64_t i = 0; i < sample.size(); ++i) {
      const double e = sample.outcome[i] - sample.truth->mean_outcome[sample.treatment[i]][i];
      squares.push_back(e * e);
      logs.push_back(std::log(std::abs(e)));
    }
    const SampleMoments square = MomentsOf(squares);
    // And the reference's mean square, whose terms spread as those of exp(N(0, 1)).
    EXPECT_NEAR(square.mean, 9, 4 * square.standard_error + (spread > 0 ? 9 * 4 * 1.3 / 128 : 0));
    // log|e| = log h + log|N(0, 1)|: the variance of the latter is pi^2 / 8.
    EXPECT_NEAR(MomentsOf(logs).sd, std::sqrt(spread * spread + 9.8696044 / 8), 0.03);
  }
}

TEST(HonestGenerator, BinaryOutcomesHaveTheMeansOfTheLogits) {
  HonestConfig config = {.binary_outcome = true};
  const Observations binary = Draw(MakeGenerator(config), 3000);
  config.binary_outcome = false;
  const Observations continuous = Draw(MakeGenerator(config), 3000);
  for (int a = 0; a < 2; ++a) {
    for (int i = 0; i < 3000; ++i) {
      EXPECT_NEAR(binary.truth->mean_outcome[a][i],
                  1 / (1 + std::exp(-continuous.truth->mean_outcome[a][i])), 1e-14);
    }
  }
  EXPECT_EQ(binary.treatment, continuous.treatment);
}

TEST(HonestGenerator, MoreArmsHaveSelectionsAndEffectsOfTheirOwn) {
  const HonestConfig config = {.arms = 3, .treated_share = 0.6, .kappa = 1.5, .alignment = 0.9};
  const Observations sample = Draw(MakeGenerator(config), 20000);
  const auto& mean = sample.truth->mean_outcome;
  std::vector<double> first, second;
  for (int64_t i = 0; i < sample.size(); ++i) {
    first.push_back(mean[1][i] - mean[0][i]);
    second.push_back(mean[2][i] - mean[0][i]);
  }
  EXPECT_NEAR(MomentsOf(first).mean, 1, 0.03);
  EXPECT_NEAR(MomentsOf(second).mean, 1, 0.03);
  EXPECT_LT(std::abs(Correlation(first, second)), 0.95);
  const std::vector<double> f1 = LogOdds(sample, 0.01, 1);
  const std::vector<double> f2 = LogOdds(sample, 0.01, 2);
  EXPECT_LT(Correlation(f1, f2), 0.95);
  EXPECT_NEAR(MomentsOf(mean[0]).mean, 0, 0.05);
  EXPECT_NEAR(MomentsOf(mean[0]).sd, 1, 0.05);
  // The sum of both is what mu_0 is aligned with.
  std::vector<double> sum;
  for (size_t i = 0; i < f1.size(); ++i) sum.push_back(f1[i] + f2[i]);
  EXPECT_GT(Correlation(sum, mean[0]), 0.6);
}

TEST(HonestSample, IsASampleOfAGeneratorOfItsOwn) {
  const random::Stream stream(9);
  const HonestConfig config = {.kappa = 2};
  const auto sample = HonestSample(config, 300, stream);
  ASSERT_TRUE(sample.ok()) << sample.status();
  const auto generator = HonestGenerator::Create(config, stream.Split("surfaces"));
  ASSERT_TRUE(generator.ok());
  ExpectEqualBits(*sample, generator->Sample(300, HonestStreams(stream.Split("sample"))).value());
  EXPECT_EQ(generator->config().kappa, 2);
}

TEST(HonestGenerator, AStrongSelectionStillFindsItsIntercept) {
  HonestConfig config = {.treated_share = 0.1, .kappa = 50, .overlap_floor = 0.01};
  const Observations sample = Draw(MakeGenerator(config), 20000);
  const SampleMoments e = MomentsOf(sample.truth->propensity[1]);
  EXPECT_NEAR(e.mean, 0.1, 4 * e.sd * std::sqrt(1.0 / 20000 + 1.0 / 16384));
}

TEST(HonestGenerator, InterceptsAreFoundAtTheEdgesOfTheKnobs) {
  for (const double kappa : {0.1, 50.0}) {
    for (const double share : {0.02, 0.5, 0.97}) {
      for (const double binary : {0.0, 1.0}) {
        for (const int32_t arms : {2, 5}) {
          const auto generator = HonestGenerator::Create({.confounders = 2,
                                                          .binary_share = binary,
                                                          .arms = arms,
                                                          .treated_share = share,
                                                          .kappa = kappa,
                                                          .overlap_floor = 0.004},
                                                         random::Stream(1));
          EXPECT_TRUE(generator.ok()) << generator.status();
        }
      }
    }
  }
}

TEST(HonestGenerator, WithoutAFloorAStrongSelectionIsRefusedAndTheFloorNamed) {
  const auto sample = MakeGenerator({.kappa = 50, .overlap_floor = 0})
                          .Sample(1000, HonestStreams(random::Stream(1)));
  EXPECT_EQ(sample.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(sample.status().message(), HasSubstr("raise overlap_floor or lower kappa"));
}

TEST(HonestGenerator, RefusesKnobsOutOfRangeAndAtOddsWithTheBlocks) {
  const auto message = [](const HonestConfig& config) {
    return std::string(HonestGenerator::Create(config, random::Stream(1)).status().message());
  };
  EXPECT_THAT(message({.confounders = -1}), HasSubstr("confounders is -1"));
  EXPECT_THAT(message({.binary_share = 0.7, .categorical_share = 0.5}), HasSubstr("together is"));
  EXPECT_THAT(message({.levels = 1}), HasSubstr("levels is 1"));
  EXPECT_THAT(message({.hidden_share = 1.5}), HasSubstr("hidden_share is 1.5"));
  EXPECT_THAT(message({.arms = 1}), HasSubstr("arms is 1"));
  EXPECT_THAT(message({.kappa = NAN}), HasSubstr("kappa is nan"));
  EXPECT_THAT(message({.overlap_floor = 0.6}), HasSubstr("overlap_floor is 0.6"));
  EXPECT_THAT(message({.alignment = 2}), HasSubstr("alignment is 2"));
  EXPECT_THAT(message({.noise_sd = -1}), HasSubstr("noise_sd is -1"));
  EXPECT_THAT(message({.heteroskedasticity = 3}), HasSubstr("heteroskedasticity is 3"));
  EXPECT_THAT(message({.treated_share = 0.05, .overlap_floor = 0.1}),
              HasSubstr("above overlap_floor = 0.1"));
  EXPECT_THAT(message({.arms = 4, .treated_share = 0.2, .overlap_floor = 0.1}),
              HasSubstr("every one of the 4 arms"));
  EXPECT_THAT(message({.instruments = 0}),
              HasSubstr("instruments is 0: then instrument_share = 0.2"));
  EXPECT_THAT(message({.confounders = 0}), HasSubstr("instrument_share = 0.2"));
  EXPECT_THAT(message({.confounders = 0, .instrument_share = 1}), HasSubstr("alignment = 0.7"));
  EXPECT_THAT(
      message({.confounders = 0, .instrument_share = 1, .alignment = 0, .effect_alignment = 0.3}),
      HasSubstr("effect_alignment = 0.3"));
  EXPECT_THAT(message({.outcome_only = 0}), HasSubstr("alignment = 0.7"));
  EXPECT_THAT(message({.effect_only = 0}), HasSubstr("effect_sd 0"));
  EXPECT_THAT(message({.binary_outcome = true, .heteroskedasticity = 1}),
              HasSubstr("binary outcomes have no noise"));
  EXPECT_THAT(message({.instruments = 0,
                       .outcome_only = 0,
                       .effect_only = 0,
                       .noise = 0,
                       .hidden_share = 1,
                       .instrument_share = 0,
                       .alignment = 1,
                       .effect_sd = 0}),
              HasSubstr("no covariate is left"));
  EXPECT_EQ(message({.binary_share = 0.8, .categorical_share = 0.2}), "");
  const HonestGenerator generator = MakeGenerator({});
  const HonestStreams streams(random::Stream(1));
  EXPECT_THAT(generator.Sample(1, streams).status().message(), HasSubstr("n is 1"));
  EXPECT_THAT(generator.Sample(10, streams, 11).status().message(), HasSubstr("shift is 11"));
}

}  // namespace
}  // namespace perennial::causal
