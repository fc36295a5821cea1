#include "continual/learners/memory.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "common/testing/images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

// Tasks of 20 images like those of Images().
data::LabeledImages Labeled(int32_t size, uint64_t seed) {
  return testing::ClassImages(size, 2, 3, 4, 0.5, random::Stream(1), random::Stream(seed));
}

ImageView View(data::LabeledImages images) {
  return std::make_shared<const data::LabeledImages>(std::move(images));
}

ImageView Images(int32_t size, uint64_t seed) { return View(Labeled(size, seed)); }

class TestStream final : public TaskStream {
 public:
  std::string name() const override { return "test"; }
  int tasks() const override { return 3; }
  int32_t features() const override { return 6; }
  int32_t classes() const override { return 4; }
  int32_t train_size(int) const override { return 20; }
  int32_t test_size(int) const override { return 20; }
  ImageView Train(int task) const override { return Images(20, task); }
  ImageView Test(int) const override { return {}; }
};

MemoryConfig Config(int32_t per_task, MemoryConfig::Policy policy = MemoryConfig::CLASS_BALANCED) {
  MemoryConfig config;
  config.set_per_task(per_task);
  config.set_policy(policy);
  return config;
}

constexpr MemoryConfig::Policy kPolicies[] = {MemoryConfig::CLASS_BALANCED, MemoryConfig::RING,
                                              MemoryConfig::RESERVOIR};

data::LabeledImages Copy(const ImageView& view) {
  std::vector<int32_t> all(view.size());
  std::iota(all.begin(), all.end(), 0);
  return view.Select(all);
}

// One pixel, which is the image's number; the labels given.
ImageView Numbered(const std::vector<int32_t>& labels, uint8_t first = 0) {
  data::LabeledImages images;
  images.height = images.width = 1;
  images.classes = 4;
  images.labels = labels;
  for (size_t i = 0; i < labels.size(); ++i) {
    images.pixels.push_back(static_cast<uint8_t>(first + i));
  }
  return View(std::move(images));
}

std::vector<uint8_t> Numbers(const ReplayMemory& memory) { return Copy(memory.images()).pixels; }

TEST(ChooseBalancedTest, TakesClassesEquallyOftenAndNoImageTwice) {
  const ImageView images = Images(100, 2);
  const std::vector<int32_t> chosen = ChooseBalanced(images, 10, random::Stream(3));
  EXPECT_EQ(std::set<int32_t>(chosen.begin(), chosen.end()).size(), 10u);
  std::vector<int> counts(4);
  for (const int32_t index : chosen) ++counts[images.label(index)];
  std::ranges::sort(counts);
  EXPECT_THAT(counts, ::testing::ElementsAre(2, 2, 3, 3));
  EXPECT_NE(chosen, ChooseBalanced(images, 10, random::Stream(4)));
}

TEST(ChooseBalancedTest, ARareClassIsMadeUpForByTheOthers) {
  data::LabeledImages labeled = Labeled(40, 2);
  std::ranges::replace(labeled.labels, 3, 0);
  labeled.labels[5] = 3;  // The only one.
  const ImageView images = View(labeled);
  const std::vector<int32_t> chosen = ChooseBalanced(images, 13, random::Stream(3));
  std::vector<int> counts(4);
  for (const int32_t index : chosen) ++counts[images.label(index)];
  EXPECT_THAT(counts, ::testing::ElementsAre(4, 4, 4, 1));
}

TEST(ChooseBalancedTest, TakesAllWhereThereAreFewer) {
  EXPECT_EQ(ChooseBalanced(Images(5, 2), 10, random::Stream(3)).size(), 5u);
}

TEST(ChooseLastTest, TakesTheLastOfEachClassLatestFirst) {
  // Classes 0 1 0 2 1 0 1; from the end 1 0 1 2 0 1 0.
  const ImageView images = Numbered({0, 1, 0, 2, 1, 0, 1});
  EXPECT_THAT(ChooseLast(images, 3), ::testing::ElementsAre(6, 5, 3));
  EXPECT_THAT(ChooseLast(images, 4), ::testing::ElementsAre(6, 5, 3, 4));
  EXPECT_THAT(ChooseLast(images, 5), ::testing::ElementsAre(6, 5, 3, 4, 2));
  EXPECT_THAT(ChooseLast(images, 100), ::testing::ElementsAre(6, 5, 3, 4, 2, 1, 0));
}

