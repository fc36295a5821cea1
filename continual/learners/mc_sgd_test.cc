#include "continual/learners/mc_sgd.h"

#include <memory>
#include <vector>

#include "continual/learners/small_stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

McSgdConfig Config() {
  McSgdConfig config;
  config.mutable_memory()->set_per_task(6);
  config.set_current_subset(30);
  config.set_start(0.25);
  config.set_points(3);
  config.set_epochs(5);
  config.set_batch_size(11);
  config.set_learning_rate(0.3);
  config.set_momentum(0.7);
  return config;
}

// The phases of each task, read off the algorithm.
TEST(McSgdTest, ConnectsTheLastConnectedSolutionToTheSequentialOne) {
  const auto stream = MakeStream();
  const auto learner = MakeMcSgd(Config(), TrainingConfig());
  EXPECT_EQ(learner->rows(), 3);
  nn::Rows<float> rows(learner->rows(), 0);
  for (int task = 0; task < kTasks; ++task) {
    const TaskContext context = Context(*stream, task);
    const std::vector<Phase> phases = learner->Phases(context);
    ASSERT_EQ(phases.size(), 2u);
    EXPECT_EQ(phases[0].name, "train") << "the same batches as of naive training";
    EXPECT_EQ(phases[0].row, 0);
    EXPECT_TRUE(phases[0].start.empty()) << "w^_t starts from w^_{t-1}";
    EXPECT_TRUE(phases[0].dropout);
    const Phase& connect = phases[1];
    EXPECT_EQ(connect.row, *learner->PredictingRow(task, kTasks));
    EXPECT_NE(connect.row, 0);
    if (task == 0) {
      EXPECT_EQ(connect.epochs, 0);
      ASSERT_EQ(connect.start.size(), 1u);
      EXPECT_EQ(connect.start[0].row, 0);
      EXPECT_EQ(connect.start[0].weight, 1);
    } else {
      const int before = *learner->PredictingRow(task - 1, kTasks);
      EXPECT_NE(connect.row, before);
      ASSERT_EQ(connect.start.size(), 2u);
      EXPECT_EQ(connect.start[0].row, before);
      EXPECT_DOUBLE_EQ(connect.start[0].weight, 0.75);
      EXPECT_EQ(connect.start[1].row, 0);
      EXPECT_DOUBLE_EQ(connect.start[1].weight, 0.25);
      EXPECT_EQ(connect.epochs, 5);
      EXPECT_DOUBLE_EQ(connect.optimizer.learning_rate, 0.3);
      EXPECT_DOUBLE_EQ(connect.optimizer.momentum, 0.7);
      EXPECT_FALSE(connect.dropout);
      ASSERT_EQ(connect.terms.size(), 2u);
      const LossTerm& memory = connect.terms[0];
      EXPECT_EQ(memory.line->row, before);
      EXPECT_EQ(memory.images.size(), 6 * (task + 1)) << "tasks 1..t";
      EXPECT_TRUE(memory.replay);
      const LossTerm& current = connect.terms[1];
      EXPECT_EQ(current.line->row, 0);
      EXPECT_EQ(current.images.size(), 30);
      EXPECT_FALSE(current.replay);
      for (const LossTerm& term : connect.terms) {
        EXPECT_EQ(term.batch_size, 11);
        EXPECT_EQ(term.draw, Draw::kEpochs);
        EXPECT_EQ(term.weight, 1);
        EXPECT_EQ(term.line->points, 3);
        EXPECT_TRUE(term.line->chain_rule);
        EXPECT_FALSE(term.line->stochastic);
      }
    }
    learner->AfterTask(context, rows);
    EXPECT_EQ(learner->stored_images(), 6 * (task + 1));
  }
}

TEST(McSgdTest, AConnectedChainStartsFromTheLastConnectedSolution) {
  McSgdConfig config = Config();
  config.set_chain(McSgdConfig::CONNECTED);
  const auto stream = MakeStream();
  const auto learner = MakeMcSgd(config, TrainingConfig());
  nn::Rows<float> rows(learner->rows(), 0);
  for (int task = 0; task < kTasks; ++task) {
    const TaskContext context = Context(*stream, task);
    const std::vector<Phase> phases = learner->Phases(context);
    EXPECT_EQ(phases[0].row, 0);
    if (task == 0) {
      EXPECT_TRUE(phases[0].start.empty());
    } else {
      ASSERT_EQ(phases[0].start.size(), 1u);
      EXPECT_EQ(phases[0].start[0].row, *learner->PredictingRow(task - 1, kTasks));
      EXPECT_EQ(phases[0].start[0].weight, 1);
    }
    learner->AfterTask(context, rows);
  }
}

TEST(McSgdTest, SwitchesOfTheLinesAreHandedOn) {
  const auto stream = MakeStream();
  for (const bool published : {false, true}) {
    for (const bool stochastic : {false, true}) {
      McSgdConfig config = Config();
      config.set_gradient(published ? McSgdConfig::PUBLISHED : McSgdConfig::EXACT);
      config.set_stochastic(stochastic);
      const std::vector<Phase> phases =
          MakeMcSgd(config, TrainingConfig())->Phases(Context(*stream, 1));
      for (const LossTerm& term : phases[1].terms) {
        EXPECT_EQ(term.line->chain_rule, !published);
        EXPECT_EQ(term.line->stochastic, stochastic);
      }
    }
  }
}

// What is connected with includes the current task's share, and it is what is kept afterwards.
TEST(McSgdTest, TheMemoryOfTheLossIsThatAfterTheTask) {
  for (const auto policy :
       {MemoryConfig::CLASS_BALANCED, MemoryConfig::RING, MemoryConfig::RESERVOIR}) {
    McSgdConfig config = Config();
    config.mutable_memory()->set_per_task(40);
    config.mutable_memory()->set_policy(policy);
    const auto stream = MakeStream();
    const auto learner = MakeMcSgd(config, TrainingConfig());
    nn::Rows<float> rows(learner->rows(), 0);
    for (int task = 0; task < kTasks; ++task) {
      const TaskContext context = Context(*stream, task);
      const std::vector<Phase> phases = learner->Phases(context);
      learner->AfterTask(context, rows);
      if (task == 0) continue;
      const ImageView& used = phases[1].terms[0].images;
      EXPECT_EQ(used.size(), learner->stored_images());
      record::SafetensorsWriter writer;
      ASSERT_TRUE(learner->Save(writer).ok());
      const auto kept = record::SafetensorsFile::Parse(*writer.Finish());
      std::vector<uint8_t> pixels;
      for (int32_t i = 0; i < used.size(); ++i) {
        const int32_t one[] = {i};
        const std::vector<uint8_t> image = used.Select(one).pixels;
        pixels.insert(pixels.end(), image.begin(), image.end());
      }
      EXPECT_EQ(*kept->Read<uint8_t>("learner.memory.pixels"), pixels);
    }
  }
}

}  // namespace
}  // namespace perennial::continual
