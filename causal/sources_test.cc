#include "causal/sources.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "causal/data/acic2016.h"
#include "causal/data/lalonde.h"
#include "causal/data/split.h"
#include "causal/effect_unit.h"
#include "causal/estimators/baselines.h"
#include "common/base/file_io.h"
#include "common/base/nearest_name.h"
#include "common/base/runfiles.h"
#include "common/config/resolve.h"
#include "common/config/textproto.h"
#include "common/config/validate.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;
using Source = std::shared_ptr<const SampleSource>;

DataConfig Parse(const std::string& text) {
  DataConfig config;
  const absl::Status parsed = config::ParseTextproto(text, "test.textproto", &config);
  EXPECT_TRUE(parsed.ok()) << parsed.message();
  config::FillDefaults(&config);
  const absl::Status valid = config::Validate(config);
  EXPECT_TRUE(valid.ok()) << valid.message();
  return config;
}

absl::StatusOr<Source> Make(const std::string& text, const std::string& folder = "") {
  return MakeSampleSource(Parse(text), folder);
}

Source MakeOrDie(const std::string& text, const std::string& folder = "") {
  absl::StatusOr<Source> source = Make(text, folder);
  EXPECT_TRUE(source.ok()) << source.status().message();
  return *std::move(source);
}

std::string TestData() {
  return base::FolderOf(*base::FindRunfile("perennial/causal/data/testdata/jobs.npz"));
}

bool Same(const Observations& a, const Observations& b) {
  return a.covariates == b.covariates && a.treatment == b.treatment && a.outcome == b.outcome;
}

struct Kind {
  const char* text;
  const char* group;
  int64_t units, features;
  bool reads_files, same_for_all_seeds;
};
constexpr Kind kKinds[] = {
    {"ihdp { surface: NPCI_C }", "ihdp_npci_c", 747, 25, true, false},
    {"acic2016 { set: 4 }", "acic2016", 4802, 82, true, true},
    {"acic2017 { setting: 12 }", "acic2017_12", 4802, 82, true, false},
    {"nie_wager { setting: D n: 40 p: 7 }", "nie_wager_d", 40, 7, false, false},
    {"kang_schafer { n: 60 }", "kang_schafer", 60, 4, false, false},
    {"news { n: 50 topics: 5 words: 30 document_length: 20 kappa: 1 }", "news", 50, 30, false,
     false},
    {"news { n: 50 topics: 5 features: 6 covariates: PROJECTION kappa: 1 }", "news", 50, 6, false,
     false},
    {"honest { n: 70 noise: 3 }", "honest", 70, 18, false, false},
    {"honest { n: 70 noise: 3 surfaces: 2 }", "honest", 70, 18, false, false},
    {"nhefs {}", "nhefs", 1566, 17, true, true},
    {"lalonde {}", "lalonde_survey", 185 + 15992, 8, true, true},
    {"lalonde { experiment: true }", "lalonde_experiment", 185 + 260, 8, true, true},
};

TEST(SourcesTest, EachKindGivesValidUnitsThatDependOnTheSeedAlone) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.text);
    const Source source = MakeOrDie(kind.text);
    EXPECT_EQ(source->group(), kind.group);
    EXPECT_TRUE(base::IsLowerSnakeCase(source->group()));
    const absl::StatusOr<Realisation> third = source->Realise(3);
    ASSERT_TRUE(third.ok()) << third.status().message();
    const absl::Status valid = Validate(third->units);
    EXPECT_TRUE(valid.ok()) << valid.message();
    EXPECT_EQ(third->units.size(), kind.units);
    EXPECT_EQ(third->units.features(), kind.features);
    EXPECT_FALSE(third->test.has_value());
    EXPECT_TRUE(Same(third->units, MakeOrDie(kind.text)->Realise(3)->units));
    EXPECT_EQ(Same(third->units, source->Realise(4)->units), kind.same_for_all_seeds);
    const absl::Status drawn = source->Draw(random::Stream(1)).status();
    EXPECT_TRUE(drawn.ok()) << drawn.message();
    if (kind.reads_files) {
      EXPECT_EQ(source->digest().size(), 64);
    } else {
      EXPECT_EQ(source->digest(), "none");
      EXPECT_THAT(std::string(Make(kind.text, "somewhere").status().message()),
                  HasSubstr("simulated and read no files"));
    }
  }
}

