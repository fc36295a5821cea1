// //causal:estimate and //causal:predict as a user runs them.
#include "causal/estimation/programs.h"

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "causal/estimation/encoding.h"
#include "common/base/available_memory.h"
#include "common/data/csv.h"
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
using ::testing::Not;

class ProgramsTest : public testing::ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    options_.working_folder = std::string("/");  // Paths are the user's, not the program's.
  }

  ProcessResult Start(const std::string& program, std::vector<std::string> arguments) const {
    return ProgramTest::Start("causal/estimation/" + program, std::move(arguments));
  }
  ProcessResult Estimate(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--data", "my.csv", "--treatment", "t", "--outcome", "y"});
    return Start("estimate", std::move(arguments));
  }
  // One clear line, exit code 1, nothing written.
  std::string ErrorOf(const std::string& csv, std::vector<std::string> arguments = {}) const {
    Write("my.csv", csv);
    const ProcessResult result = Estimate(std::move(arguments));
    EXPECT_EQ(result.exit_code, 1) << result.log;
    EXPECT_EQ(result.out, "");
    EXPECT_FALSE(Exists("runs"));
    const size_t error = result.log.find("error: ");
    EXPECT_NE(error, std::string::npos) << result.log;
    const std::string line = error == std::string::npos ? "" : result.log.substr(error);
    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
    return line;
  }
};

// Site and age decide who is treated; the effect is 3.
std::string Csv(int64_t n, bool with_words = false) {
  random::Stream stream = random::Stream(8).Split("csv");
  std::string csv = "name,t,y,age,site,retired\n";
  for (int64_t i = 0; i < n; ++i) {
    const double age = 40 + 10 * stream.Normal();
    const bool oslo = stream.Uniform() < 0.5;
    const double odds = std::exp((age - 40) / 20 + (oslo ? 0.5 : -0.5));
    const bool treated = stream.Uniform() < odds / (1 + odds);
    const double y = age / 5 + (oslo ? 2 : 0) + (treated ? 3 : 0) + stream.Normal();
    absl::StrAppend(&csv, "unit ", i, ",",
                    with_words ? (treated ? "drug" : "placebo") : (treated ? "1" : "0"), ",", y,
                    ",", i % 17 == 0 ? "" : absl::StrCat(age), ",", oslo ? "Oslo" : "\"Bern, BE\"",
                    ",", age > 45 ? "yes" : "no", "\n");
  }
  return csv;
}

// Who is treated is drawn by lot unless `lot` is false.
std::string Numbers(int64_t n, bool lot = true) {
  random::Stream stream = random::Stream(6).Split("numbers");
  std::string csv = "t,y,a,b\n";
  for (int64_t i = 0; i < n; ++i) {
    const double a = stream.Normal();
    const int t = (lot ? stream.Uniform() < 0.5 : a > 0.2) ? 1 : 0;
    absl::StrAppend(&csv, t, ",", a + t + stream.Normal(), ",", a, ",", stream.Normal(), "\n");
  }
  return csv;
}

TEST_F(ProgramsTest, EstimatesAndPredictsTheSameForRowsOfTheFit) {
  Write("my.csv", Csv(300));
  const ProcessResult result = Estimate({"--ignore", "name", "--out", "results"});
  ASSERT_EQ(result.exit_code, 0) << result.log;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("300 units, 4 covariates"), HasSubstr("aipw *"),
                    HasSubstr("missing values are set to its mean"), HasSubstr("results:")));
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(result.out, '\n'))) {
    EXPECT_LE(line.size(), 80u) << line;
  }
  EXPECT_THAT(result.log, HasSubstr("cross-fitting: 25 of 25 folds"));

  const auto json = nlohmann::json::parse(Contents("results/estimate.json"), nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["units"], 300);
  int chosen = 0;
  for (const auto& effect : json["effects"]) {
    if (!effect["chosen"]) continue;
    ++chosen;
    EXPECT_EQ(effect["estimator"], "aipw");
    EXPECT_NEAR(effect["value"].get<double>(), 3, 0.6);
    EXPECT_LT(effect["low"], effect["value"]);
  }
  EXPECT_EQ(chosen, 2);
  // The mean of predictions has no error that is known; all others have one.
  for (const auto& effect : json["effects"]) {
    EXPECT_EQ(effect["standard_error"].is_null(), effect["estimator"] == "plug_in") << effect;
  }
  std::vector<std::string> predictions;
  for (const auto& loss : json["diagnostics"][0]["excess_effect_loss"]) {
    predictions.push_back(loss["prediction"]);
    EXPECT_LT(loss["low"], loss["high"]);
  }
  EXPECT_THAT(predictions, ElementsAre("null", "ols_2", "model"));
  EXPECT_THAT(result.out, HasSubstr("Predicted effects of units are "));
  EXPECT_THAT(Contents("results/report.html"), AllOf(HasSubstr("Love plot"), HasSubstr("E-value")));

  const ProcessResult predicted =
      Start("predict", {"--model", "results", "--data", "my.csv", "--out", "again.csv"});
  ASSERT_EQ(predicted.exit_code, 0) << predicted.log;
  EXPECT_THAT(predicted.out, HasSubstr("0 of 300 rows lie outside"));
  const auto first = data::ReadCsv(folder_ + "/results/effects.csv");
  const auto second = data::ReadCsv(folder_ + "/again.csv");
  ASSERT_TRUE(first.ok() && second.ok());
  const auto a = *first->Numbers("effect");
  const auto b = *second->Numbers("effect");
  EXPECT_EQ(std::vector<double>(a.begin(), a.end()), std::vector<double>(b.begin(), b.end()));
  ASSERT_EQ(a.size(), 300u);
}

