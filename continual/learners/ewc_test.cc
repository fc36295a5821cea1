#include "continual/learners/ewc.h"

#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "continual/learners/naive.h"
#include "continual/learners/small_stream.h"
#include "continual/training/trainer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

constexpr int64_t kSize = 16;

// What a learner's phases call their rows.
struct RowNames {
  int solution = 0;
  int fisher = 0;
  int precision = 0;
  int pull = 0;
};

RowNames NamesOf(Learner& learner, const TaskStream& stream) {
  const std::vector<Phase> phases = learner.Phases(Context(stream, 1));
  return {.solution = phases[0].row,
          .fisher = phases[1].fisher->row,
          .precision = phases[0].penalty->precision_row,
          .pull = phases[0].penalty->pull_row};
}

// What training and the estimate of each task leave.
struct Task {
  std::vector<float> solution;
  std::vector<float> fisher;
};

std::vector<Task> MakeTasks() {
  random::Stream stream(9);
  std::vector<Task> tasks(kTasks);
  for (Task& task : tasks) {
    for (int64_t i = 0; i < kSize; ++i) {
      task.solution.push_back(static_cast<float>(stream.Normal()));
      task.fisher.push_back(static_cast<float>(i % 4 == 0 ? 0 : stream.Uniform()));
    }
  }
  return tasks;
}

// The learner's rows after `count` tasks.
nn::Rows<float> RowsAfter(const EwcConfig& config, int count) {
  const auto stream = MakeStream();
  const auto learner = MakeEwc(config, TrainingConfig());
  const RowNames names = NamesOf(*learner, *stream);
  nn::Rows<float> rows(learner->rows(), kSize);
  const std::vector<Task> tasks = MakeTasks();
  for (int task = 0; task < count; ++task) {
    std::ranges::copy(tasks[task].solution, rows.row(names.solution).begin());
    std::ranges::copy(tasks[task].fisher, rows.row(names.fisher).begin());
    learner->AfterTask(Context(*stream, task), rows);
  }
  return rows;
}

RowNames Names() {
  const auto stream = MakeStream();
  return NamesOf(*MakeEwc(EwcConfig(), TrainingConfig()), *stream);
}

TEST(EwcTest, ItsRowsAreOfDifferentThings) {
  const RowNames names = Names();
  EXPECT_EQ(names.solution, 0) << "the row that predicts";
  EXPECT_EQ((std::set<int>{names.solution, names.fisher, names.precision, names.pull}).size(), 4u);
}

TEST(EwcTest, SeparatePenaltiesAddUpWithTheirCentres) {
  const std::vector<Task> tasks = MakeTasks();
  EwcConfig config;
  config.set_decay(0.5);  // Of no effect here.
  const nn::Rows<float> rows = RowsAfter(config, 2);
  for (int64_t i = 0; i < kSize; ++i) {
    EXPECT_FLOAT_EQ(rows.row(Names().precision)[i], tasks[0].fisher[i] + tasks[1].fisher[i]);
    EXPECT_NEAR(
        rows.row(Names().pull)[i],
        tasks[0].fisher[i] * tasks[0].solution[i] + tasks[1].fisher[i] * tasks[1].solution[i],
        1e-6);
  }
}

TEST(EwcTest, TheOnlinePenaltyDecaysAndIsAboutTheLastSolution) {
  const std::vector<Task> tasks = MakeTasks();
  for (const double decay : {0.0, 0.25, 1.0}) {
    EwcConfig config;
    config.set_form(EwcConfig::ONLINE);
    config.set_decay(decay);
    const nn::Rows<float> rows = RowsAfter(config, 3);
    for (int64_t i = 0; i < kSize; ++i) {
      const double precision =
          decay * (decay * tasks[0].fisher[i] + tasks[1].fisher[i]) + tasks[2].fisher[i];
      EXPECT_NEAR(rows.row(Names().precision)[i], precision, 1e-6);
      EXPECT_NEAR(rows.row(Names().pull)[i], precision * tasks[2].solution[i], 1e-6);
    }
  }
}

