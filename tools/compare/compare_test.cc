#include "tools/compare/compare.h"

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/record/summary.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::compare {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class CompareProgramTest : public testing::Test {
 protected:
  CompareProgramTest() {
    const testing::TestInfo* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = base::JoinPath(testing::TempDir(), absl::StrCat("compare_test_", info->name()));
    std::filesystem::remove_all(folder_);
  }

  void WriteFile(const std::string& name, const std::string& text) {
    const std::string path = base::JoinPath(folder_, name);
    ASSERT_TRUE(base::MakeFolders(std::filesystem::path(path).parent_path().string()).ok());
    ASSERT_TRUE(base::WriteFileAtomically(path, text).ok());
  }
  // Accuracies of er and naive by seed; the configuration holds `rate`.
  void WriteRun(const std::string& name, double rate, double er_shift) {
    WriteFile(name + "/config.textproto", absl::StrCat("# x\nrate: ", rate, "\n"));
    WriteFile(name + "/run.json", R"({"cpu":"EPYC","unit_costs":{"er.rotated.seed.0":2}})");
    const auto summary =
        record::SummaryText({.line = "continual",
                             .config = "smoke",
                             .fingerprint = name,
                             .results = {{.method = "naive",
                                          .group = "rotated",
                                          .metric = "accuracy",
                                          .unit = "fraction",
                                          .values = {{"0", 0.5}, {"1", 0.6}, {"2", 0.55}}},
                                         {.method = "er",
                                          .group = "rotated",
                                          .metric = "accuracy",
                                          .unit = "fraction",
                                          .values = {{"0", 0.7 + er_shift},
                                                     {"1", 0.81 + er_shift},
                                                     {"2", 0.76 + 1.1 * er_shift}}}}});
    WriteFile(name + "/summary.json", summary.value());
  }

  struct Outcome {
    int code;
    std::string out;
    std::string log;
  };
  // The program itself, as `bazel run` starts it.
  Outcome RunMain(std::vector<std::string> arguments) {
    setenv("BUILD_WORKING_DIRECTORY", folder_.c_str(), 1);
    arguments.insert(arguments.begin(), "compare");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    std::ostringstream out;
    std::ostringstream log;
    std::streambuf* const old_out = std::cout.rdbuf(out.rdbuf());
    std::streambuf* const old_log = std::cerr.rdbuf(log.rdbuf());
    const int code = Main(static_cast<int>(argv.size()), argv.data());
    std::cout.rdbuf(old_out);
    std::cerr.rdbuf(old_log);
    return {code, out.str(), log.str()};
  }
  std::map<std::string, std::string> Files(const std::string& name) {
    std::map<std::string, std::string> files;
    const auto names = base::ListFolder(base::JoinPath(folder_, name));
    EXPECT_TRUE(names.ok()) << names.status();
    if (!names.ok()) return files;
    for (const std::string& file : *names) {
      files[file] = *base::ReadFile(base::JoinPath(folder_, absl::StrCat(name, "/", file)));
    }
    return files;
  }
  void ExpectRefused(const std::vector<std::string>& arguments, const std::string& why) {
    const Outcome outcome = RunMain(arguments);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.log.find("error: "), 0) << outcome.log;
    EXPECT_THAT(outcome.log, HasSubstr(why));
    EXPECT_EQ(outcome.log.find('\n'), outcome.log.size() - 1) << "one line: " << outcome.log;
  }

  std::string folder_;
};

TEST_F(CompareProgramTest, ComparesTwoRunsFromFoldersToFiles) {
  WriteRun("runs/a", 0.1, 0);
  WriteRun("runs/b", 0.2, 0.1);
  const Outcome outcome = RunMain({"runs/a", "runs/b", "--equivalence", "0.02"});
  EXPECT_EQ(outcome.code, 0) << outcome.log;
  EXPECT_THAT(outcome.log, HasSubstr("warning: configurations differ, a -> b: rate: 0.1 -> 0.2"));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("b/er"), HasSubstr("better"), HasSubstr("identical"),
                                 HasSubstr("runs/compare/a-b:")));
  const auto files = Files("runs/compare/a-b");
  std::vector<std::string> names;
  for (const auto& [name, contents] : files) {
    names.push_back(name);
    EXPECT_FALSE(absl::StrContains(contents, folder_)) << name;
  }
  EXPECT_THAT(names, ElementsAre("differences-rotated-accuracy.svg", "means-rotated-accuracy.svg",
                                 "pairs.csv", "results.csv", "table.tex", "values.csv"));
  EXPECT_EQ(files.at("table.tex")
                .find("% tools/bazel run //tools:compare -- runs/a runs/b --equivalence 0.02\n"
                      "% Warning: configurations differ, a -> b: rate: 0.1 -> 0.2\n"),
            0);

  // Again: the same bytes.
  EXPECT_EQ(RunMain({"runs/a", "runs/b", "--equivalence", "0.02"}).out, outcome.out);
  EXPECT_EQ(Files("runs/compare/a-b"), files);
}

