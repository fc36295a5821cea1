#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/testing/images.h"
#include "continual/learners/registry.h"
#include "continual/streams/rotated.h"
#include "continual/training/trainer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

// Every learner of the registry on a small rotated stream.
class LearnersTest : public ::testing::TestWithParam<MethodConfig::KindCase> {
 protected:
  static constexpr int kTasks = 4;

  static MethodConfig Method(MethodConfig::KindCase kind) {
    MethodConfig method;
    const auto* field = MethodConfig::descriptor()->FindFieldByNumber(kind);
    method.GetReflection()->MutableMessage(&method, field);
    if (kind == MethodConfig::kMcSgd) {
      method.mutable_mc_sgd()->set_epochs(5);
      method.mutable_mc_sgd()->set_current_subset(30);
    }
    return method;
  }

  static const data::ImageSplits& Splits() {
    static const auto* const splits = [] {
      const random::Stream stream(1);
      auto* made = new data::ImageSplits;
      made->train = testing::ClassImages(400, 8, 8, 4, 0.3, stream, stream.Split("train"));
      made->test = testing::ClassImages(100, 8, 8, 4, 0.3, stream, stream.Split("test"));
      return made;
    }();
    return *splits;
  }

  static std::unique_ptr<TaskUnit> MakeUnit(const MethodConfig& method, uint64_t seed = 0) {
    RotatedStreamConfig config;
    config.set_tasks(kTasks);
    config.set_step_degrees(70);
    config.set_train_per_task(200);
    config.set_test_per_task(100);
    TrainingConfig training;
    training.set_learning_rate(0.1);
    training.set_batch_size(20);
    training.set_epochs(8);
    return *TaskUnit::Create({.key = {MethodName(method), "rotated", "seed", "0"},
                              .stream = *RotatedStream::Create(config, Splits(), seed),
                              .network = *nn::Network::Create(nn::MultilayerPerceptron(64, {8}, 4)),
                              .learner = MakeLearnerFactory(method, training),
                              .seed = seed});
  }

  static std::map<std::string, double> Run(const MethodConfig& method, uint64_t seed = 0) {
    auto unit = MakeUnit(method, seed);
    EXPECT_TRUE(unit->Advance(unit->plan().steps).ok());
    std::map<std::string, double> values;
    for (const auto& m : unit->Results().measurements) values[m.metric] = m.value;
    return values;
  }
};

TEST_P(LearnersTest, LearnsAndPlansWhatItDoes) {
  auto unit = MakeUnit(Method(GetParam()));
  ASSERT_TRUE(unit->Advance(unit->plan().steps - 1).ok());
  EXPECT_FALSE(unit->finished());
  EXPECT_LT(unit->progress(), 1);
  ASSERT_TRUE(unit->Advance(1).ok());
  EXPECT_TRUE(unit->finished());
  EXPECT_EQ(unit->progress(), 1) << "as many operations as planned";
  // What it learned last it knows.
  EXPECT_GT(*unit->accuracy().Get(kTasks - 1, kTasks - 1), 0.6) << "chance is 1/4";
}

TEST_P(LearnersTest, ASavedUnitGoesOnWithTheSameBits) {
  const MethodConfig method = Method(GetParam());
  auto whole = MakeUnit(method);
  ASSERT_TRUE(whole->Advance(whole->plan().steps).ok());
  const int64_t stride = std::max<int64_t>(1, whole->plan().steps / 13);
  for (int64_t step = 1; step < whole->plan().steps; step += stride) {
    auto first = MakeUnit(method);
    ASSERT_TRUE(first->Advance(step).ok());
    auto second = MakeUnit(method);
    ASSERT_TRUE(second->Load(*first->Save()).ok());
    ASSERT_TRUE(second->Advance(whole->plan().steps).ok());
    EXPECT_EQ(*second->Save(), *whole->Save()) << "saved after step " << step;
  }
}

// Whatever the bytes of a state are: an error, or a unit that goes on without a crash.
TEST_P(LearnersTest, MutatedStatesAreRefusedOrHarmless) {
  const MethodConfig method = Method(GetParam());
  random::Stream stream(GetParam());
  auto unit = MakeUnit(method);
  int loaded = 0;
  for (int trial = 0; trial < 600; ++trial) {
    if (trial % 100 == 0) {
      ASSERT_TRUE(unit->Advance(unit->plan().steps / 7).ok());
    }
    std::string bytes = *unit->Save();
    const uint64_t edits = 1 + stream.Below(3);
    for (uint64_t e = 0; e < edits; ++e) {
      // Mostly in the header and the small tensors.
      const size_t at = stream.Below(stream.Below(4) == 0 ? bytes.size() : 900);
      bytes[at] = static_cast<char>(stream.Below(3) == 0 ? stream.Next32()
                                                         : bytes[at] ^ (1 << stream.Below(8)));
    }
    auto other = MakeUnit(method);
    if (!other->Load(bytes).ok()) {
      EXPECT_EQ(other->steps_done(), 0);
      continue;
    }
    ++loaded;
    other->Advance(3).IgnoreError();  // Parameters may have become infinite.
  }
  EXPECT_GT(loaded, 0) << "a changed parameter is still a state: both ends are reached";
}

std::vector<MethodConfig::KindCase> AllKinds() {
  std::vector<MethodConfig::KindCase> kinds;
  const auto* kind = MethodConfig::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < kind->field_count(); ++i) {
    kinds.push_back(static_cast<MethodConfig::KindCase>(kind->field(i)->number()));
  }
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(Registry, LearnersTest, ::testing::ValuesIn(AllKinds()),
                         [](const auto& kind) {
                           return MethodConfig::descriptor()->FindFieldByNumber(kind.param)->name();
                         });

