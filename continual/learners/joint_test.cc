#include "continual/learners/joint.h"

#include <memory>
#include <optional>
#include <vector>

#include "continual/learners/small_stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

TEST(JointTest, TrainsOnAllTasksTogetherWhenTheLastHasArrived) {
  TrainingConfig training;
  training.set_learning_rate(0.4);
  training.set_learning_rate_decay(0.5);
  training.set_epochs(2);
  training.set_first_task_epochs(9);
  const auto stream = MakeStream();
  const auto learner = MakeJoint(JointConfig(), training);
  for (int task = 0; task + 1 < kTasks; ++task) {
    EXPECT_TRUE(learner->Phases(Context(*stream, task)).empty());
    EXPECT_EQ(learner->PredictingRow(task, kTasks), std::nullopt);
  }
  const std::vector<Phase> phases = learner->Phases(Context(*stream, kTasks - 1));
  ASSERT_EQ(phases.size(), 1u);
  // As many passes over the images as sequential training; no task is the first of others.
  EXPECT_EQ(phases[0].epochs, 2);
  EXPECT_DOUBLE_EQ(phases[0].optimizer.learning_rate, 0.4);
  ASSERT_EQ(phases[0].terms.size(), 1u);
  const ImageView& all = phases[0].terms[0].images;
  ASSERT_EQ(all.size(), 60 * kTasks);
  for (int task = 0; task < kTasks; ++task) {
    const ImageView own = stream->Train(task);
    for (const int32_t i : {0, 31, 59}) {
      const int32_t place[] = {i};
      const int32_t place_in_all[] = {60 * task + i};
      EXPECT_EQ(all.Select(place_in_all).pixels, own.Select(place).pixels);
      EXPECT_EQ(all.label(place_in_all[0]), own.label(i));
    }
  }
  EXPECT_EQ(learner->PredictingRow(kTasks - 1, kTasks), 0);
  EXPECT_TRUE(learner->joint());
}

}  // namespace
}  // namespace perennial::continual
