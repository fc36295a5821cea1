#include "continual/streams/rotated.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

// A bright pixel right of the centre, and the image's number in the middle pixel, which no turn
// moves.
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
  return config;
}

TaskImagesConfig Images() {
  TaskImagesConfig config;
  config.set_train_per_task(10);
  config.set_test_per_task(6);
  return config;
}

std::unique_ptr<RotatedStream> MakeStream(const data::ImageSplits& splits, uint64_t seed,
                                          const RotatedStreamConfig& config = MakeConfig()) {
  return *RotatedStream::Create(config, Images(), splits, seed);
}

data::LabeledImages Copy(const ImageView& view) {
  std::vector<int32_t> all(view.size());
  std::iota(all.begin(), all.end(), 0);
  return view.Select(all);
}

TEST(RotatedStreamTest, EachTaskTurnsByOneStepMore) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  const auto stream = MakeStream(splits, 0);
  // Right, top, left, bottom: a quarter turn counter-clockwise each.
  const int places[] = {14, 2, 10, 22};
  for (int task = 0; task < 4; ++task) {
    EXPECT_DOUBLE_EQ(stream->degrees(task), 90 * task);
    const data::LabeledImages train = Copy(stream->Train(task));
    const data::LabeledImages test = Copy(stream->Test(task));
    ASSERT_EQ(train.size(), 10);
    ASSERT_EQ(test.size(), 6);
    for (int32_t i = 0; i < train.size(); ++i) EXPECT_EQ(train.image(i)[places[task]], 200);
    for (int32_t i = 0; i < test.size(); ++i) EXPECT_EQ(test.image(i)[places[task]], 100);
  }
}

std::vector<uint8_t> Numbers(const ImageView& view) {
  const data::LabeledImages images = Copy(view);
  std::vector<uint8_t> numbers;
  for (int32_t i = 0; i < images.size(); ++i) numbers.push_back(images.image(i)[12]);
  return numbers;
}

TEST(RotatedStreamTest, LabelsBelongToTheirImages) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  const auto stream = MakeStream(splits, 1);
  for (const ImageView& view : {stream->Train(2), stream->Test(2)}) {
    const std::vector<uint8_t> numbers = Numbers(view);
    for (int32_t i = 0; i < view.size(); ++i) EXPECT_EQ(view.label(i), numbers[i] % 3);
  }
}

TEST(RotatedStreamTest, TrainingImagesDifferByTaskAndSeedAndTestImagesBySeedAlone) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  const auto stream = MakeStream(splits, 0);
  const auto other = MakeStream(splits, 1);
  const std::vector<uint8_t> numbers = Numbers(stream->Train(0));
  EXPECT_EQ(std::set<uint8_t>(numbers.begin(), numbers.end()).size(), 10u) << "each image once";
  EXPECT_NE(numbers, Numbers(stream->Train(1)));
  EXPECT_NE(numbers, Numbers(other->Train(0)));
  EXPECT_EQ(Numbers(stream->Test(0)), Numbers(stream->Test(3)));
  EXPECT_NE(Numbers(stream->Test(0)), Numbers(other->Test(0)));
}

TEST(RotatedStreamTest, TheOffsetIsRandomWithinItsRangeAndFixedBySeed) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  RotatedStreamConfig config = MakeConfig();
  config.set_offset_degrees(10);
  config.set_offset_range_degrees(45);
  std::set<double> offsets;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const double offset = MakeStream(splits, seed, config)->degrees(0);
    EXPECT_GE(offset, 10);
    EXPECT_LT(offset, 55);
    EXPECT_EQ(offset, MakeStream(splits, seed, config)->degrees(0));
    offsets.insert(offset);
  }
  EXPECT_EQ(offsets.size(), 20u);
}

TEST(RotatedStreamTest, AListOfAnglesTakesThePlaceOfSteps) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  RotatedStreamConfig config = MakeConfig();
  for (const double degrees : {0.0, 180.0, -90.0, 22.5}) config.add_degrees(degrees);
  config.set_offset_degrees(90);
  const auto stream = MakeStream(splits, 0, config);
  ASSERT_EQ(stream->tasks(), 4);
  EXPECT_DOUBLE_EQ(stream->degrees(0), 90);
  EXPECT_DOUBLE_EQ(stream->degrees(1), 270);
  EXPECT_DOUBLE_EQ(stream->degrees(2), 0);
  EXPECT_DOUBLE_EQ(stream->degrees(3), 112.5);
  const int places[] = {2, 22, 14};  // Top, bottom, right.
  for (int task = 0; task < 3; ++task) {
    EXPECT_EQ(Copy(stream->Train(task)).image(0)[places[task]], 200);
    EXPECT_EQ(Copy(stream->Test(task)).image(0)[places[task]], 100);
  }
  // The offset varies with the seed here too.
  config.set_offset_range_degrees(100);
  const auto varied = MakeStream(splits, 1, config);
  EXPECT_GT(varied->degrees(0), 90);
  EXPECT_LT(varied->degrees(0), 190);
  EXPECT_DOUBLE_EQ(varied->degrees(1) - varied->degrees(0), 180);
}

