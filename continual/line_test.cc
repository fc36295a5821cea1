#include "continual/line.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "common/experiment/configuration.h"
#include "common/experiment/harness.h"
#include "common/nn/network.h"
#include "common/record/summary.h"
#include "common/testing/idx.h"
#include "common/testing/images.h"
#include "continual/analysis/curvature.h"
#include "continual/analysis/path.h"
#include "continual/continual.pb.h"
#include "continual/tuning/search.h"
#include "gmock/gmock.h"
#include "google/protobuf/message.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace perennial::continual {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Folder() { return std::getenv("TEST_TMPDIR"); }

void WriteIdx(const std::string& part, const data::LabeledImages& images) {
  const std::string prefix = absl::StrCat(Folder(), "/small/", part);
  std::ofstream(prefix + "-images-idx3-ubyte", std::ios::binary) << testing::IdxImages(images);
  std::ofstream(prefix + "-labels-idx1-ubyte", std::ios::binary) << testing::IdxLabels(images);
}

// For --data: 1600 and 500 images of 8 x 8 pixels, which are read and learned in no time.
std::string SmallData() {
  static const bool written = [] {
    std::filesystem::create_directories(Folder() + "/small");
    const random::Stream stream(1);
    WriteIdx("train", testing::ClassImages(1600, 8, 8, 10, 0.15, stream, stream.Split("train")));
    WriteIdx("t10k", testing::ClassImages(500, 8, 8, 10, 0.15, stream, stream.Split("test")));
    return true;
  }();
  return written ? "small" : "";
}

absl::Status RunWith(const std::vector<std::string>& arguments, std::string* output = nullptr) {
  std::ostringstream out, log;
  const absl::Status status = experiment::Run(ContinualLine(), arguments,
                                              {.out = out, .log = log, .working_folder = Folder()});
  if (output != nullptr) *output = out.str();
  return status;
}

std::string ErrorOf(const std::vector<std::string>& arguments) {
  return std::string(RunWith(arguments).message());
}

std::string Summary(const std::string& run) {
  return base::ReadFile(absl::StrCat(Folder(), "/", run, "/summary.json")).value_or("");
}

