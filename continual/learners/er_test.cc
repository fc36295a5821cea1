#include "continual/learners/er.h"

#include <memory>
#include <vector>

#include "continual/learners/naive.h"
#include "continual/learners/small_stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

TEST(ExperienceReplayTest, EveryStepBringsABatchOfThePast) {
  ExperienceReplayConfig config;
  config.mutable_memory()->set_per_task(6);
  config.set_replay_batch_size(9);
  config.set_replay_weight(0.7);
  TrainingConfig training;
  training.set_learning_rate_decay(0.5);
  training.set_first_task_epochs(3);
  const auto stream = MakeStream();
  const auto learner = MakeExperienceReplay(config, training);
  nn::Rows<float> rows(learner->rows(), 0);
  EXPECT_EQ(learner->rows(), 1);
  for (int task = 0; task < kTasks; ++task) {
    const TaskContext context = Context(*stream, task);
    const std::vector<Phase> phases = learner->Phases(context);
    ASSERT_EQ(phases.size(), 1u);
    const Phase plain = TrainPhase(training, context.images(), task);
    EXPECT_EQ(phases[0].name, "train") << "the same batches as of naive training";
    EXPECT_EQ(phases[0].optimizer.learning_rate, plain.optimizer.learning_rate);
    EXPECT_EQ(phases[0].epochs, plain.epochs);
    ASSERT_EQ(phases[0].terms.size(), task == 0 ? 1u : 2u);
    EXPECT_EQ(phases[0].terms[0].images.size(), 60);
    EXPECT_EQ(phases[0].terms[0].batch_size, 64);
    EXPECT_FALSE(phases[0].terms[0].replay);
    if (task > 0) {
      const LossTerm& replay = phases[0].terms[1];
      EXPECT_EQ(replay.images.size(), 6 * task);
      EXPECT_EQ(replay.batch_size, 9);
      EXPECT_EQ(replay.draw, Draw::kRandom);
      EXPECT_DOUBLE_EQ(replay.weight, 0.7);
      EXPECT_TRUE(replay.replay);
      EXPECT_FALSE(replay.constraint);
    }
    EXPECT_EQ(learner->stored_images(), 6 * task);
    learner->AfterTask(context, rows);
  }
}

// Stored images are those that tasks showed: the first task's, then the second's as it permutes
// them.
TEST(ExperienceReplayTest, TheMemoryHoldsImagesAsTheirTaskShowedThem) {
  ExperienceReplayConfig config;
  config.mutable_memory()->set_per_task(5);
  const auto stream = MakeStream();
  const auto learner = MakeExperienceReplay(config, TrainingConfig());
  nn::Rows<float> rows(1, 0);
  for (int task = 0; task < 2; ++task) learner->AfterTask(Context(*stream, task), rows);
  const ImageView memory = learner->Phases(Context(*stream, 2))[0].terms[1].images;
  ASSERT_EQ(memory.size(), 10);
  for (int32_t i = 0; i < 10; ++i) {
    const int32_t one[] = {i};
    const data::LabeledImages stored = memory.Select(one);
    const ImageView shown = stream->Train(i / 5);
    bool found = false;
    for (int32_t k = 0; k < shown.size() && !found; ++k) {
      const int32_t candidate[] = {k};
      const data::LabeledImages image = shown.Select(candidate);
      found = image.pixels == stored.pixels && image.labels == stored.labels;
    }
    EXPECT_TRUE(found) << i;
  }
}

}  // namespace
}  // namespace perennial::continual
