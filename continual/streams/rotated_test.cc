#include "continual/streams/rotated.h"

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

// A bright pixel right of the centre, and
// the image's number in the middle pixel, which no turn moves.
data::ImageSplits MakeSplits(int32_t train, int32_t test) {
  const auto make = [](int32_t size, uint8_t side) {
    data::LabeledImages images;
    images.height = images.width = 5;
    images.classes = 3;
    for (int32_t i = 0; i < size; ++i) {
      std::vector<uint8_t> image(25);
      image[12] = static_cast<uint8_t>(i);
      image[14] = side;
      images.pixels.insert(images.pixels.end(), image.begin(), image.end());
      images.labels.push_back(i % 3);
    }
    return images;
  };
  return {make(train, 200), make(test, 100), "digest"};
}

RotatedStreamConfig MakeConfig() {
  RotatedStreamConfig config;
  config.set_tasks(4);
  config.set_step_degrees(90);
  config.set_offset_range_degrees(0);
  config.set_train_per_task(10);
  config.set_test_per_task(6);
  return config;
}

TEST(RotatedStreamTest, EachTaskTurnsByOneStepMore) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  const auto stream = *RotatedStream::Create(MakeConfig(), splits, 0);
  // Right, top, left, bottom: a quarter turn counter-clockwise each.
  const int places[] = {14, 2, 10, 22};
  for (int task = 0; task < 4; ++task) {
    EXPECT_DOUBLE_EQ(stream->degrees(task), 90 * task);
    const auto train = stream->Train(task);
    const auto test = stream->Test(task);
    ASSERT_EQ(train->size(), 10);
    ASSERT_EQ(test->size(), 6);
    for (int32_t i = 0; i < train->size(); ++i) EXPECT_EQ(train->image(i)[places[task]], 200);
    for (int32_t i = 0; i < test->size(); ++i) EXPECT_EQ(test->image(i)[places[task]], 100);
  }
}

std::vector<uint8_t> Numbers(const data::LabeledImages& images) {
  std::vector<uint8_t> numbers;
  for (int32_t i = 0; i < images.size(); ++i) numbers.push_back(images.image(i)[12]);
  return numbers;
}

TEST(RotatedStreamTest, LabelsBelongToTheirImages) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  const auto stream = *RotatedStream::Create(MakeConfig(), splits, 1);
  const auto train = stream->Train(2);
  for (int32_t i = 0; i < train->size(); ++i) EXPECT_EQ(train->labels[i], train->image(i)[12] % 3);
}

TEST(RotatedStreamTest, TrainingImagesDifferByTaskAndSeedAndTestImagesBySeedAlone) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  const auto stream = *RotatedStream::Create(MakeConfig(), splits, 0);
  const auto other = *RotatedStream::Create(MakeConfig(), splits, 1);
  const std::vector<uint8_t> numbers = Numbers(*stream->Train(0));
  EXPECT_EQ(std::set<uint8_t>(numbers.begin(), numbers.end()).size(), 10u) << "each image once";
  EXPECT_NE(numbers, Numbers(*stream->Train(1)));
  EXPECT_NE(numbers, Numbers(*other->Train(0)));
  EXPECT_EQ(Numbers(*stream->Test(0)), Numbers(*stream->Test(3)));
  EXPECT_NE(Numbers(*stream->Test(0)), Numbers(*other->Test(0)));
}

TEST(RotatedStreamTest, TheOffsetIsRandomWithinItsRangeAndFixedBySeed) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  RotatedStreamConfig config = MakeConfig();
  config.set_offset_degrees(10);
  config.set_offset_range_degrees(45);
  std::set<double> offsets;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const double offset = (*RotatedStream::Create(config, splits, seed))->degrees(0);
    EXPECT_GE(offset, 10);
    EXPECT_LT(offset, 55);
    EXPECT_EQ(offset, (*RotatedStream::Create(config, splits, seed))->degrees(0));
    offsets.insert(offset);
  }
  EXPECT_EQ(offsets.size(), 20u);
}

TEST(RotatedStreamTest, ImagesHeldBySomebodyAreMadeOnceForAllThreads) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  const auto stream = *RotatedStream::Create(MakeConfig(), splits, 0);
  std::vector<std::shared_ptr<const data::LabeledImages>> seen(4);
  std::vector<std::thread> threads;
  for (auto& images : seen) threads.emplace_back([&] { images = stream->Train(1); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& images : seen) EXPECT_EQ(images, seen[0]);
  const std::vector<uint8_t> pixels = seen[0]->pixels;
  const std::weak_ptr<const data::LabeledImages> watch = seen[0];
  seen.clear();
  EXPECT_TRUE(watch.expired()) << "nobody holds them";
  EXPECT_EQ(stream->Train(1)->pixels, pixels);
}

TEST(RotatedStreamTest, AskingForMoreImagesThanThereAreNamesTheField) {
  const data::ImageSplits splits = MakeSplits(9, 20);
  EXPECT_EQ(
      RotatedStream::Create(MakeConfig(), splits, 0).status().message(),
      "stream.rotated.train_per_task = 10: the data set has 9 images; choose at most that many");
}

}  // namespace
}  // namespace perennial::continual