TEST(ContinualLineTest, EveryReadyConfigurationParsesAndValidates) {
  const absl::Status status = experiment::CheckReadyConfigs(ContinualLine());
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(ContinualLineTest, MistakesOfAUserAreNamed) {
  EXPECT_THAT(ErrorOf({"--set", "training.learning_rat=1"}),
              AllOf(HasSubstr("learning_rat"), HasSubstr("\"learning_rate\"")));
  EXPECT_THAT(ErrorOf({"--set", "training.momentum=1"}), HasSubstr("training.momentum"));
  EXPECT_THAT(ErrorOf({"--set", "methods[1]={naive {}}"}),
              HasSubstr("methods[1].name = \"naive\": stands twice"));
  EXPECT_THAT(ErrorOf({"--set", "methods[1].name=Joint!"}), HasSubstr("lower_snake_case"));
  EXPECT_THAT(ErrorOf({"--data", "nowhere"}), HasSubstr("nowhere"));
}

TEST(ContinualLineTest, MistakesInAStreamAreNamed) {
  const auto error = [](const std::vector<std::string>& settings) {
    std::vector<std::string> arguments = {"--data", SmallData()};
    for (const std::string& setting : settings)
      arguments.insert(arguments.end(), {"--set", setting});
    return ErrorOf(arguments);
  };
  EXPECT_THAT(error({"stream.images.train_per_task=1601"}),
              HasSubstr("stream.images.train_per_task = 1601: there are 1600 training images"));
  const std::string fits = "stream.images.train_per_task=600";
  EXPECT_THAT(error({fits, "stream.images.test_per_task=501"}),
              HasSubstr("stream.images.test_per_task = 501: there are 500 test images"));
  EXPECT_THAT(error({fits, "stream.images.held_out=1600"}),
              HasSubstr("stream.images.held_out = 1600: there are 1599"));
  EXPECT_THAT(error({fits, "stream.images.held_out=200"}),
              HasSubstr("stream.images.test_per_task = 2500: there are 200 images held out"));
  EXPECT_THAT(error({"stream.rotated.degrees=[0, 90]"}),
              HasSubstr("stream.rotated.degrees: 2 angles for 20 tasks"));
  EXPECT_THAT(error({"stream.rotated.degrees=[0, 90]", "stream.rotated.random_range_degrees=90"}),
              HasSubstr("not both"));
}

TEST(ContinualLineTest, MistakesInMethodsAreNamed) {
  EXPECT_THAT(ErrorOf({"--set", "methods=[]"}), HasSubstr("methods: must name at least one"));
  EXPECT_THAT(ErrorOf({"--set", "methods=[{naive {}}, {stable {}}]"}),
              AllOf(HasSubstr("methods[1].stable: "), HasSubstr("training.learning_rate_decay")));
  EXPECT_THAT(ErrorOf({"--set", "methods=[{stable {} training { momentum: 0.5 }}]"}),
              HasSubstr("methods[0].stable: "));
  EXPECT_THAT(ErrorOf({"--set", "methods[0].training.momentum=1"}),
              HasSubstr("methods[0].training.momentum"));
  EXPECT_THAT(ErrorOf({"--set", "methods=[{er { memory { policy: RINGS } }}]"}), HasSubstr("RING"));
  EXPECT_THAT(ErrorOf({"--set", "methods=[{ewc { decay: 1.5 }}]"}), HasSubstr("ewc.decay"));
}

TEST(ContinualLineTest, WithoutMethodsThereMustBeStudies) {
  EXPECT_THAT(ErrorOf({"--set", "methods=[]", "--set", "studies=[]"}),
              AllOf(HasSubstr("methods: must name at least one"), HasSubstr("studies")));
}

TEST(ContinualLineTest, MistakesInStudiesAreNamed) {
  const auto error = [](const std::string& study, const std::string& stream) {
    return ErrorOf({"--data", SmallData(), "--config", "smoke", "--set", "methods=[]", "--set",
                    absl::StrCat("studies=[{", study, "}]"), "--set", stream});
  };
  const std::string rotated = "stream.rotated.tasks=2";
  EXPECT_THAT(error("points: 5", rotated), HasSubstr("studies[0].name"));
  EXPECT_THAT(error("name: \"Turn!\"", rotated),
              AllOf(HasSubstr("studies[0].name = \"Turn!\""), HasSubstr("lower_snake_case")));
  EXPECT_THAT(error("name: \"turn\" points: 1", rotated), HasSubstr("studies[0].points"));
  EXPECT_THAT(error("name: \"turn\" training { momentum: 1 }", rotated),
              HasSubstr("studies[0].training.momentum"));
  EXPECT_THAT(error("name: \"turn\" step_degrees: 90", "stream={ permuted { tasks: 2 } }"),
              AllOf(HasSubstr("studies[0].step_degrees"), HasSubstr("not rotated")));
  EXPECT_THAT(error("name: \"turn\" step_degrees: 90", "stream.rotated.tasks=1"),
              AllOf(HasSubstr("1 task"), HasSubstr("two")));
}

TEST(ContinualLineTest, MistakesInSearchesAreNamed) {
  const std::string held_out = "stream.images.held_out=10000";
  const auto error = [](const std::string& name, const std::string& field,
                        const std::string& setting) {
    return ErrorOf({"--set", "methods=[{er {}}]", "--set",
                    absl::StrCat("searches=[{name: \"", name, "\" fields: [{", field, "}]}]"),
                    "--set", setting});
  };
  const std::string weight = "path: \"er.replay_weight\" uniform { min: 1 max: 2 }";
  EXPECT_THAT(error("err", weight, held_out),
              AllOf(HasSubstr("searches"), HasSubstr("\"err\""), HasSubstr("\"er\"")));
  EXPECT_THAT(error("er", "path: \"er.replay_wight\" uniform { min: 1 max: 2 }", held_out),
              AllOf(HasSubstr("searches[0]: method \"er\""), HasSubstr("\"replay_weight\"")));
  EXPECT_THAT(error("er", "path: \"er.replay_weight\" uniform { min: 2 max: 1 }", held_out),
              HasSubstr("min < max"));
  EXPECT_THAT(error("er", weight, "stream.images.held_out=0"),
              AllOf(HasSubstr("searches"), HasSubstr("held_out")));
}

// Whatever an override makes wrong is its fault, also where the mistake shows in the file.
TEST(ContinualLineTest, ErrorsThatAnOverrideCausesNameIt) {
  const auto search = base::FindRunfile("perennial/continual/tune/rotated.textproto");
  ASSERT_TRUE(search.ok()) << search.status();
  const auto error = [&](const std::vector<std::string>& overrides) {
    std::vector<std::string> arguments = {"--config", *search};
    for (const std::string& text : overrides) arguments.insert(arguments.end(), {"--set", text});
    return ErrorOf(arguments);
  };
  EXPECT_THAT(error({"training.epochs=2", "methods=[{naive {}}]", "training.momentum=0.5"}),
              HasSubstr("--set methods=[{naive {}}]: searches["));
  EXPECT_THAT(error({"training.epochs=2", "stream.images.held_out=0"}),
              HasSubstr("--set stream.images.held_out=0: searches: "));
  EXPECT_THAT(error({"methods[0]={name: \"naive\" stable {}}", "training.epochs=2"}),
              HasSubstr("--set methods[0]={name: \"naive\" stable {}}: methods[0].stable: "));
}

// A run on small data. A search does not see the seeds that are evaluated.
absl::Status RunSmall(const std::string& out, const std::vector<std::string>& settings,
                      const std::string& seed = "0", std::string* output = nullptr) {
  std::vector<std::string> arguments = {"--data",  SmallData(), "--config", "smoke",
                                        "--seeds", seed,        "--out",    out};
  for (const std::string& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
  return RunWith(arguments, output);
}

constexpr char kSearch[] =
    "searches=[{name: \"er\" trials: 3 fields: [{path: \"training.learning_rate\" log_uniform { "
    "min: 0.01 max: 0.1 }}]}]";
constexpr char kHeldOut[] = "stream.images.held_out=500";

TEST(ContinualLineTest, ASearchOnSeedsThatAreEvaluatedIsRefused) {
  const std::vector<std::string> settings = {"methods=[{er {}}]", kSearch, kHeldOut};
  for (const std::string seed : {"0", "999", "999..1000"}) {
    const absl::Status status = RunSmall("too_early", settings, seed);
    EXPECT_FALSE(status.ok()) << seed;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("seed"), HasSubstr("1000")));
    EXPECT_FALSE(base::FolderExists(Folder() + "/too_early"));
  }
}

