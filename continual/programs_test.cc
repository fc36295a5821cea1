// The programs beside the experiment, as a user runs them: stream_times and best_trials.
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/data/npy.h"
#include "common/record/summary.h"
#include "common/testing/idx.h"
#include "common/testing/process.h"
#include "common/testing/program_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace perennial::continual {
namespace {

using ::perennial::testing::ProcessResult;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr int kTrain = 60;
constexpr int kTest = 20;
constexpr int kSide = 3;
constexpr int kPixels = kSide * kSide;
using Image = std::array<uint8_t, kPixels>;

int LabelOf(int i) { return (3 * i + 1) % 10; }

// Image i: its label is the pixel that is bright, its number stands in the middle, where no turn
// moves it.
Image ImageOf(int i) {
  Image image;
  for (int p = 0; p < kPixels; ++p) image[p] = static_cast<uint8_t>(p == LabelOf(i) ? 250 : 5 * p);
  image[kPixels / 2] = static_cast<uint8_t>(i);
  return image;
}

// A quarter turn counter-clockwise: what stood at the right stands on top.
//   0 1 2      2 5 8
//   3 4 5  ->  1 4 7
//   6 7 8      0 3 6
Image QuarterTurn(const Image& image) {
  static constexpr int kFrom[] = {2, 5, 8, 1, 4, 7, 0, 3, 6};
  Image turned;
  for (int p = 0; p < kPixels; ++p) turned[p] = image[kFrom[p]];
  return turned;
}

class ProgramsTest : public testing::ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    WriteData("train", kTrain);
    WriteData("t10k", kTest);
    Write("tiny.textproto",
          "# Tiny.\n"
          "stream {\n"
          "  rotated { tasks: 3 step_degrees: 90 offset_range_degrees: 0 }\n"
          "  images { train_per_task: 40 test_per_task: 15 }\n"
          "}\n"
          "network { hidden: [8] }\n"
          "training { learning_rate: 0.05 batch_size: 10 epochs: 20 }\n"
          "methods { naive {} }\n"
          "methods { joint {} }\n"
          "methods { er {} }\n");
  }

  void WriteData(const std::string& part, int count) const {
    data::LabeledImages made;
    made.height = made.width = kSide;
    for (int i = 0; i < count; ++i) {
      const Image image = ImageOf(i);
      made.pixels.insert(made.pixels.end(), image.begin(), image.end());
      made.labels.push_back(LabelOf(i));
    }
    Write(absl::StrCat("data/", part, "-images-idx3-ubyte"), testing::IdxImages(made));
    Write(absl::StrCat("data/", part, "-labels-idx1-ubyte"), testing::IdxLabels(made));
  }

  // On the tiny configuration.
  ProcessResult StartTiny(const std::string& program, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--config", "tiny.textproto", "--data", "data"});
    return Start(program, std::move(arguments));
  }
  ProcessResult BestTrials(const std::vector<std::string>& arguments) const {
    return Start("continual/tuning/best_trials", arguments);
  }

  static std::vector<std::string> LinesOf(const std::string& text) {
    return absl::StrSplit(text, absl::ByAnyChar("\r\n"), absl::SkipEmpty());
  }
  // By method and replicate.
  std::map<std::pair<std::string, std::string>, double> Values(const std::string& run,
                                                               const std::string& metric) const {
    std::map<std::pair<std::string, std::string>, double> values;
    const auto summary = record::ParseSummary(Contents(run + "/summary.json"));
    EXPECT_TRUE(summary.ok()) << summary.status();
    if (!summary.ok()) return values;
    for (const record::SummaryResult& result : summary->results) {
      if (result.metric != metric) continue;
      for (const auto& [replicate, value] : result.values) {
        values[{result.method, replicate}] = value;
      }
    }
    return values;
  }
};

