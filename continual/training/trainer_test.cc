// TaskUnit; phases have a test of their own, phase_trainer_test.cc.
#include "continual/training/trainer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/population/scheduler.h"
#include "common/testing/images.h"
#include "continual/analysis/distance.h"
#include "continual/analysis/path.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

constexpr int32_t kClasses = 3;

nn::Network SmallNetwork() {
  return *nn::Network::Create(nn::MultilayerPerceptron(6, {5}, kClasses));
}

// Tasks with templates of their own.
class TestStream final : public TaskStream {
 public:
  explicit TestStream(int tasks, double noise = 0.2) : tasks_(tasks), noise_(noise) {}
  std::string name() const override { return "test"; }
  int tasks() const override { return tasks_; }
  int32_t features() const override { return 6; }
  int32_t classes() const override { return kClasses; }
  int32_t train_size(int) const override { return 50; }
  int32_t test_size(int task) const override { return 20 + task; }
  ImageView Train(int task) const override { return Make(50, task, "train"); }
  ImageView Test(int task) const override { return Make(20 + task, task, "test"); }

 private:
  ImageView Make(int32_t size, int task, const char* part) const {
    const random::Stream templates = random::Stream(task).Split("templates");
    return std::make_shared<const data::LabeledImages>(testing::ClassImages(
        size, 2, 3, kClasses, noise_, templates, random::Stream(task).Split(part)));
  }

  int tasks_;
  double noise_;
};

// The same, but that there is no memory for the test images of task `bad`.
class NoMemoryStream final : public TaskStream {
 public:
  NoMemoryStream(int tasks, int bad) : stream_(tasks), bad_(bad) {}
  std::string name() const override { return stream_.name(); }
  int tasks() const override { return stream_.tasks(); }
  int32_t features() const override { return stream_.features(); }
  int32_t classes() const override { return stream_.classes(); }
  int32_t train_size(int task) const override { return stream_.train_size(task); }
  int32_t test_size(int task) const override { return stream_.test_size(task); }
  ImageView Train(int task) const override { return stream_.Train(task); }
  ImageView Test(int task) const override {
    if (task == bad_) throw std::bad_alloc();
    return stream_.Test(task);
  }

 private:
  TestStream stream_;
  int bad_;
};

// A learner made of functions.
class TestLearner final : public Learner {
 public:
  std::function<std::vector<Phase>(const TaskContext&)> phases;
  std::function<void(const TaskContext&, nn::Rows<float>&)> after;
  int row_count = 1;
  std::function<std::optional<int>(int)> predicting = [](int) { return 0; };

  int rows() const override { return row_count; }
  std::vector<Phase> Phases(const TaskContext& task) override { return phases(task); }
  void AfterTask(const TaskContext& task, nn::Rows<float>& rows) override {
    if (after && rows.size() > 0) after(task, rows);
  }
  std::optional<int> PredictingRow(int task, int) const override { return predicting(task); }
};

Phase PlainPhase(ImageView images, int32_t batch_size = 8) {
  Phase phase;
  phase.name = "train";
  phase.terms = {{.images = std::move(images), .batch_size = batch_size}};
  phase.optimizer = {.learning_rate = 0.1, .momentum = 0.5};
  return phase;
}

std::unique_ptr<TestLearner> MakePlainLearner() {
  auto learner = std::make_unique<TestLearner>();
  learner->phases = [](const TaskContext& task) {
    return std::vector<Phase>{PlainPhase(task.images())};
  };
  return learner;
}

LearnerFactory PlainLearner() { return MakePlainLearner; }

std::unique_ptr<TaskUnit> MakeUnit(int tasks, LearnerFactory factory, double noise = 0.2,
                                   bool test_after_each_task = true,
                                   std::optional<PathOptions> minima = {}) {
  return *TaskUnit::Create({.key = {"test", "test", "seed", "0"},
                            .stream = std::make_shared<TestStream>(tasks, noise),
                            .network = SmallNetwork(),
                            .learner = std::move(factory),
                            .seed = 7,
                            .test_after_each_task = test_after_each_task,
                            .minima = minima});
}

std::vector<std::string> Metrics(const TaskUnit& unit) {
  std::vector<std::string> metrics;
  const population::UnitResults results = unit.Results();
  for (const auto& measurement : results.measurements) metrics.push_back(measurement.metric);
  return metrics;
}

TEST(TaskUnitTest, TestsAllTasksSeenSoFarAndLearnsThem) {
  auto unit = MakeUnit(3, PlainLearner());
  ASSERT_TRUE(unit->Advance(unit->plan().steps).ok());
  ASSERT_TRUE(unit->finished());
  for (int t = 0; t < 3; ++t) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(unit->accuracy().Get(t, i).has_value(), i <= t);
  }
  EXPECT_GT(*unit->accuracy().LearningAccuracy(), 0.6) << "chance is 1/3";
}

TEST(TaskUnitTest, WithoutASignalAccuracyIsAtChance) {
  auto unit = MakeUnit(3, PlainLearner(), /*noise=*/1);
  ASSERT_TRUE(unit->Advance(unit->plan().steps).ok());
  EXPECT_NEAR(*unit->accuracy().AverageAccuracy(), 1.0 / 3, 0.2);
}

