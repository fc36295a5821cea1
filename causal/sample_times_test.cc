// The program as a user runs it.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "causal/causal.pb.h"
#include "causal/data/split.h"
#include "causal/line.h"
#include "causal/sources.h"
#include "common/config/textproto.h"
#include "common/data/npy.h"
#include "common/population/unit.h"
#include "common/random/stream.h"
#include "common/testing/process.h"
#include "common/testing/program_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace perennial::causal {
namespace {

using ::perennial::testing::ProcessResult;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr char kRest[] = R"(
split { test_share: 0.2 }
net { trunk: [8] head: [4] steps: 40 batch_size: 50 evaluate_every: 10 }
methods { ols_2 {} }
methods { name: "tarnet" net {} }
methods { name: "transductive" net { alpha: 1 transductive: TEST_TREATMENT } }
)";

class SampleTimesTest : public testing::ProgramTest {
 protected:
  ProcessResult StartWith(const std::string& config, std::vector<std::string> arguments) const {
    Write("tiny.textproto", config);
    arguments.insert(arguments.begin(), {"--config", "tiny.textproto"});
    return Start("causal/sample_times", std::move(arguments));
  }

  // Of the folder of a seed.
  template <typename T = double>
  std::vector<T> Array(uint64_t seed, const std::string& name,
                       const std::vector<int64_t>& shape) const {
    const auto array = data::ReadNpy(absl::StrCat(folder_, "/out/seed_", seed, "/", name, ".npy"));
    EXPECT_TRUE(array.ok()) << array.status();
    if (!array.ok()) return {};
    EXPECT_EQ(array->shape(), shape) << name;
    EXPECT_FALSE(array->fortran_order());
    const auto values = array->Read<T>();
    EXPECT_TRUE(values.ok()) << values.status();
    return values.value_or(std::vector<T>());
  }

  // Runs the configuration with --out; what is printed and written must be what an experiment
  // measures, and what its data are.
  void ExpectAsInAnExperiment(const std::string& text);
};

std::vector<nlohmann::json> JsonLines(const std::string& text) {
  std::vector<nlohmann::json> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    lines.push_back(nlohmann::json::parse(std::string(line), nullptr, false));
    EXPECT_TRUE(lines.back().is_object()) << line;
  }
  return lines;
}