// Of the two rows, but for a constant: sum over tasks t of F_t (w - w_t)^2 / 2.
TEST(EwcTest, ThePenaltyIsTheSumOfThoseOfThePastTasks) {
  const std::vector<Task> tasks = MakeTasks();
  const nn::Rows<float> rows = RowsAfter(EwcConfig(), 3);
  random::Stream stream(3);
  std::vector<double> differences;
  for (int point = 0; point < 10; ++point) {
    double of_rows = 0, by_definition = 0;
    for (int64_t i = 0; i < kSize; ++i) {
      const double w = stream.Normal();
      of_rows += (rows.row(Names().precision)[i] * w * w - 2 * rows.row(Names().pull)[i] * w) / 2;
      for (int task = 0; task < 3; ++task) {
        const double distance = w - tasks[task].solution[i];
        by_definition += tasks[task].fisher[i] * distance * distance / 2;
      }
    }
    EXPECT_GT(by_definition, 1);
    differences.push_back(by_definition - of_rows);
    EXPECT_NEAR(differences.back(), differences[0], 1e-5);
  }
}

TEST(EwcTest, AfterTheLastTaskNothingIsEstimatedOrChanged) {
  const nn::Rows<float> before = RowsAfter(EwcConfig(), kTasks - 1);
  const nn::Rows<float> after = RowsAfter(EwcConfig(), kTasks);
  for (const int row : {Names().precision, Names().pull}) {
    EXPECT_THAT(after.row(row), ::testing::ElementsAreArray(before.row(row)));
  }
}

TEST(EwcTest, TrainsUnderThePenaltyAndThenEstimatesTheFisherInformation) {
  EwcConfig config;
  config.set_strength(123);
  config.set_fisher_images(25);
  config.set_fisher_batch_size(7);
  const auto stream = MakeStream();
  const auto learner = MakeEwc(config, TrainingConfig());
  for (int task = 0; task < kTasks; ++task) {
    const TaskContext context = Context(*stream, task);
    const std::vector<Phase> phases = learner->Phases(context);
    ASSERT_EQ(phases.size(), task + 1 < kTasks ? 2u : 1u);
    const Phase& train = phases[0];
    EXPECT_EQ(train.name, "train") << "the same batches as of naive training";
    EXPECT_EQ(train.terms.size(), 1u);
    EXPECT_FALSE(train.fisher.has_value());
    ASSERT_EQ(train.penalty.has_value(), task > 0);
    if (task > 0) {
      EXPECT_EQ(train.penalty->strength, 123);
      EXPECT_TRUE(train.penalty->proximal);
    }
    if (phases.size() < 2) continue;
    const Phase& fisher = phases[1];
    EXPECT_EQ(fisher.row, train.row);
    EXPECT_TRUE(fisher.start.empty());
    EXPECT_EQ(fisher.epochs, 1);
    EXPECT_EQ(fisher.fisher->kind, FisherEstimate::Kind::kEmpirical);
    ASSERT_EQ(fisher.terms.size(), 1u);
    EXPECT_EQ(fisher.terms[0].batch_size, 7);
    EXPECT_EQ(fisher.terms[0].draw, Draw::kEpochs);
    ASSERT_EQ(fisher.terms[0].images.size(), 25);
    // Images of the task, none twice.
    std::set<int32_t> shown, chosen;
    const auto add_rows = [](const ImageView& images, std::set<int32_t>& rows) {
      for (const ImageView::Piece& piece : images.pieces()) {
        EXPECT_EQ(piece.images.get(), &Splits().train) << "no copies";
        rows.insert(piece.rows->begin(), piece.rows->end());
      }
    };
    add_rows(context.images(), shown);
    add_rows(fisher.terms[0].images, chosen);
    EXPECT_EQ(chosen.size(), 25u);
    EXPECT_TRUE(std::ranges::includes(shown, chosen));
  }
}