TEST(TaskUnitTest, ThePlanIsWhatIsDone) {
  auto unit = MakeUnit(2, PlainLearner());
  // 50 images in batches of 8 are 7 steps a task; 1 and 2 tests.
  EXPECT_EQ(unit->plan().steps, 2 * 7 + 1 + 2);
  const nn::Network network = SmallNetwork();
  EXPECT_EQ(unit->plan().training_flops, 2 * network.training_flops(50));
  EXPECT_EQ(unit->plan().replay_flops, 0);
  EXPECT_EQ(unit->plan().evaluation_flops, network.forward_flops(20 + 20 + 21));
  EXPECT_EQ(unit->progress(), 0);
  double before = 0;
  while (!unit->finished()) {
    ASSERT_TRUE(unit->Advance(1).ok());
    EXPECT_GT(unit->progress(), before);
    before = unit->progress();
  }
  EXPECT_EQ(unit->steps_done(), unit->plan().steps);
  EXPECT_EQ(unit->progress(), 1);
  const auto results = unit->Results().measurements;
  const auto passes =
      std::ranges::find(results, "gradient_passes", &population::Measurement::metric);
  ASSERT_NE(passes, results.end());
  EXPECT_EQ(passes->value, 14);
}

TEST(TaskUnitTest, PlansTheMemoryOfRowsPassesAndTestImages) {
  for (const int64_t width : {5, 64}) {
    const nn::Network network =
        *nn::Network::Create(nn::MultilayerPerceptron(6, {width}, kClasses));
    const auto unit = TaskUnit::Create({.key = {"test", "test", "seed", "0"},
                                        .stream = std::make_shared<TestStream>(3),
                                        .network = network,
                                        .learner = PlainLearner()});
    ASSERT_TRUE(unit.ok()) << unit.status();
    const double row = static_cast<double>(network.layout().size()) * sizeof(float);
    // One row, and one that is tested, packed too; gradient and velocity; a pass of eight images,
    // which may be turned, and one of 56; all test images.
    const int64_t passes = nn::Workspace<float>::Bytes(network, 8) +
                           nn::Workspace<float>::Bytes(network, 56) +
                           nn::PackedRow<float>::Bytes(network);
    EXPECT_EQ((*unit)->plan().memory_bytes,
              4 * row + static_cast<double>(passes + 6 * 8 + 6 * (20 + 21 + 22)));
  }
}

// Test images of every task many times over: several batches, the last one smaller.
class ManyTestsStream final : public TaskStream {
 public:
  std::string name() const override { return "test"; }
  int tasks() const override { return stream_.tasks(); }
  int32_t features() const override { return stream_.features(); }
  int32_t classes() const override { return stream_.classes(); }
  int32_t train_size(int task) const override { return stream_.train_size(task); }
  int32_t test_size(int task) const override { return 15 * stream_.test_size(task); }
  ImageView Train(int task) const override { return stream_.Train(task); }
  ImageView Test(int task) const override {
    ImageView many;
    for (int i = 0; i < 15; ++i) many.Append(stream_.Test(task));
    return many;
  }

 private:
  TestStream stream_{2, /*noise=*/0.6};
};

// With weights that are wide enough to be packed.
TEST(TaskUnitTest, ATestIsTheEvaluationOfTheSolution) {
  const nn::Network network = *nn::Network::Create(nn::MultilayerPerceptron(6, {64, 50}, kClasses));
  const auto stream = std::make_shared<ManyTestsStream>();
  const auto unit = TaskUnit::Create({.key = {"test", "test", "seed", "0"},
                                      .stream = stream,
                                      .network = network,
                                      .learner = PlainLearner()});
  ASSERT_TRUE(unit.ok()) << unit.status();
  ASSERT_TRUE((*unit)->Advance((*unit)->plan().steps).ok());
  std::map<int, double> losses;  // After the last task, by task.
  for (const population::Event& event : (*unit)->TakeEvents()) {
    const std::map<std::string, double> values(event.values.begin(), event.values.end());
    if (values.contains("after_task") && values.at("after_task") == 2) {
      losses[static_cast<int>(values.at("task")) - 1] = values.at("test_loss");
    }
  }
  ASSERT_EQ(losses.size(), 2u);
  nn::Workspace<float> workspace(network, 7);
  for (int task = 0; task < 2; ++task) {
    const ImageView view = stream->Test(task);
    std::vector<int32_t> all(view.size());
    std::iota(all.begin(), all.end(), 0);
    const nn::Evaluation expected =
        nn::Evaluate(network, (*unit)->rows().row(0), view.Select(all), workspace);
    EXPECT_EQ(*(*unit)->accuracy().Get(1, task), expected.accuracy);
    EXPECT_NEAR(losses[task], expected.loss, 1e-5);
    EXPECT_LT(expected.accuracy, 1) << "there are mistakes to count";
  }
}

