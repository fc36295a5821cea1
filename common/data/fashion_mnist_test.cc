#include "common/data/fashion_mnist.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::data {
namespace {

// The published facts of the data set: sizes, balance, and the mean and deviation of the training
// pixels that its users normalise with (0.2860, 0.3530).
TEST(FashionMnistTest, IsTheRealDataSet) {
  const auto splits = LoadFashionMnist("");
  ASSERT_TRUE(splits.ok()) << splits.status();
  EXPECT_EQ(splits->train.size(), 60000);
  EXPECT_EQ(splits->test.size(), 10000);
  EXPECT_EQ(splits->train.features(), 28 * 28);
  for (int label = 0; label < 10; ++label) {
    EXPECT_EQ(std::count(splits->train.labels.begin(), splits->train.labels.end(), label), 6000);
    EXPECT_EQ(std::count(splits->test.labels.begin(), splits->test.labels.end(), label), 1000);
  }
  double sum = 0, squares = 0;
  for (const uint8_t pixel : splits->train.pixels) {
    const double value = pixel / 255.0;
    sum += value;
    squares += value * value;
  }
  const double count = static_cast<double>(splits->train.pixels.size());
  EXPECT_NEAR(sum / count, 0.2860, 5e-5);
  EXPECT_NEAR(std::sqrt(squares / count - sum / count * sum / count), 0.3530, 5e-5);
  EXPECT_EQ(splits->digest.size(), 64);
}

TEST(FashionMnistTest, AFolderWithoutTheFilesIsNamedWithWhatItMustHold) {
  const auto splits = LoadFashionMnist("nowhere");
  EXPECT_EQ(splits.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(splits.status().message()),
              testing::AllOf(testing::HasSubstr("--data nowhere"),
                             testing::HasSubstr("train-images-idx3-ubyte")));
}

}  // namespace
}  // namespace perennial::data
