#include "common/data/rotation.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/testing/eager.h"
#include "gtest/gtest.h"

namespace perennial::data {
namespace {

std::vector<uint8_t> Pattern(int32_t height, int32_t width, uint32_t seed = 1) {
  std::vector<uint8_t> image(static_cast<size_t>(height) * width);
  for (uint8_t& pixel : image) {
    pixel = static_cast<uint8_t>((seed = seed * 1664525 + 1013904223) >> 24);
  }
  return image;
}

std::vector<uint8_t> Pattern(int32_t size) { return Pattern(size, size); }

std::vector<uint8_t> Turn(const std::vector<uint8_t>& image, int32_t height, int32_t width,
                          double degrees) {
  std::vector<uint8_t> turned(image.size());
  const uint8_t* const source = image.data();
  Rotation(height, width, degrees).Apply({&source, 1}, turned);
  return turned;
}

std::vector<uint8_t> Turn(const std::vector<uint8_t>& image, int32_t size, double degrees) {
  return Turn(image, size, size, degrees);
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

// An oblong image is the middle of a square one that is black around it.
TEST(RotationTest, OblongImagesTurnAsInASquareAroundThem) {
  for (const auto& [height, width] :
       {std::pair(3, 7), std::pair(8, 4), std::pair(1, 5), std::pair(5, 1), std::pair(1, 1)}) {
    const int32_t size = std::max(height, width);
    const int32_t top = (size - height) / 2;
    const int32_t left = (size - width) / 2;
    const std::vector<uint8_t> image = Pattern(height, width);
    std::vector<double> square(static_cast<size_t>(size) * size);
    for (int32_t y = 0; y < height; ++y) {
      for (int32_t x = 0; x < width; ++x) {
        square[(top + y) * size + left + x] = image[y * width + x];
      }
    }
    for (const double degrees : {0.0, 37.0, 90.0, 170.5}) {
      const std::vector<uint8_t> turned = Turn(image, height, width, degrees);
      const std::vector<double> eager =
          size == 1 ? square : testing::EagerRotate(square, size, size, degrees);
      for (int32_t y = 0; y < height; ++y) {
        for (int32_t x = 0; x < width; ++x) {
          EXPECT_NEAR(turned[y * width + x], eager[(top + y) * size + left + x], 0.5 + 1e-3)
              << height << " x " << width << ", " << degrees << " degrees, at " << y << ", " << x;
        }
      }
    }
  }
}

TEST(RotationTest, ManyImagesTurnAsEachAlone) {
  const int32_t size = 28;
  const Rotation rotation(size, size, 33);
  std::vector<std::vector<uint8_t>> images;
  for (uint32_t seed = 0; seed < 70; ++seed) images.push_back(Pattern(size, size, seed));
  std::vector<const uint8_t*> sources;
  for (const auto& image : images) sources.insert(sources.begin(), image.data());
  std::vector<uint8_t> turned(images.size() * size * size);
  rotation.Apply(sources, turned);
  for (size_t i = 0; i < images.size(); ++i) {
    const auto begin = turned.end() - static_cast<int64_t>((i + 1) * size * size);
    EXPECT_EQ(std::vector<uint8_t>(begin, begin + size * size), Turn(images[i], size, 33));
  }
}

}  // namespace
}  // namespace perennial::data