TEST(SourcesTest, EveryKindOfTheConfigurationIsInTheTable) {
  const auto* kinds = DataConfig::descriptor()->oneof_decl(0);
  for (int f = 0; f < kinds->field_count(); ++f) {
    DataConfig config;
    config.GetReflection()->MutableMessage(&config, kinds->field(f));
    config::FillDefaults(&config);
    // No files are there: data that read some are refused, which is a way of being known.
    (void)MakeSampleSource(config, "nowhere");
  }
}

TEST(SourcesTest, SeedsOfAcic2016AreItsSets) {
  const Source source = MakeOrDie("acic2016 {}");
  for (const uint64_t seed : {0, 6, 16, 29}) {
    const auto set = LoadAcic2016({.set = static_cast<int>(seed % 10) + 1});
    ASSERT_TRUE(set.ok());
    EXPECT_TRUE(Same(source->Realise(seed)->units, *set)) << seed;
  }
  EXPECT_NE(source->digest(), MakeOrDie("acic2016 { set: 1 }")->digest());
  EXPECT_NE(MakeOrDie("acic2016 { set: 2 }")->digest(), MakeOrDie("acic2016 { set: 1 }")->digest());
}

TEST(SourcesTest, FilesCanBeInAFolderOfTheUser) {
  const std::string path = *base::FindRunfile("causallib/acic_challenge_2016/x.csv");
  const Source given = MakeOrDie("acic2016 { set: 3 }", base::FolderOf(path));
  EXPECT_EQ(given->digest(), MakeOrDie("acic2016 { set: 3 }")->digest());
  EXPECT_THAT(std::string(Make("acic2016 { set: 3 }", "nowhere").status().message()),
              HasSubstr("nowhere"));
}

// The surfaces of 2017 are functions of eight columns of 2016; the share that is treated and the
// constant effect of the small setting tell that the columns are the right ones: see acic2017.h.
TEST(SourcesTest, Acic2017StandsOnTheCovariatesOf2016) {
  const Source source = MakeOrDie("acic2017 { setting: 17 }");
  const auto sample = source->Realise(0);
  ASSERT_TRUE(sample.ok()) << sample.status().message();
  const Observations& units = sample->units;
  const Observations of_2016 = *LoadAcic2016({.set = 1});
  EXPECT_EQ(units.covariates, of_2016.covariates);
  EXPECT_EQ(units.covariate_names, of_2016.covariate_names);
  // delta (1[x3 <= 0] 1[x24 = B] + i14 - i15) takes four values at most besides 0, by these
  // columns.
  const auto column = [&](const std::string& name) {
    return std::ranges::find(units.covariate_names, name) - units.covariate_names.begin();
  };
  const auto x3 = column("x_3"), x14 = column("x_14"), x15 = column("x_15"), b = column("x_24=B");
  for (int64_t i = 0; i < units.size(); ++i) {
    const double effect = units.truth->mean_outcome[1][i] - units.truth->mean_outcome[0][i];
    const double expected = (units.x()(i, x3) <= 0 ? units.x()(i, b) : 0) +
                            (units.x()(i, x14) <= 0 ? 1 : 0) - (units.x()(i, x15) <= 0 ? 1 : 0);
    ASSERT_NEAR(effect, expected / 3, 1e-9) << "unit " << i;
  }
}

