#include "continual/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "common/kernels/elementwise.h"
#include "common/nn/loss.h"
#include "common/testing/gradient_check.h"
#include "common/testing/images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

constexpr int32_t kClasses = 3;

std::shared_ptr<const data::LabeledImages> Images(int32_t size, uint64_t seed, double noise = 0.2) {
  return std::make_shared<data::LabeledImages>(testing::ClassImages(
      size, 2, 3, kClasses, noise, random::Stream(seed).Split("templates"), random::Stream(seed)));
}

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
  std::shared_ptr<const data::LabeledImages> Train(int task) const override {
    return Make(50, task, "train");
  }
  std::shared_ptr<const data::LabeledImages> Test(int task) const override {
    return Make(20 + task, task, "test");
  }

 private:
  std::shared_ptr<const data::LabeledImages> Make(int32_t size, int task, const char* part) const {
    const random::Stream templates = random::Stream(task).Split("templates");
    return std::make_shared<data::LabeledImages>(testing::ClassImages(
        size, 2, 3, kClasses, noise_, templates, random::Stream(task).Split(part)));
  }

  int tasks_;
  double noise_;
};

// A learner made of functions.
class TestLearner final : public Learner {
 public:
  std::function<std::vector<Phase>(const TaskContext&)> phases;
  std::function<void(nn::Row<float>)> adjust;
  int row_count = 1;
  std::function<std::optional<int>(int)> predicting = [](int) { return 0; };

  int rows() const override { return row_count; }
  std::vector<Phase> Phases(const TaskContext& task) override { return phases(task); }
  bool adjusts_gradients() const override { return static_cast<bool>(adjust); }
  void AdjustGradient(const Phase&, nn::ConstRow<float>, nn::Row<float> gradient) override {
    if (adjust) adjust(gradient);
  }
  std::optional<int> PredictingRow(int task, int) const override { return predicting(task); }
};

Phase PlainPhase(std::shared_ptr<const data::LabeledImages> images, int32_t batch_size = 8) {
  Phase phase;
  phase.name = "train";
  phase.terms = {{.images = std::move(images), .batch_size = batch_size}};
  phase.optimizer = {.learning_rate = 0.1, .momentum = 0.5};
  return phase;
}

std::unique_ptr<TaskUnit> MakeUnit(int tasks, LearnerFactory factory, double noise = 0.2) {
  return *TaskUnit::Create({.key = {"test", "test", "seed", "0"},
                            .stream = std::make_shared<TestStream>(tasks, noise),
                            .network = SmallNetwork(),
                            .learner = std::move(factory),
                            .seed = 7});
}

LearnerFactory PlainLearner() {
  return [] {
    auto learner = std::make_unique<TestLearner>();
    learner->phases = [](const TaskContext& task) {
      return std::vector<Phase>{PlainPhase(task.images())};
    };
    return learner;
  };
}

// The loss of a whole phase in double, written down from its definition: weights, means over
// batches, and means over points of lines, without the constant that alpha = 0 adds (LineFrom).
double LossByDefinition(const Phase& phase, const nn::Rows<double>& rows,
                        std::span<const double> row) {
  const nn::Network network = SmallNetwork();
  double loss = 0;
  for (const LossTerm& term : phase.terms) {
    std::vector<int32_t> all(term.images->size());
    std::iota(all.begin(), all.end(), 0);
    const data::BatchPart part = {term.images.get(), all};
    nn::Workspace<double> workspace(network, term.images->size());
    const std::vector<double> weights(all.size(), 1.0 / static_cast<double>(all.size()));
    const int points = term.line.has_value() ? term.line->points : 1;
    const double scale = term.line.has_value() ? term.weight / (points + 1) : term.weight;
    for (int k = 1; k <= points; ++k) {
      const double alpha = static_cast<double>(k) / points;
      std::vector<double> point(row.begin(), row.end());
      if (term.line.has_value()) {
        const auto anchor = rows.row(term.line->row);
        for (size_t i = 0; i < point.size(); ++i) {
          point[i] = anchor[i] + alpha * (point[i] - anchor[i]);
        }
      }
      network.Forward<double>(point, data::Batch({&part, 1}), workspace);
      loss += scale * nn::SoftmaxCrossEntropy<double>(workspace.output(), term.images->labels,
                                                      weights, workspace.output_gradient());
    }
  }
  return loss;
}