// As a ring buffer of each class would, written to one image after the other.
TEST(ChooseLastTest, KeepsWhatRingBuffersOfEachClassKeep) {
  random::Stream stream(1);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<int32_t> labels(30);
    for (int32_t& label : labels) label = static_cast<int32_t>(stream.Below(4));
    constexpr size_t kSlots = 3;
    std::vector<std::deque<int32_t>> rings(4);
    for (int32_t i = 0; i < 30; ++i) {
      rings[labels[i]].push_back(i);
      if (rings[labels[i]].size() > kSlots) rings[labels[i]].pop_front();
    }
    std::set<int32_t> kept;
    bool full = true;
    for (const auto& ring : rings) {
      kept.insert(ring.begin(), ring.end());
      full = full && ring.size() == kSlots;
    }
    if (!full) continue;  // Other classes would make up for what is missing.
    const std::vector<int32_t> chosen = ChooseLast(Numbered(labels), 4 * kSlots);
    EXPECT_EQ(std::set<int32_t>(chosen.begin(), chosen.end()), kept);
  }
}

TEST(ReplayMemoryTest, EveryPolicyKeepsItsChoiceOfEachTask) {
  const std::vector<int32_t> labels = {0, 1, 0, 2, 1, 0, 1};
  ReplayMemory ring(Config(3, MemoryConfig::RING));
  ring.Add(Numbered(labels), 2, random::Stream(1));
  ring.Add(Numbered(labels, /*first=*/100), 2, random::Stream(2));
  EXPECT_THAT(Numbers(ring), ::testing::ElementsAre(6, 5, 3, 106, 105, 103));
  EXPECT_THAT(Copy(ring.images()).labels, ::testing::ElementsAre(1, 0, 2, 1, 0, 2));

  ReplayMemory balanced(Config(3));
  balanced.Add(Numbered(labels), 2, random::Stream(1));
  balanced.Add(Numbered(labels, /*first=*/100), 2, random::Stream(2));
  const std::vector<int32_t> first = ChooseBalanced(Numbered(labels), 3, random::Stream(1));
  const std::vector<int32_t> second = ChooseBalanced(Numbered(labels), 3, random::Stream(2));
  EXPECT_THAT(Numbers(balanced),
              ::testing::ElementsAre(first[0], first[1], first[2], 100 + second[0], 100 + second[1],
                                     100 + second[2]));
}

TEST(ReplayMemoryTest, GrowsByTaskAndLeavesEarlierImagesAlone) {
  for (const auto policy : {MemoryConfig::CLASS_BALANCED, MemoryConfig::RING}) {
    ReplayMemory memory(Config(4, policy));
    EXPECT_TRUE(memory.empty());
    EXPECT_TRUE(memory.images().empty());
    memory.Add(Images(20, 1), 3, random::Stream(1));
    const ImageView first = memory.images();
    const std::vector<uint8_t> pixels = Copy(first).pixels;
    memory.Add(Images(20, 2), 3, random::Stream(2));
    EXPECT_EQ(first.size(), 4);
    EXPECT_EQ(memory.size(), 8);
    const std::vector<uint8_t> grown = Copy(memory.images()).pixels;
    EXPECT_TRUE(std::equal(pixels.begin(), pixels.end(), grown.begin()));
    EXPECT_EQ(Copy(first).pixels, pixels);
  }
}