void SampleTimesTest::ExpectAsInAnExperiment(const std::string& text) {
  CausalConfig config;
  ASSERT_TRUE(config::ParseTextproto(text, "test.textproto", &config).ok());
  const CausalLine line;
  ASSERT_TRUE(line.FinishConfig(config).ok());
  const auto source = MakeSampleSource(config.data(), "");
  ASSERT_TRUE(source.ok()) << source.status();
  const auto experiment = line.Prepare(config, "");
  ASSERT_TRUE(experiment.ok()) << experiment.status();

  const ProcessResult result = StartWith(text, {"--seeds", "3..4", "--out", "out"});
  ASSERT_EQ(result.exit_code, 0) << result.log;
  const std::vector<nlohmann::json> printed = JsonLines(result.out);
  ASSERT_EQ(printed.size(), 6u);
  size_t at = 0;
  for (const uint64_t seed : {3, 4}) {
    const auto drawn = (*source)->Realise(seed);
    ASSERT_TRUE(drawn.ok()) << drawn.status();
    Split split;
    if (drawn->test.has_value()) {
      split = {.in = drawn->units, .out = *drawn->test};
    } else {
      split = SplitUnits(drawn->units, 0.2, random::Stream(seed).Split("split")).value();
    }
    const int64_t n = split.in.size() + split.out.size();
    const int64_t p = split.in.features();
    const auto x = Array(seed, "x", {n, p});
    const auto t = Array<int32_t>(seed, "t", {n});
    const auto y = Array(seed, "y", {n});
    const std::vector<double> mu[] = {Array(seed, "mu0", {n}), Array(seed, "mu1", {n})};
    const std::pair<std::vector<int32_t>, const Observations*> parts[] = {
        {Array<int32_t>(seed, "in", {split.in.size()}), &split.in},
        {Array<int32_t>(seed, "out", {split.out.size()}), &split.out}};
    ASSERT_FALSE(HasFailure());
    for (const auto& [rows, expected] : parts) {
      ASSERT_GT(rows.size(), 0u);
      for (size_t i = 0; i < rows.size(); ++i) {
        const int32_t r = rows[i];
        for (int64_t c = 0; c < p; ++c) {
          ASSERT_EQ(x[r * p + c], expected->covariates[i * p + c]) << "row " << r << ", " << c;
        }
        ASSERT_EQ(t[r], expected->treatment[i]);
        ASSERT_EQ(y[r], expected->outcome[i]);
        for (int arm = 0; arm < 2; ++arm) {
          ASSERT_EQ(mu[arm][r], expected->truth->mean_outcome[arm][i]);
        }
      }
    }
    const auto about = nlohmann::json::parse(
        Contents(absl::StrCat("out/seed_", seed, "/sample.json")), nullptr, false);
    ASSERT_TRUE(about.is_object());
    EXPECT_EQ(about["group"], (*source)->group());
    EXPECT_EQ(about["units"], n);
    EXPECT_EQ(about["arms"], 2);

    const auto units = (*experiment)->Units(seed);
    ASSERT_TRUE(units.ok()) << units.status();
    for (const auto& unit : *units) {
      const nlohmann::json& json = printed[at++];
      ASSERT_EQ(json["method"], unit->key().method);
      EXPECT_EQ(json["seed"], seed);
      EXPECT_EQ(json["sample"], about["sample"]);
      EXPECT_EQ(json["steps"], unit->plan().steps);
      EXPECT_GT(json["steps_cpu_s"].get<double>(), 0);
      EXPECT_GT(json["fit_cpu_s"].get<double>(), json["steps_cpu_s"].get<double>());
      EXPECT_GT(json["predict_cpu_s"].get<double>(), 0);
      while (!unit->finished()) ASSERT_TRUE(unit->Advance(1000).ok());
      int compared = 0;
      for (const population::Measurement& m : unit->Results().measurements) {
        if (!json.contains(m.metric)) continue;
        EXPECT_EQ(json[m.metric].get<double>(), m.value) << m.metric;
        ++compared;
      }
      EXPECT_EQ(compared, 4) << "sqrt_pehe and ate_error, in and out";
      // The effects that are written have these errors.
      const auto effect = Array(seed, unit->key().method + "_effect", {1, n});
      const auto outcome = Array(seed, unit->key().method + "_outcome", {2, n});
      ASSERT_FALSE(HasFailure());
      double squares = 0;
      for (const int32_t r : parts[1].first) {
        EXPECT_NEAR(effect[r], outcome[n + r] - outcome[r], 1e-9);
        squares += std::pow(effect[r] - (mu[1][r] - mu[0][r]), 2);
      }
      EXPECT_NEAR(json["sqrt_pehe_out"].get<double>(),
                  std::sqrt(squares / static_cast<double>(split.out.size())), 1e-6);
    }
  }
  EXPECT_NE(printed[0]["sample"], printed[3]["sample"]);
}

TEST_F(SampleTimesTest, WritesAndMeasuresWhatAnExperimentDoes) {
  ExpectAsInAnExperiment(absl::StrCat("data { ihdp { surface: HILL_B } }", kRest));
}

TEST_F(SampleTimesTest, TestUnitsOfTheirOwnStandBehindTheOthers) {
  ExpectAsInAnExperiment(absl::StrCat("data { honest { n: 120 test_units: 30 } }", kRest));
  const auto in = Array<int32_t>(3, "in", {120});
  const auto out = Array<int32_t>(3, "out", {30});
  EXPECT_EQ(in[7], 7);
  EXPECT_EQ(out[7], 127);
}