// Batches hold all images, so that a step's loss is the phase's loss.
void ExpectExactGradient(const Phase& phase, int row_count) {
  const nn::Network network = SmallNetwork();
  nn::Rows<float> rows(row_count, network.layout().size());
  nn::Rows<double> exact(row_count, network.layout().size());
  for (int k = 0; k < row_count; ++k) {
    network.Initialize<float>(random::Stream(k), rows.row(k));
    std::ranges::copy(rows.row(k), exact.row(k).begin());
  }
  PhaseTrainer trainer(network, phase, random::Stream(1), rows);
  const double loss = trainer.LossAndGradient(0);
  EXPECT_NEAR(loss, LossByDefinition(phase, exact, exact.row(phase.row)), 1e-5);
  const auto function = [&](std::span<const double> point) {
    return LossByDefinition(phase, exact, point);
  };
  const std::vector<double> gradient(trainer.gradient().begin(), trainer.gradient().end());
  EXPECT_LT(testing::GradientError(function, exact.row(phase.row), gradient), 2e-5);
  double size = 0;
  for (const double g : gradient) size += g * g;
  EXPECT_GT(size, 1e-4);
}

TEST(PhaseTrainerTest, GradientOfWeightedTermsMatchesFiniteDifferences) {
  Phase phase = PlainPhase(Images(12, 1), 12);
  phase.terms[0].weight = 0.7;
  phase.terms.push_back(
      {.images = Images(5, 2), .batch_size = 50, .draw = Draw::kRandom, .weight = 1.3});
  ExpectExactGradient(phase, 1);
}

TEST(PhaseTrainerTest, GradientAlongLinesCountsEveryPointAlphaTimes) {
  for (const int points : {1, 2, 5}) {
    Phase phase;
    phase.name = "connect";
    phase.row = 1;
    phase.terms = {
        {.images = Images(12, 1), .batch_size = 12, .line = LineFrom{.row = 0, .points = points}},
        {.images = Images(7, 2),
         .batch_size = 7,
         .weight = 0.5,
         .line = LineFrom{.row = 2, .points = points}},
        {.images = Images(6, 3), .batch_size = 6, .weight = 0.25}};
    ExpectExactGradient(phase, 3);
  }
}

// With and without a hook, a step is one and the same up to rounding: what differs is when the
// gradient becomes an update.
TEST(PhaseTrainerTest, AStepWithinTheBackwardPassIsThatOfTheGradient) {
  const auto images = TestStream(1, 0.2).Train(0);
  const nn::Network network = SmallNetwork();
  Phase phase = PlainPhase(images);
  nn::Rows<float> rows(2, network.layout().size());
  network.Initialize<float>(random::Stream(1), rows.row(0));
  rows.CopyRow(0, 1);
  Phase other = phase;
  other.row = 1;
  TestLearner hooked;
  hooked.adjust = [](nn::Row<float>) {};
  PhaseTrainer fused(network, phase, random::Stream(2), rows);
  PhaseTrainer separate(network, other, random::Stream(2), rows);
  for (int64_t step = 0; step < 20; ++step) {
    EXPECT_NEAR(fused.Step(step, nullptr), separate.Step(step, &hooked), 1e-4);
  }
  for (int64_t i = 0; i < rows.size(); ++i) EXPECT_NEAR(rows.row(0)[i], rows.row(1)[i], 1e-4);
}

TEST(PhaseTrainerTest, ClippingBoundsTheStep) {
  const auto images = TestStream(1, 0.2).Train(0);
  const nn::Network network = SmallNetwork();
  Phase phase = PlainPhase(images);
  phase.optimizer = {.learning_rate = 1, .clip_norm = 1e-3};
  nn::Rows<float> rows(2, network.layout().size());
  network.Initialize<float>(random::Stream(1), rows.row(0));
  PhaseTrainer trainer(network, phase, random::Stream(2), rows);
  for (int64_t step = 0; step < 5; ++step) {
    rows.CopyRow(0, 1);
    trainer.Step(step, nullptr);
    double squares = 0;
    for (int64_t i = 0; i < rows.size(); ++i) {
      squares += std::pow(rows.row(0)[i] - rows.row(1)[i], 2);
    }
    EXPECT_NEAR(std::sqrt(squares), 1e-3, 2e-5);
  }
}