TEST_F(CompareProgramTest, OutAndLabelsAreTheUsers) {
  WriteRun("a", 0.1, 0);
  WriteRun("b", 0.1, 0.1);
  const Outcome outcome =
      RunMain({"--out=paper/numbers", "a", "b", "--label", "b=it's new", "--baseline", "a/naive"});
  EXPECT_EQ(outcome.code, 0) << outcome.log;
  const auto files = Files("paper/numbers");
  EXPECT_THAT(files.at("results.csv"), HasSubstr("it's new,rotated,er"));
  EXPECT_THAT(files.at("table.tex"), HasSubstr("--label 'b=it'\\''s new'"));
}

TEST_F(CompareProgramTest, MistakesAreOneLineAndLeaveNothing) {
  WriteRun("a", 0.1, 0);
  WriteRun("b", 0.1, 0.1);
  WriteFile("half/config.textproto", "");
  WriteRun("damaged", 0.1, 0);
  WriteFile("damaged/summary.json", "{");
  WriteFile("paper/table.tex", "mine");
  ExpectRefused({"a", "--out", "paper"}, "--out paper holds \"table.tex\" and no comparison");
  EXPECT_EQ(*base::ReadFile(base::JoinPath(folder_, "paper/table.tex")), "mine");
  ExpectRefused({}, "give the folders of finished runs");
  ExpectRefused({"a", "c"}, "c: there is no such folder");
  ExpectRefused({"a", "half"}, "--resume");
  ExpectRefused({"a", "damaged"}, "damaged/summary.json");
  ExpectRefused({"a", "--metrc", "x"}, "did you mean \"--metric\"?");
  ExpectRefused({"a", "--confidence", "0.9", "--confidence=0.95"}, "--confidence stands twice");
  ExpectRefused({"a", "--metric", "acuracy"}, "did you mean \"accuracy\"?");
  ExpectRefused({"a", "--metric", "accuracy,"}, "a name is empty");
  ExpectRefused({"a", "--metric"}, "--metric needs a value: --metric M[,M]");
  ExpectRefused({"a", "--group", "rotate"}, "did you mean \"rotated\"?");
  ExpectRefused({"a", "--test", "z"}, "unknown test \"z\"");
  ExpectRefused({"a", "--confidence", "x"}, "--confidence x: is not a number");
  ExpectRefused({"a", "--confidence", "1.5"}, "--confidence 1.5");
  ExpectRefused({"a", "--equivalence", "-1"}, "--equivalence -1");
  ExpectRefused({"a", "--help=1"}, "--help takes no value");
  ExpectRefused({"a", "-x"}, "unexpected argument \"-x\"");
  ExpectRefused({"a", ""}, "an argument is empty");
  ExpectRefused({"a", "--out="}, "--out: the value is empty");
  ExpectRefused({"a", "--out", "b"}, "--out b is the folder of a run");
  ExpectRefused({"a", "--baseline", "nive"}, "did you mean \"naive\"?");
  ExpectRefused({"a", "--out", "a/summary.json/x"}, "a/summary.json");
  EXPECT_FALSE(base::FolderExists(base::JoinPath(folder_, "runs")));
}

TEST_F(CompareProgramTest, HelpNamesEveryFlagWithinEightyColumns) {
  const Outcome outcome = RunMain({"--help"});
  EXPECT_EQ(outcome.code, 0);
  for (const char* flag :
       {"--metric", "--group", "--baseline", "--label", "--lower_is_better", "--higher_is_better",
        "--test", "--confidence", "--equivalence", "--out", "--help"}) {
    EXPECT_THAT(outcome.out, HasSubstr(absl::StrCat("\n  ", flag, " ")));
  }
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80) << line;
}

TEST(ParseCommandLine, FoldersAndFlagsStandInAnyOrder) {
  const auto line = ParseCommandLine({"--metric=a,b", "x", "--test", "wilcoxon", "y",
                                      "--confidence=0.9", "--metric", "c", "--label=x=X=1"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_THAT(line->folders, ElementsAre("x", "y"));
  EXPECT_THAT(line->labels, ElementsAre("x=X=1"));
  EXPECT_THAT(line->options.metrics, ElementsAre("a", "b", "c"));
  EXPECT_EQ(line->options.test, TestKind::kWilcoxon);
  EXPECT_EQ(line->options.confidence, 0.9);
  EXPECT_FALSE(line->options.margin);
}

}  // namespace
}  // namespace perennial::compare