TEST_F(SampleTimesTest, WritesWhatASimulationKnowsOfItsUnits) {
  constexpr int64_t kUnits = 150;
  const ProcessResult result = StartWith(
      "data { honest { n: 120 test_units: 30 kappa: 3 alignment: 0.9 noise_sd: 0.5 } }\n"
      "methods { ols_2 {} }\n",
      {"--seeds", "3", "--out", "out"});
  ASSERT_EQ(result.exit_code, 0) << result.log;
  CausalConfig config;
  ASSERT_TRUE(config::ParseTextproto(Contents("tiny.textproto"), "test.textproto", &config).ok());
  ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
  const auto source = MakeSampleSource(config.data(), "");
  ASSERT_TRUE(source.ok()) << source.status();
  const auto drawn = (*source)->Realise(3);
  ASSERT_TRUE(drawn.ok()) << drawn.status();
  const auto t = Array<int32_t>(3, "t", {kUnits});
  const auto y = Array(3, "y", {kUnits});
  const auto e = Array(3, "e", {kUnits});
  const auto ycf = Array(3, "ycf", {kUnits});
  const std::vector<double> mu[] = {Array(3, "mu0", {kUnits}), Array(3, "mu1", {kUnits})};
  ASSERT_FALSE(HasFailure());
  double ate = 0, squares = 0, by_arm[2] = {}, units[2] = {}, outside = 0;
  std::vector<double> logits;
  for (int64_t i = 0; i < kUnits; ++i) {
    EXPECT_EQ(e[i], i < 120 ? drawn->units.truth->propensity[1][i]
                            : drawn->test->truth->propensity[1][i - 120]);
    // The same noise about the other mean.
    EXPECT_NEAR(ycf[i] - mu[1 - t[i]][i], y[i] - mu[t[i]][i], 1e-12);
    const double effect = mu[1][i] - mu[0][i];
    ate += effect / kUnits;
    squares += effect * effect / kUnits;
    by_arm[t[i]] += effect;
    units[t[i]] += 1;
    outside += e[i] < 0.05 || e[i] > 0.95 ? 1 : 0;
    logits.push_back(std::log(e[i] / (1 - e[i])));
  }
  const auto json =
      nlohmann::json::parse(Contents("out/seed_3/sample.json"), nullptr, false)["truth"];
  ASSERT_TRUE(json.is_object());
  EXPECT_NEAR(json["ate"].get<double>(), ate, 1e-12);
  EXPECT_NEAR(json["att"].get<double>(), by_arm[1] / units[1], 1e-12);
  EXPECT_NEAR(json["atc"].get<double>(), by_arm[0] / units[0], 1e-12);
  EXPECT_NEAR(json["effect_sd"].get<double>(), std::sqrt(squares - ate * ate), 1e-9);
  EXPECT_EQ(json["propensity_lowest"], *std::ranges::min_element(e));
  EXPECT_EQ(json["propensity_highest"], *std::ranges::max_element(e));
  EXPECT_GT(outside, 0);
  EXPECT_NEAR(json["outside_05_95"].get<double>(), outside / kUnits, 1e-12);
  // 1 less the residuals of the line over the squares about the mean.
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0, residuals = 0, about_mean = 0;
  for (int64_t i = 0; i < kUnits; ++i) {
    mean_x += logits[i] / kUnits;
    mean_y += mu[0][i] / kUnits;
  }
  for (int64_t i = 0; i < kUnits; ++i) {
    xx += (logits[i] - mean_x) * (logits[i] - mean_x);
    xy += (logits[i] - mean_x) * (mu[0][i] - mean_y);
  }
  for (int64_t i = 0; i < kUnits; ++i) {
    residuals += std::pow(mu[0][i] - mean_y - xy / xx * (logits[i] - mean_x), 2);
    about_mean += std::pow(mu[0][i] - mean_y, 2);
  }
  EXPECT_NEAR(json["confounding_r2"].get<double>(), 1 - residuals / about_mean, 1e-9);
  EXPECT_GT(json["confounding_r2"].get<double>(), 0.3);
}