TEST(RotatedStreamTest, RandomAnglesFillTheirRangeAndAreFixedBySeedAndTask) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  RotatedStreamConfig config = MakeConfig();
  config.set_tasks(10);
  config.set_random_range_degrees(60);
  config.set_offset_degrees(5);
  std::set<double> seen;
  double sum = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto stream = MakeStream(splits, seed, config);
    RotatedStreamConfig fewer = config;
    fewer.set_tasks(3);
    const auto shorter = MakeStream(splits, seed, fewer);
    for (int task = 0; task < 10; ++task) {
      const double degrees = stream->degrees(task);
      EXPECT_GE(degrees, 5);
      EXPECT_LT(degrees, 65);
      sum += degrees;
      seen.insert(degrees);
      if (task < 3) {
        EXPECT_EQ(shorter->degrees(task), degrees);
      }
    }
  }
  EXPECT_EQ(seen.size(), 200u) << "another one for each task and seed";
  // The mean of 200 draws, within five of its standard deviations of 1.2.
  EXPECT_NEAR(sum / 200, 35, 6.2);
  EXPECT_LT(*seen.begin(), 8);
  EXPECT_GT(*seen.rbegin(), 62);
}

TEST(RotatedStreamTest, TrainingImagesAreNotCopied) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  const auto stream = MakeStream(splits, 0);
  const ImageView train = stream->Train(1);
  ASSERT_EQ(train.pieces().size(), 1u);
  EXPECT_EQ(train.pieces()[0].images.get(), &splits.train);
}

TEST(RotatedStreamTest, TestImagesHeldBySomebodyAreMadeOnceForAllThreads) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  const auto stream = MakeStream(splits, 0);
  std::vector<ImageView> seen(4);
  std::vector<std::thread> threads;
  for (ImageView& view : seen) threads.emplace_back([&] { view = stream->Test(1); });
  for (std::thread& thread : threads) thread.join();
  for (const ImageView& view : seen) {
    ASSERT_EQ(view.pieces().size(), 1u);
    EXPECT_EQ(view.pieces()[0].images, seen[0].pieces()[0].images);
    EXPECT_EQ(view.pieces()[0].rotation, nullptr) << "turned once, not with each batch";
  }
  const std::vector<uint8_t> pixels = Copy(seen[0]).pixels;
  const std::weak_ptr<const data::LabeledImages> watch = seen[0].pieces()[0].images;
  seen.clear();
  EXPECT_TRUE(watch.expired()) << "nobody holds them";
  EXPECT_EQ(Copy(stream->Test(1)).pixels, pixels);
}

TEST(RotatedStreamTest, HeldOutImagesTakeThePlaceOfTestImages) {
  const data::ImageSplits splits = MakeSplits(30, 20);
  TaskImagesConfig images = Images();
  images.set_held_out(12);
  const auto stream = *RotatedStream::Create(MakeConfig(), images, splits, 0);
  const data::LabeledImages test = Copy(stream->Test(1));
  for (int32_t i = 0; i < test.size(); ++i) {
    EXPECT_EQ(test.image(i)[2], 200) << "a turned training image";
    EXPECT_GE(test.image(i)[12], 18);
  }
  for (const uint8_t number : Numbers(stream->Train(1))) EXPECT_LT(number, 18);
}

TEST(RotatedStreamTest, MistakesNameTheField) {
  const auto error = [](const RotatedStreamConfig& config, int32_t train) {
    const data::ImageSplits splits = MakeSplits(train, 20);
    return std::string(RotatedStream::Create(config, Images(), splits, 0).status().message());
  };
  EXPECT_EQ(error(MakeConfig(), 9),
            "stream.images.train_per_task = 10: there are 9 training images; choose at most that "
            "many");
  RotatedStreamConfig config = MakeConfig();
  config.add_degrees(1);
  config.add_degrees(2);
  EXPECT_EQ(error(config, 30),
            "stream.rotated.degrees: 2 angles for 4 tasks (stream.rotated.tasks); give one for "
            "each");
  config.set_random_range_degrees(90);
  EXPECT_EQ(error(config, 30),
            "stream.rotated.degrees and random_range_degrees: give a list of angles or a range of "
            "random ones, not both");
  config = MakeConfig();
  config.add_degrees(400);
  EXPECT_THAT(error(config, 30), ::testing::HasSubstr("degrees"));
}

}  // namespace
}  // namespace perennial::continual
