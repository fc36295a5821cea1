#include "continual/analysis/minima.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "common/testing/images.h"
#include "continual/analysis/distance.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

constexpr int kTasks = 4;
constexpr int kPoints = 5;

class MinimaTest : public ::testing::Test {
 protected:
  MinimaTest() : rows_(kTasks, network_.layout().size()) {
    for (int task = 0; task < kTasks; ++task) {
      network_.Initialize<float>(random::Stream(task), rows_.row(task));
      const random::Stream templates = random::Stream(task).Split("templates");
      tests_.emplace_back(std::make_shared<const data::LabeledImages>(
          testing::ClassImages(30, 2, 3, 3, 0.2, templates, random::Stream(task).Split("test"))));
    }
  }

  MinimaAnalysis Begin(std::vector<bool> solved = {true, true, true, true}) {
    return MinimaAnalysis(network_, solved, {.points = kPoints});
  }

  void Fill(MinimaAnalysis& minima, int lines) {
    for (int task = 0; task < kTasks; ++task) minima.SetSolution(task, rows_.row(task));
    for (int i = 0; i < lines; ++i) EXPECT_TRUE(minima.Measure(i, tests_[minima.older(i)]));
  }

  static std::map<std::string, double> Values(const population::UnitResults& results) {
    std::map<std::string, double> values;
    for (const auto& m : results.measurements) values[m.metric] = m.value;
    return values;
  }

  double BarrierOf(int from, int to) const {
    return Barrier(
        EvaluatePath(network_, rows_.row(from), rows_.row(to), tests_[from], {.points = kPoints}));
  }

  nn::Network network_ = *nn::Network::Create(nn::MultilayerPerceptron(6, {5}, 3));
  nn::Rows<float> rows_;
  std::vector<ImageView> tests_;
};

TEST_F(MinimaTest, LinesJoinTheFirstToAllAndNeighboursOnTheOlderTask) {
  MinimaAnalysis minima = Begin();
  ASSERT_EQ(minima.lines(), 3 + 2);
  Fill(minima, minima.lines());
  population::UnitResults results;
  minima.AddResults(results);
  const auto values = Values(results);
  EXPECT_DOUBLE_EQ(values.at("barrier_from_first"),
                   (BarrierOf(0, 1) + BarrierOf(0, 2) + BarrierOf(0, 3)) / 3);
  EXPECT_DOUBLE_EQ(values.at("barrier_between_neighbours"),
                   (BarrierOf(0, 1) + BarrierOf(1, 2) + BarrierOf(2, 3)) / 3);
  EXPECT_GT(values.at("barrier_from_first"), 0);
  double rise = 0;
  for (int task = 1; task < kTasks; ++task) {
    const Path path =
        EvaluatePath(network_, rows_.row(0), rows_.row(task), tests_[0], {.points = kPoints});
    rise += (*std::ranges::max_element(path.loss) - path.loss[0]) / 3;
  }
  EXPECT_DOUBLE_EQ(values.at("rise_from_first"), rise);
  ASSERT_EQ(results.matrices.size(), 3u);
  EXPECT_EQ(results.matrices[0].values[1][2], BarrierOf(1, 2));
  EXPECT_EQ(results.matrices[0].values[0][3], BarrierOf(0, 3));
  EXPECT_FALSE(results.matrices[0].values[1][3].has_value());
  const Path between =
      EvaluatePath(network_, rows_.row(1), rows_.row(2), tests_[1], {.points = kPoints});
  EXPECT_EQ(results.matrices[1].values[1][2],
            *std::ranges::max_element(between.loss) - between.loss[0]);
  EXPECT_FALSE(results.matrices[1].values[2][1].has_value());
  EXPECT_DOUBLE_EQ(*results.matrices[2].values[1][3],
                   Distance(network_.layout(), rows_.row(1), rows_.row(3)));
  ASSERT_EQ(results.curves.size(), 2u);
  const Path path =
      EvaluatePath(network_, rows_.row(0), rows_.row(3), tests_[0], {.points = kPoints});
  EXPECT_EQ(results.curves[0].y, path.loss);
  EXPECT_EQ(results.curves[1].y, path.accuracy);
}

TEST_F(MinimaTest, TasksWithoutASolutionHaveNoLines) {
  EXPECT_EQ(Begin({false, false, false, true}).lines(), 0);
  EXPECT_EQ(Begin({true, false, true, true}).lines(), 3) << "1-3, 1-4, 3-4";
  population::UnitResults results;
  Begin({false, false, false, true}).AddResults(results);
  EXPECT_TRUE(results.measurements.empty() && results.matrices.empty());
}

TEST_F(MinimaTest, SavedAtAnyLineItGoesOnWithTheSameResults) {
  MinimaAnalysis whole = Begin();
  Fill(whole, whole.lines());
  population::UnitResults expected;
  whole.AddResults(expected);
  for (int measured = 0; measured <= whole.lines(); ++measured) {
    MinimaAnalysis first = Begin();
    Fill(first, measured);
    record::SafetensorsWriter writer;
    ASSERT_TRUE(first.Save(writer).ok());
    const auto file = record::SafetensorsFile::Parse(*writer.Finish());
    MinimaAnalysis second = Begin();
    ASSERT_TRUE(second.Load(*file, kTasks, measured).ok());
    for (int i = measured; i < second.lines(); ++i) {
      ASSERT_TRUE(second.Measure(i, tests_[second.older(i)]));
    }
    second.Release();
    population::UnitResults results;
    second.AddResults(results);
    EXPECT_EQ(Values(results), Values(expected));
    EXPECT_EQ(results.matrices[1].values, expected.matrices[1].values);
    EXPECT_EQ(results.matrices[2].values, expected.matrices[2].values);
    EXPECT_EQ(results.curves[0].x, expected.curves[0].x);
    EXPECT_EQ(results.curves[0].y, expected.curves[0].y);
    // Another number of lines than the state holds.
    for (const int other : {-1, measured + 1, measured - 1}) {
      if (other == measured) continue;
      EXPECT_EQ(Begin().Load(*file, kTasks, other).code(), absl::StatusCode::kDataLoss) << other;
    }
  }
}

TEST_F(MinimaTest, AStateHasSolutionsExactlyIfATaskIsSolved) {
  record::SafetensorsWriter empty;
  ASSERT_TRUE(Begin().Save(empty).ok());
  const auto nothing = record::SafetensorsFile::Parse(*empty.Finish());
  EXPECT_TRUE(Begin().Load(*nothing, 0, 0).ok());
  EXPECT_EQ(Begin().Load(*nothing, 1, 0).code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(Begin({false, true, true, true}).Load(*nothing, 1, 0).ok());
  MinimaAnalysis begun = Begin();
  begun.SetSolution(0, rows_.row(0));
  record::SafetensorsWriter writer;
  ASSERT_TRUE(begun.Save(writer).ok());
  const auto file = record::SafetensorsFile::Parse(*writer.Finish());
  EXPECT_TRUE(Begin().Load(*file, 1, 0).ok());
  EXPECT_EQ(Begin().Load(*file, 0, 0).code(), absl::StatusCode::kDataLoss);
}

TEST_F(MinimaTest, ALineOfLossesThatAreNotFiniteIsRefused) {
  MinimaAnalysis minima = Begin();
  rows_.row(2)[0] = NAN;
  Fill(minima, 0);
  EXPECT_TRUE(minima.Measure(0, tests_[0]));
  EXPECT_FALSE(minima.Measure(1, tests_[0])) << "from task 1 to task 3";
}

}  // namespace
}  // namespace perennial::continual
