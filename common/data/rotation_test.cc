#include "common/data/rotation.h"

#include <cmath>
#include <vector>

#include "common/testing/eager.h"
#include "gtest/gtest.h"

namespace perennial::data {
namespace {

std::vector<uint8_t> Pattern(int32_t size) {
  std::vector<uint8_t> image(static_cast<size_t>(size) * size);
  uint32_t state = 1;
  for (uint8_t& pixel : image)
    pixel = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return image;
}

std::vector<uint8_t> Turn(const std::vector<uint8_t>& image, int32_t size, double degrees) {
  std::vector<uint8_t> turned(image.size());
  Rotation(size, size, degrees).Apply(image, turned);
  return turned;
}

TEST(RotationTest, FullTurnsChangeNothing) {
  for (const double degrees : {0.0, 360.0, -720.0}) {
    EXPECT_EQ(Turn(Pattern(9), 9, degrees), Pattern(9));
  }
}

// Counter-clockwise as seen: the right edge becomes the top edge.
TEST(RotationTest, AQuarterTurnMovesTheRightEdgeToTheTop) {
  for (const int32_t size : {5, 8}) {
    const std::vector<uint8_t> image = Pattern(size);
    const std::vector<uint8_t> turned = Turn(image, size, 90);
    for (int32_t y = 0; y < size; ++y) {
      for (int32_t x = 0; x < size; ++x) {
        EXPECT_EQ(turned[y * size + x], image[x * size + (size - 1 - y)]);
      }
    }
    EXPECT_EQ(Turn(turned, size, -90), image);
    EXPECT_EQ(Turn(turned, size, 90), Turn(image, size, 180));
  }
}

TEST(RotationTest, MatchesLibTorchsGridSampleToTheRounding) {
  const int32_t size = 28;
  const std::vector<uint8_t> image = Pattern(size);
  const std::vector<double> exact(image.begin(), image.end());
  for (const double degrees : {9.0, 22.5, 45.0, 133.7, -61.0, 271.3}) {
    const std::vector<uint8_t> turned = Turn(image, size, degrees);
    const std::vector<double> eager = testing::EagerRotate(exact, size, size, degrees);
    for (size_t i = 0; i < turned.size(); ++i) {
      EXPECT_NEAR(turned[i], eager[i], 0.5 + 1e-3) << degrees << " degrees, pixel " << i;
    }
  }
}

TEST(RotationTest, OblongImagesKeepTheirShapeAndTheirCentre) {
  std::vector<uint8_t> image(3 * 7);
  image[1 * 7 + 3] = 200;
  std::vector<uint8_t> turned(image.size());
  Rotation(3, 7, 37).Apply(image, turned);
  EXPECT_EQ(turned[1 * 7 + 3], 200);
}

}  // namespace
}  // namespace perennial::data