TEST(ContinualLineTest, SearchesOfUnequalBudgetsAreRefused) {
  const absl::Status status = RunSmall(
      "unequal",
      {"methods=[{er {}}, {naive {}}]", kHeldOut,
       "searches=[{name: \"er\" trials: 3 fields: [{path: \"training.learning_rate\" log_uniform { "
       "min: 0.01 max: 0.1 }}]}, {name: \"naive\" trials: 2 fields: [{path: "
       "\"training.learning_rate\" log_uniform { min: 0.01 max: 0.1 }}]}]"},
      "1000");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("er has 3 trials and naive 2"));
}

// Every search is ready to run as it stands: it parses, all its trials are valid, and it holds
// images out.
TEST(ContinualLineTest, EverySearchParsesAndValidates) {
  const auto files = base::ListRunfiles("perennial/continual/tune");
  ASSERT_TRUE(files.ok()) << files.status();
  int searches = 0;
  for (const std::string& file : *files) {
    if (!absl::EndsWith(file, ".textproto")) continue;
    const auto path = base::FindRunfile(absl::StrCat("perennial/continual/tune/", file));
    ASSERT_TRUE(path.ok()) << path.status();
    const auto loaded = experiment::LoadConfiguration(ContinualLine(), {.config = *path},
                                                      {.out = std::cout, .log = std::cerr});
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    if (!loaded.ok()) continue;
    const auto& config =
        *google::protobuf::DynamicCastToGenerated<ContinualConfig>(loaded->message.get());
    EXPECT_FALSE(config.searches().empty()) << file;
    EXPECT_GE(config.stream().images().held_out(), config.stream().images().test_per_task());
    ++searches;
  }
  EXPECT_GE(searches, 2);
}

// By method, the values of a metric in a group, which may be any if it has only one.
std::map<std::string, double> Values(const std::string& run, const std::string& metric,
                                     const std::string& group = "") {
  std::map<std::string, double> values;
  const auto summary = record::ParseSummary(Summary(run));
  EXPECT_TRUE(summary.ok()) << summary.status();
  if (!summary.ok()) return values;
  for (const record::SummaryResult& result : summary->results) {
    if (result.metric != metric || (!group.empty() && result.group != group)) continue;
    EXPECT_EQ(result.values.size(), 1u);
    EXPECT_TRUE(values.emplace(result.method, result.values.begin()->second).second)
        << result.method << " in several groups";
  }
  return values;
}

