#include "continual/streams/draws.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

data::ImageSplits MakeSplits() {
  data::ImageSplits splits;
  for (data::LabeledImages* images : {&splits.train, &splits.test}) {
    images->height = images->width = 2;
    images->classes = 3;
    const int32_t size = images == &splits.train ? 30 : 20;
    images->pixels.resize(size_t{4} * size);
    for (int32_t i = 0; i < size; ++i) images->labels.push_back(i % 3);
  }
  return splits;
}

TaskImagesConfig Config(int32_t train, int32_t test, int32_t held_out = 0) {
  TaskImagesConfig config;
  config.set_train_per_task(train);
  config.set_test_per_task(test);
  config.set_held_out(held_out);
  return config;
}

std::vector<int32_t> Rows(const ImageView::Piece& piece) { return *piece.rows; }

int32_t Different(const std::vector<int32_t>& rows) {
  return static_cast<int32_t>(std::set<int32_t>(rows.begin(), rows.end()).size());
}

TEST(TaskDrawsTest, TrainingImagesDifferByTaskAndSeedAndTestImagesBySeedAlone) {
  const data::ImageSplits splits = MakeSplits();
  std::set<std::vector<int32_t>> train, test;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const TaskDraws draws = *TaskDraws::Create(Config(10, 6), splits, seed);
    const TaskDraws again = *TaskDraws::Create(Config(10, 6), splits, seed);
    EXPECT_EQ(draws.train_size(), 10);
    EXPECT_EQ(draws.test_size(), 6);
    for (int task = 0; task < 5; ++task) {
      EXPECT_EQ(draws.Train(task).images.get(), &splits.train);
      const std::vector<int32_t> rows = Rows(draws.Train(task));
      EXPECT_EQ(std::ssize(rows), 10);
      EXPECT_EQ(Different(rows), 10) << "no image twice";
      EXPECT_TRUE(std::ranges::all_of(rows, [](int32_t row) { return row >= 0 && row < 30; }));
      EXPECT_TRUE(train.insert(rows).second);
      EXPECT_EQ(Rows(again.Train(task)), rows);
    }
    EXPECT_EQ(draws.Test().images.get(), &splits.test);
    EXPECT_EQ(Different(Rows(draws.Test())), 6);
    EXPECT_TRUE(test.insert(Rows(draws.Test())).second);
    EXPECT_EQ(Rows(again.Test()), Rows(draws.Test()));
  }
}

TEST(TaskDrawsTest, AllImagesCanBeShown) {
  const data::ImageSplits splits = MakeSplits();
  const TaskDraws draws = *TaskDraws::Create(Config(30, 20), splits, 0);
  EXPECT_EQ(Different(Rows(draws.Train(0))), 30);
  EXPECT_EQ(Different(Rows(draws.Test())), 20);
}

TEST(TaskDrawsTest, HeldOutImagesAreTestedAndNeverTrainedOn) {
  const data::ImageSplits splits = MakeSplits();
  std::set<int32_t> trained, tested;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const TaskDraws draws = *TaskDraws::Create(Config(15, 4, /*held_out=*/8), splits, seed);
    EXPECT_EQ(draws.test_size(), 4);
    EXPECT_EQ(draws.Test().images.get(), &splits.train) << "the test images are not looked at";
    const std::vector<int32_t> test = Rows(draws.Test());
    EXPECT_EQ(Different(test), 4);
    tested.insert(test.begin(), test.end());
    for (int task = 0; task < 5; ++task) {
      EXPECT_EQ(draws.Train(task).images.get(), &splits.train);
      const std::vector<int32_t> rows = Rows(draws.Train(task));
      EXPECT_EQ(Different(rows), 15);
      trained.insert(rows.begin(), rows.end());
    }
  }
  // Together they are all there are, and none is both.
  EXPECT_EQ(trained.size(), 22u);
  EXPECT_EQ(tested.size(), 8u);
  for (const int32_t row : tested) EXPECT_FALSE(trained.contains(row)) << row;
  // The same ones are held out for every seed, so that no evaluation of one sees another's.
  EXPECT_EQ(*tested.begin(), 22);
  EXPECT_EQ(*trained.rbegin(), 21);
}

TEST(TaskDrawsTest, AskingForMoreImagesThanThereAreNamesTheFieldAndTheLimit) {
  const data::ImageSplits splits = MakeSplits();
  const auto error = [&splits](const TaskImagesConfig& config) {
    const absl::Status status = TaskDraws::Create(config, splits, 0).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_EQ(error(Config(31, 6)),
            "stream.images.train_per_task = 31: there are 30 training images; choose at most that "
            "many");
  EXPECT_EQ(error(Config(10, 21)),
            "stream.images.test_per_task = 21: there are 20 test images; choose at most that many");
  EXPECT_EQ(error(Config(31, 21)).find("stream.images.train_per_task"), 0u) << "the first of two";
  EXPECT_EQ(error(Config(10, 6, 30)),
            "stream.images.held_out = 30: there are 29 training images to hold out; choose at most "
            "that many");
  EXPECT_EQ(error(Config(23, 6, 8)),
            "stream.images.train_per_task = 23: there are 22 training images besides those held "
            "out; choose at most that many");
  EXPECT_EQ(error(Config(10, 9, 8)),
            "stream.images.test_per_task = 9: there are 8 images held out; choose at most that "
            "many");
  EXPECT_THAT(error(Config(0, 6)), ::testing::HasSubstr("train_per_task"));
  // The most that there is.
  EXPECT_TRUE(TaskDraws::Create(Config(22, 8, 8), splits, 0).ok());
  EXPECT_TRUE(TaskDraws::Create(Config(1, 1, 29), splits, 0).ok());
}

}  // namespace
}  // namespace perennial::continual