TEST_F(ProgramsTest, NewRowsOutsideTheSupportAreFlaggedAndCountApart) {
  Write("my.csv", Csv(200));
  ASSERT_EQ(Estimate({"--ignore", "name", "--out", "results", "--model", "linear"}).exit_code, 0);
  std::string csv = "age,site,retired\n40,Oslo,no\n40,Rome,no\n240,Oslo,yes\n35,Oslo,no\n";
  for (int i = 0; i < 6; ++i) csv += "300,Oslo,yes\n";
  Write("new.csv", csv);
  const std::vector<std::string> arguments = {"--model", "results/model.safetensors", "--data",
                                              "new.csv"};
  const ProcessResult result = Start("predict", arguments);
  ASSERT_EQ(result.exit_code, 0) << result.log;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("8 of 10 rows lie outside"), HasSubstr("row 2: site=Rome is new"),
                    HasSubstr("row 3: age=240 is above"), HasSubstr("- and 3 more")));
  // It says where it wrote, below runs/ of the working folder, and nowhere else.
  const size_t place = result.out.find("runs/causal/new-effects-");
  ASSERT_NE(place, std::string::npos) << result.out;
  const std::string written = result.out.substr(place, result.out.find('\n', place) - place);
  EXPECT_FALSE(Exists("new-effects.csv"));
  const auto effects = data::ReadCsv(absl::StrCat(folder_, "/", written));
  ASSERT_TRUE(effects.ok()) << effects.status();
  const auto flags = *effects->Numbers("outside_support");
  EXPECT_THAT(std::vector<double>(flags.begin(), flags.end()),
              ElementsAre(0, 1, 1, 0, 1, 1, 1, 1, 1, 1));
  const auto effect = *effects->Numbers("effect");
  double all = 0;
  for (const double value : effect) all += value / 10;
  EXPECT_THAT(result.out, ::testing::ContainsRegex(
                              absl::StrCat("inside the support of the fit +2 +",
                                           NumberText((effect[0] + effect[3]) / 2), "\n")));
  EXPECT_THAT(result.out,
              ::testing::ContainsRegex(absl::StrCat("\nall +10 +", NumberText(all), "\n")));
  EXPECT_GT(std::abs(all - (effect[0] + effect[3]) / 2), 0.01);
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(result.out, '\n'))) {
    EXPECT_LE(line.size(), 80u) << line;
  }
  // Equal rows by an equal model are the same file; what stands there is kept.
  EXPECT_EQ(Start("predict", arguments).exit_code, 0);
  Write(written, "mine");
  const ProcessResult again = Start("predict", arguments);
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.log,
              HasSubstr(absl::StrCat("error: ", written,
                                     " is there and holds something else, which "
                                     "is kept: give another --out, or remove that file\n")));
  EXPECT_EQ(Contents(written), "mine");
  std::vector<std::string> named = arguments;
  named.insert(named.end(), {"--out", "mine.csv"});
  Write("mine.csv", "mine");
  EXPECT_THAT(Start("predict", named).log, HasSubstr("error: --out mine.csv is there and holds "));
  EXPECT_EQ(Contents("mine.csv"), "mine");
  std::filesystem::remove(folder_ + "/mine.csv");
  EXPECT_EQ(Start("predict", named).exit_code, 0);
  EXPECT_EQ(Start("predict", named).exit_code, 0);
  EXPECT_EQ(Contents("mine.csv").substr(0, 4), "row,");
  // What is read is never advised to be removed.
  named.back() = "./new.csv";
  EXPECT_THAT(Start("predict", named).log,
              HasSubstr("error: --out ./new.csv is what is read itself; name another file\n"));
  named.back() = "results";
  EXPECT_THAT(Start("predict", named).log,
              HasSubstr("error: --out results is a folder; name a file, as predicted.csv\n"));
}

