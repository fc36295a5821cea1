#include "continual/learners/memory.h"

#include <algorithm>
#include <set>

#include "common/testing/images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

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
  ASSERT_TRUE(loaded.Load(*file).ok());
  EXPECT_EQ(loaded.images()->pixels, memory.images()->pixels);
  EXPECT_EQ(loaded.images()->labels, memory.images()->labels);
  EXPECT_EQ(loaded.images()->scale, memory.images()->scale);
  EXPECT_EQ(loaded.images()->height, 2);

  // An empty memory replaces a full one.
  record::SafetensorsWriter empty;
  ASSERT_TRUE(ReplayMemory(4).Save(empty).ok());
  ASSERT_TRUE(loaded.Load(*record::SafetensorsFile::Parse(*empty.Finish())).ok());
  EXPECT_TRUE(loaded.empty());
}

TEST(ReplayMemoryTest, AnImpossibleStateIsRefused) {
  ReplayMemory memory(4);
  data::LabeledImages images = Images(20, 1);
  memory.Add(images, random::Stream(1));
  record::SafetensorsWriter writer;
  ASSERT_TRUE(memory.Save(writer).ok());
  record::SafetensorsWriter wrong;
  const std::vector<int32_t> labels = {0, 1, 2, 9};
  const std::vector<int32_t> shape = {2, 3, 4};
  const std::vector<uint8_t> pixels(24);
  const std::vector<float> values = {1, 0};
  ASSERT_TRUE(wrong.Add<int32_t>("learner.memory.labels", {4}, labels).ok());
  ASSERT_TRUE(wrong.Add<uint8_t>("learner.memory.pixels", {24}, pixels).ok());
  ASSERT_TRUE(wrong.Add<int32_t>("learner.memory.shape", {3}, shape).ok());
  ASSERT_TRUE(wrong.Add<float>("learner.memory.values", {2}, values).ok());
  EXPECT_EQ(memory.Load(*record::SafetensorsFile::Parse(*wrong.Finish())).code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace perennial::continual