TEST(TaskUnitTest, AReleasedUnitHasResultsAndNoState) {
  const auto unit = MakeUnit(2, PlainLearner());
  ASSERT_TRUE(unit->Advance(unit->plan().steps).ok());
  unit->Release();
  EXPECT_FALSE(unit->Results().measurements.empty());
  EXPECT_EQ(unit->progress(), 1);
  EXPECT_DEATH(static_cast<void>(unit->Save()), "the state of a released unit");
}

// Parameters of zero predict class 0 for every image; labels go round.
TEST(TaskUnitTest, WhatALearnerDoesToItsRowsAfterATaskIsTested) {
  auto unit = MakeUnit(2, [] {
    auto learner = MakePlainLearner();
    learner->after = [](const TaskContext& task, nn::Rows<float>& rows) {
      if (task.last()) std::ranges::fill(rows.row(0), 0.0f);
    };
    return learner;
  });
  ASSERT_TRUE(unit->Advance(unit->plan().steps).ok());
  EXPECT_THAT(unit->rows().row(0), ::testing::Each(0.0f));
  EXPECT_DOUBLE_EQ(*unit->accuracy().Get(1, 0), 7.0 / 20);
  EXPECT_DOUBLE_EQ(*unit->accuracy().Get(1, 1), 7.0 / 21);
  EXPECT_GT(*unit->accuracy().Get(0, 0), 0.5);
}

TEST(TaskUnitTest, ALearnerThatPredictsLateIsTestedLateAndUndefinedMetricsAreAbsent) {
  auto unit = MakeUnit(3, [] {
    auto learner = std::make_unique<TestLearner>();
    learner->phases = [](const TaskContext& task) {
      return task.last() ? std::vector<Phase>{PlainPhase(task.images())} : std::vector<Phase>{};
    };
    learner->predicting = [](int task) { return task == 2 ? std::optional<int>(0) : std::nullopt; };
    return learner;
  });
  ASSERT_TRUE(unit->Advance(unit->plan().steps).ok());
  EXPECT_TRUE(unit->finished());
  EXPECT_THAT(Metrics(*unit), ::testing::Contains("average_accuracy"));
  EXPECT_THAT(Metrics(*unit), ::testing::Not(::testing::Contains("forgetting")));
  EXPECT_THAT(Metrics(*unit), ::testing::Not(::testing::Contains("learning_accuracy")));
}

TEST(TaskUnitTest, ALearnerThatHasPredictedMustPredictAfterTheLastTask) {
  const auto make = [] {
    return MakeUnit(3, [] {
      auto learner = MakePlainLearner();
      learner->predicting = [](int task) {
        return task == 0 ? std::optional<int>(0) : std::nullopt;
      };
      return learner;
    });
  };
  EXPECT_DEATH(make(), "predict");
}

TEST(TaskUnitTest, TestedOnceAUnitHasTheLastAccuraciesAlone) {
  auto often = MakeUnit(3, PlainLearner());
  auto once = MakeUnit(3, PlainLearner(), 0.2, /*test_after_each_task=*/false);
  EXPECT_EQ(once->plan().steps, 3 * 7 + 3);
  const nn::Network network = SmallNetwork();
  EXPECT_EQ(once->plan().training_flops, 3 * network.training_flops(50));
  EXPECT_EQ(once->plan().evaluation_flops, network.forward_flops(20 + 21 + 22));
  ASSERT_TRUE(often->Advance(often->plan().steps).ok());
  ASSERT_TRUE(once->Advance(once->plan().steps).ok());
  EXPECT_TRUE(once->finished());
  EXPECT_EQ(once->progress(), 1);
  EXPECT_THAT(once->rows().all(), ::testing::ElementsAreArray(often->rows().all()))
      << "testing changes nothing";
  for (int t = 0; t < 3; ++t) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(once->accuracy().Get(t, i),
                t == 2 ? often->accuracy().Get(t, i) : std::optional<double>());
    }
  }
  EXPECT_EQ(once->accuracy().AverageAccuracy(), often->accuracy().AverageAccuracy());
  EXPECT_THAT(Metrics(*once), ::testing::Contains("average_accuracy"));
  EXPECT_THAT(Metrics(*once), ::testing::Not(::testing::Contains("forgetting")));
  EXPECT_THAT(Metrics(*once), ::testing::Not(::testing::Contains("learning_accuracy")));
  EXPECT_THAT(Metrics(*often), ::testing::Contains("forgetting"));
  EXPECT_THAT(once->Results().curves[0].x, ::testing::ElementsAre(3));
}

TEST(TaskUnitTest, ALossThatIsNotFiniteNamesWhereAndWhatToDo) {
  auto unit = MakeUnit(2, [] {
    auto learner = std::make_unique<TestLearner>();
    learner->phases = [](const TaskContext& task) {
      Phase phase = PlainPhase(task.images());
      phase.optimizer.learning_rate = 1e30;
      return std::vector<Phase>{phase};
    };
    return learner;
  });
  const absl::Status status = unit->Advance(unit->plan().steps);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              ::testing::MatchesRegex(".*in task 1, phase train, step .*; choose a learning rate "
                                      "below 1e\\+30"));
}