TEST_F(ProgramsTest, StreamTimesTellsWhatEachMethodTakesAndMeasures) {
  const ProcessResult result = StartTiny("continual/stream_times", {"--seeds", "0..1"});
  ASSERT_EQ(result.exit_code, 0) << result.log;
  ASSERT_EQ(StartTiny("continual/experiment", {"--seeds", "0..1", "--out", "run"}).exit_code, 0);
  // The same numbers, by another way.
  const auto accuracies = Values("run", "average_accuracy");
  const auto passes = Values("run", "gradient_passes");
  ASSERT_EQ(accuracies.size(), 6u);
  std::map<std::string, std::set<std::string>> streams;  // By seed.
  std::vector<std::pair<std::string, std::string>> order;
  for (const std::string& line : LinesOf(result.out)) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    ASSERT_TRUE(json.is_object()) << line;
    const auto& [method, seed] =
        order.emplace_back(json["method"].get<std::string>(), json["seed"].get<std::string>());
    EXPECT_EQ(json["average_accuracy"].get<double>(), accuracies.at({method, seed})) << line;
    EXPECT_EQ(json["gradient_passes"].get<double>(), passes.at({method, seed})) << line;
    EXPECT_GT(json["train_cpu_s"].get<double>(), 0) << line;
    EXPECT_GT(json["test_cpu_s"].get<double>(), 0) << line;
    streams[seed].insert(json["stream"].get<std::string>());
  }
  using Pair = std::pair<std::string, std::string>;
  EXPECT_THAT(order, ElementsAre(Pair("naive", "0"), Pair("joint", "0"), Pair("er", "0"),
                                 Pair("naive", "1"), Pair("joint", "1"), Pair("er", "1")));
  ASSERT_EQ(streams.size(), 2u);
  EXPECT_EQ(streams["0"].size(), 1u) << "all methods have the same stream";
  EXPECT_EQ(streams["1"].size(), 1u);
  EXPECT_NE(streams["0"], streams["1"]);
  EXPECT_THAT(*streams["0"].begin(), AllOf(HasSubstr("rotated"), HasSubstr("step_degrees: 90")));
}

// A thousand epochs are training; the tests are the same.
TEST_F(ProgramsTest, StreamTimesTellsTrainingFromTesting) {
  const ProcessResult result =
      StartTiny("continual/stream_times",
                {"--seeds", "0", "--set",
                 "methods=[{naive {}}, {name: \"long\" naive {} training { epochs: 1000 }}]"});
  ASSERT_EQ(result.exit_code, 0) << result.log;
  std::map<std::string, nlohmann::json> methods;
  for (const std::string& line : LinesOf(result.out)) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    methods[json["method"].get<std::string>()] = json;
  }
  ASSERT_EQ(methods.size(), 2u);
  const auto seconds = [&](const std::string& method, const std::string& part) {
    return methods[method][part].get<double>();
  };
  EXPECT_GT(seconds("long", "train_cpu_s"), 3 * seconds("naive", "train_cpu_s"));
  EXPECT_GT(seconds("long", "train_cpu_s"), 10 * seconds("long", "test_cpu_s"));
}