// The curve of a method in a plot's file.
struct PlottedCurve {
  std::vector<double> x;
  std::vector<double> y;
};

PlottedCurve ReadPlot(const std::string& run, const std::string& plot, const std::string& method) {
  PlottedCurve curve;
  const auto text = base::ReadFile(absl::StrCat(Folder(), "/", run, "/plots/", plot, ".csv"));
  EXPECT_TRUE(text.ok()) << text.status();
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(text.value_or(""), '\n'))) {
    const std::vector<std::string> cells = absl::StrSplit(absl::StripSuffix(line, "\r"), ',');
    if (cells[0] != method) continue;
    double x = 0, y = 0;
    EXPECT_TRUE(cells.size() > 2 && absl::SimpleAtod(cells[1], &x) &&
                absl::SimpleAtod(cells[2], &y))
        << line;
    curve.x.push_back(x);
    curve.y.push_back(y);
  }
  return curve;
}

double Largest(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::ranges::max_element(values);
}

// By hand: how far the curve rises above the straight line between its ends.
double BarrierOf(const PlottedCurve& curve) {
  std::vector<double> rises;
  for (size_t i = 0; i < curve.x.size(); ++i) {
    const double chord = (1 - curve.x[i]) * curve.y.front() + curve.x[i] * curve.y.back();
    rises.push_back(curve.y[i] - chord);
  }
  return Largest(rises);
}

TEST(ContinualLineTest, ASearchMakesTrialsOfItsMethodAndLeavesTheOthersAlone) {
  const std::string methods = "methods=[{naive {}}, {er {}}]";
  const std::string slow = "training.learning_rate=0.001";  // As it stands.
  ASSERT_TRUE(RunSmall("plain", {methods, slow, kHeldOut}, "1000").ok());
  const absl::Status status = RunSmall("search", {methods, slow, kSearch, kHeldOut}, "1000");
  ASSERT_TRUE(status.ok()) << status;
  const auto plain = Values("plain", "average_accuracy");
  const auto search = Values("search", "average_accuracy");
  ASSERT_EQ(search.size(), 4u);
  EXPECT_EQ(search.at("naive"), plain.at("naive"));
  EXPECT_EQ(search.at("er_t00"), plain.at("er")) << "the method as it stands";
  EXPECT_NE(search.at("er_t01"), plain.at("er"));
  EXPECT_NE(search.at("er_t02"), search.at("er_t01"));

  // The report has the settings of the best trial, and of no other.
  const auto loaded = experiment::LoadConfiguration(
      ContinualLine(), {.config = "search/config.textproto"},
      {.out = std::cout, .log = std::cerr, .working_folder = Folder()});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto& config =
      *google::protobuf::DynamicCastToGenerated<ContinualConfig>(loaded->message.get());
  const std::string report = base::ReadFile(Folder() + "/search/report.html").value_or("");
  int best = 0;
  for (const int trial : {1, 2}) {
    if (search.at(TrialName("er", trial)) > search.at(TrialName("er", best))) best = trial;
  }
  EXPECT_GT(best, 0) << "a trial that sets something";
  for (const int trial : {1, 2}) {
    const std::string settings = *TrialText(config.methods(1), config.searches(0), trial);
    EXPECT_EQ(absl::StrContains(report, settings), trial == best) << settings;
  }
}

TEST(ContinualLineTest, AMethodsOwnTrainingTestsOnceAndPermutedTasksReachTheUnits) {
  const absl::Status status =
      RunSmall("own", {"methods=[{naive {}}, {name: \"twice\" naive {} training { epochs: 2 }}]",
                       "test_after_each_task=false",
                       "stream={ permuted { tasks: 2 } images { train_per_task: 640 "
                       "test_per_task: 500 } }"});
  ASSERT_TRUE(status.ok()) << status;
  const auto passes = Values("own", "gradient_passes");
  EXPECT_EQ(passes.at("naive"), 2 * 10);
  EXPECT_EQ(passes.at("twice"), 2 * 20);
  EXPECT_EQ(Values("own", "average_accuracy").size(), 2u);
  EXPECT_TRUE(Values("own", "forgetting").empty());
  EXPECT_TRUE(Values("own", "learning_accuracy").empty());
  EXPECT_THAT(Summary("own"), HasSubstr("\"group\":\"permuted\""));
}