TEST(PhaseTrainerTest, RunningStatisticsFollowTheBatches) {
  const auto images = TestStream(1, 0.2).Train(0);
  const nn::Network network = *nn::Network::Create(
      {.inputs = 6,
       .blocks = {
           {.layers = {nn::Dense(4), nn::BatchNorm(nn::Activation::kRelu), nn::Dense(kClasses)}}}});
  for (const bool hooked : {false, true}) {
    Phase phase = PlainPhase(images);
    phase.optimizer.learning_rate = 0;
    nn::Rows<float> rows(1, network.layout().size());
    network.Initialize<float>(random::Stream(1), rows.row(0));
    PhaseTrainer trainer(network, phase, random::Stream(2), rows);
    TestLearner learner;
    if (hooked) learner.adjust = [](nn::Row<float>) {};
    // After many batches of equal parameters: the mean over all images, about.
    for (int64_t step = 0; step < 300; ++step) {
      trainer.Step(step % trainer.steps(), &learner);
    }
    std::vector<int32_t> all(images->size());
    std::iota(all.begin(), all.end(), 0);
    const data::BatchPart part = {images.get(), all};
    nn::Workspace<float> workspace(network, images->size());
    nn::Rows<float> exact(1, rows.size());
    std::ranges::copy(rows.row(0), exact.row(0).begin());
    network.Forward<float>(exact.row(0), data::Batch({&part, 1}), workspace,
                           {.mode = nn::Mode::kTrain});
    network.UpdateRunningStatistics<float>(workspace, exact.row(0), 1.0f);
    for (int64_t i = network.layout().trainable(); i < rows.size(); ++i) {
      EXPECT_NEAR(rows.row(0)[i], exact.row(0)[i], 0.05) << i;
    }
    EXPECT_NE(rows.row(0)[network.layout().trainable()], 0);
  }
}

TEST(PhaseTrainerTest, AnEpochShowsEveryImageOnceAndTheShorterSetBeginsAgain) {
  Phase phase = PlainPhase(Images(21, 1), 8);
  phase.epochs = 2;
  phase.terms.push_back({.images = Images(9, 2), .batch_size = 8, .replay = true});
  const nn::Network network = SmallNetwork();
  nn::Rows<float> rows(1, network.layout().size());
  const PhaseTrainer trainer(network, phase, random::Stream(1), rows);
  ASSERT_EQ(trainer.steps(), 6);
  std::vector<int64_t> examples, replayed;
  for (int64_t step = 0; step < 6; ++step) {
    const PhaseTrainer::Work work = trainer.WorkOf(step);
    examples.push_back(work.examples);
    replayed.push_back(work.replayed);
    EXPECT_EQ(work.passes, 1) << "terms at the row share a pass";
  }
  EXPECT_THAT(examples, ::testing::ElementsAre(8, 8, 5, 8, 8, 5));
  EXPECT_THAT(replayed, ::testing::ElementsAre(8, 1, 8, 1, 8, 1));
}

TEST(PhaseTrainerTest, RandomDrawsDoNotLengthenAnEpoch) {
  Phase phase = PlainPhase(Images(16, 1), 8);
  phase.terms.push_back({.images = Images(100, 2), .batch_size = 4, .draw = Draw::kRandom});
  const nn::Network network = SmallNetwork();
  nn::Rows<float> rows(1, network.layout().size());
  EXPECT_EQ(PhaseTrainer(network, phase, random::Stream(1), rows).steps(), 2);
}