TEST(TaskUnitTest, ANetworkThatDoesNotFitTheStreamIsRefused) {
  const auto unit =
      TaskUnit::Create({.key = {"test", "test", "seed", "0"},
                        .stream = std::make_shared<TestStream>(1),
                        .network = *nn::Network::Create(nn::MultilayerPerceptron(7, {}, kClasses)),
                        .learner = PlainLearner()});
  EXPECT_THAT(std::string(unit.status().message()), ::testing::HasSubstr("7 inputs"));
}

std::vector<std::string> Texts(const std::vector<population::Event>& events) {
  std::vector<std::string> lines;
  for (const population::Event& event : events) {
    lines.push_back(std::to_string(event.step));
    for (const auto& [name, value] : event.values) {
      lines.back() += " " + name + "=" + std::to_string(value);
    }
  }
  return lines;
}

void Append(std::vector<std::string>& lines, const std::vector<std::string>& more) {
  lines.insert(lines.end(), more.begin(), more.end());
}

// Between any two steps, in every stage: a unit saved and loaded into a fresh one ends with the
// same bits, and reports the same events from there on.
void ExpectSavedAtAnyStepTheSame(const std::function<std::unique_ptr<TaskUnit>()>& make,
                                 size_t events_of_all) {
  auto whole = make();
  ASSERT_TRUE(whole->Advance(whole->plan().steps).ok());
  const std::vector<std::string> all_events = Texts(whole->TakeEvents());
  EXPECT_EQ(all_events.size(), events_of_all);
  const auto expected = whole->Results().measurements;
  for (int64_t step = 0; step <= whole->plan().steps; ++step) {
    SCOPED_TRACE(step);
    auto first = make();
    ASSERT_TRUE(first->Advance(step).ok());
    const auto state = first->Save();
    ASSERT_TRUE(state.ok()) << state.status();
    auto second = make();
    const absl::Status loaded = second->Load(*state);
    ASSERT_TRUE(loaded.ok()) << loaded;
    EXPECT_EQ(second->steps_done(), step);
    EXPECT_EQ(second->progress(), first->progress());
    EXPECT_EQ(*second->Save(), *state);
    ASSERT_TRUE(second->Advance(whole->plan().steps).ok());
    std::vector<std::string> events = Texts(first->TakeEvents());
    Append(events, Texts(second->TakeEvents()));
    EXPECT_EQ(events, all_events);
    EXPECT_THAT(second->rows().all(), ::testing::ElementsAreArray(whole->rows().all()));
    const auto results = second->Results().measurements;
    ASSERT_EQ(results.size(), expected.size());
    for (size_t m = 0; m < expected.size(); ++m) {
      EXPECT_EQ(results[m].value, expected[m].value) << expected[m].metric;
    }
    EXPECT_EQ(*second->Save(), *whole->Save());
  }
}

TEST(TaskUnitTest, AUnitSavedAtAnyStepEndsWithTheSameBits) {
  ExpectSavedAtAnyStepTheSame([] { return MakeUnit(3, PlainLearner()); }, 3 + 1 + 2 + 3);
}

TEST(TaskUnitTest, AUnitTestedOnceAndSavedAtAnyStepEndsWithTheSameBits) {
  ExpectSavedAtAnyStepTheSame([] { return MakeUnit(3, PlainLearner(), 0.2, false); }, 3 + 3);
}

TEST(TaskUnitTest, AUnitThatMeasuresLinesAndIsSavedAtAnyStepEndsWithTheSameBits) {
  const auto make = [] { return MakeUnit(3, PlainLearner(), 0.2, true, PathOptions{.points = 5}); };
  // From the first solution to the two later ones, and between the neighbours 2 and 3.
  EXPECT_EQ(make()->plan().steps, MakeUnit(3, PlainLearner())->plan().steps + 3);
  ExpectSavedAtAnyStepTheSame(make, 3 + 1 + 2 + 3);
}

// As MC-SGD: solutions take turns in rows 1 and 2, while row 0 is trained on.
LearnerFactory AlternatingLearner() {
  return [] {
    auto learner = MakePlainLearner();
    learner->row_count = 3;
    learner->predicting = [](int task) { return 1 + task % 2; };
    learner->after = [](const TaskContext& task, nn::Rows<float>& rows) {
      const nn::Row<float> solution = rows.row(1 + task.task() % 2);
      random::Stream noise = random::Stream(task.task()).Split("noise");
      std::ranges::transform(rows.row(0), solution.begin(), [&noise](float w) {
        return w + 0.3f * static_cast<float>(noise.Normal());
      });
    };
    return learner;
  };
}

