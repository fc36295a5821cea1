#include "tools/compare/runs.h"

#include <filesystem>
#include <string>
#include <vector>

#include "common/base/file_io.h"
#include "common/random/stream.h"
#include "common/record/summary.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::compare {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ReadRunsTest : public testing::Test {
 protected:
  ReadRunsTest() {
    const testing::TestInfo* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = base::JoinPath(testing::TempDir(), std::string("runs_test_") + info->name());
    std::filesystem::remove_all(folder_);
  }

  void Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path(base::JoinPath(folder_, name));
    ASSERT_TRUE(base::MakeFolders(path.parent_path().string()).ok());
    ASSERT_TRUE(base::WriteFileAtomically(path.string(), text).ok());
  }
  void WriteRun(const std::string& name, const std::string& config = "epochs: 1\n",
                const std::string& fingerprint = "0123456789ab") {
    Write(name + "/config.textproto", "# line: x, configuration: y\n" + config);
    const auto summary = record::SummaryText({.line = "continual",
                                              .config = "y",
                                              .fingerprint = fingerprint,
                                              .results = {{.method = "er",
                                                           .group = "rotated",
                                                           .metric = "accuracy",
                                                           .unit = "fraction",
                                                           .values = {{"0", 0.5}}}}});
    Write(name + "/summary.json", summary.value());
  }
  std::string Error(const std::vector<std::string>& folders,
                    const std::vector<std::string>& renames = {}) {
    const auto runs = ReadRuns(folders, renames, folder_);
    return runs.ok() ? "" : std::string(runs.status().message());
  }
  std::vector<std::string> LabelsOf(const std::vector<std::string>& folders,
                                    const std::vector<std::string>& renames = {}) {
    const auto runs = ReadRuns(folders, renames, folder_);
    EXPECT_TRUE(runs.ok()) << runs.status();
    std::vector<std::string> labels;
    if (runs.ok()) {
      for (const FinishedRun& run : *runs) labels.push_back(run.label);
    }
    return labels;
  }

  std::string folder_;
};

TEST_F(ReadRunsTest, ReadsSummaryConfigMachineAndCosts) {
  WriteRun("a");
  Write("a/run.json",
        R"({"cpu":"EPYC","threads":2,"git_dirty":false,"unit_costs":{"er.rotated.seed.0":1.5}})");
  const auto runs = ReadRuns({"a"}, {}, folder_);
  ASSERT_TRUE(runs.ok()) << runs.status();
  const FinishedRun& run = (*runs)[0];
  EXPECT_EQ(run.config_text, "epochs: 1\n");
  EXPECT_EQ(run.summary.results.size(), 1);
  EXPECT_EQ(run.machine.at("cpu"), "EPYC");
  EXPECT_EQ(run.machine.at("threads"), "2");
  EXPECT_EQ(run.cpu_seconds.at("er.rotated.seed.0"), 1.5);
}

TEST_F(ReadRunsTest, ADamagedRunJsonLeavesCostsOut) {
  WriteRun("a");
  Write("a/run.json", R"({"cpu":"EPYC","unit_costs":{)");
  const auto runs = ReadRuns({"a"}, {}, folder_);
  ASSERT_TRUE(runs.ok()) << runs.status();
  EXPECT_THAT((*runs)[0].machine, IsEmpty());
  EXPECT_THAT((*runs)[0].cpu_seconds, IsEmpty());
}

TEST_F(ReadRunsTest, LabelsAreTheShortestEndsOfPathsThatDiffer) {
  for (const char* name : {"a", "x/smoke", "y/smoke", "x/other"}) WriteRun(name);
  EXPECT_THAT(LabelsOf({"a", "x/other/"}), ElementsAre("a", "other"));
  EXPECT_THAT(LabelsOf({"x/smoke", "a/../y/smoke", "a"}), ElementsAre("x/smoke", "y/smoke", "a"));
  EXPECT_THAT(LabelsOf({"x/smoke", "a"}, {"a=learning rate = 0.1"}),
              ElementsAre("smoke", "learning rate = 0.1"));
}

TEST_F(ReadRunsTest, RefusesLabelsThatAreUnknownEmptyOrTaken) {
  WriteRun("first");
  WriteRun("second");
  EXPECT_THAT(Error({"first", "second"}, {"frist=x"}),
              AllOf(HasSubstr("--label"), HasSubstr("did you mean \"first\"?")));
  EXPECT_THAT(Error({"first", "second"}, {"first="}), HasSubstr("--label first=NAME"));
  EXPECT_THAT(Error({"first", "second"}, {"first"}), HasSubstr("--label first=NAME"));
  EXPECT_THAT(Error({"first", "second"}, {"first=a\nb"}), HasSubstr("--label first=NAME"));
  EXPECT_EQ(Error({"first", "second"}, {"first=second"}),
            "two runs are called \"second\"; choose another --label");
}

TEST_F(ReadRunsTest, RefusesWhatIsNoFinishedRun) {
  WriteRun("a");
  EXPECT_EQ(Error({"b"}), "b: there is no such folder");
  EXPECT_EQ(Error({"a/summary.json"}), "a/summary.json is a file; give the folder of a run");
  Write("notes/x.txt", "");
  EXPECT_EQ(Error({"notes"}), "notes is not the folder of a run: it has no config.textproto");
  Write("half/config.textproto", "");
  EXPECT_THAT(Error({"a", "half"}),
              AllOf(HasSubstr("half holds an unfinished run"), HasSubstr("--resume")));
  EXPECT_EQ(Error({"a", "../" + std::filesystem::path(folder_).filename().string() + "/a"}),
            "../" + std::filesystem::path(folder_).filename().string() + "/a is given twice");
}

