// //causal:estimate and //causal:predict as a user runs them.
#include "causal/estimation/programs.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/base/available_memory.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "common/data/csv.h"
#include "common/random/stream.h"
#include "common/testing/process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace perennial::causal {
namespace {

using ::perennial::testing::ProcessOptions;
using ::perennial::testing::ProcessResult;
using ::perennial::testing::RunProcess;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ProgramsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(std::getenv("TEST_TMPDIR"), "/",
                           ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    options_ = {.working_folder = "/", .environment = {{"BUILD_WORKING_DIRECTORY", folder_}}};
  }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(absl::StrCat(folder_, "/", name), std::ios::binary) << text;
  }
  std::string Contents(const std::string& name) const {
    return base::ReadFile(absl::StrCat(folder_, "/", name)).value_or("");
  }
  bool Exists(const std::string& name) const {
    return std::filesystem::exists(absl::StrCat(folder_, "/", name));
  }
  ProcessResult Start(const std::string& program, std::vector<std::string> arguments) const {
    const auto binary = base::FindRunfile("perennial/causal/estimation/" + program);
    EXPECT_TRUE(binary.ok()) << binary.status();
    arguments.insert(arguments.begin(), binary.value_or(""));
    return RunProcess(arguments, options_);
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

  std::string folder_;
  ProcessOptions options_;
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
  EXPECT_THAT(result.log, HasSubstr("cross-fitting: 5 of 5 folds"));

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

TEST_F(ProgramsTest, NewRowsOutsideTheSupportAreFlagged) {
  Write("my.csv", Csv(200));
  ASSERT_EQ(Estimate({"--ignore", "name", "--out", "results", "--model", "linear"}).exit_code, 0);
  Write("new.csv", "age,site,retired\n40,Oslo,no\n40,Rome,no\n240,Oslo,yes\n");
  const ProcessResult result =
      Start("predict", {"--model", "results/model.safetensors", "--data", "new.csv"});
  ASSERT_EQ(result.exit_code, 0) << result.log;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("2 of 3 rows lie outside"), HasSubstr("row 2: site=Rome is new"),
                    HasSubstr("row 3: age=240 is above")));
  const auto effects = data::ReadCsv(folder_ + "/new-effects.csv");
  ASSERT_TRUE(effects.ok()) << effects.status();
  const auto flags = *effects->Numbers("outside_support");
  EXPECT_THAT(std::vector<double>(flags.begin(), flags.end()), ElementsAre(0, 1, 1));
  // What stands there is kept.
  Write("new-effects.csv", "mine");
  const ProcessResult again = Start("predict", {"--model", "results", "--data", "new.csv"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.log, HasSubstr("holds something else"));
  EXPECT_EQ(Contents("new-effects.csv"), "mine");
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

  Write("my.csv", "t;y;a\n0;1;1\n1;2;2\n");
  EXPECT_THAT(Estimate({}).log, HasSubstr("--delimiter ';'"));
  Write("my.csv", "t;y;a\n0;1,5;1\n1;2;2\n0;3;1\n1;4;2,5\n0;1;2\n1;3;1\n0;2;3\n1;5;3\n");
  EXPECT_THAT(Estimate({}).log, HasSubstr("is the delimiter ';'?"));
  const ProcessResult other =
      Estimate({"--delimiter", ";", "--decimal_mark", ",", "--model", "linear", "--folds", "2"});
  EXPECT_EQ(other.exit_code, 0) << other.log;
}

TEST_F(ProgramsTest, EveryMistakeIsOneLine) {
  const std::string good = "t,y,a\n0,1,1\n1,2,2\n0,3,4\n1,4,5\n0,5,5\n1,3,2\n";
  EXPECT_THAT(ErrorOf(good, {"--fold", "3"}), HasSubstr("--folds"));
  EXPECT_THAT(ErrorOf(good, {"--folds", "1"}), HasSubstr("must be a whole number in 2 .. 100"));
  EXPECT_THAT(ErrorOf(good, {"--folds", "7"}), HasSubstr("there are 6 rows for 7 folds"));
  EXPECT_THAT(ErrorOf(good, {"--model", "forest"}), HasSubstr("boosting, linear, net"));
  EXPECT_THAT(ErrorOf(good, {"--estimator", "tml"}), HasSubstr("did you mean \"tmle\""));
  EXPECT_THAT(ErrorOf(good, {"--covariates", "b"}), HasSubstr("\"b\""));
  EXPECT_THAT(ErrorOf(good, {"--level", "2"}), HasSubstr("0.5 to 0.9999"));
  EXPECT_THAT(ErrorOf("t,y,a\n1,1,1\n1,2,2\n"), HasSubstr("in every row"));
  EXPECT_THAT(ErrorOf("t,y,a\n0,1,1\n1,1,2\n0,1,3\n"), HasSubstr("there is no effect to estimate"));
  EXPECT_THAT(ErrorOf("t,y,a\n0,1,1\n1,2\n"), HasSubstr("my.csv:3"));
  EXPECT_THAT(ErrorOf("t,y,a\n0,1,\"1\n1,2,3\n"), HasSubstr("my.csv:"));
  EXPECT_THAT(ErrorOf(absl::StrCat("t,y,a\n0,1,", std::string(2 << 20, '1'), "\n")),
              HasSubstr("my.csv:2"));
  EXPECT_THAT(ErrorOf("t,y,a\n0,1,1\n1,2,inf\n0,3,4\n1,4,5\n"), HasSubstr("\"inf\" in row 2"));
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
              HasSubstr("my.csv:32: the record is longer than max_record_bytes"));
  EXPECT_THAT(ErrorOf(good + std::string(50 << 20, ',') + "\n"), HasSubstr("my.csv:32"));
  EXPECT_THAT(ErrorOf(good + "1,inf,3,4\n"), HasSubstr("\"inf\" in row 31"));
  EXPECT_THAT(ErrorOf(good + "1,2,1e400,4\n"), HasSubstr("beyond the range of a double"));
  EXPECT_THAT(ErrorOf(good + "1,2,3\r4,5\n"), HasSubstr("carriage return"));
  EXPECT_THAT(ErrorOf(good + std::string("1,2,\0,4\n", 8)), HasSubstr("my.csv:32"));
  EXPECT_THAT(ErrorOf("\xef\xbb\xbf"), HasSubstr("my.csv: is empty"));
  EXPECT_THAT(ErrorOf("\n\n"), HasSubstr("my.csv"));
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
  // A single unit in an arm: the folds without it have nobody to learn from.
  std::string lone = "t,y,a\n";
  for (int i = 0; i < 40; ++i) absl::StrAppend(&lone, i == 7 ? 1 : 0, ",", i % 5, ",", i % 7, "\n");
  EXPECT_THAT(ErrorOf(lone), HasSubstr("arm 1"));
  EXPECT_THAT(ErrorOf(lone, {"--model", "linear", "--bootstrap", "20"}), HasSubstr("arm 1"));
  // Arms that a covariate parts without overlap: numbers come out, and what they are worth is said.
  Write("my.csv", Numbers(400, /*lot=*/false));
  for (const char* model : {"linear", "boosting", "net"}) {
    const ProcessResult result = Estimate({"--model", model, "--out", model});
    ASSERT_EQ(result.exit_code, 0) << result.log;
    EXPECT_THAT(result.out, HasSubstr("have a propensity below 0.05")) << model;
    EXPECT_THAT(Contents(absl::StrCat(model, "/estimate.json")),
                ::testing::Not(HasSubstr("\"value\":null")));
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
  const ProcessResult result = Estimate({"--model", "linear", "--out", "results"});
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