TEST(TaskUnitTest, MinimaAreThoseOfTheRowsThatPredictedOnTheOlderTasksTest) {
  constexpr int kTasks = 4;
  const PathOptions options = {.points = 7};
  auto unit = MakeUnit(kTasks, AlternatingLearner(), 0.2, true, options);
  // The row that predicts, when its task is tested first: before training goes on.
  std::vector<std::vector<float>> solutions;
  while (!unit->finished()) {
    ASSERT_TRUE(unit->Advance(1).ok());
    const int task = static_cast<int>(solutions.size());
    if (task == kTasks || !unit->accuracy().Get(task, 0).has_value()) continue;
    const nn::ConstRow<float> row = unit->rows().row(1 + task % 2);
    solutions.emplace_back(row.begin(), row.end());
  }
  ASSERT_EQ(solutions.size(), static_cast<size_t>(kTasks));

  const nn::Network network = SmallNetwork();
  const TestStream stream(kTasks);
  const auto path = [&](int older, int later) {
    return EvaluatePath(network, solutions[older], solutions[later], stream.Test(older), options);
  };
  const auto barrier = [&](int older, int later) { return Barrier(path(older, later)); };
  double rise = 0;
  for (int later = 1; later < kTasks; ++later) {
    const Path line = path(0, later);
    rise += (*std::ranges::max_element(line.loss) - line.loss[0]) / (kTasks - 1);
  }
  const population::UnitResults results = unit->Results();
  std::map<std::string, double> values;
  for (const auto& m : results.measurements) values[m.metric] = m.value;
  EXPECT_DOUBLE_EQ(values.at("barrier_from_first"),
                   (barrier(0, 1) + barrier(0, 2) + barrier(0, 3)) / 3);
  EXPECT_DOUBLE_EQ(values.at("barrier_between_neighbours"),
                   (barrier(0, 1) + barrier(1, 2) + barrier(2, 3)) / 3);
  EXPECT_DOUBLE_EQ(values.at("rise_from_first"), rise);

  // Of accuracies, barriers, rises, distances.
  ASSERT_EQ(results.matrices.size(), 4u);
  double barriers = 0;
  for (int i = 0; i < kTasks; ++i) {
    for (int j = 0; j < kTasks; ++j) {
      const bool line = j == i + 1 || (i == 0 && j > 0);
      EXPECT_EQ(results.matrices[1].values[i][j],
                line ? std::optional(barrier(i, j)) : std::nullopt)
          << i << " to " << j;
      if (line) barriers += barrier(i, j);
      EXPECT_EQ(results.matrices[2].values[i][j].has_value(), line);
      EXPECT_DOUBLE_EQ(*results.matrices[3].values[i][j],
                       Distance(network.layout(), solutions[i], solutions[j]));
    }
  }
  EXPECT_GT(barriers, 0) << "the lines have something to measure";
  // Of average accuracy, then loss and accuracy from the first solution to the last.
  ASSERT_EQ(results.curves.size(), 3u);
  const Path last = path(0, kTasks - 1);
  EXPECT_EQ(results.curves[1].x, last.alpha);
  EXPECT_EQ(results.curves[1].y, last.loss);
  EXPECT_EQ(results.curves[2].x, last.alpha);
  EXPECT_EQ(results.curves[2].y, last.accuracy);
}

TEST(TaskUnitTest, AStateOfAnotherUnitOrConfigurationIsRefused) {
  auto unit = MakeUnit(3, PlainLearner());
  ASSERT_TRUE(unit->Advance(5).ok());
  const std::string state = *unit->Save();
  EXPECT_EQ(MakeUnit(2, PlainLearner())->Load(state).code(), absl::StatusCode::kDataLoss);
  auto other = *TaskUnit::Create({.key = {"test", "test", "seed", "1"},
                                  .stream = std::make_shared<TestStream>(3),
                                  .network = SmallNetwork(),
                                  .learner = PlainLearner(),
                                  .seed = 7});
  EXPECT_THAT(std::string(other->Load(state).message()),
              ::testing::HasSubstr("not a state of test.test.seed.1 but of test.test.seed.0"));
  EXPECT_FALSE(unit->Load("nonsense").ok());
  EXPECT_EQ(unit->steps_done(), 5) << "a refused state changes nothing";
}

TEST(TaskUnitTest, AFinishedUnitTakesAnotherStateWhole) {
  auto unit = MakeUnit(2, PlainLearner());
  const std::string fresh = *unit->Save();
  ASSERT_TRUE(unit->Advance(unit->plan().steps).ok());
  const std::string finished = *unit->Save();
  ASSERT_TRUE(unit->Load(fresh).ok());
  EXPECT_EQ(unit->steps_done(), 0);
  EXPECT_FALSE(unit->accuracy().Get(0, 0).has_value());
  ASSERT_TRUE(unit->Advance(unit->plan().steps).ok());
  EXPECT_EQ(*unit->Save(), finished);
}

// Threads to spare, of several kinds.
class Busy final : public population::SpareThreads {
 public:
  bool TryRun(std::function<void()>) override {
    ++asked;
    return false;
  }
  int asked = 0;
};

// Done before the unit goes on.
class AtOnce final : public population::SpareThreads {
 public:
  bool TryRun(std::function<void()> work) override {
    work();
    return true;
  }
};

// Done on another thread, a moment later.
class Later final : public population::SpareThreads {
 public:
  ~Later() override {
    for (std::thread& thread : threads_) thread.join();
  }
  bool TryRun(std::function<void()> work) override {
    threads_.emplace_back([work = std::move(work), this] {
      std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
      work();
      ++done;
    });
    return true;
  }
  int milliseconds = 2;
  std::atomic<int> done = 0;

 private:
  std::vector<std::thread> threads_;
};