TEST(SourcesTest, HonestSeedsShareSurfacesIfTheyAreNumbered) {
  const auto effect_of = [](const Source& source, uint64_t seed) {
    // Without noise and with a linear effect of one covariate, the effect over the covariate.
    const Observations units = source->Realise(seed)->units;
    const auto c =
        std::ranges::find(units.covariate_names, "effect_1") - units.covariate_names.begin();
    const double first = units.truth->mean_outcome[1][0] - units.truth->mean_outcome[0][0];
    const double second = units.truth->mean_outcome[1][1] - units.truth->mean_outcome[0][1];
    return (first - second) / (units.x()(0, c) - units.x()(1, c));
  };
  const std::string knobs =
      "honest { n: 30 effect_only: 1 nonlinearity: 0 binary_share: 0 kappa: 0 ";
  const Source shared = MakeOrDie(knobs + "surfaces: 5 }");
  const Source other = MakeOrDie(knobs + "surfaces: 6 }");
  const Source own = MakeOrDie(knobs + "}");
  std::set<int64_t> slopes_of_own;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    EXPECT_NEAR(effect_of(shared, seed), effect_of(shared, 9), 1e-9);
    slopes_of_own.insert(std::llround(1e6 * effect_of(own, seed)));
  }
  EXPECT_NE(std::llround(1e6 * effect_of(shared, 0)), std::llround(1e6 * effect_of(other, 0)));
  EXPECT_GT(slopes_of_own.size(), 1);
  EXPECT_FALSE(Same(shared->Realise(0)->units, shared->Realise(1)->units));
}

TEST(SourcesTest, HonestTestUnitsAreOfTheSameSurfacesAndShifted) {
  const std::string knobs = "honest { n: 400 binary_share: 0 effect_sd: 0 effect_mean: 2 ";
  const auto drawn = MakeOrDie(knobs + "test_units: 300 test_shift: 1.5 }")->Realise(2);
  const auto alike = MakeOrDie(knobs + "test_units: 300 }")->Realise(2);
  ASSERT_TRUE(drawn.ok() && alike.ok());
  ASSERT_TRUE(drawn->test.has_value() && alike->test.has_value());
  EXPECT_TRUE(Same(drawn->units, alike->units));
  EXPECT_EQ(drawn->test->size(), 300);
  const auto p = drawn->units.features();
  for (int64_t c = 0; c < p; ++c) {
    double shift = 0, mean = 0;
    for (int64_t i = 0; i < 300; ++i) {
      shift += (drawn->test->x()(i, c) - alike->test->x()(i, c)) / 300;
      mean += alike->test->x()(i, c) / 300;
    }
    EXPECT_NEAR(std::abs(shift), 1.5, 1e-9);
    EXPECT_LT(std::abs(mean), 4 / std::sqrt(300));
  }
  EXPECT_THAT(std::string(Make("honest { test_shift: 1 }").status().message()),
              HasSubstr("set test_units"));
  EXPECT_THAT(std::string(Make("honest { confounders: 0 }").status().message()),
              HasSubstr("confounders"));
}

double Metric(const EffectUnit& unit, const std::string& name) {
  for (const population::Measurement& measurement : unit.Results().measurements) {
    if (measurement.metric == name) return measurement.value;
  }
  ADD_FAILURE() << "no " << name;
  return std::nan("");
}

bool Has(const EffectUnit& unit, const std::string& name) {
  const auto results = unit.Results();
  return std::ranges::any_of(results.measurements, [&](const auto& m) { return m.metric == name; });
}

std::unique_ptr<EffectUnit> Measured(const Source& source, const ModelFactory& model,
                                     double test_share) {
  auto unit = EffectUnit::Create({.key = {"model", source->group(), "realisation", "0"},
                                  .source = source,
                                  .test_share = test_share,
                                  .model = model,
                                  .seed = 0});
  EXPECT_TRUE(unit.ok()) << unit.status().message();
  EXPECT_TRUE((*unit)->Advance(100).ok());
  return *std::move(unit);
}