TEST_F(SampleTimesTest, WritesNothingOfWhatIsNotKnown) {
  const auto written = [&](const std::string& data) {
    std::filesystem::remove_all(folder_ + "/out");
    const ProcessResult result =
        StartWith(absl::StrCat("data { ", data, " }\nmethods { ols_1 {} }"),
                  {"--seeds", "2", "--out", "out"});
    EXPECT_EQ(result.exit_code, 0) << result.log;
    std::string names;
    for (const char* name : {"mu0", "mu2", "e", "e0", "e1", "e2", "ycf"}) {
      if (Exists(absl::StrCat("out/seed_2/", name, ".npy"))) absl::StrAppend(&names, name, " ");
    }
    return names;
  };
  const auto truth = [&] {
    return nlohmann::json::parse(Contents("out/seed_2/sample.json"), nullptr, false)["truth"];
  };
  EXPECT_EQ(written("ihdp {}"), "mu0 ycf ");
  EXPECT_TRUE(truth().contains("atc"));
  EXPECT_FALSE(truth().contains("confounding_r2"));
  // Arms by lot: there is nothing to regress on.
  EXPECT_EQ(written("nie_wager { setting: B n: 100 }"), "mu0 e ycf ");
  EXPECT_TRUE(truth()["confounding_r2"].is_null());
  EXPECT_EQ(written("acic2017 { setting: 24 }"), "mu0 e ycf ");
  EXPECT_EQ(written("acic2017 { setting: 32 }"), "mu0 e ");
  EXPECT_EQ(written("acic2016 {}"), "mu0 ");
  EXPECT_EQ(written("honest { n: 200 binary_outcome: true }"), "mu0 e ");
  EXPECT_EQ(written("honest { n: 300 arms: 3 }"), "mu0 mu2 e0 e1 e2 ");
  ASSERT_EQ(truth().size(), 2u);
  EXPECT_NE(truth()[0]["ate"], truth()[1]["ate"]);
  EXPECT_EQ(written("nhefs {}"), "");
  EXPECT_TRUE(truth().is_null());
}

// A network computed by hand from the weights that are written, in standardised units.
TEST_F(SampleTimesTest, WritesTheWeightsThatANetworkBeginsWith) {
  const ProcessResult result = StartWith(
      "data { ihdp { surface: HILL_A } }\n"
      "net { trunk: [3] head: [2] activation: TANH steps: 1 learning_rate: 1e-12 "
      "      validation_share: 0 }\n"
      "methods { name: \"tarnet\" net {} }\n"
      "methods { name: \"two\" net { ensemble: 2 } }\n"
      "methods { ols_1 {} }\n",
      {"--seeds", "5", "--out", "out"});
  ASSERT_EQ(result.exit_code, 0) << result.log;
  constexpr int64_t kUnits = 747, kFeatures = 25;
  const auto x = Array(5, "x", {kUnits, kFeatures});
  const auto y = Array(5, "y", {kUnits});
  const auto in = Array<int32_t>(5, "in", {747 - 60 - 13});
  const auto outcome = Array(5, "tarnet_outcome", {2, kUnits});
  std::map<std::string, std::vector<float>> weights;
  for (const auto& [name, rows, columns] :
       {std::tuple("features.0", 3, 25), std::tuple("arm_0.0", 2, 3), std::tuple("arm_0.1", 1, 2),
        std::tuple("arm_1.0", 2, 3), std::tuple("arm_1.1", 1, 2)}) {
    const std::string prefix = absl::StrCat("tarnet.", name);
    weights[absl::StrCat(name, ".weight")] = Array<float>(5, prefix + ".weight", {rows, columns});
    weights[absl::StrCat(name, ".bias")] = Array<float>(5, prefix + ".bias", {rows});
  }
  ASSERT_FALSE(HasFailure());
  const auto moments = [&](const auto& value) {
    double sum = 0, squares = 0;
    for (const int32_t r : in) sum += value(r);
    const double mean = sum / static_cast<double>(in.size());
    for (const int32_t r : in) squares += (value(r) - mean) * (value(r) - mean);
    return std::pair(mean, std::sqrt(squares / static_cast<double>(in.size())));
  };
  const auto layer = [&](const std::string& name, const std::vector<double>& inputs, bool tanh) {
    std::vector<double> outputs;
    const std::vector<float>& w = weights[name + ".weight"];
    for (size_t o = 0; o < weights[name + ".bias"].size(); ++o) {
      double sum = weights[name + ".bias"][o];
      for (size_t i = 0; i < inputs.size(); ++i) sum += w[o * inputs.size() + i] * inputs[i];
      outputs.push_back(tanh ? std::tanh(sum) : sum);
    }
    return outputs;
  };
  const auto [y_mean, y_deviation] = moments([&](int32_t r) { return y[r]; });
  for (const int32_t r : {0, 100, 746}) {
    std::vector<double> z;
    for (int64_t c = 0; c < kFeatures; ++c) {
      const auto [mean, deviation] = moments([&](int32_t i) { return x[i * kFeatures + c]; });
      z.push_back((x[r * kFeatures + c] - mean) / deviation);
    }
    const std::vector<double> features = layer("features.0", z, true);
    for (int arm = 0; arm < 2; ++arm) {
      const std::string head = absl::StrCat("arm_", arm);
      const double predicted = layer(head + ".1", layer(head + ".0", features, true), false)[0];
      EXPECT_NEAR(outcome[arm * kUnits + r], y_mean + y_deviation * predicted, 1e-4 * y_deviation);
    }
  }
  for (const auto& file : std::filesystem::directory_iterator(folder_ + "/out/seed_5")) {
    const std::string name = file.path().filename().string();
    EXPECT_FALSE(absl::StartsWith(name, "ols_1.") || absl::StartsWith(name, "two."))
        << name << ": weights are those of single networks";
  }
}