// Done when the test says so.
class WhenTold final : public population::SpareThreads {
 public:
  bool TryRun(std::function<void()> work) override {
    work_.push_back(std::move(work));
    return true;
  }
  void DoAll() {
    while (!work_.empty()) {
      work_.front()();
      work_.pop_front();
    }
  }
  size_t waiting() const { return work_.size(); }

 private:
  std::deque<std::function<void()>> work_;
};

// The states of a unit without spare threads after each step, and what it told.
struct Course {
  std::vector<std::string> states;
  std::vector<std::string> events;
};

Course CourseOf(TaskUnit& unit) {
  Course course;
  course.states.push_back(*unit.Save());
  while (!unit.finished()) {
    EXPECT_TRUE(unit.Advance(1).ok());
    course.states.push_back(*unit.Save());
    Append(course.events, Texts(unit.TakeEvents()));
  }
  return course;
}

TEST(SpareThreadsTest, WhoTestsMakesNoDifferenceAtAnyStep) {
  const Course alone = CourseOf(*MakeUnit(3, PlainLearner()));
  const auto steps = static_cast<int64_t>(alone.states.size()) - 1;
  const std::function<std::unique_ptr<population::SpareThreads>()> kinds[] = {
      [] { return std::make_unique<Busy>(); }, [] { return std::make_unique<AtOnce>(); },
      [] { return std::make_unique<Later>(); }};
  for (const auto& kind : kinds) {
    // Settled once, after `step` steps; then on to the end.
    for (int64_t step = 0; step <= steps; ++step) {
      const auto spare = kind();
      auto unit = MakeUnit(3, PlainLearner());
      unit->UseSpareThreads(spare.get());
      ASSERT_TRUE(unit->Advance(step).ok());
      std::vector<std::string> events = Texts(unit->TakeEvents());
      ASSERT_TRUE(unit->Settle().ok());
      EXPECT_EQ(unit->steps_done(), step);
      EXPECT_EQ(*unit->Save(), alone.states[step]);
      Append(events, Texts(unit->TakeEvents()));
      // All that was measured in those steps, and no more.
      ASSERT_LE(events.size(), alone.events.size());
      EXPECT_TRUE(std::equal(events.begin(), events.end(), alone.events.begin()));
      if (events.size() < alone.events.size()) {
        EXPECT_GT(std::stoll(alone.events[events.size()]), step);
      }
      ASSERT_TRUE(unit->Advance(steps).ok());
      unit->UseSpareThreads(nullptr);
      Append(events, Texts(unit->TakeEvents()));
      EXPECT_EQ(events, alone.events);
      EXPECT_TRUE(unit->finished());
      EXPECT_EQ(*unit->Save(), alone.states.back()) << "a finished unit has nothing to wait for";
    }
    // Settled after every step.
    const auto spare = kind();
    auto unit = MakeUnit(3, PlainLearner());
    unit->UseSpareThreads(spare.get());
    for (int64_t step = 1; step <= steps; ++step) {
      ASSERT_TRUE(unit->Advance(1).ok());
      ASSERT_TRUE(unit->Settle().ok());
      ASSERT_EQ(*unit->Save(), alone.states[step]) << step;
    }
  }
}

TEST(SpareThreadsTest, EachTaskButTheLastIsTestedWhileTheNextIsLearned) {
  const Course alone = CourseOf(*MakeUnit(3, PlainLearner()));
  WhenTold spare;
  auto unit = MakeUnit(3, PlainLearner());
  unit->UseSpareThreads(&spare);
  std::vector<std::string> events;
  const auto advance = [&](int64_t steps) {
    ASSERT_TRUE(unit->Advance(steps).ok());
    Append(events, Texts(unit->TakeEvents()));
  };
  advance(7);
  EXPECT_EQ(events.size(), 1u) << "training on task 1";
  EXPECT_EQ(spare.waiting(), 0u);
  advance(1 + 7);
  EXPECT_EQ(spare.waiting(), 1u);
  EXPECT_EQ(unit->steps_done(), 15);
  EXPECT_FALSE(unit->accuracy().Get(0, 0).has_value());
  EXPECT_EQ(events.size(), 1u) << "nothing overtakes the test's event";
  const double progress = unit->progress();
  spare.DoAll();
  ASSERT_TRUE(unit->Settle().ok());
  EXPECT_EQ(unit->progress(), progress);
  advance(0);
  EXPECT_EQ(events.size(), 3u) << "the test's event, then that of the training on task 2";
  EXPECT_TRUE(unit->accuracy().Get(0, 0).has_value());
  advance(2 + 7);
  EXPECT_EQ(spare.waiting(), 1u);
  spare.DoAll();
  advance(3);
  EXPECT_TRUE(unit->finished());
  EXPECT_EQ(spare.waiting(), 0u) << "the last solution is tested by the unit's own thread";
  EXPECT_EQ(events, alone.events);
  EXPECT_EQ(*unit->Save(), alone.states.back());

  Busy busy;
  auto refused = MakeUnit(3, PlainLearner());
  refused->UseSpareThreads(&busy);
  ASSERT_TRUE(refused->Advance(refused->plan().steps).ok());
  EXPECT_EQ(busy.asked, 2);
}