// Dropout is a part of the network, which a method may want otherwise than the others.
TEST(ContinualLineTest, AMethodsOwnDropoutIsThatOfItsNetworkAlone) {
  const std::string metrics[] = {"average_accuracy", "forgetting", "learning_accuracy"};
  ASSERT_TRUE(
      RunSmall("dropout_of_one",
               {"methods=[{naive {}}, {name: \"dropped\" naive {} training { dropout: 0.5 }}]"})
          .ok());
  ASSERT_TRUE(RunSmall("dropout_of_all",
                       {"training.dropout=0.5",
                        "methods=[{naive {}}, {name: \"whole\" naive {} training { dropout: 0 }}]"})
                  .ok());
  for (const std::string& metric : metrics) {
    const auto one = Values("dropout_of_one", metric);
    const auto all = Values("dropout_of_all", metric);
    EXPECT_NE(one.at("dropped"), one.at("naive")) << metric;
    EXPECT_EQ(one.at("dropped"), all.at("naive")) << metric;
    EXPECT_EQ(one.at("naive"), all.at("whole")) << metric;
  }
}

TEST(ContinualLineTest, WhatAReplicateTakesIsShown) {
  std::string output;
  ASSERT_TRUE(RunSmall("shown", {"methods=[{naive {}}, {mc_sgd {}}]", "stream.rotated.tasks=2"},
                       "0", &output)
                  .ok());
  EXPECT_THAT(output, AllOf(HasSubstr("gradient passes"), HasSubstr("stored images"),
                            HasSubstr("weight copies")));
  EXPECT_EQ(Values("shown", "stored_images").at("mc_sgd"), 2 * 10);
  EXPECT_EQ(Values("shown", "weight_copies").at("mc_sgd"), 3);
}

// Of two tasks, so that there is one line, whose numbers the plots hold.
TEST(ContinualLineTest, MinimaMeasureTheLinesBetweenAMethodsSolutions) {
  const std::vector<std::string> settings = {"methods=[{naive {}}, {mc_sgd { epochs: 2 }}]",
                                             "stream.rotated={ tasks: 2 step_degrees: 90 }",
                                             "training={ learning_rate: 0.2 epochs: 5 }"};
  ASSERT_TRUE(RunSmall("no_minima", settings).ok());
  EXPECT_TRUE(Values("no_minima", "rise_from_first").empty());
  std::vector<std::string> minima = settings;
  minima.insert(minima.end(), {"minima.enabled=true", "minima.points=5"});
  std::string output;
  ASSERT_TRUE(RunSmall("minima", minima, "0", &output).ok());
  EXPECT_THAT(output, AllOf(HasSubstr("barrier from"), HasSubstr("rise from")));
  EXPECT_EQ(Values("minima", "average_accuracy"), Values("no_minima", "average_accuracy"));

  // Test accuracies on task 1 as they were measured, by unit and the task learned last.
  std::map<std::pair<std::string, int>, double> tested;
  const std::string stream = base::ReadFile(Folder() + "/minima/metrics.jsonl").value_or("");
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(stream, '\n'))) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.contains("after_task") || json["task"] != 1) continue;
    tested[{json["unit"].get<std::string>(), json["after_task"].get<int>()}] =
        json["test_accuracy"].get<double>();
  }
  for (const std::string method : {"naive", "mc_sgd"}) {
    const auto plot = [&](const std::string& quantity) {
      return ReadPlot(
          "minima",
          quantity + "_on_task_1_on_the_line_from_its_solution_to_the_last_task_s_rotated", method);
    };
    const PlottedCurve loss = plot("loss");
    ASSERT_THAT(loss.x, ElementsAre(0, 0.25, 0.5, 0.75, 1)) << method;
    const double rise = Largest(loss.y) - loss.y.front();
    EXPECT_GT(rise, 0) << "task 1 is forgotten a little";
    EXPECT_DOUBLE_EQ(Values("minima", "rise_from_first").at(method), rise);
    EXPECT_DOUBLE_EQ(Values("minima", "barrier_from_first").at(method), BarrierOf(loss));
    EXPECT_DOUBLE_EQ(Values("minima", "barrier_between_neighbours").at(method), BarrierOf(loss));
    const PlottedCurve accuracy = plot("accuracy");
    const std::string unit = method + ".rotated.seed.0";
    // A tie may be broken otherwise where a point is a sum of both ends.
    EXPECT_NEAR(accuracy.y.front(), tested.at({unit, 1}), 0.005);
    EXPECT_NEAR(accuracy.y.back(), tested.at({unit, 2}), 0.005);
    EXPECT_GT(accuracy.y.front(), accuracy.y.back());
  }
  EXPECT_NE(Values("minima", "rise_from_first").at("naive"),
            Values("minima", "rise_from_first").at("mc_sgd"));
}