TEST(ApplyStartTest, IsTheSumOfRows) {
  nn::Rows<float> rows(3, 16);
  std::ranges::fill(rows.row(0), 2.0f);
  std::ranges::fill(rows.row(1), 10.0f);
  std::ranges::fill(rows.row(2), 99.0f);
  Phase phase;
  phase.row = 2;
  ApplyStart(phase, rows);
  EXPECT_THAT(rows.row(2), ::testing::Each(99.0f)) << "no start: as it is";
  phase.start = {{.row = 0, .weight = 0.25}, {.row = 1, .weight = 0.75}};
  ApplyStart(phase, rows);
  EXPECT_THAT(rows.row(2), ::testing::Each(8.0f));
  phase.start = {{.row = 1}};
  ApplyStart(phase, rows);
  EXPECT_THAT(rows.row(2), ::testing::Each(10.0f));
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

TEST(TaskUnitTest, PlansTheMemoryOfRowsPassesAndImages) {
  const auto unit = MakeUnit(3, PlainLearner());
  const nn::Network network = SmallNetwork();
  const double row = static_cast<double>(network.layout().size()) * sizeof(float);
  // One row; gradient and velocity; a pass of eight images, one of 250; images of a task and all
  // tests.
  const int64_t passes =
      nn::Workspace<float>::Bytes(network, 8) + nn::Workspace<float>::Bytes(network, 250);
  EXPECT_EQ(unit->plan().memory_bytes,
            3 * row + static_cast<double>(passes + 6 * 50 + 6 * (20 + 21 + 22)));
}

TEST(TaskUnitTest, AReleasedUnitHasResultsAndNoState) {
  const auto unit = MakeUnit(2, PlainLearner());
  ASSERT_TRUE(unit->Advance(unit->plan().steps).ok());
  unit->Release();
  EXPECT_FALSE(unit->Results().measurements.empty());
  EXPECT_EQ(unit->progress(), 1);
  EXPECT_DEATH(static_cast<void>(unit->Save()), "the state of a released unit");
}

TEST(TaskUnitTest, TheHookCanFreezeTheParameters) {
  auto unit = MakeUnit(2, [] {
    auto learner = std::make_unique<TestLearner>();
    learner->phases = [](const TaskContext& task) {
      return std::vector<Phase>{PlainPhase(task.images())};
    };
    learner->adjust = [](nn::Row<float> gradient) { std::ranges::fill(gradient, 0.0f); };
    return learner;
  });
  const auto before = record::SafetensorsFile::Parse(*unit->Save());
  ASSERT_TRUE(unit->Advance(unit->plan().steps).ok());
  EXPECT_THAT(unit->rows().all(), ::testing::ElementsAreArray(*before->Read<float>("rows")));
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
  std::vector<std::string> metrics;
  for (const auto& measurement : unit->Results().measurements)
    metrics.push_back(measurement.metric);
  EXPECT_THAT(metrics, ::testing::Contains("average_accuracy"));
  EXPECT_THAT(metrics, ::testing::Not(::testing::Contains("forgetting")));
  EXPECT_THAT(metrics, ::testing::Not(::testing::Contains("learning_accuracy")));
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

// Between any two steps, in every stage: a unit saved and loaded into a fresh one ends with the
// same bits, and reports the same events from there on.
TEST(TaskUnitTest, AUnitSavedAtAnyStepEndsWithTheSameBits) {
  const auto texts = [](const std::vector<population::Event>& events) {
    std::vector<std::string> lines;
    for (const population::Event& event : events) {
      lines.push_back(std::to_string(event.step));
      for (const auto& [name, value] : event.values) {
        lines.back() += " " + name + "=" + std::to_string(value);
      }
    }
    return lines;
  };
  auto whole = MakeUnit(3, PlainLearner());
  ASSERT_TRUE(whole->Advance(whole->plan().steps).ok());
  const std::vector<std::string> all_events = texts(whole->TakeEvents());
  EXPECT_EQ(all_events.size(), 3u + 1 + 2 + 3);
  for (int64_t step = 0; step <= whole->plan().steps; ++step) {
    auto first = MakeUnit(3, PlainLearner());
    ASSERT_TRUE(first->Advance(step).ok());
    const auto state = first->Save();
    ASSERT_TRUE(state.ok()) << state.status();
    auto second = MakeUnit(3, PlainLearner());
    ASSERT_TRUE(second->Load(*state).ok());
    EXPECT_EQ(second->steps_done(), step);
    EXPECT_EQ(second->progress(), first->progress());
    ASSERT_TRUE(second->Advance(whole->plan().steps).ok());
    std::vector<std::string> events = texts(first->TakeEvents());
    const std::vector<std::string> later = texts(second->TakeEvents());
    events.insert(events.end(), later.begin(), later.end());
    EXPECT_EQ(events, all_events);
    EXPECT_THAT(second->rows().all(), ::testing::ElementsAreArray(whole->rows().all()));
    for (size_t m = 0; m < whole->Results().measurements.size(); ++m) {
      EXPECT_EQ(second->Results().measurements[m].value, whole->Results().measurements[m].value);
    }
    EXPECT_EQ(*second->Save(), *whole->Save());
  }
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

TEST(TaskUnitTest, ParametersThatAreNotFiniteAreAnErrorAtTheTestToo) {
  auto unit = MakeUnit(1, [] {
    auto learner = std::make_unique<TestLearner>();
    learner->phases = [](const TaskContext& task) {
      // One step: its loss is that of the start, and fine.
      Phase phase = PlainPhase(task.images(), 50);
      return std::vector<Phase>{phase};
    };
    learner->adjust = [](nn::Row<float> gradient) { gradient[0] = NAN; };
    return learner;
  });
  EXPECT_THAT(std::string(unit->Advance(unit->plan().steps).message()),
              ::testing::HasSubstr("the test loss on task 1 is nan after training on task 1"));
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

}  // namespace
}  // namespace perennial::continual
