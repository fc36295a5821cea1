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
    if (kind == MethodConfig::kEwc) method.mutable_ewc()->set_fisher_images(90);
    if (kind == MethodConfig::kStable) {
      method.mutable_training()->set_learning_rate_decay(0.7);
      // Eight hidden units of which many drop die out.
      method.mutable_training()->set_dropout(0.03);
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

  static TrainingConfig Training() {
    TrainingConfig training;
    training.set_learning_rate(0.1);
    training.set_batch_size(20);
    training.set_epochs(8);
    return training;
  }

  static std::unique_ptr<TaskUnit> MakeUnit(const MethodConfig& method, uint64_t seed = 0,
                                            const TrainingConfig& training = Training()) {
    RotatedStreamConfig config;
    config.set_tasks(kTasks);
    config.set_step_degrees(70);
    TaskImagesConfig images;
    images.set_train_per_task(200);
    images.set_test_per_task(100);
    return *TaskUnit::Create({.key = {MethodName(method), "rotated", "seed", "0"},
                              .stream = *RotatedStream::Create(config, images, Splits(), seed),
                              .network = MakeNetwork(TrainingOf(method, training).dropout()),
                              .learner = MakeLearnerFactory(method, training),
                              .seed = seed});
  }

  static nn::Network MakeNetwork(double dropout) {
    nn::BlockSpec block = {.layers = {nn::Dense(8, nn::Activation::kRelu)}};
    if (dropout > 0) block.layers.push_back(nn::Dropout(dropout));
    block.layers.push_back(nn::Dense(4));
    return *nn::Network::Create({.inputs = 64, .blocks = {block}});
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
  const int64_t stride = std::max<int64_t>(1, whole->plan().steps / 60);
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

TEST_F(LearnersTest, DefencesAgainstForgettingForgetLessThanNaiveTraining) {
  constexpr int kSeeds = 3;
  const auto forgetting = [](const MethodConfig& method) {
    double sum = 0;
    for (uint64_t seed = 0; seed < kSeeds; ++seed) sum += Run(method, seed)["forgetting"];
    return sum / kSeeds;
  };
  const double naive = forgetting(Method(MethodConfig::kNaive));
  EXPECT_GT(naive, 0.2);
  EXPECT_LT(forgetting(Method(MethodConfig::kEr)), naive - 0.1);
  EXPECT_LT(forgetting(Method(MethodConfig::kMcSgd)), naive - 0.1);
  MethodConfig stable = Method(MethodConfig::kStable);
  stable.mutable_training()->set_learning_rate_decay(0.4);
  stable.mutable_training()->clear_dropout();
  EXPECT_LT(forgetting(stable), naive - 0.1);
  MethodConfig ewc = Method(MethodConfig::kEwc);
  ewc.mutable_ewc()->set_strength(100);
  EXPECT_LT(forgetting(ewc), naive - 0.1);
}

// Where the reference is all that was, and steps are small and many: what A-GEM bounds is one step.
TEST_F(LearnersTest, AgemForgetsLessThanNaiveTrainingInFullBatches) {
  const auto forgetting = [](MethodConfig method) {
    method.mutable_training()->set_batch_size(200);
    method.mutable_training()->set_epochs(40);
    method.mutable_training()->set_momentum(0);
    double sum = 0;
    for (uint64_t seed = 0; seed < 6; ++seed) sum += Run(method, seed)["forgetting"];
    return sum / 6;
  };
  MethodConfig agem = Method(MethodConfig::kAgem);
  agem.mutable_agem()->mutable_memory()->set_per_task(200);
  agem.mutable_agem()->set_reference_batch_size(800);
  EXPECT_LT(forgetting(agem), forgetting(Method(MethodConfig::kNaive)) - 0.04);
}

// Stable SGD is naive training in its regime, whoever says it.
TEST_F(LearnersTest, StableIsNaiveInAnotherRegime) {
  MethodConfig stable = Method(MethodConfig::kStable);
  stable.mutable_training()->set_batch_size(13);
  stable.mutable_training()->set_learning_rate_floor(0.03);
  TrainingConfig regime = Training();
  regime.set_learning_rate_decay(0.7);
  regime.set_dropout(0.03);
  regime.set_batch_size(13);
  regime.set_learning_rate_floor(0.03);
  auto first = MakeUnit(stable);
  auto second = MakeUnit(Method(MethodConfig::kNaive), 0, regime);
  auto naive = MakeUnit(Method(MethodConfig::kNaive));
  for (TaskUnit* unit : {first.get(), second.get(), naive.get()}) {
    ASSERT_TRUE(unit->Advance(unit->plan().steps).ok());
  }
  EXPECT_THAT(first->rows().all(), ::testing::ElementsAreArray(second->rows().all()));
  EXPECT_FALSE(std::ranges::equal(first->rows().all(), naive->rows().all()));
}

TEST_F(LearnersTest, JointTrainingHasAJointAccuracyAndNoForgetting) {
  auto values = Run(Method(MethodConfig::kJoint));
  EXPECT_GT(values["joint_accuracy"], 0.7);
  EXPECT_EQ(values["joint_accuracy"], values["average_accuracy"]);
  EXPECT_FALSE(values.contains("forgetting"));
  EXPECT_FALSE(values.contains("learning_accuracy"));
}

TEST_F(LearnersTest, MemoriesHoldTheConfiguredNumberOfImages) {
  for (const auto kind : AllKinds()) {
    const bool has_memory =
        kind == MethodConfig::kEr || kind == MethodConfig::kAgem || kind == MethodConfig::kMcSgd;
    EXPECT_EQ(Run(Method(kind))["stored_images"], has_memory ? 10 * kTasks : 0)
        << MethodName(Method(kind));
  }
  EXPECT_EQ(Run(Method(MethodConfig::kEr))["weight_copies"], 1);
  EXPECT_EQ(Run(Method(MethodConfig::kMcSgd))["weight_copies"], 3);
  EXPECT_EQ(Run(Method(MethodConfig::kEwc))["weight_copies"], 4);
}

// The first task has nothing to replay, connect or hold back: all learners begin alike, on the same
// batches.
TEST_F(LearnersTest, SequentialLearnersAgreeOnTheFirstTask) {
  const auto after_first = [](MethodConfig::KindCase kind) {
    auto unit = MakeUnit(Method(kind));
    while (!unit->accuracy().Get(0, 0).has_value()) EXPECT_TRUE(unit->Advance(1).ok());
    return std::vector<float>(unit->rows().row(0).begin(), unit->rows().row(0).end());
  };
  const std::vector<float> naive = after_first(MethodConfig::kNaive);
  for (const auto kind : AllKinds()) {
    if (kind == MethodConfig::kJoint || kind == MethodConfig::kStable) continue;
    EXPECT_EQ(after_first(kind), naive) << MethodName(Method(kind));
  }
}

// MC-SGD's sequential chain is naive training.
TEST_F(LearnersTest, TheSequentialSolutionOfMcSgdIsTheNaiveOne) {
  auto naive = MakeUnit(Method(MethodConfig::kNaive));
  auto mc_sgd = MakeUnit(Method(MethodConfig::kMcSgd));
  ASSERT_TRUE(naive->Advance(naive->plan().steps).ok());
  ASSERT_TRUE(mc_sgd->Advance(mc_sgd->plan().steps).ok());
  EXPECT_TRUE(std::ranges::equal(naive->rows().row(0), mc_sgd->rows().row(0)));
}

// Switches that change what a unit keeps: saved between any two steps they go on as well.
TEST_F(LearnersTest, SavedUnitsOfEverySwitchGoOnWithTheSameBits) {
  std::vector<MethodConfig> methods;
  for (const auto policy : {MemoryConfig::RING, MemoryConfig::RESERVOIR}) {
    methods.push_back(Method(MethodConfig::kEr));
    methods.back().mutable_er()->mutable_memory()->set_policy(policy);
    methods.back().mutable_er()->mutable_memory()->set_per_task(120);
    methods.push_back(Method(MethodConfig::kMcSgd));
    methods.back().mutable_mc_sgd()->mutable_memory()->set_policy(policy);
    methods.back().mutable_mc_sgd()->set_chain(McSgdConfig::CONNECTED);
    methods.back().mutable_mc_sgd()->set_stochastic(policy == MemoryConfig::RING);
    methods.back().mutable_mc_sgd()->set_gradient(McSgdConfig::PUBLISHED);
  }
  for (const auto fisher : {EwcConfig::SAMPLED, EwcConfig::BATCH_MEAN}) {
    methods.push_back(Method(MethodConfig::kEwc));
    methods.back().mutable_ewc()->set_fisher(fisher);
    methods.back().mutable_ewc()->set_form(EwcConfig::ONLINE);
    methods.back().mutable_ewc()->set_step(EwcConfig::GRADIENT);
    methods.back().mutable_ewc()->set_strength(1);
  }
  for (const MethodConfig& method : methods) {
    auto whole = MakeUnit(method);
    ASSERT_TRUE(whole->Advance(whole->plan().steps).ok()) << method.ShortDebugString();
    EXPECT_EQ(whole->progress(), 1);
    random::Stream stream(2);
    for (int trial = 0; trial < 25; ++trial) {
      const auto step = static_cast<int64_t>(stream.Below(whole->plan().steps));
      auto first = MakeUnit(method);
      ASSERT_TRUE(first->Advance(step).ok());
      auto second = MakeUnit(method);
      const absl::Status status = second->Load(*first->Save());
      ASSERT_TRUE(status.ok()) << status;
      ASSERT_TRUE(second->Advance(whole->plan().steps).ok());
      EXPECT_EQ(*second->Save(), *whole->Save())
          << method.ShortDebugString() << " saved after step " << step;
    }
  }
}

}  // namespace
}  // namespace perennial::continual