TEST_F(SampleTimesTest, MoreStepsTakeMoreTimeAndWithoutOutNothingIsWritten) {
  const ProcessResult result = StartWith(absl::StrCat("data { ihdp {} }", kRest),
                                         {"--seeds", "0", "--set",
                                          "methods=[{name: \"short\" net {}}, "
                                          "{name: \"long\" net { steps: 20000 }}]"});
  ASSERT_EQ(result.exit_code, 0) << result.log;
  const std::vector<nlohmann::json> lines = JsonLines(result.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1]["steps"], 20000);
  EXPECT_GT(lines[1]["steps_cpu_s"].get<double>(), 10 * lines[0]["steps_cpu_s"].get<double>());
  std::vector<std::string> files;
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    files.push_back(file.path().filename().string());
  }
  EXPECT_THAT(files, ElementsAre("tiny.textproto"));
}

TEST_F(SampleTimesTest, PrintsItsHelpAndDoesNothing) {
  const ProcessResult result = StartWith(absl::StrCat("data { ihdp {} }", kRest), {"--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.log, "");
  EXPECT_THAT(result.out, AllOf(HasSubstr("  --out DIR"), Not(HasSubstr("{"))));
}

TEST_F(SampleTimesTest, MistakesAreNamedInOneLine) {
  const std::string config = absl::StrCat("data { ihdp {} }", kRest);
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes = {
      {{"--set", "split.test_shar=0.1"}, "test_share"},
      {{"--set", "split.selection_share=0.2"}, "selection_share"},
      {{"--set", "net.trunk=[]", "--set", "methods=[{ name: \"a\" net { steps: 0 } }]"}, "steps"},
      {{"--out", "tiny.textproto/here"}, "tiny.textproto"},
      {{"--sed", "0"}, "--seeds"},
  };
  for (const auto& [arguments, needle] : mistakes) {
    const ProcessResult result = StartWith(config, arguments);
    EXPECT_EQ(result.exit_code, 1) << needle;
    EXPECT_THAT(result.log, AllOf(MatchesRegex("sample_times: [^\n]+\n"), HasSubstr(needle)));
  }
}

}  // namespace
}  // namespace perennial::causal