TEST_F(ProgramsTest, PredictSaysThatItHasNoIntervalsAndWhatTheEstimateWas) {
  Write("my.csv", Csv(200));
  ASSERT_EQ(
      Estimate({"--ignore", "name", "--out", "results", "--model", "linear", "--level", "0.9"})
          .exit_code,
      0);
  const auto out = [&](const std::string& model) {
    const ProcessResult result =
        Start("predict", {"--model", model, "--data", "my.csv", "--out", "new.csv"});
    EXPECT_EQ(result.exit_code, 0) << result.log;
    EXPECT_THAT(result.out, HasSubstr("predictions without intervals"));
    return result.out;
  };
  const auto json = nlohmann::json::parse(Contents("results/estimate.json"), nullptr, false);
  std::string expected;
  for (const auto& effect : json["effects"]) {
    if (effect["estimand"] != "ate" || effect["estimator"] != "aipw") continue;
    expected = absl::StrCat(NumberText(effect["value"].get<double>()), ", 90 % interval ",
                            NumberText(effect["low"].get<double>()), " .. ",
                            NumberText(effect["high"].get<double>()), " (aipw)\n");
  }
  EXPECT_THAT(out("results"), HasSubstr(expected));
  // A model that was moved, or stands beside something else, has no average.
  std::filesystem::create_directories(folder_ + "/alone");
  std::filesystem::copy(folder_ + "/results/model.safetensors", folder_ + "/alone/m");
  EXPECT_THAT(out("alone/m"), Not(HasSubstr("average effect")));
  for (const std::string& other :
       {std::string("{"), std::string("[]"),
        std::string("{\"treatment\":\"t\",\"outcome\":\"y\",\"level\":0.9,\"effects\":[3,{}]}"),
        absl::StrReplaceAll(Contents("results/estimate.json"), {{"\"y\"", "\"z\""}})}) {
    Write("alone/estimate.json", other);
    EXPECT_THAT(out("alone/m"), Not(HasSubstr("average effect"))) << other;
  }
}