std::string Study(const std::string& name, const std::string& fields) {
  return absl::StrCat("{name: \"", name, "\" ", fields, "}");
}

std::vector<std::string> StudySettings(const std::vector<std::string>& studies) {
  std::string list;
  for (const std::string& study : studies) absl::StrAppend(&list, list.empty() ? "" : ", ", study);
  return {"methods=[]", "stream.images={ train_per_task: 320 test_per_task: 200 }",
          absl::StrCat("studies=[", list, "]")};
}

constexpr char kLossOnTaskOne[] = "loss_on_task_1_along_lines_from_the_first_solution_";

TEST(ContinualLineTest, TwoStudiesDifferAsTheirTurnsDo) {
  const std::string small =
      " points: 5 random_directions: 2 curvature_images: 50 training { epochs: 2 }";
  std::string output;
  ASSERT_TRUE(RunSmall("studies",
                       StudySettings({Study("turn_22", "step_degrees: 22.5" + small),
                                      Study("turn_90", "step_degrees: 90" + small)}),
                       "0", &output)
                  .ok());
  for (const char* column : {"barrier, nats", "rise, nats", "distance", "curvature"}) {
    EXPECT_THAT(output, HasSubstr(column));
  }
  const auto value = [](const std::string& metric, const std::string& group,
                        const std::string& solution) {
    return Values("studies", metric, group).at(solution);
  };
  // The first task is the same in both.
  EXPECT_EQ(value("task_1_accuracy", "turn_22", "first"),
            value("task_1_accuracy", "turn_90", "first"));
  EXPECT_EQ(value("curvature", "turn_22", "random_direction"),
            value("curvature", "turn_90", "random_direction"));
  EXPECT_NE(value("task_2_accuracy", "turn_22", "first"),
            value("task_2_accuracy", "turn_90", "first"));
  EXPECT_NE(value("barrier", "turn_22", "multitask_other_init"),
            value("barrier", "turn_90", "multitask_other_init"));
  EXPECT_LT(value("rise", "turn_22", "sequential"), value("rise", "turn_90", "sequential"));
  EXPECT_NE(value("curvature", "turn_22", "sequential"),
            value("curvature", "turn_90", "sequential"));
  for (const std::string group : {"turn_22", "turn_90"}) {
    for (const std::string solution : {"sequential", "multitask_from_first", "multitask_same_init",
                                       "multitask_other_init", "multitask_other_init_matched"}) {
      const PlottedCurve loss = ReadPlot("studies", kLossOnTaskOne + group, solution);
      ASSERT_THAT(loss.x, ElementsAre(0, 0.25, 0.5, 0.75, 1));
      EXPECT_DOUBLE_EQ(value("barrier", group, solution), BarrierOf(loss));
      EXPECT_DOUBLE_EQ(value("rise", group, solution), Largest(loss.y) - loss.y.front());
    }
  }
  // A study's turn takes the place of the stream's, also where that has a list of them.
  for (const std::string stream :
       {"stream.rotated.step_degrees=90", "stream.rotated.degrees=[0, 22.5, 45]",
        "stream.rotated.random_range_degrees=180"}) {
    const bool own = absl::StrContains(stream, "step_degrees");
    std::vector<std::string> settings =
        StudySettings({Study("turn_90", (own ? "" : "step_degrees: 90") + small)});
    settings.push_back(stream);
    const absl::Status status = RunSmall(own ? "own_turn" : "others", settings);
    ASSERT_TRUE(status.ok()) << status;
    for (const std::string metric : {"barrier", "rise", "distance", "curvature"}) {
      EXPECT_EQ(Values(own ? "own_turn" : "others", metric, "turn_90"),
                Values("studies", metric, "turn_90"))
          << stream;
    }
    std::filesystem::remove_all(Folder() + (own ? "/own_turn" : "/others"));
  }
}