TEST(SourcesTest, EffectsOfLalondeAreHeldAgainstTheExperiment) {
  const Lalonde lalonde = *LoadLalonde();
  const auto naive = Measured(MakeOrDie("lalonde {}"), NaiveDifference(), 0);
  EXPECT_NEAR(Metric(*naive, "att_experiment"), lalonde.benchmark.effect, 1e-9);
  EXPECT_NEAR(Metric(*naive, "att_experiment_standard_error"), lalonde.benchmark.standard_error,
              1e-9);
  // The survey's controls earn far more.
  EXPECT_NEAR(Metric(*naive, "att_bias"), Metric(*naive, "att") - lalonde.benchmark.effect, 1e-9);
  EXPECT_LT(Metric(*naive, "att_bias"), -8000);
  EXPECT_EQ(Metric(*naive, "att_error"), -Metric(*naive, "att_bias"));
  EXPECT_FALSE(Has(*naive, "ate_error"));
  EXPECT_FALSE(Has(*naive, "sqrt_pehe_in"));
  // With the experiment's own controls the naive difference is the benchmark.
  const auto own = Measured(MakeOrDie("lalonde { experiment: true }"), NaiveDifference(), 0);
  EXPECT_NEAR(Metric(*own, "att_error"), 0, 1e-9);
  // Nothing is known of NHEFS.
  EXPECT_FALSE(Has(*Measured(MakeOrDie("nhefs {}"), NaiveDifference(), 0.1), "att_error"));
}

TEST(SourcesTest, TestUnitsOfTheirOwnAreTheOnesThatAreNotSeen) {
  const Source source = MakeOrDie("honest { n: 200 test_units: 90 effect_sd: 0 effect_mean: 2 }");
  const auto unit = Measured(source, NullEffect(), 0.3);
  EXPECT_NEAR(Metric(*unit, "sqrt_pehe_out"), 2, 1e-9);
  EXPECT_NEAR(Metric(*unit, "ate_bias"), -2, 1e-9);
  // No share of the 200 was held out.
  const auto plan = unit->plan().memory_bytes;
  EXPECT_EQ(plan, 3.0 * 8 * (200 + 90) * (25 + 8));
}

TEST(SourcesTest, PublicFilesAreReadByRealisation) {
  const std::string folder = TestData();
  const Source both = MakeOrDie("ihdp_file { train: \"ihdp.npz\" test: \"ihdp.npz\" }", folder);
  const Source alone = MakeOrDie("ihdp_file { train: \"ihdp.npz\" test: \"\" }", folder);
  const auto first = both->Realise(0);
  ASSERT_TRUE(first.ok()) << first.status().message();
  EXPECT_TRUE(Same(first->units, *first->test));
  EXPECT_TRUE(first->units.truth.has_value());
  EXPECT_FALSE(alone->Realise(0)->test.has_value());
  EXPECT_FALSE(Same(alone->Realise(0)->units, alone->Realise(1)->units));
  EXPECT_NE(both->digest(), alone->digest());
  EXPECT_EQ(alone->Realise(1000).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(Make("ihdp_file {}").status().message()), HasSubstr("--data FOLDER"));
  EXPECT_THAT(std::string(Make("jobs_file {}").status().message()), HasSubstr("--data FOLDER"));
  EXPECT_THAT(std::string(Make("ihdp_file {}", folder).status().message()),
              HasSubstr("ihdp_npci_1-100.train.npz"));
}