TEST_F(ProgramsTest, WhatIsNoModelIsSaidInTheWordsOfTheFlag) {
  Write("my.csv", Numbers(60));
  ASSERT_EQ(Estimate({"--model", "linear", "--out", "results"}).exit_code, 0);
  const auto error = [&](const std::string& model) {
    const ProcessResult result = Start("predict", {"--model", model, "--data", "my.csv"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_FALSE(Exists("runs"));
    return result.log;
  };
  for (const char* name : {"estimate.json", "effects.csv", "report.html", "settings.json"}) {
    EXPECT_THAT(
        error(absl::StrCat("results/", name)),
        HasSubstr(absl::StrCat("error: results/", name,
                               ": this is no model of //causal:estimate; give its folder")));
  }
  EXPECT_THAT(error("nowhere"), HasSubstr("nowhere"));
  const std::string bytes = Contents("results/model.safetensors");
  Write("cut.safetensors", bytes.substr(0, bytes.size() / 2));
  EXPECT_THAT(error("cut.safetensors"),
              HasSubstr("error: cut.safetensors: the file is damaged or was cut short, copy it "));
  std::filesystem::remove(folder_ + "/results/model.safetensors");
  EXPECT_THAT(error("results"), HasSubstr("its estimate is not finished; --resume"));
  std::filesystem::create_directories(folder_ + "/empty");
  EXPECT_THAT(error("empty"), HasSubstr("empty: holds no model.safetensors; --model takes"));
}

TEST_F(ProgramsTest, EqualRunsWriteEqualBytesAndOthersDoNotReplaceThem) {
  Write("my.csv", Csv(120));
  const std::vector<std::string> arguments = {"--ignore",    "name", "--model", "linear",
                                              "--bootstrap", "20",   "--refute"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), arguments.begin(), arguments.end());
    return Estimate(more);
  };
  const ProcessResult first = with({"--out", "a", "--threads", "1"});
  ASSERT_EQ(first.exit_code, 0) << first.log;
  EXPECT_THAT(first.out,
              AllOf(HasSubstr("aipw, bootstrap"), HasSubstr("placebo holds. With arms")));
  ASSERT_EQ(with({"--out", "b", "--threads", "3"}).exit_code, 0);
  for (const char* name : {"estimate.json", "effects.csv", "report.html", "model.safetensors"}) {
    const std::string bytes = Contents(absl::StrCat("a/", name));
    EXPECT_NE(bytes, "");
    EXPECT_EQ(bytes, Contents(absl::StrCat("b/", name))) << name;
  }
  EXPECT_THAT(Contents("a/effects.csv"),
              HasSubstr("row,arm,effect,effect_standard_error,effect_low,effect_high\r\n"));
  EXPECT_EQ(with({"--out", "a"}).exit_code, 0);
  const ProcessResult other = with({"--out", "a", "--seed", "1"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.log, HasSubstr("--out a holds another estimate: seed is 0 there and 1 now"));
  std::filesystem::create_directories(folder_ + "/full");
  Write("full/thesis.tex", "x");
  EXPECT_THAT(with({"--out", "full"}).log, HasSubstr("holds other files (thesis.tex)"));
}

TEST_F(ProgramsTest, WordsAndOtherSeparatorsAreRead) {
  std::string csv = Csv(150, /*with_words=*/true);
  Write("my.csv", csv);
  const ProcessResult unnamed = Estimate({"--ignore", "name"});
  EXPECT_EQ(unnamed.exit_code, 1);
  EXPECT_THAT(unnamed.log, HasSubstr("--treated_value"));
  const ProcessResult named =
      Estimate({"--ignore", "name", "--treated_value", "drug", "--model", "linear"});
  ASSERT_EQ(named.exit_code, 0) << named.log;
  EXPECT_THAT(named.out, AllOf(HasSubstr("t: placebo (control)"), HasSubstr("runs/causal/my-")));
  EXPECT_TRUE(Exists("runs/causal"));

  std::string semicolons = "t;y;a\n";
  for (int i = 0; i < 24; ++i) {
    absl::StrAppend(&semicolons, i % 2, ";", i * i % 7, ",5;", i % 5, ",25\n");
  }
  Write("my.csv", semicolons);
  EXPECT_THAT(Estimate({}).log, HasSubstr("error: my.csv: the first line has 2 ';' and 0 ',': give "
                                          "--delimiter ';'\n"));
  const ProcessResult other =
      Estimate({"--delimiter", ";", "--decimal_mark", ",", "--model", "linear", "--folds", "2"});
  EXPECT_EQ(other.exit_code, 0) << other.log;
}

TEST_F(ProgramsTest, AMeantDelimiterIsNamed) {
  // Commas in a name, tabs between names.
  EXPECT_THAT(ErrorOf("t\ty\tbmi, kg\ta\n0\t1\t2\t3\n"), HasSubstr("give --delimiter tab"));
  EXPECT_THAT(
      ErrorOf("a, b;c, d;e, f;t;y\n0;1;2;3;4\n"),
      AllOf(HasSubstr("my.csv:2: "), HasSubstr("has 4 ';' and 3 ',': give --delimiter ';'")));
  EXPECT_THAT(ErrorOf("t,y,a\n0,1,1\n", {"--delimiter", ";"}), HasSubstr("give --delimiter ','"));
  EXPECT_THAT(ErrorOf("t,y,a;b\n0,1,1;\n1,1\n"), Not(HasSubstr("--delimiter")));
}

TEST_F(ProgramsTest, NamesWithCommasAreGivenInQuotes) {
  std::string csv = "t,y,a,\"bmi, kg/m2\",\"b \"\"c\"\"\",name\n";
  for (int i = 0; i < 60; ++i) {
    absl::StrAppend(&csv, i % 2, ",", i * i % 7, ",", i % 5, ",", i % 11, ",", i * i % 13, ",n", i,
                    "\n");
  }
  Write("my.csv", csv);
  const auto covariates = [&](std::vector<std::string> arguments) {
    static int run = 0;
    const std::string out = absl::StrCat("out", ++run);
    arguments.insert(arguments.end(), {"--model", "linear", "--out", out});
    const ProcessResult result = Estimate(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.log;
    return result.out.substr(0, result.out.find(';'));
  };
  EXPECT_EQ(covariates({"--ignore", "\"bmi, kg/m2\",name"}), "60 units, 2 covariates");
  EXPECT_EQ(covariates({"--ignore", "name", "--ignore", "\"b \"\"c\"\"\", \"bmi, kg/m2\""}),
            "60 units, 1 covariate");
  EXPECT_EQ(covariates({"--covariates", "\"bmi, kg/m2\"", "--covariates", "a"}),
            "60 units, 2 covariates");
  EXPECT_EQ(covariates({"--ignore", "name", "--categorical", "\"bmi, kg/m2\""}),
            "60 units, 13 covariates");
  for (const std::string flag : {"--ignore", "--covariates", "--categorical"}) {
    std::filesystem::remove_all(folder_ + "/runs");
    EXPECT_THAT(ErrorOf(csv, {flag, "bmi, kg/m2"}),
                AllOf(HasSubstr(absl::StrCat("error: my.csv: ", flag, ": unknown column \"bmi\"")),
                      HasSubstr(absl::StrCat(flag, " '\"bmi, kg/m2\"'\n"))));
  }
}

TEST_F(ProgramsTest, AnUnknownColumnNamesFlagAndFileOnce) {
  Write("my.csv", Numbers(30));
  const ProcessResult result =
      Start("estimate", {"--data", "my.csv", "--treatment", "treat", "--outcome", "y"});
  EXPECT_THAT(result.log, HasSubstr("error: my.csv: --treatment: unknown column \"treat\"; there "
                                    "are: \"t\", \"y\", \"a\", \"b\"\n"));
}

TEST_F(ProgramsTest, FewRowsOrFewOfAnArmAreRefused) {
  const auto table = [](int n, int treated) {
    std::string csv = "t,y,a\n";
    for (int i = 0; i < n; ++i) {
      absl::StrAppend(&csv, i < treated ? 1 : 0, ",", i * i % 7, ",", i % 5, "\n");
    }
    return csv;
  };
  EXPECT_THAT(ErrorOf(table(19, 9)),
              HasSubstr("there are only 19 rows with treatment and outcome"));
  EXPECT_THAT(ErrorOf(table(40, 4)),
              HasSubstr("treatment \"t\": arm \"1\" has only 4 units with a known outcome; an arm "
                        "needs 5\n"));
  // The fewest of both, with more folds than units of the arm as well.
  Write("my.csv", table(20, 5));
  for (const auto& [model, folds] :
       {std::pair("linear", "2"), std::pair("linear", "10"), std::pair("boosting", "5")}) {
    const ProcessResult result =
        Estimate({"--model", model, "--folds", folds, "--out", absl::StrCat("few", folds, model)});
    EXPECT_EQ(result.exit_code, 0) << result.log;
    EXPECT_THAT(result.out, HasSubstr("Arm \"1\" has only 5 units"));
  }
}

TEST_F(ProgramsTest, AnOutcomeInWordsIsAskedForAndAnotherChoiceIsAnotherEstimate) {
  std::string csv = "t,y,a\n";
  random::Stream stream = random::Stream(9).Split("words");
  for (int i = 0; i < 200; ++i) {
    const int t = stream.Uniform() < 0.5 ? 1 : 0;
    absl::StrAppend(&csv, t, ",", stream.Uniform() < (t == 1 ? 0.2 : 0.5) ? "died" : "alive", ",",
                    stream.Normal(), "\n");
  }
  EXPECT_THAT(ErrorOf(csv), HasSubstr("which one counts as 1 with --outcome_value"));
  const std::vector<std::string> died = {"--model", "linear",          "--out",
                                         "results", "--outcome_value", "died"};
  const ProcessResult result = Estimate(died);
  ASSERT_EQ(result.exit_code, 0) << result.log;
  EXPECT_THAT(result.out, HasSubstr("is 1 for \"died\" and 0 for \"alive\""));
  const auto json = nlohmann::json::parse(Contents("results/estimate.json"), nullptr, false);
  EXPECT_EQ(json["outcome"], "y=died");
  for (const auto& effect : json["effects"]) {
    if (effect["chosen"]) {
      EXPECT_LT(effect["value"], 0);
    }
  }
  auto alive = died;
  alive.back() = "alive";
  EXPECT_THAT(Estimate(alive).log, HasSubstr("outcome is y=died there and y=alive now"));

  // The model needs no outcome, and does not mind words where one stands.
  Write("new.csv", "y,a\nwho knows,0.5\n,1\n");
  const ProcessResult predicted = Start("predict", {"--model", "results", "--data", "new.csv"});
  EXPECT_EQ(predicted.exit_code, 0) << predicted.log;
  EXPECT_THAT(predicted.out, HasSubstr("y=died"));
}

TEST_F(ProgramsTest, WhichOutcomesAreBetterIsASetting) {
  Write("my.csv", Numbers(60));
  ASSERT_EQ(Estimate({"--model", "linear", "--out", "results"}).exit_code, 0);
  const ProcessResult other =
      Estimate({"--model", "linear", "--out", "results", "--lower_is_better", "--resume"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.log, HasSubstr("lower_is_better is no there and yes now"));
  const ProcessResult lower =
      Estimate({"--model", "linear", "--out", "lower", "--lower_is_better"});
  EXPECT_EQ(lower.exit_code, 0) << lower.log;
}

TEST_F(ProgramsTest, EveryMistakeIsOneLine) {
  std::string good = "t,y,a\n";
  for (int i = 0; i < 24; ++i) absl::StrAppend(&good, i % 2, ",", i * i % 7, ",", i % 5, "\n");
  EXPECT_THAT(ErrorOf(good, {"--fold", "3"}), HasSubstr("--folds"));
  EXPECT_THAT(ErrorOf(good, {"--folds", "1"}), HasSubstr("must be a whole number in 2 .. 100"));
  EXPECT_THAT(ErrorOf(good, {"--folds", "25"}), HasSubstr("there are 24 rows for 25 folds"));
  EXPECT_THAT(ErrorOf(good, {"--model", "forest"}), HasSubstr("boosting, linear, net"));
  EXPECT_THAT(ErrorOf(good, {"--estimator", "tml"}), HasSubstr("did you mean \"tmle\""));
  EXPECT_THAT(ErrorOf(good, {"--covariates", "b"}), HasSubstr("\"b\""));
  EXPECT_THAT(ErrorOf(good, {"--ignore", "t"}), HasSubstr("--ignore t: it is the treatment"));
  EXPECT_THAT(ErrorOf(good, {"--level", "2"}), HasSubstr("0.5 to 0.9999"));
  EXPECT_THAT(ErrorOf("t,y,a\n1,1,1\n1,2,2\n"), HasSubstr("in every row"));
  EXPECT_THAT(ErrorOf("t,y,a\n0,1,1\n1,1,2\n0,1,3\n"), HasSubstr("there is no effect to estimate"));
  EXPECT_THAT(ErrorOf("t,y,a\n0,1,1\n1,2\n"), HasSubstr("my.csv:3"));
  EXPECT_THAT(ErrorOf("t,y,a\n0,1,\"1\n1,2,3\n"), HasSubstr("my.csv:"));
  EXPECT_THAT(ErrorOf(absl::StrCat("t,y,a\n0,1,", std::string(2 << 20, '1'), "\n")),
              HasSubstr("my.csv:2"));
  EXPECT_THAT(ErrorOf(good + "1,2,inf\n"), HasSubstr("\"inf\" in row 25"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("my.csv"));
  EXPECT_THAT(ErrorOf("t,y,a\n"), HasSubstr("error: my.csv: has a header and no rows"));
  const ProcessResult absent = Start("estimate", {"--data", "my.csv", "--treatment", "t"});
  EXPECT_EQ(absent.exit_code, 1);
  EXPECT_THAT(absent.log, HasSubstr("--outcome is missing"));
  const ProcessResult nowhere =
      Start("estimate", {"--data", "no.csv", "--treatment", "t", "--outcome", "y"});
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_THAT(nowhere.log, HasSubstr("no.csv"));
  Write("model", "not a model");
  const ProcessResult no_model = Start("predict", {"--model", "model", "--data", "my.csv"});
  EXPECT_EQ(no_model.exit_code, 1);
  EXPECT_THAT(no_model.log, AllOf(HasSubstr("error: "), HasSubstr("model: ")));
}

TEST_F(ProgramsTest, TablesThatOtherProgramsWroteAreRead) {
  const std::string plain = Numbers(60);
  const auto estimate = [&](const std::string& csv, const std::string& out) {
    Write("my.csv", csv);
    const ProcessResult result = Estimate({"--model", "linear", "--out", out});
    EXPECT_EQ(result.exit_code, 0) << result.log;
    return Contents(out + "/effects.csv");
  };
  const std::string expected = estimate(plain, "plain");
  EXPECT_FALSE(expected.empty());
  EXPECT_EQ(estimate("\xef\xbb\xbf" + plain, "mark"), expected);
  EXPECT_EQ(estimate(absl::StrReplaceAll(plain, {{"\n", "\r\n"}}), "returns"), expected);
  EXPECT_EQ(estimate(plain.substr(0, plain.size() - 1), "no_end"), expected);
  // NaN is a missing value; inf is none and none that can be used.
  Write("my.csv", plain + "1,2,NaN,0\n0,1,0,nan\n");
  const ProcessResult missing = Estimate({"--model", "linear", "--out", "missing"});
  EXPECT_EQ(missing.exit_code, 0) << missing.log;
  EXPECT_THAT(missing.out, HasSubstr("1 missing value is set to its mean"));
}

TEST_F(ProgramsTest, DamagedTablesAreOneLine) {
  const std::string good = Numbers(30);
  EXPECT_THAT(ErrorOf(absl::StrReplaceAll(good, {{"t,y,a,b", "t,y,a,a"}})),
              HasSubstr("my.csv:1:7: the name \"a\" stands twice, in columns 3 and 4"));
  EXPECT_THAT(ErrorOf(good + "1,2,3," + std::string(50 << 20, '7') + "\n"),
              HasSubstr("my.csv:32: the row is longer than 1048576 bytes"));
  EXPECT_THAT(ErrorOf(good + "1,2,\"3,4\n" + std::string(2 << 20, '\n')),
              HasSubstr("my.csv:32:5: the quote that begins here is probably never closed"));
  EXPECT_THAT(ErrorOf(good + std::string(50 << 20, ',') + "\n"), HasSubstr("my.csv:32"));
  EXPECT_THAT(ErrorOf(good + "1,inf,3,4\n"), HasSubstr("\"inf\" in row 31"));
  EXPECT_THAT(ErrorOf(good + "1,2,1e400,4\n"), HasSubstr("beyond the range of a double"));
  EXPECT_THAT(ErrorOf(good + "1,2,3\r4,5\n"), HasSubstr("carriage return"));
  EXPECT_THAT(ErrorOf(good + std::string("1,2,\0,4\n", 8)), HasSubstr("my.csv:32"));
  EXPECT_THAT(ErrorOf("\xef\xbb\xbf"), HasSubstr("my.csv: is empty"));
  EXPECT_THAT(ErrorOf("\n\n"), HasSubstr("my.csv"));
}

// csv_test.cc and encoding_test.cc have more of both; a start of the program takes a second.
TEST_F(ProgramsTest, FilesOfOtherKindsAreToldWhatToDo) {
  const std::string good = Numbers(30);
  // Bytes that could be taken for delimiters change nothing.
  EXPECT_THAT(ErrorOf(absl::StrCat("\x1f\x8b\x08;;;;;;,", std::string(3, '\0'), "\xff\n", good)),
              HasSubstr("error: my.csv: is compressed by gzip; unpack it first, with gunzip\n"));
  std::string wide = "\xff\xfe";
  for (const char c : absl::StrReplaceAll(good, {{",", ";"}})) {
    wide += c;
    wide += '\0';
  }
  EXPECT_THAT(ErrorOf(wide), HasSubstr("error: my.csv: is UTF-16; save it as UTF-8\n"));
  std::string names = "t,y";
  for (int j = 0; j < 10000; ++j) absl::StrAppend(&names, ",x", j);
  EXPECT_THAT(ErrorOf(names + "\n1,2\n"),
              HasSubstr("my.csv:1: 10002 columns are more than the 10000 that a table may have; "
                        "give one of the columns that count"));
}

TEST_F(ProgramsTest, DatesAndDecimalCommasAreToldWhatToDo) {
  std::string dates = "t,y,a\n";
  std::string marks = "t;y;a\n";
  for (int i = 0; i < 30; ++i) {
    absl::StrAppend(&dates, i % 2, ",2024-0", 1 + i % 9, "-17,", i * i % 7, "\n");
    absl::StrAppend(&marks, i % 2, ";", i * i % 11, ",5;", i * i % 7, ".25\n");
  }
  EXPECT_THAT(ErrorOf(dates), HasSubstr("error: my.csv: outcome \"y\": holds dates, as "
                                        "\"2024-01-17\" in row 1; an outcome is a number: give "));
  // Numbers with points where commas were said to be the mark are no categories.
  EXPECT_THAT(ErrorOf(marks, {"--delimiter", ";", "--decimal_mark", ","}),
              HasSubstr("covariate \"a\": \"0.25\" in row 1 is a number with a point"));
}

TEST_F(ProgramsTest, LongNamesAndSuchWithLineBreaksKeepTheLinesOfTheTerminal) {
  random::Stream stream = random::Stream(10).Split("names");
  std::string csv = "\"t\nt\",\"y\ny\",a,\"b\nb\"\n";
  for (int i = 0; i < 480; ++i) {
    const int arm = i % 8;
    const double a = stream.Normal();
    absl::StrAppend(&csv, "\"", arm * 5, " milligrams\nof it a day, by mouth\",",
                    a + arm + stream.Normal(), ",", a, ",", i < 4 ? "" : absl::StrCat(i % 3), "\n");
  }
  Write("my.csv", csv);
  const ProcessResult result =
      Start("estimate", {"--data", "my.csv", "--treatment", "t\nt", "--outcome", "y\ny", "--model",
                         "linear", "--repeats", "2", "--folds", "2", "--control_value",
                         "5 milligrams\nof it a day, by mouth", "--out", "results"});
  ASSERT_EQ(result.exit_code, 0) << result.log;
  EXPECT_THAT(result.out, AllOf(HasSubstr("Effect on y\\ny: ATE"), HasSubstr("t\\nt: 5 milligrams"),
                                HasSubstr("Covariate \"b\\nb\": 4 missing")));
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(result.out, '\n'))) {
    EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST_F(ProgramsTest, ATableThatWillNotFitIsRefusedBeforeItIsRead) {
  // Else it would be read.
  if (base::AvailableMemoryBytes() > int64_t{400} << 30) GTEST_SKIP() << "too much memory";
  std::string csv = "t,y,a,b\n";
  for (int i = 0; i < 200000; ++i) csv += "1,2,3,4\n";
  Write("my.csv", csv);
  // The rest is a hole.
  std::filesystem::resize_file(folder_ + "/my.csv", uint64_t{60} << 30);
  const ProcessResult result = Estimate({});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.log, AllOf(HasSubstr("error: my.csv: its about "),
                                HasSubstr("rows of 4 columns need "), HasSubstr("GB are free")));
  EXPECT_FALSE(Exists("runs"));
}

TEST_F(ProgramsTest, ArmsThatCannotBeComparedAreOneLineOrAWarning) {
  // All units of an arm in one cluster: the folds without it have nobody to learn from.
  std::string lone = "t,y,a,g\n";
  for (int i = 0; i < 40; ++i) {
    absl::StrAppend(&lone, i < 6 ? 1 : 0, ",", i % 5, ",", i % 7, ",", i < 6 ? 0 : i, "\n");
  }
  EXPECT_THAT(
      ErrorOf(lone, {"--cluster", "g"}),
      HasSubstr("treatment \"t\": the units of arm \"1\" are in only 1 cluster of \"g\"; an "
                "arm needs 2, "));
  EXPECT_THAT(ErrorOf(absl::StrReplaceAll(lone, {{"\n1,", "\nyes,"}, {"\n0,", "\nno,"}}),
                      {"--cluster", "g", "--model", "linear", "--bootstrap", "20"}),
              HasSubstr("arm \"yes\" are in only 1 cluster"));
  // Arms that a covariate parts without overlap: numbers come out, and what they are worth is said.
  Write("my.csv", Numbers(400, /*lot=*/false));
  for (const char* model : {"linear", "boosting", "net"}) {
    const ProcessResult result = Estimate({"--model", model, "--out", model});
    ASSERT_EQ(result.exit_code, 0) << result.log;
    EXPECT_THAT(result.out, AllOf(HasSubstr("have a propensity below 0.05"),
                                  HasSubstr("\"a\" (above 0.1837) tells arm \"1\"")))
        << model;
    EXPECT_THAT(Contents(absl::StrCat(model, "/estimate.json")),
                ::testing::Not(HasSubstr("\"value\":null")));
  }
}

TEST_F(ProgramsTest, ClustersAreDrawnWholeWhereAnArmIsInFewOfThem) {
  // Villages of five, each treated or not.
  const auto villages = [](int all, int treated) {
    random::Stream stream = random::Stream(3).Split("villages");
    std::string csv = "t,y,a,village\n";
    for (int g = 0; g < all; ++g) {
      const double shared = stream.Normal();
      for (int i = 0; i < 5; ++i) {
        const double a = stream.Normal();
        absl::StrAppend(&csv, g < treated ? "yes," : "no,", a + shared + stream.Normal(), ",", a,
                        ",v", g, "\n");
      }
    }
    return csv;
  };
  EXPECT_THAT(ErrorOf(villages(16, 3), {"--cluster", "village", "--bootstrap", "20"}),
              HasSubstr("my.csv: arm \"yes\" is in only 3 clusters, and --bootstrap needs 4 for "));
  EXPECT_THAT(ErrorOf(villages(8, 4), {"--cluster", "village", "--bootstrap", "20"}),
              HasSubstr("give --folds 4 or fewer, or leave out --bootstrap"));
  Write("my.csv", villages(16, 4));
  for (const char* model : {"linear", "boosting"}) {
    const ProcessResult result = Estimate({"--cluster", "village", "--bootstrap", "20", "--refute",
                                           "--repeats", "1", "--model", model, "--out", model});
    ASSERT_EQ(result.exit_code, 0) << result.log;
    EXPECT_THAT(result.out, Not(HasSubstr("replicates failed"))) << model;
    const auto json =
        nlohmann::json::parse(Contents(absl::StrCat(model, "/estimate.json")), nullptr, false);
    EXPECT_EQ(json["bootstrap"].size(), 2u) << model;
    EXPECT_EQ(json["refutations"].size(), 4u) << model;
  }
}

TEST_F(ProgramsTest, ABinaryOutcomeHasARiskRatioAndItsEValue) {
  random::Stream stream = random::Stream(9).Split("binary");
  std::string csv = "t,y,a\n";
  for (int i = 0; i < 800; ++i) {
    const int t = stream.Uniform() < 0.5 ? 1 : 0;
    absl::StrAppend(&csv, t, ",", stream.Uniform() < (t == 1 ? 0.4 : 0.2) ? 1 : 0, ",",
                    stream.Normal(), "\n");
  }
  Write("my.csv", csv);
  // One draw of folds, so that estimates and diagnostics are of the same.
  const ProcessResult result =
      Estimate({"--model", "linear", "--repeats", "1", "--out", "results"});
  ASSERT_EQ(result.exit_code, 0) << result.log;
  const auto json = nlohmann::json::parse(Contents("results/estimate.json"), nullptr, false);
  const auto& of_arm = json["diagnostics"][0];
  const double ratio = of_arm["risk_ratio"]["value"];
  EXPECT_NEAR(std::log(ratio), std::log(2), 0.4);
  EXPECT_NEAR(of_arm["e_value"].get<double>(), ratio + std::sqrt(ratio * (ratio - 1)), 1e-9);
  const double low = of_arm["risk_ratio"]["low"];
  EXPECT_GT(low, 1);
  EXPECT_NEAR(of_arm["e_value_limit"].get<double>(), low + std::sqrt(low * (low - 1)), 1e-9);
  // What a ranking yields, with intervals.
  EXPECT_EQ(of_arm["qini_curve"].size(), 21u);
  EXPECT_EQ(of_arm["qini_curve"][0]["value"], 0);
  const double all = of_arm["qini_curve"][20]["value"];
  for (const auto& effect : json["effects"]) {
    if (effect["estimator"] != "aipw" || effect["estimand"] != "ate") continue;
    EXPECT_NEAR(effect["value"].get<double>(), all, 1e-12);
    EXPECT_NEAR(effect["low"].get<double>(), of_arm["qini_curve"][20]["low"].get<double>(), 1e-9);
  }
  for (const char* name : {"qini", "autoc", "policy_over_none"}) {
    EXPECT_LT(of_arm[name]["low"], of_arm[name]["high"]) << name;
  }
  EXPECT_THAT(Contents("results/report.html"),
              AllOf(HasSubstr("risk ratio"), HasSubstr("Qini curve"), HasSubstr("AUTOC")));
}

TEST_F(ProgramsTest, OnATerminalProgressIsOneLineThatIsDrawnOver) {
  Write("my.csv", Numbers(100));
  std::ostringstream out;
  std::ostringstream log;
  constexpr int kColumns = 50;
  const absl::Status status =
      RunEstimate({"--data", "my.csv", "--treatment", "t", "--outcome", "y", "--model", "linear",
                   "--bootstrap", "20", "--out", "run"},
                  {.out = out,
                   .log = log,
                   .working_folder = folder_,
                   .is_terminal = true,
                   .columns = kColumns});
  ASSERT_TRUE(status.ok()) << status;
  const std::vector<std::string> drawn = absl::StrSplit(log.str(), '\r');
  ASSERT_GT(drawn.size(), 10u);
  EXPECT_EQ(drawn[0], "reading my.csv\n");
  for (size_t i = 1; i < drawn.size(); ++i) {
    EXPECT_THAT(drawn[i], AllOf(::testing::StartsWith("["), HasSubstr("\x1b[K"))) << i;
    EXPECT_LT(drawn[i].find('\x1b'), static_cast<size_t>(kColumns));
    EXPECT_EQ(drawn[i].find('\n') != std::string::npos, i + 1 == drawn.size());
  }
  EXPECT_THAT(drawn.back(), HasSubstr("[####################] 100 %"));
}

TEST_F(ProgramsTest, HelpNamesEveryFlagWithinALine) {
  for (const char* program : {"estimate", "predict"}) {
    const ProcessResult result = Start(program, {"--help"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, AllOf(HasSubstr("--data FILE"), HasSubstr("--out")));
    for (const std::string& line : std::vector<std::string>(absl::StrSplit(result.out, '\n'))) {
      EXPECT_LE(line.size(), 80u) << line;
    }
  }
}

}  // namespace
}  // namespace perennial::causal
