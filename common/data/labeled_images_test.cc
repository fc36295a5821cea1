#include "common/data/labeled_images.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::data {
namespace {

using ::testing::ElementsAre;

LabeledImages ThreeImages() {
  LabeledImages images;
  images.height = 1;
  images.width = 2;
  images.classes = 5;
  images.pixels = {0, 1, 10, 11, 20, 21};
  images.labels = {4, 0, 2};
  return images;
}

TEST(LabeledImagesTest, SelectKeepsOrderAndRepeats) {
  const std::vector<int32_t> indices = {2, 0, 2};
  const LabeledImages selected = ThreeImages().Select(indices);
  EXPECT_THAT(selected.pixels, ElementsAre(20, 21, 0, 1, 20, 21));
  EXPECT_THAT(selected.labels, ElementsAre(2, 4, 2));
  EXPECT_EQ(selected.classes, 5);
}

TEST(LabeledImagesTest, AppendAddsAtTheEnd) {
  LabeledImages images = ThreeImages().Empty();
  EXPECT_EQ(images.size(), 0);
  images.Append(ThreeImages());
  images.Append(ThreeImages());
  EXPECT_EQ(images.size(), 6);
  EXPECT_THAT(images.image(4), ElementsAre(10, 11));
}

TEST(LabeledImagesDeathTest, AnIndexBeyondTheEndIsAProgrammingError) {
  const std::vector<int32_t> indices = {3};
  EXPECT_DEATH(ThreeImages().Select(indices), "index 3 of 3");
}

}  // namespace
}  // namespace perennial::data