// Algorithm R, one image at a time, with a memory of slots.
TEST(ReservoirTest, IsAlgorithmR) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    ReplayMemory memory(Config(2, MemoryConfig::RESERVOIR));
    std::vector<uint8_t> slots;
    uint64_t came = 0;
    for (uint8_t task = 0; task < 3; ++task) {
      const ImageView images = Numbered({0, 1, 2, 3, 0}, static_cast<uint8_t>(10 * task));
      random::Stream draws = random::Stream(seed).Split(task);
      for (uint8_t i = 0; i < 5; ++i) {
        ++came;
        const auto number = static_cast<uint8_t>(10 * task + i);
        if (slots.size() < 6) {
          slots.push_back(number);
        } else if (const uint64_t slot = draws.Below(came); slot < 6) {
          slots[slot] = number;
        }
      }
      memory.Add(images, 3, random::Stream(seed).Split(task));
      EXPECT_EQ(Numbers(memory), slots);
      const data::LabeledImages copy = Copy(memory.images());
      for (size_t i = 0; i < slots.size(); ++i) {
        EXPECT_EQ(copy.labels[i], slots[i] % 10 % 4) << "labels go with their images";
      }
    }
  }
}

TEST(ReservoirTest, HoldsAllThatCameUntilItIsFull) {
  ReplayMemory memory(Config(5, MemoryConfig::RESERVOIR));
  const int64_t sizes[] = {8, 15, 15};
  for (uint8_t task = 0; task < 3; ++task) {
    memory.Add(Numbered(std::vector<int32_t>(8), static_cast<uint8_t>(10 * task)), 3,
               random::Stream(task));
    EXPECT_EQ(memory.size(), sizes[task]);
    const std::vector<uint8_t> numbers = Numbers(memory);
    EXPECT_EQ(std::set<uint8_t>(numbers.begin(), numbers.end()).size(), numbers.size())
        << "no image twice";
  }
}

// Each of 30 images is in a reservoir of 6 with the chance 1/5, whenever it came: within five
// standard deviations.
TEST(ReservoirTest, HoldsEveryImageWithTheSameChance) {
  constexpr int kSeeds = 4000;
  std::vector<int> counts(30);
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    ReplayMemory memory(Config(2, MemoryConfig::RESERVOIR));
    for (uint8_t task = 0; task < 3; ++task) {
      memory.Add(Numbered(std::vector<int32_t>(10), static_cast<uint8_t>(10 * task)), 3,
                 random::Stream(seed).Split(task));
    }
    ASSERT_EQ(memory.size(), 6);
    for (const uint8_t number : Numbers(memory)) ++counts[number];
  }
  const double deviation = std::sqrt(kSeeds * 0.2 * 0.8);
  for (const int count : counts) EXPECT_NEAR(count, kSeeds / 5, 5 * deviation);
}

absl::StatusOr<record::SafetensorsFile> Saved(const ReplayMemory& memory) {
  record::SafetensorsWriter writer;
  EXPECT_TRUE(memory.Save(writer).ok());
  return record::SafetensorsFile::Parse(*writer.Finish());
}

void ExpectSame(const ReplayMemory& memory, const ReplayMemory& other) {
  const data::LabeledImages images = Copy(memory.images());
  const data::LabeledImages others = Copy(other.images());
  EXPECT_EQ(images.pixels, others.pixels);
  EXPECT_EQ(images.labels, others.labels);
  EXPECT_EQ(images.scale, others.scale);
  EXPECT_EQ(images.shift, others.shift);
  EXPECT_EQ(images.height, others.height);
  EXPECT_EQ(images.width, others.width);
  EXPECT_EQ(images.classes, others.classes);
}

// Saved after each task and loaded into a fresh one, a memory goes on as if nothing had been.
TEST(ReplayMemoryTest, ASavedMemoryGoesOnAsItWas) {
  for (const auto policy : kPolicies) {
    for (int saved_after = 0; saved_after <= 3; ++saved_after) {
      ReplayMemory whole(Config(8, policy)), loaded(Config(8, policy));
      for (int task = 0; task <= 3; ++task) {
        if (task == saved_after) {
          ASSERT_TRUE(loaded.Load(*Saved(whole), TestStream(), task).ok());
          ExpectSame(loaded, whole);
          EXPECT_EQ(loaded.empty(), task == 0);
        }
        if (task == 3) break;
        whole.Add(Images(20, task), 3, random::Stream(task));
        if (task >= saved_after) loaded.Add(Images(20, task), 3, random::Stream(task));
      }
      EXPECT_EQ(whole.size(), 24);
      ExpectSame(loaded, whole);
    }
  }
}

