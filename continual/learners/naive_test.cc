#include "continual/learners/naive.h"

#include <memory>

#include "common/testing/images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

ImageView Images(int32_t size) {
  return std::make_shared<const data::LabeledImages>(
      testing::ClassImages(size, 2, 3, 4, 0.5, random::Stream(1), random::Stream(2)));
}

TrainingConfig Training() {
  TrainingConfig training;
  training.set_learning_rate(0.8);
  training.set_momentum(0.6);
  training.set_batch_size(12);
  training.set_epochs(3);
  return training;
}

TEST(TrainPhaseTest, IsSgdOnTheImages) {
  const ImageView images = Images(20);
  const Phase phase = TrainPhase(Training(), images, 2);
  EXPECT_EQ(phase.name, "train");
  EXPECT_EQ(phase.row, 0);
  EXPECT_TRUE(phase.start.empty());
  EXPECT_TRUE(phase.dropout);
  EXPECT_FALSE(phase.penalty.has_value());
  EXPECT_FALSE(phase.fisher.has_value());
  ASSERT_EQ(phase.terms.size(), 1u);
  EXPECT_EQ(phase.terms[0].images.pieces()[0].images, images.pieces()[0].images);
  EXPECT_EQ(phase.terms[0].images.size(), 20);
  EXPECT_EQ(phase.terms[0].batch_size, 12);
  EXPECT_EQ(phase.terms[0].draw, Draw::kEpochs);
  EXPECT_EQ(phase.terms[0].weight, 1);
  EXPECT_FALSE(phase.terms[0].line.has_value());
  EXPECT_FALSE(phase.terms[0].replay);
  EXPECT_FALSE(phase.terms[0].constraint);
  EXPECT_EQ(phase.optimizer.kind, optim::OptimizerKind::kSgd);
  EXPECT_EQ(phase.optimizer.learning_rate, 0.8);
  EXPECT_EQ(phase.optimizer.momentum, 0.6);
  EXPECT_EQ(phase.epochs, 3);
}

TEST(TrainPhaseTest, TheStepSizeDecaysFromTaskToTaskDownToTheFloor) {
  TrainingConfig training = Training();
  const auto rate = [&training](int task) {
    return TrainPhase(training, Images(4), task).optimizer.learning_rate;
  };
  EXPECT_EQ(rate(9), 0.8) << "a decay of 1 is none";
  training.set_learning_rate_decay(0.5);
  EXPECT_DOUBLE_EQ(rate(0), 0.8);
  EXPECT_DOUBLE_EQ(rate(1), 0.4);
  EXPECT_DOUBLE_EQ(rate(3), 0.1);
  training.set_learning_rate_floor(0.3);
  EXPECT_DOUBLE_EQ(rate(0), 0.8);
  EXPECT_DOUBLE_EQ(rate(1), 0.4);
  EXPECT_DOUBLE_EQ(rate(2), 0.3);
  EXPECT_DOUBLE_EQ(rate(3), 0.3);
  // A floor above the step size itself raises nothing.
  training.set_learning_rate_floor(2);
  EXPECT_DOUBLE_EQ(rate(0), 0.8);
  EXPECT_DOUBLE_EQ(rate(3), 0.8);
}

TEST(TrainPhaseTest, TheFirstTaskMayTakeAnotherNumberOfEpochs) {
  TrainingConfig training = Training();
  training.set_first_task_epochs(7);
  EXPECT_EQ(TrainPhase(training, Images(4), 0).epochs, 7);
  EXPECT_EQ(TrainPhase(training, Images(4), 1).epochs, 3);
  training.set_first_task_epochs(0);
  EXPECT_EQ(TrainPhase(training, Images(4), 0).epochs, 3);
}

TEST(NaiveDeathTest, AConfigurationOutOfRangeIsAProgrammersError) {
  TrainingConfig training = Training();
  training.set_batch_size(0);
  EXPECT_DEATH(MakeNaive(NaiveConfig(), training), "batch_size");
}

}  // namespace
}  // namespace perennial::continual