TEST(EwcTest, SwitchesAreHandedOn) {
  const auto stream = MakeStream();
  const auto phases = [&](const EwcConfig& config) {
    return MakeEwc(config, TrainingConfig())->Phases(Context(*stream, 1));
  };
  EwcConfig config;
  config.set_fisher(EwcConfig::SAMPLED);
  EXPECT_EQ(phases(config)[1].fisher->kind, FisherEstimate::Kind::kSampled);
  config.set_fisher(EwcConfig::BATCH_MEAN);
  EXPECT_EQ(phases(config)[1].fisher->kind, FisherEstimate::Kind::kBatchMean);
  config.set_step(EwcConfig::GRADIENT);
  EXPECT_FALSE(phases(config)[0].penalty->proximal);
  config.set_fisher_images(1000);
  EXPECT_EQ(phases(config)[1].terms[0].images.size(), 60) << "all, if there are fewer";
}

std::unique_ptr<TaskUnit> MakeUnit(const EwcConfig* ewc) {
  TrainingConfig training;
  training.set_learning_rate(0.1);
  training.set_batch_size(10);
  training.set_epochs(4);
  return *TaskUnit::Create({.key = {"ewc", "permuted", "seed", "0"},
                            .stream = MakeStream(),
                            .network = *nn::Network::Create(nn::MultilayerPerceptron(16, {8}, 4)),
                            .learner = [=] {
                              return ewc != nullptr ? MakeEwc(*ewc, training)
                                                    : MakeNaive(NaiveConfig(), training);
                            }});
}

TEST(EwcTest, WithoutStrengthItIsNaiveTraining) {
  EwcConfig config;
  config.set_strength(0);
  for (const auto step : {EwcConfig::PROXIMAL, EwcConfig::GRADIENT}) {
    config.set_step(step);
    auto ewc = MakeUnit(&config);
    auto naive = MakeUnit(nullptr);
    ASSERT_TRUE(ewc->Advance(ewc->plan().steps).ok());
    ASSERT_TRUE(naive->Advance(naive->plan().steps).ok());
    for (int64_t i = 0; i < naive->rows().size(); ++i) {
      // The gradient as a whole, or one that becomes the step at once: rounded differently.
      ASSERT_NEAR(ewc->rows().row(0)[i], naive->rows().row(0)[i],
                  step == EwcConfig::PROXIMAL ? 0 : 1e-3);
    }
  }
}

// Each parameter that counts stays where the first task left it.
TEST(EwcTest, AHugeStrengthKeepsTheFirstSolution) {
  EwcConfig config;
  config.set_strength(1e9);
  for (const auto form : {EwcConfig::SEPARATE, EwcConfig::ONLINE}) {
    config.set_form(form);
    auto unit = MakeUnit(&config);
    while (!unit->accuracy().Get(0, 0).has_value()) ASSERT_TRUE(unit->Advance(1).ok());
    const std::vector<float> first(unit->rows().row(0).begin(), unit->rows().row(0).end());
    const auto precision = unit->rows().row(Names().precision);
    const std::vector<float> counts(precision.begin(), precision.end());
    ASSERT_TRUE(unit->Advance(unit->plan().steps).ok());
    int held = 0;
    for (size_t i = 0; i < first.size(); ++i) {
      if (counts[i] < 1e-4) continue;
      ++held;
      EXPECT_NEAR(unit->rows().row(0)[i], first[i], 1e-3) << i;
    }
    EXPECT_GT(held, 30);
    EXPECT_NEAR(*unit->accuracy().Get(kTasks - 1, 0), *unit->accuracy().Get(0, 0), 0.11);
  }
}

TEST(EwcTest, AHugeStrengthDivergesAsAGradientAndSaysSo) {
  EwcConfig config;
  config.set_strength(1e9);
  config.set_step(EwcConfig::GRADIENT);
  auto unit = MakeUnit(&config);
  EXPECT_THAT(std::string(unit->Advance(unit->plan().steps).message()),
              ::testing::MatchesRegex("the loss is -?(nan|inf) in task 2, phase train, step .*; "
                                      "choose a learning rate below 0.1, a penalty weaker than "
                                      "1e\\+09, or its proximal step"));
}

}  // namespace
}  // namespace perennial::continual
