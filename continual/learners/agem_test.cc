#include "continual/learners/agem.h"

#include <memory>
#include <vector>

#include "common/testing/images.h"
#include "continual/streams/permuted.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

constexpr int kTasks = 4;

const data::ImageSplits& Splits() {
  static const auto* const splits = [] {
    const random::Stream stream(1);
    auto* made = new data::ImageSplits;
    made->train = testing::ClassImages(100, 4, 4, 4, 0.3, stream, stream.Split("train"));
    made->test = testing::ClassImages(20, 4, 4, 4, 0.3, stream, stream.Split("test"));
    return made;
  }();
  return *splits;
}

std::unique_ptr<TaskStream> MakeStream() {
  PermutedStreamConfig config;
  config.set_tasks(kTasks);
  TaskImagesConfig images;
  images.set_train_per_task(60);
  images.set_test_per_task(20);
  return *PermutedStream::Create(config, images, Splits(), 0);
}

// The random numbers of a task.
TaskContext Context(const TaskStream& stream, int task) {
  return {stream, task, random::Stream(5).Split(task)};
}

TEST(AgemTest, ThePastBoundsTheGradientOfEveryStep) {
  AgemConfig config;
  config.mutable_memory()->set_per_task(6);
  config.set_reference_batch_size(9);
  const auto stream = MakeStream();
  const auto learner = MakeAgem(config, TrainingConfig());
  nn::Rows<float> rows(learner->rows(), 0);
  EXPECT_EQ(learner->rows(), 1);
  for (int task = 0; task < kTasks; ++task) {
    const TaskContext context = Context(*stream, task);
    const std::vector<Phase> phases = learner->Phases(context);
    ASSERT_EQ(phases.size(), 1u);
    EXPECT_EQ(phases[0].name, "train") << "the same batches as of naive training";
    ASSERT_EQ(phases[0].terms.size(), task == 0 ? 1u : 2u);
    EXPECT_EQ(phases[0].terms[0].images.size(), 60);
    EXPECT_FALSE(phases[0].terms[0].constraint);
    if (task > 0) {
      const LossTerm& reference = phases[0].terms[1];
      EXPECT_EQ(reference.images.size(), 6 * task);
      EXPECT_EQ(reference.batch_size, 9);
      EXPECT_EQ(reference.draw, Draw::kRandom);
      EXPECT_EQ(reference.weight, 1);
      EXPECT_TRUE(reference.replay);
      EXPECT_TRUE(reference.constraint);
    }
    EXPECT_EQ(learner->stored_images(), 6 * task);
    learner->AfterTask(context, rows);
  }
}

}  // namespace
}  // namespace perennial::continual