TEST(SourcesTest, JobsAreHeldAgainstTheirRandomisedUnits) {
  const Source source = MakeOrDie("jobs_file { file: \"jobs.npz\" }", TestData());
  const auto first = source->Realise(0);
  ASSERT_TRUE(first.ok()) << first.status().message();
  EXPECT_TRUE(first->units.binary_outcome);
  EXPECT_FALSE(first->units.truth.has_value());
  // One control was drawn by lot: no standard error.
  EXPECT_FALSE(first->att.has_value());
  // Units 1 and 2 are treated, with outcomes 1 and 1; of the controls 3 and 5 were drawn by lot,
  // with outcomes 0 and 1, of which the mean has the variance 1/4.
  const auto second = source->Realise(1);
  ASSERT_TRUE(second.ok() && second->att.has_value());
  EXPECT_DOUBLE_EQ(second->att->effect, 0.5);
  EXPECT_DOUBLE_EQ(second->att->standard_error, 0.5);
}

// The mean outcome of an arm.
double ArmMean(const Observations& units, int32_t arm) {
  double sum = 0;
  double count = 0;
  for (int64_t i = 0; i < units.size(); ++i) {
    if (units.treatment[i] != arm) continue;
    sum += units.outcome[i];
    ++count;
  }
  return sum / count;
}

TEST(SourcesTest, PoliciesOnLalondeAreWorthWhatTheExperimentSays) {
  const Lalonde lalonde = *LoadLalonde();
  const auto split = SplitUnits(lalonde.experiment, 0.3, SplitStream(0));
  ASSERT_TRUE(split.ok());
  const Source experiment = MakeOrDie("lalonde { experiment: true }");
  // Treats none, or all, as the naive difference is above 0.
  const auto none = Measured(experiment, NullEffect(), 0.3);
  EXPECT_NEAR(Metric(*none, "policy_value_in"), ArmMean(split->in, 0), 1e-9);
  EXPECT_NEAR(Metric(*none, "policy_value_out"), ArmMean(split->out, 0), 1e-9);
  const auto all = Measured(experiment, NaiveDifference(), 0.3);
  EXPECT_NEAR(Metric(*all, "policy_value_in"), ArmMean(split->in, 1), 1e-9);
  EXPECT_NEAR(Metric(*all, "policy_value_out"), ArmMean(split->out, 1), 1e-9);
  EXPECT_FALSE(Has(*all, "policy_risk_out"));

  // With the survey's controls the experiment's are units that are not seen, all of them.
  const Source survey = MakeOrDie("lalonde {}");
  const auto of_survey = Measured(survey, NullEffect(), 0.3);
  EXPECT_NEAR(Metric(*of_survey, "policy_value_out"), ArmMean(lalonde.experiment, 0), 1e-9);
  EXPECT_FALSE(Has(*of_survey, "policy_value_in"));
  // Where none of the trained is held out there is no comparison.
  EXPECT_FALSE(Has(*Measured(survey, NullEffect(), 0), "policy_value_out"));
  EXPECT_FALSE(Has(*Measured(MakeOrDie("nhefs {}"), NullEffect(), 0.3), "policy_value_out"));
}

TEST(SourcesTest, PoliciesOnJobsRiskWhatTheirRandomisedUnitsSay) {
  const Source source = MakeOrDie("jobs_file { file: \"jobs.npz\" }", TestData());
  // Outcomes of the treated are 1 and 1, of the controls drawn by lot 0 and 1.
  const auto measured = [&](const ModelFactory& model) {
    auto unit = *EffectUnit::Create({.key = {"model", "jobs_file", "realisation", "1"},
                                     .source = source,
                                     .model = model,
                                     .seed = 1});
    EXPECT_TRUE(unit->Advance(100).ok());
    return unit;
  };
  EXPECT_DOUBLE_EQ(Metric(*measured(NullEffect()), "policy_risk_in"), 0.5);
  EXPECT_DOUBLE_EQ(Metric(*measured(NaiveDifference()), "policy_risk_in"), 0);
  EXPECT_FALSE(Has(*measured(NullEffect()), "policy_value_in"));
  EXPECT_FALSE(Has(*measured(NullEffect()), "policy_risk_out"));
}

}  // namespace
}  // namespace perennial::causal
