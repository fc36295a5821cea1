#include "continual/learners/agem.h"

#include <memory>
#include <vector>

#include "continual/learners/small_stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

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