TEST(SpareThreadsTest, AUnitTestedOnceNeedsNone) {
  WhenTold spare;
  auto unit = MakeUnit(3, PlainLearner(), 0.2, /*test_after_each_task=*/false);
  unit->UseSpareThreads(&spare);
  ASSERT_TRUE(unit->Advance(unit->plan().steps).ok());
  EXPECT_EQ(spare.waiting(), 0u);
  EXPECT_TRUE(unit->accuracy().AverageAccuracy().has_value());
}

// Testing takes the solution as it was, whatever training does to the row meanwhile.
TEST(SpareThreadsTest, TheSolutionTestedIsThatOfTheTask) {
  const Course alone = CourseOf(*MakeUnit(2, PlainLearner()));
  WhenTold spare;
  auto unit = MakeUnit(2, PlainLearner());
  unit->UseSpareThreads(&spare);
  ASSERT_TRUE(unit->Advance(7 + 1 + 6).ok());
  spare.DoAll();  // Six steps later.
  ASSERT_TRUE(unit->Advance(1 + 2).ok());
  EXPECT_EQ(*unit->Save(), alone.states.back());
}

// Not a number in the row that predicts: after task `bad`, in a row of its own or in the one that
// is trained on.
LearnerFactory BrokenLearner(int bad, bool own_row) {
  return [bad, own_row] {
    auto learner = MakePlainLearner();
    learner->row_count = 2;
    learner->predicting = [own_row](int) { return own_row ? 1 : 0; };
    learner->after = [bad, own_row](const TaskContext& task, nn::Rows<float>& rows) {
      rows.CopyRow(0, 1);
      if (task.task() == bad) rows.row(own_row ? 1 : 0)[0] = NAN;
    };
    return learner;
  };
}

TEST(TaskUnitTest, ParametersThatAreNotFiniteAreAnErrorAtTheTestToo) {
  auto unit = MakeUnit(2, BrokenLearner(0, /*own_row=*/true));
  EXPECT_EQ(unit->Advance(unit->plan().steps).message(),
            "the test loss on task 1 is nan after training on task 1; choose smaller learning "
            "rates");
}

// Whoever finds it, and whatever training on the next task makes of the parameters meanwhile.
TEST(SpareThreadsTest, ATestLossThatIsNotFiniteIsToldInTheSameWords) {
  for (const int bad : {0, 1, 2}) {
    for (const bool own_row : {true, false}) {
      auto alone = MakeUnit(4, BrokenLearner(bad, own_row));
      const absl::Status expected = alone->Advance(alone->plan().steps);
      EXPECT_THAT(std::string(expected.message()), ::testing::HasSubstr("the test loss on task 1"));
      const std::vector<std::string> events = Texts(alone->TakeEvents());
      for (const bool settle : {false, true}) {
        Later spare;
        auto unit = MakeUnit(4, BrokenLearner(bad, own_row));
        unit->UseSpareThreads(&spare);
        absl::Status status;
        while (status.ok() && !unit->finished()) {
          status = unit->Advance(1);
          if (settle && status.ok()) status = unit->Settle();
        }
        EXPECT_EQ(status, expected);
        EXPECT_EQ(unit->Settle(), expected) << "it stays";
        EXPECT_EQ(unit->Advance(1), expected);
        EXPECT_EQ(Texts(unit->TakeEvents()), events);
      }
    }
  }
}

std::unique_ptr<TaskUnit> MakeUnitWithoutMemory(int bad) {
  return *TaskUnit::Create({.key = {"test", "test", "seed", "0"},
                            .stream = std::make_shared<NoMemoryStream>(4, bad),
                            .network = SmallNetwork(),
                            .learner = PlainLearner(),
                            .seed = 7});
}

auto NamesLackOfMemory() { return ::testing::HasSubstr("out of memory in step "); }

// What a test throws away from the unit's thread is an error of the unit wherever it is waited for,
// and stays one; nothing comes out of Settle but a status.
TEST(SpareThreadsTest, MemoryThatATestCannotHaveIsAnErrorThatStays) {
  const std::function<std::unique_ptr<population::SpareThreads>()> kinds[] = {
      [] { return std::make_unique<AtOnce>(); }, [] { return std::make_unique<Later>(); }};
  for (const auto& kind : kinds) {
    for (const int bad : {0, 1, 2}) {
      for (const bool settle : {false, true}) {
        SCOPED_TRACE(absl::StrCat("task ", bad, settle ? ", settled" : ""));
        const auto spare = kind();
        auto unit = MakeUnitWithoutMemory(bad);
        unit->UseSpareThreads(spare.get());
        absl::Status advanced, settled;
        while (advanced.ok() && settled.ok()) {
          ASSERT_FALSE(unit->finished());
          ASSERT_NO_THROW(advanced = unit->Advance(1));
          if (!settle || !advanced.ok()) continue;
          ASSERT_NO_THROW(settled = unit->Settle());
        }
        const absl::Status error = advanced.ok() ? settled : advanced;
        EXPECT_THAT(std::string(error.message()), NamesLackOfMemory());
        for (int i = 0; i < 2; ++i) {
          absl::Status again;
          ASSERT_NO_THROW(again = unit->Settle());
          EXPECT_EQ(again, error);
          ASSERT_NO_THROW(again = unit->Advance(1));
          EXPECT_EQ(again, error);
        }
        // The tests of the tasks before were sound, and their events are told.
        EXPECT_EQ(unit->accuracy().Get(0, 0).has_value(), bad > 0);
        EXPECT_FALSE(unit->accuracy().Get(bad, bad).has_value());
        unit->Release();
      }
    }
  }
}

