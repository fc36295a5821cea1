#include "continual/streams/stream.h"

#include <algorithm>

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
  config.set_train_per_task(10);
  config.set_test_per_task(7);
  const auto stream = *RotatedStream::Create(config, splits, 0);
  const auto sizes = SizesOf(*stream);
  EXPECT_EQ(sizes->name(), "rotated");
  EXPECT_EQ(sizes->tasks(), 3);
  EXPECT_EQ(sizes->features(), 4);
  EXPECT_EQ(sizes->classes(), 4);
  EXPECT_EQ(sizes->Train(2)->size(), stream->Train(2)->size());
  EXPECT_EQ(sizes->Test(2)->size(), stream->Test(2)->size());
  EXPECT_TRUE(sizes->Train(0)->pixels.empty());
  for (int32_t label = 0; label < 4; ++label) {
    EXPECT_GE(std::ranges::count(sizes->Train(0)->labels, label), 2);
  }
}

}  // namespace
}  // namespace perennial::continual