TEST_F(LearnersTest, MethodsAreNamedByTheirKindUnlessTheyHaveAName) {
  MethodConfig method = Method(MethodConfig::kMcSgd);
  EXPECT_EQ(MethodName(method), "mc_sgd");
  method.set_name("mc_sgd_long");
  EXPECT_EQ(MethodName(method), "mc_sgd_long");
}

TEST_F(LearnersTest, ReplayAndConnectionForgetLessThanNaiveTraining) {
  double naive = 0, er = 0, mc_sgd = 0;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    naive += Run(Method(MethodConfig::kNaive), seed)["forgetting"] / 3;
    er += Run(Method(MethodConfig::kEr), seed)["forgetting"] / 3;
    mc_sgd += Run(Method(MethodConfig::kMcSgd), seed)["forgetting"] / 3;
  }
  EXPECT_GT(naive, 0.2);
  EXPECT_LT(er, naive - 0.1);
  EXPECT_LT(mc_sgd, naive - 0.1);
}

TEST_F(LearnersTest, JointTrainingHasAJointAccuracyAndNoForgetting) {
  auto values = Run(Method(MethodConfig::kJoint));
  EXPECT_GT(values["joint_accuracy"], 0.7);
  EXPECT_EQ(values["joint_accuracy"], values["average_accuracy"]);
  EXPECT_FALSE(values.contains("forgetting"));
  EXPECT_FALSE(values.contains("learning_accuracy"));
}

TEST_F(LearnersTest, MemoriesHoldTheConfiguredNumberOfImages) {
  EXPECT_EQ(Run(Method(MethodConfig::kNaive))["stored_images"], 0);
  EXPECT_EQ(Run(Method(MethodConfig::kEr))["stored_images"], 10 * kTasks);
  EXPECT_EQ(Run(Method(MethodConfig::kMcSgd))["stored_images"], 10 * kTasks);
  EXPECT_EQ(Run(Method(MethodConfig::kMcSgd))["weight_copies"], 3);
}

// The first task has nothing to replay or connect: all learners begin alike, on the same batches.
TEST_F(LearnersTest, SequentialLearnersAgreeOnTheFirstTask) {
  const auto after_first = [](MethodConfig::KindCase kind) {
    auto unit = MakeUnit(Method(kind));
    while (!unit->accuracy().Get(0, 0).has_value()) EXPECT_TRUE(unit->Advance(1).ok());
    return std::vector<float>(unit->rows().row(0).begin(), unit->rows().row(0).end());
  };
  const std::vector<float> naive = after_first(MethodConfig::kNaive);
  EXPECT_EQ(after_first(MethodConfig::kEr), naive);
  EXPECT_EQ(after_first(MethodConfig::kMcSgd), naive);
}

// MC-SGD's sequential chain is naive training.
TEST_F(LearnersTest, TheSequentialSolutionOfMcSgdIsTheNaiveOne) {
  auto naive = MakeUnit(Method(MethodConfig::kNaive));
  auto mc_sgd = MakeUnit(Method(MethodConfig::kMcSgd));
  ASSERT_TRUE(naive->Advance(naive->plan().steps).ok());
  ASSERT_TRUE(mc_sgd->Advance(mc_sgd->plan().steps).ok());
  EXPECT_TRUE(std::ranges::equal(naive->rows().row(0), mc_sgd->rows().row(0)));
}

// The phases of a later task, read off the algorithm.
TEST_F(LearnersTest, McSgdConnectsTheLastConnectedSolutionToTheSequentialOne) {
  MethodConfig method = Method(MethodConfig::kMcSgd);
  method.mutable_mc_sgd()->set_start(0.25);
  RotatedStreamConfig config;
  config.set_tasks(kTasks);
  config.set_train_per_task(200);
  config.set_test_per_task(100);
  const auto stream = *RotatedStream::Create(config, Splits(), 0);
  const auto learner = MakeLearnerFactory(method, TrainingConfig())();
  for (int task = 0; task < 3; ++task) {
    const TaskContext context(*stream, task, random::Stream(task));
    const std::vector<Phase> phases = learner->Phases(context);
    ASSERT_EQ(phases.size(), 2u);
    EXPECT_EQ(phases[0].row, 0);
    EXPECT_TRUE(phases[0].start.empty()) << "w^_t starts from w^_{t-1}";
    const Phase& connect = phases[1];
    EXPECT_EQ(connect.row, *learner->PredictingRow(task, kTasks));
    if (task == 0) {
      EXPECT_EQ(connect.epochs, 0);
      EXPECT_EQ(connect.start.size(), 1u);
    } else {
      const int before = *learner->PredictingRow(task - 1, kTasks);
      EXPECT_NE(connect.row, before);
      ASSERT_EQ(connect.start.size(), 2u);
      EXPECT_EQ(connect.start[0].row, before);
      EXPECT_DOUBLE_EQ(connect.start[0].weight, 0.75);
      EXPECT_EQ(connect.start[1].row, 0);
      EXPECT_DOUBLE_EQ(connect.start[1].weight, 0.25);
      ASSERT_EQ(connect.terms.size(), 2u);
      EXPECT_EQ(connect.terms[0].line->row, before);
      EXPECT_EQ(connect.terms[0].images->size(), 10 * (task + 1)) << "tasks 1..t";
      EXPECT_EQ(connect.terms[1].line->row, 0);
      EXPECT_EQ(connect.terms[1].images->size(), 30);
    }
    learner->AfterTask(context);
  }
}

}  // namespace
}  // namespace perennial::continual