// All that is written is what the stream shows, found again in the data it was drawn from.
TEST_F(ProgramsTest, StreamTimesWritesTheStreamAsFiles) {
  const ProcessResult result =
      StartTiny("continual/stream_times", {"--seeds", "3..4", "--out", "stream"});
  ASSERT_EQ(result.exit_code, 0) << result.log;
  EXPECT_EQ(result.out, "") << "nothing is timed";
  const auto json = nlohmann::json::parse(Contents("stream/stream.json"), nullptr, false);
  ASSERT_TRUE(json.is_object()) << Contents("stream/stream.json");
  EXPECT_EQ(json["name"], "rotated");
  EXPECT_EQ(json["tasks"], 3);
  EXPECT_EQ(json["classes"], 10);
  EXPECT_EQ(json["height"], kSide);
  EXPECT_EQ(json["width"], kSide);
  EXPECT_THAT(json["stream"].get<std::string>(), HasSubstr("seed: 3"));

  std::vector<std::vector<int>> chosen;  // The numbers of each task's images, training then test.
  for (int task = 0; task < 3; ++task) {
    for (const std::string part : {"train", "test"}) {
      const std::string prefix = absl::StrCat(folder_, "/stream/", part, "_", task);
      const int count = part == "train" ? 40 : 15;
      const auto images = data::ReadNpy(prefix + "_images.npy");
      const auto labels = data::ReadNpy(prefix + "_labels.npy");
      ASSERT_TRUE(images.ok()) << images.status();
      ASSERT_TRUE(labels.ok()) << labels.status();
      EXPECT_THAT(images->shape(), ElementsAre(count, kSide, kSide));
      EXPECT_THAT(labels->shape(), ElementsAre(count));
      EXPECT_EQ(images->dtype(), "|u1");
      EXPECT_EQ(labels->dtype(), "<i4");
      EXPECT_FALSE(images->fortran_order());
      const auto pixels = images->Read<uint8_t>();
      const auto classes = labels->Read<int32_t>();
      ASSERT_TRUE(pixels.ok() && classes.ok());
      std::vector<int>& numbers = chosen.emplace_back();
      for (int i = 0; i < count; ++i) {
        Image image;
        std::copy_n(pixels->begin() + i * kPixels, kPixels, image.begin());
        const int number = image[kPixels / 2];
        Image expected = ImageOf(number);
        for (int turn = 0; turn < task; ++turn) expected = QuarterTurn(expected);
        EXPECT_EQ(image, expected) << prefix << ", image " << i;
        EXPECT_EQ((*classes)[i], LabelOf(number)) << prefix << ", label " << i;
        EXPECT_LT(number, part == "train" ? kTrain : kTest);
        numbers.push_back(number);
      }
      EXPECT_EQ(std::set<int>(numbers.begin(), numbers.end()).size(), numbers.size())
          << "no image twice";
    }
  }
  EXPECT_EQ(chosen[1], chosen[3]) << "all tasks have the same test images";
  EXPECT_EQ(chosen[1], chosen[5]);
  EXPECT_NE(chosen[0], chosen[2]) << "and training images of their own";
  // Of the first seed alone; that of another differs.
  ASSERT_EQ(StartTiny("continual/stream_times", {"--seeds", "4", "--out", "other"}).exit_code, 0);
  EXPECT_NE(Contents("other/test_0_images.npy"), Contents("stream/test_0_images.npy"));
  EXPECT_EQ(Contents("other/test_0_images.npy").size(),
            Contents("stream/test_0_images.npy").size());
}