// Run as an experiment does, which settles before it saves: the unit fails, the run does not, and
// no state is saved once the error is known, be there a spare thread or none.
TEST(SpareThreadsTest, ARunTellsTheErrorAndSavesNoStateAfterIt) {
  const Course alone = CourseOf(*MakeUnit(4, PlainLearner()));
  for (const int threads : {1, 2}) {
    for (const int bad : {0, 1, 2, 3}) {
      SCOPED_TRACE(absl::StrCat(threads, " threads, task ", bad));
      auto unit = MakeUnitWithoutMemory(bad);
      population::Unit* const units[] = {unit.get()};
      std::vector<absl::Status> failures;
      bool known = false;
      const absl::Status status = population::RunUnits(
          units, {.threads = threads,
                  .chunk_seconds = 0,  // One step after the other.
                  .after_chunk =
                      [&](int64_t, double) {
                        // So that the other thread is there, and free.
                        std::this_thread::sleep_for(std::chrono::milliseconds(1));
                        absl::Status settled;
                        EXPECT_NO_THROW(settled = unit->Settle());
                        if (!settled.ok()) {
                          known = true;
                          return absl::OkStatus();  // The next step tells it.
                        }
                        EXPECT_FALSE(known);
                        EXPECT_EQ(*unit->Save(), alone.states[unit->steps_done()]);
                        return absl::OkStatus();
                      },
                  .after_failure =
                      [&](int64_t, const absl::Status& error) {
                        failures.push_back(error);
                        return absl::OkStatus();
                      }});
      EXPECT_TRUE(status.ok()) << status;
      ASSERT_EQ(failures.size(), 1u);
      EXPECT_THAT(std::string(failures[0].message()), NamesLackOfMemory());
      EXPECT_FALSE(unit->finished());
    }
  }
}

// Training that fails while a sound solution is being tested: the test is told first.
TEST(SpareThreadsTest, AFailureOfTrainingComesAfterTheTestUnderWay) {
  const LearnerFactory factory = [] {
    auto learner = std::make_unique<TestLearner>();
    learner->phases = [](const TaskContext& task) {
      Phase phase = PlainPhase(task.images());
      if (task.task() == 1) phase.optimizer.learning_rate = 1e30;
      return std::vector<Phase>{phase};
    };
    return learner;
  };
  auto alone = MakeUnit(3, factory);
  const absl::Status expected = alone->Advance(alone->plan().steps);
  EXPECT_THAT(std::string(expected.message()), ::testing::HasSubstr("in task 2, phase train"));
  const std::vector<std::string> events = Texts(alone->TakeEvents());
  EXPECT_EQ(events.size(), 2u);
  Later spare;
  auto unit = MakeUnit(3, factory);
  unit->UseSpareThreads(&spare);
  EXPECT_EQ(unit->Advance(unit->plan().steps), expected);
  EXPECT_EQ(Texts(unit->TakeEvents()), events);
}

TEST(SpareThreadsTest, AStateIsSavedWhenTestsHaveEnded) {
  WhenTold spare;
  auto unit = MakeUnit(2, PlainLearner());
  unit->UseSpareThreads(&spare);
  ASSERT_TRUE(unit->Advance(8).ok());
  EXPECT_DEATH(static_cast<void>(unit->Save()), "Settle comes first");
  spare.DoAll();
}

TEST(SpareThreadsTest, ReleaseLoadAndDestructionWaitForTestsUnderWay) {
  const Course alone = CourseOf(*MakeUnit(2, PlainLearner()));
  Later spare;
  spare.milliseconds = 30;
  auto unit = MakeUnit(2, PlainLearner());
  unit->UseSpareThreads(&spare);
  // Training on task 2 has ended too, and waits to be told.
  ASSERT_TRUE(unit->Advance(15).ok());
  ASSERT_TRUE(unit->Load(alone.states[3]).ok());
  EXPECT_TRUE(unit->TakeEvents().empty()) << "of another course";
  EXPECT_FALSE(unit->accuracy().Get(0, 0).has_value());
  EXPECT_EQ(*unit->Save(), alone.states[3]);
  ASSERT_TRUE(unit->Advance(unit->plan().steps).ok());
  EXPECT_EQ(Texts(unit->TakeEvents()), alone.events);
  EXPECT_EQ(*unit->Save(), alone.states.back());

  ASSERT_TRUE(unit->Load(alone.states[3]).ok());
  ASSERT_TRUE(unit->Advance(6).ok());
  unit->Release();
  unit.reset();

  auto destroyed = MakeUnit(2, PlainLearner());
  destroyed->UseSpareThreads(&spare);
  ASSERT_TRUE(destroyed->Advance(9).ok());
  destroyed.reset();  // The test reads the unit: it must have ended.
}

}  // namespace
}  // namespace perennial::continual
