#include "continual/learners/memory.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "common/testing/images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

// Tasks of 20 images like those of Images().
class TestStream final : public TaskStream {
 public:
  std::string name() const override { return "test"; }
  int tasks() const override { return 3; }
  int32_t features() const override { return 6; }
  int32_t classes() const override { return 4; }
  int32_t train_size(int) const override { return 20; }
  int32_t test_size(int) const override { return 20; }
  std::shared_ptr<const data::LabeledImages> Train(int) const override { return nullptr; }
  std::shared_ptr<const data::LabeledImages> Test(int) const override { return nullptr; }
};

data::LabeledImages Images(int32_t size, uint64_t seed) {
  return testing::ClassImages(size, 2, 3, 4, 0.5, random::Stream(1), random::Stream(seed));
}

TEST(ChooseBalancedTest, TakesClassesEquallyOftenAndNoImageTwice) {
  const data::LabeledImages images = Images(100, 2);
  const std::vector<int32_t> chosen = ChooseBalanced(images, 10, random::Stream(3));
  EXPECT_EQ(std::set<int32_t>(chosen.begin(), chosen.end()).size(), 10u);
  std::vector<int> counts(4);
  for (const int32_t index : chosen) ++counts[images.labels[index]];
  std::ranges::sort(counts);
  EXPECT_THAT(counts, ::testing::ElementsAre(2, 2, 3, 3));
  EXPECT_NE(chosen, ChooseBalanced(images, 10, random::Stream(4)));
}

TEST(ChooseBalancedTest, ARareClassIsMadeUpForByTheOthers) {
  data::LabeledImages images = Images(40, 2);
  std::ranges::replace(images.labels, 3, 0);
  images.labels[5] = 3;  // The only one.
  const std::vector<int32_t> chosen = ChooseBalanced(images, 13, random::Stream(3));
  std::vector<int> counts(4);
  for (const int32_t index : chosen) ++counts[images.labels[index]];
  EXPECT_THAT(counts, ::testing::ElementsAre(4, 4, 4, 1));
}

TEST(ChooseBalancedTest, TakesAllWhereThereAreFewer) {
  EXPECT_EQ(ChooseBalanced(Images(5, 2), 10, random::Stream(3)).size(), 5u);
}

TEST(ReplayMemoryTest, GrowsByTaskAndLeavesEarlierImagesAlone) {
  ReplayMemory memory(4);
  EXPECT_TRUE(memory.empty());
  memory.Add(Images(20, 1), random::Stream(1));
  const auto first = memory.images();
  memory.Add(Images(20, 2), random::Stream(2));
  EXPECT_EQ(first->size(), 4);
  EXPECT_EQ(memory.size(), 8);
  EXPECT_TRUE(
      std::equal(first->pixels.begin(), first->pixels.end(), memory.images()->pixels.begin()));
}

TEST(ReplayMemoryTest, ASavedMemoryIsLoadedAsItWas) {
  ReplayMemory memory(4);
  memory.Add(Images(20, 1), random::Stream(1));
  record::SafetensorsWriter writer;
  ASSERT_TRUE(memory.Save(writer).ok());
  const auto file = record::SafetensorsFile::Parse(*writer.Finish());
  ReplayMemory loaded(4);
  ASSERT_TRUE(loaded.Load(*file, TestStream(), 1).ok());
  EXPECT_EQ(loaded.images()->pixels, memory.images()->pixels);
  EXPECT_EQ(loaded.images()->labels, memory.images()->labels);
  EXPECT_EQ(loaded.images()->scale, memory.images()->scale);
  EXPECT_EQ(loaded.images()->height, 2);

  // Before the first task is done there is nothing to load.
  ASSERT_TRUE(loaded.Load(*file, TestStream(), 0).ok());
  EXPECT_TRUE(loaded.empty());
}

TEST(ReplayMemoryTest, AStateThatDoesNotFitTheStreamIsRefused) {
  struct State {
    std::vector<int32_t> labels = {0, 1, 2, 3};
    std::vector<int32_t> shape = {2, 3, 4};
    std::vector<uint8_t> pixels = std::vector<uint8_t>(24);
    std::vector<float> values = {1, 0};
  };
  const auto load = [](const State& state, int tasks_done) {
    record::SafetensorsWriter writer;
    const auto size = [](const auto& values) { return static_cast<int64_t>(values.size()); };
    EXPECT_TRUE(
        writer.Add<int32_t>("learner.memory.labels", {size(state.labels)}, state.labels).ok());
    EXPECT_TRUE(
        writer.Add<uint8_t>("learner.memory.pixels", {size(state.pixels)}, state.pixels).ok());
    EXPECT_TRUE(writer.Add<int32_t>("learner.memory.shape", {size(state.shape)}, state.shape).ok());
    EXPECT_TRUE(
        writer.Add<float>("learner.memory.values", {size(state.values)}, state.values).ok());
    return ReplayMemory(4)
        .Load(*record::SafetensorsFile::Parse(*writer.Finish()), TestStream(), tasks_done)
        .code();
  };
  EXPECT_EQ(load(State(), 1), absl::StatusCode::kOk);
  const auto bad = absl::StatusCode::kDataLoss;
  EXPECT_EQ(load(State(), 2), bad) << "two tasks hold eight images";
  EXPECT_EQ(load({.labels = {0, 1, 2, 4}}, 1), bad);
  EXPECT_EQ(load({.labels = {0, 1, 2, -1}}, 1), bad);
  EXPECT_EQ(load({.shape = {3, 3, 4}}, 1), bad);
  EXPECT_EQ(load({.shape = {65536, 65536, 4}}, 1), bad);
  EXPECT_EQ(load({.shape = {-2, -3, 4}}, 1), bad);
  EXPECT_EQ(load({.shape = {2, 3, 1000}}, 1), bad);
  EXPECT_EQ(load({.shape = {2, 3}}, 1), bad);
  EXPECT_EQ(load({.pixels = std::vector<uint8_t>(23)}, 1), bad);
  EXPECT_EQ(load({.values = {NAN, 0}}, 1), bad);
}

}  // namespace
}  // namespace perennial::continual