TEST(ContinualLineTest, AStudysSettingsReachTheUnit) {
  struct Case {
    std::string name;
    int points, images, directions, epochs;
    std::vector<double> x;
  };
  const std::vector<Case> cases = {{"coarse", 3, 50, 2, 2, {0, 0.5, 1}},
                                   {"fine", 5, 70, 4, 3, {0, 0.25, 0.5, 0.75, 1}}};
  std::vector<std::string> studies;
  for (const Case& c : cases) {
    studies.push_back(Study(c.name, absl::StrCat("points: ", c.points, " curvature_images: ",
                                                 c.images, " random_directions: ", c.directions,
                                                 " training { epochs: ", c.epochs, " }")));
  }
  ASSERT_TRUE(RunSmall("study_settings", StudySettings(studies)).ok());
  const nn::Network network = *nn::Network::Create(nn::MultilayerPerceptron(64, {64}, 10));
  for (const Case& c : cases) {
    const auto count = [&](const std::string& metric) {
      return Values("study_settings", metric, c.name).at("two_tasks");
    };
    // 320 images in batches of 64: two solutions of one task, three of both.
    EXPECT_EQ(count("gradient_passes"), (2 * 5 + 3 * 10) * c.epochs);
    EXPECT_EQ(ReadPlot("study_settings", kLossOnTaskOne + c.name, "sequential").x, c.x);
    // Eleven lines; the directions to five solutions, random ones, and thirty for the eigenvalue.
    EXPECT_DOUBLE_EQ(count("evaluation_flops"),
                     11 * PathFlops(network, 200, {.points = c.points}) +
                         (5 + c.directions + 30) * LossHessian<float>::Flops(network, c.images));
  }
  const auto curvature = [](const std::string& group) {
    return Values("study_settings", "curvature", group).at("random_direction");
  };
  EXPECT_NE(curvature("coarse"), curvature("fine"));
}

// Two ways to the same solutions: the study's, and those of the methods.
TEST(ContinualLineTest, AStudysSolutionsAreThoseOfTheNaiveAndTheJointMethod) {
  ASSERT_TRUE(
      RunSmall("same",
               {"methods=[{naive {}}, {joint {}}]", "stream.rotated={ tasks: 2 step_degrees: 60 }",
                "stream.images.train_per_task=320", "training.first_task_epochs=2",
                "training.learning_rate_decay=0.5",
                "studies=[{name: \"turn\" points: 2 random_directions: 1 curvature_images: 10}]"})
          .ok());
  const auto methods = Values("same", "average_accuracy");
  const auto task_1 = Values("same", "task_1_accuracy");
  const auto task_2 = Values("same", "task_2_accuracy");
  EXPECT_DOUBLE_EQ(methods.at("naive"), (task_1.at("sequential") + task_2.at("sequential")) / 2);
  EXPECT_DOUBLE_EQ(methods.at("joint"),
                   (task_1.at("multitask_same_init") + task_2.at("multitask_same_init")) / 2);
  EXPECT_NE(methods.at("naive"), methods.at("joint"));
}

// Real data, all methods: the same bytes on one thread and on two, with seeds run together or
// apart.
TEST(ContinualLineTest, TheSummaryDependsOnNeitherThreadsNorGrouping) {
  std::string output;
  ASSERT_TRUE(
      RunWith({"--config", "smoke", "--seeds", "0..1", "--threads", "1", "--out", "one"}, &output)
          .ok());
  for (const char* method : {"naive", "stable", "joint", "er", "agem", "ewc", "mc_sgd"}) {
    EXPECT_THAT(output, HasSubstr(method));
  }
  EXPECT_THAT(output, HasSubstr("report.html"));
  ASSERT_TRUE(
      RunWith({"--config", "smoke", "--seeds", "0..1", "--threads", "2", "--out", "two"}).ok());
  ASSERT_TRUE(RunWith({"--config", "smoke", "--seeds", "1", "--out", "apart"}).ok());
  ASSERT_TRUE(RunWith({"--config", "smoke", "--seeds", "0", "--out", "apart"}).ok());
  EXPECT_FALSE(Summary("one").empty());
  EXPECT_EQ(Summary("one"), Summary("two"));
  EXPECT_EQ(Summary("one"), Summary("apart"));
}

}  // namespace
}  // namespace perennial::continual
