#include "continual/streams/permuted.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include "common/testing/images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

constexpr int32_t kPixels = 30;

const data::ImageSplits& Splits() {
  static const auto* const splits = [] {
    const random::Stream stream(1);
    auto* made = new data::ImageSplits;
    made->train = testing::ClassImages(40, 5, 6, 3, 1, stream, stream.Split("train"));
    made->test = testing::ClassImages(25, 5, 6, 3, 1, stream, stream.Split("test"));
    return made;
  }();
  return *splits;
}

std::unique_ptr<PermutedStream> MakeStream(uint64_t seed, bool first_identity = true,
                                           int tasks = 4) {
  PermutedStreamConfig config;
  config.set_tasks(tasks);
  config.set_first_identity(first_identity);
  TaskImagesConfig images;
  images.set_train_per_task(10);
  images.set_test_per_task(6);
  return *PermutedStream::Create(config, images, Splits(), seed);
}

std::vector<int32_t> UpTo(int32_t size) {
  std::vector<int32_t> all(size);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// Empty: none.
std::vector<int32_t> MapOf(const TaskStream& stream, int task) {
  const ImageView view = stream.Train(task);
  const auto& map = view.pieces()[0].feature_map;
  return map == nullptr ? std::vector<int32_t>() : *map;
}

TEST(PermutedStreamTest, HasTheConfiguredSizes) {
  const auto stream = MakeStream(0);
  EXPECT_EQ(stream->name(), "permuted");
  EXPECT_EQ(stream->tasks(), 4);
  EXPECT_EQ(stream->features(), kPixels);
  EXPECT_EQ(stream->classes(), 3);
  for (int task = 0; task < 4; ++task) {
    EXPECT_EQ(stream->train_size(task), 10);
    EXPECT_EQ(stream->test_size(task), 6);
    EXPECT_EQ(stream->Train(task).size(), 10);
    EXPECT_EQ(stream->Test(task).size(), 6);
  }
}

TEST(PermutedStreamTest, TheFirstTaskShowsTheImagesAsTheyAreIfItIsTold) {
  EXPECT_TRUE(MapOf(*MakeStream(0), 0).empty());
  const std::vector<int32_t> map = MapOf(*MakeStream(0, /*first_identity=*/false), 0);
  EXPECT_EQ(map.size(), size_t{kPixels});
  EXPECT_NE(map, UpTo(kPixels));
  // The other tasks do not depend on it.
  for (int task = 1; task < 4; ++task) {
    EXPECT_EQ(MapOf(*MakeStream(0), task), MapOf(*MakeStream(0, false), task));
  }
}

TEST(PermutedStreamTest, EveryTaskAndSeedHasAPermutationOfItsOwn) {
  std::set<std::vector<int32_t>> seen;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    for (int task = 0; task < 4; ++task) {
      const std::vector<int32_t> map = MapOf(*MakeStream(seed, false), task);
      EXPECT_TRUE(std::ranges::is_permutation(map, UpTo(kPixels)));
      EXPECT_TRUE(seen.insert(map).second) << "task " << task << ", seed " << seed;
      EXPECT_EQ(MapOf(*MakeStream(seed, false), task), map) << "fixed by the seed";
      EXPECT_EQ(MapOf(*MakeStream(seed, false, /*tasks=*/9), task), map)
          << "whatever the number of tasks";
    }
  }
}

// A pixel comes from every place alike: over 900 permutations each pair is met 30 times, give or
// take five standard deviations.
TEST(PermutedStreamTest, EveryPixelGoesEverywhereAlike) {
  std::vector<int> counts(kPixels * kPixels);
  for (uint64_t seed = 0; seed < 9; ++seed) {
    const auto stream = MakeStream(seed, false, /*tasks=*/100);
    for (int task = 0; task < 100; ++task) {
      const std::vector<int32_t> map = MapOf(*stream, task);
      for (int32_t c = 0; c < kPixels; ++c) ++counts[c * kPixels + map[c]];
    }
  }
  for (const int count : counts) EXPECT_NEAR(count, 30, 27);
}

TEST(PermutedStreamTest, ImagesAreTheResidentOnesWithPermutedPixels) {
  const auto stream = MakeStream(3);
  for (int task = 0; task < 4; ++task) {
    for (const bool test : {false, true}) {
      const ImageView view = test ? stream->Test(task) : stream->Train(task);
      const data::LabeledImages& resident = test ? Splits().test : Splits().train;
      ASSERT_EQ(view.pieces().size(), 1u);
      const ImageView::Piece& piece = view.pieces()[0];
      EXPECT_EQ(piece.images.get(), &resident) << "nothing is copied";
      std::vector<int32_t> map = MapOf(*stream, task);
      if (map.empty()) map = UpTo(kPixels);
      const data::LabeledImages copy = view.Select(UpTo(view.size()));
      for (int32_t i = 0; i < view.size(); ++i) {
        const int32_t row = (*piece.rows)[i];
        EXPECT_EQ(copy.labels[i], resident.labels[row]);
        for (int32_t c = 0; c < kPixels; ++c) {
          EXPECT_EQ(copy.image(i)[c], resident.image(row)[map[c]]);
        }
      }
    }
  }
}

TEST(PermutedStreamTest, MistakesNameTheField) {
  PermutedStreamConfig config;
  TaskImagesConfig images;
  images.set_train_per_task(41);
  images.set_test_per_task(6);
  EXPECT_EQ(PermutedStream::Create(config, images, Splits(), 0).status().message(),
            "stream.images.train_per_task = 41: there are 40 training images; choose at most that "
            "many");
  images.set_train_per_task(10);
  config.set_tasks(0);
  EXPECT_THAT(std::string(PermutedStream::Create(config, images, Splits(), 0).status().message()),
              ::testing::HasSubstr("tasks"));
}

}  // namespace
}  // namespace perennial::continual