TEST(ReplayMemoryTest, BeforeTheFirstTaskIsDoneThereIsNothingToLoad) {
  for (const auto policy : kPolicies) {
    ReplayMemory memory(Config(4, policy));
    memory.Add(Images(20, 1), 3, random::Stream(1));
    ReplayMemory loaded(Config(4, policy));
    loaded.Add(Images(20, 2), 3, random::Stream(2));
    ASSERT_TRUE(loaded.Load(*Saved(memory), TestStream(), 0).ok());
    EXPECT_TRUE(loaded.empty());
    // Nothing of before is left: it goes on as a new one does.
    loaded.Add(Images(20, 1), 3, random::Stream(1));
    ExpectSame(loaded, memory);
  }
}

// A memory of another size or policy: as many images as a memory of the stream holds, or none of
// it.
TEST(ReplayMemoryTest, AStateOfAnotherSizeIsRefused) {
  for (const auto policy : kPolicies) {
    ReplayMemory memory(Config(7, policy));
    const auto load = [&](const MemoryConfig& config, int tasks_done) {
      return ReplayMemory(config).Load(*Saved(memory), TestStream(), tasks_done);
    };
    EXPECT_FALSE(load(Config(7, policy), 1).ok()) << "an empty one";
    memory.Add(Images(20, 1), 3, random::Stream(1));
    EXPECT_TRUE(load(Config(7, policy), 1).ok());
    EXPECT_EQ(load(Config(6, policy), 1).code(),
              // 18 of 20, or 20 of 20.
              absl::StatusCode::kDataLoss);
    EXPECT_EQ(load(Config(7, policy), 2).code(), absl::StatusCode::kDataLoss);
    const bool reservoir = policy == MemoryConfig::RESERVOIR;
    EXPECT_EQ(memory.size(), reservoir ? 20 : 7);
    const MemoryConfig other = Config(7, reservoir ? MemoryConfig::RING : MemoryConfig::RESERVOIR);
    EXPECT_EQ(load(other, 1).message(),
              reservoir ? "learner.memory does not hold 7 images of 6 pixels and 4 classes"
                        : "learner.memory does not hold 20 images of 6 pixels and 4 classes");
  }
}

TEST(ReplayMemoryTest, AStateThatDoesNotFitTheStreamIsRefused) {
  struct State {
    std::vector<int32_t> labels = {0, 1, 2, 3};
    std::vector<uint8_t> pixels = std::vector<uint8_t>(24);
  };
  const auto load = [](const State& state, int tasks_done) {
    record::SafetensorsWriter writer;
    const auto size = [](const auto& values) { return static_cast<int64_t>(values.size()); };
    EXPECT_TRUE(
        writer.Add<int32_t>("learner.memory.labels", {size(state.labels)}, state.labels).ok());
    EXPECT_TRUE(
        writer.Add<uint8_t>("learner.memory.pixels", {size(state.pixels)}, state.pixels).ok());
    return ReplayMemory(Config(4))
        .Load(*record::SafetensorsFile::Parse(*writer.Finish()), TestStream(), tasks_done)
        .code();
  };
  EXPECT_EQ(load(State(), 1), absl::StatusCode::kOk);
  const auto bad = absl::StatusCode::kDataLoss;
  EXPECT_EQ(load(State(), 2), bad) << "two tasks hold eight images";
  EXPECT_EQ(load({.labels = {0, 1, 2, 4}}, 1), bad);
  EXPECT_EQ(load({.labels = {0, 1, 2, -1}}, 1), bad);
  EXPECT_EQ(load({.pixels = std::vector<uint8_t>(23)}, 1), bad);
}

}  // namespace
}  // namespace perennial::continual
