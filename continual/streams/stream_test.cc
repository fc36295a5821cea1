#include "continual/streams/stream.h"

#include "common/data/fashion_mnist.h"
#include "continual/streams/rotated.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

TEST(SizesOfTest, HasTheSameSizesAndEveryClassButNoPixels) {
  data::ImageSplits splits;
  for (data::LabeledImages* images : {&splits.train, &splits.test}) {
    images->height = images->width = 2;
    images->classes = 4;
    images->pixels.resize(4 * 40);
    images->labels.resize(40);
  }
  RotatedStreamConfig config;
  config.set_tasks(3);
  TaskImagesConfig sizes_of_tasks;
  sizes_of_tasks.set_train_per_task(10);
  sizes_of_tasks.set_test_per_task(7);
  const auto stream = *RotatedStream::Create(config, sizes_of_tasks, splits, 0);
  const auto sizes = SizesOf(*stream);
  EXPECT_EQ(sizes->name(), "rotated");
  EXPECT_EQ(sizes->tasks(), 3);
  EXPECT_EQ(sizes->features(), 4);
  EXPECT_EQ(sizes->classes(), 4);
  for (int task = 0; task < 3; ++task) {
    EXPECT_EQ(sizes->train_size(task), 10);
    EXPECT_EQ(sizes->test_size(task), 7);
    EXPECT_EQ(sizes->Train(task).size(), stream->Train(task).size());
    EXPECT_EQ(sizes->Test(task).size(), stream->Test(task).size());
  }
  const ImageView train = sizes->Train(0);
  EXPECT_EQ(train.classes(), 4);
  for (const ImageView::Piece& piece : train.pieces()) EXPECT_TRUE(piece.images->pixels.empty());
  // In turn.
  for (int32_t i = 0; i < train.size(); ++i) EXPECT_EQ(train.label(i), i % 4);
}

}  // namespace
}  // namespace perennial::continual