TEST_F(ProgramsTest, StreamTimesPrintsItsHelpAndDoesNothing) {
  const ProcessResult result = StartTiny("continual/stream_times", {"--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.log, "");
  EXPECT_THAT(result.out, AllOf(HasSubstr("  --out DIR"), Not(HasSubstr("{"))));
}

TEST_F(ProgramsTest, StreamTimesNamesMistakesInOneLine) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes = {
      {{"--set", "stream.rotated.taks=3"}, "taks"},
      {{"--set", "stream.images.train_per_task=61"}, "there are 60 training images"},
      {{"--set", "stream.images.train_per_task=61", "--out", "stream"},
       "there are 60 training images"},
      {{"--out", "tiny.textproto/stream"}, "tiny.textproto"},
      {{"--sed", "0"}, "--seeds"},
  };
  for (const auto& [arguments, needle] : mistakes) {
    const ProcessResult result = StartTiny("continual/stream_times", arguments);
    EXPECT_EQ(result.exit_code, 1) << needle;
    EXPECT_THAT(result.log, AllOf(MatchesRegex("stream_times: [^\n]+\n"), HasSubstr(needle)));
  }
  EXPECT_FALSE(Exists("stream"));
}

TEST_F(ProgramsTest, BestTrialsShowsWhatASearchFound) {
  const ProcessResult search = StartTiny(
      "continual/experiment",
      {"--seeds", "1000..1001", "--out", "search", "--set", "stream.images.held_out=15", "--set",
       "training.learning_rate=0.0001", "--set",
       "searches=[{name: \"er\" trials: 3 fields: [{path: \"training.learning_rate\" log_uniform "
       "{ min: 0.02 max: 0.5 }}]}, {name: \"naive\" trials: 3 fields: [{path: "
       "\"training.batch_size\" choices { value: [\"5\", \"20\"] }}, {path: "
       "\"training.momentum\" uniform { min: 0.5 max: 0.9 }}]}]"});
  ASSERT_EQ(search.exit_code, 0) << search.log;
  const ProcessResult shown = BestTrials({"search"});
  ASSERT_EQ(shown.exit_code, 0) << shown.log;
  EXPECT_THAT(search.out, HasSubstr("\n" + shown.out + "\nsummary ")) << "the run ends with it";
  const std::string report = Contents("search/report.html");
  EXPECT_LT(report.find("<h2>Search"), report.find("<h2>Results"));
  const ProcessResult written = BestTrials({"search", "trials.csv"});
  ASSERT_EQ(written.exit_code, 0) << written.log;
  EXPECT_EQ(written.out, shown.out);

  // The scores by hand.
  std::map<std::string, double> means;  // By unit's method.
  for (const auto& [unit, value] : Values("search", "average_accuracy")) {
    means[unit.first] += value / 2;
  }
  ASSERT_EQ(means.size(), 3u + 3 + 1);

  const std::vector<std::string> lines = LinesOf(Contents("trials.csv"));
  ASSERT_EQ(lines.size(), 1u + 3 + 3);
  EXPECT_EQ(lines[0], "method,trial,seeds,score,settings");
  std::map<std::string, std::vector<std::string>> best;  // By method: the cells of its first line.
  std::set<std::string> trials;
  std::string before;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> cells = absl::StrSplit(lines[i], ',');
    ASSERT_EQ(cells.size(), 5u) << lines[i];
    const std::string trial = absl::StrCat(cells[0], "_t0", cells[1]);
    trials.insert(trial);
    EXPECT_EQ(cells[2], "2");
    EXPECT_EQ(cells[3], absl::StrFormat("%.6f", means.at(trial)));
    if (cells[1] == "0") {
      EXPECT_EQ(cells[4], "as it stands");
    } else {
      EXPECT_THAT(cells[4],
                  MatchesRegex(cells[0] == "er"
                                   ? "training.learning_rate=0[.][0-9]+"
                                   : "training.batch_size=(5|20) training.momentum=0[.][0-9]+"));
    }
    if (best.try_emplace(cells[0], cells).second) {
      before = cells[3];
    } else {
      EXPECT_LE(cells[3], before) << "the best first";
      before = cells[3];
    }
  }
  EXPECT_THAT(trials,
              ElementsAre("er_t00", "er_t01", "er_t02", "naive_t00", "naive_t01", "naive_t02"));
  EXPECT_NE(best["er"][1], "0") << "as it stands it hardly learns";
  // Of each method a line of the table.
  for (const auto& [method, cells] : best) {
    const std::string trial = absl::StrCat(method, "_t0", cells[1]);
    EXPECT_THAT(shown.out, ::testing::ContainsRegex(absl::StrFormat(
                               "\n%s +3 +%.4f +%.4f +%s +%s", method, means.at(method + "_t00"),
                               means.at(trial), cells[1], cells[4].substr(0, cells[4].find(' ')))));
  }
  EXPECT_THAT(shown.out, Not(HasSubstr("joint"))) << "not searched";
}

TEST_F(ProgramsTest, BestTrialsPrintsItsHelp) {
  for (const std::string flag : {"--help", "-h"}) {
    const ProcessResult result = BestTrials({flag});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.log, "");
    EXPECT_THAT(result.out, HasSubstr("usage: best_trials RUN_FOLDER [FILE.csv]\n"));
  }
}

TEST_F(ProgramsTest, BestTrialsNamesMistakesInOneLine) {
  ASSERT_EQ(StartTiny("continual/experiment", {"--seeds", "0", "--out", "run"}).exit_code, 0);
  Write("damaged/summary.json", "{\"schema\":1");
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes = {
      {{}, "usage: best_trials RUN_FOLDER"},
      {{"run", "trials.csv", "more"}, "usage: best_trials RUN_FOLDER"},
      {{"nowhere"}, "nowhere"},
      {{"run"}, "run: its configuration has no searches"},
      {{"damaged"}, "summary"},
      {{"--hlep"}, "unknown flag \"--hlep\""},
  };
  for (const auto& [arguments, needle] : mistakes) {
    const ProcessResult result = BestTrials(arguments);
    EXPECT_EQ(result.exit_code, 1) << needle;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.log, AllOf(MatchesRegex("best_trials: [^\n]+\n"), HasSubstr(needle)));
  }
  EXPECT_FALSE(Exists("trials.csv"));
}

}  // namespace
}  // namespace perennial::continual