TEST_F(ReadRunsTest, RefusesADamagedSummaryAndNamesIt) {
  WriteRun("a");
  Write("a/summary.json", R"({"schema":1,"line":"continual")");
  EXPECT_EQ(Error({"a"}), "a/summary.json: summary: is not a JSON object");
  Write("a/summary.json", R"({"schema":9})");
  EXPECT_THAT(Error({"a"}), HasSubstr("a/summary.json: summary: schema 9 is not known"));
}

TEST_F(ReadRunsTest, RunsThatDifferInNothingButSeedsRaiseNoWarning) {
  WriteRun("a");
  WriteRun("b");
  EXPECT_THAT(ComparabilityWarnings(*ReadRuns({"a", "b"}, {}, folder_)), IsEmpty());
}

TEST_F(ReadRunsTest, WarnsOfConfigurationsDataCodeAndMachines) {
  WriteRun("a", "epochs: 1\nrate: 0.1\n", "000000000000");
  WriteRun("b", "epochs: 2\nrate: 0.1\n", "111111111111");
  WriteRun("c", "epochs: 1\nrate: 0.1\n", "222222222222");
  Write("a/run.json", R"({"cpu":"EPYC","git_revision":"1","data_digest":"d1"})");
  Write("b/run.json", R"({"cpu":"Xeon","git_revision":"1","data_digest":"d2"})");
  Write("c/run.json", R"({"cpu":"EPYC","git_revision":"2"})");
  EXPECT_THAT(
      ComparabilityWarnings(*ReadRuns({"a", "b", "c"}, {}, folder_)),
      ElementsAre("configurations differ, a -> b: epochs: 1 -> 2", "a and b have other data",
                  "a and c have other data",
                  "git_revision differs: 1 (a, b), 2 (c); a difference may come from the code",
                  "cpu differs: EPYC (a, c), Xeon (b); do not compare CPU seconds"));
}

TEST(ComparabilityWarnings, FailedUnitsAreNamed) {
  std::vector<FinishedRun> runs(1);
  runs[0].label = "a";
  runs[0].summary.failed = {{"er.rotated.seed.1", "the loss is nan"}, {"er.rotated.seed.2", "x"}};
  EXPECT_THAT(ComparabilityWarnings(runs),
              ElementsAre("a: 2 units failed and have no values (er.rotated.seed.1: the loss is "
                          "nan, ...); what is left of their methods is no fair sample"));
}

TEST(ComparabilityWarnings, AnotherLineIsSaidAndItsConfigurationNotListed) {
  std::vector<FinishedRun> runs(2);
  runs[0].label = "a";
  runs[0].summary.line = "continual";
  runs[1].label = "b";
  runs[1].summary.line = "causal";
  runs[1].config_text = "x: 1";
  EXPECT_THAT(ComparabilityWarnings(runs),
              ElementsAre("a is a run of //continual, b one of //causal"));
}

TEST(ComparabilityWarnings, ALongListOfFieldsIsCutShort) {
  std::vector<FinishedRun> runs(2);
  runs[0].label = "a";
  runs[1].label = "b";
  for (int i = 0; i < 11; ++i) runs[1].config_text += "f" + std::to_string(i) + ": 1\n";
  ASSERT_EQ(ComparabilityWarnings(runs).size(), 1);
  EXPECT_THAT(ComparabilityWarnings(runs)[0],
              AllOf(HasSubstr("f7: (absent) -> 1"), HasSubstr("; and 3 more")));
}

TEST(ConfigDifferences, NamesTheFieldsByTheirPaths) {
  const std::string before = R"(
stream {
  rotated {
    tasks: 20
  }
}
hidden: [256, 256]
methods {
  name: "naive"
  naive {}
}
methods {
  name: "er"
  er {
    memory {
      per_task: 10
    }
  }
}
layers {
  width: 3
}
layers {
  width: 4
}
)";
  const std::string after = R"(
stream {
  rotated {
    tasks: 5
  }
}
hidden: [256, 256]
methods {
  name: "er"
  er {
    memory {
      per_task: 30
    }
    replay_weight: 2
  }
}
layers {
  width: 3
}
layers {
  width: 5
}
)";
  EXPECT_THAT(ConfigDifferences(before, before), IsEmpty());
  EXPECT_THAT(
      ConfigDifferences(before, after),
      ElementsAre("stream.rotated.tasks: 20 -> 5", "methods[naive].name: \"naive\" -> (absent)",
                  "methods[naive].naive: {} -> (absent)",
                  "methods[er].er.memory.per_task: 10 -> 30", "layers[1].width: 4 -> 5",
                  "methods[er].er.replay_weight: (absent) -> 2"));
}

TEST(ConfigDifferences, RandomLinesAreRead) {
  const std::vector<std::string> lines = {"a {",   "b: 1", "}",  "name: \"x\"", "name: \"", "c {}",
                                          "a {  ", "{",    ": ", "#",           "b: ",      ""};
  random::Stream stream(7);
  for (int round = 0; round < 2000; ++round) {
    std::string texts[2];
    for (std::string& text : texts) {
      for (int i = 0; i < 12; ++i) text += lines[stream.Below(lines.size())] + "\n";
    }
    ConfigDifferences(texts[0], texts[1]);
  }
}

TEST(ConfigDifferences, OfAnyTextEnds) {
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "a {\n";
  EXPECT_FALSE(ConfigDifferences(deep, "").empty());
  EXPECT_THAT(ConfigDifferences("}\n}\n{\n: \n", "}\n}\n{\n: \n"), IsEmpty());
}

}  // namespace
}  // namespace perennial::compare
