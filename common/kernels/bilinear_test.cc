#include "common/kernels/bilinear.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "common/kernels/every_target.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

constexpr uint8_t kGuard = 0xa5;

// Each in memory of its own, so that a read beyond it can be seen.
using Images = std::vector<std::vector<uint8_t>>;

Images RandomImages(random::Stream& stream, int64_t count, int64_t size) {
  Images images(count, std::vector<uint8_t>(size));
  for (std::vector<uint8_t>& image : images) {
    for (uint8_t& pixel : image) pixel = static_cast<uint8_t>(stream.Below(256));
  }
  return images;
}

// Windows anywhere, with weight only in the image.
std::vector<BilinearTap> RandomTaps(random::Stream& stream, int64_t count, int32_t height,
                                    int32_t width) {
  std::vector<BilinearTap> taps(count);
  for (BilinearTap& tap : taps) {
    const int32_t y = static_cast<int32_t>(stream.Below(height));
    const int32_t x = static_cast<int32_t>(stream.Below(width));
    const double fy = y + 1 < height ? stream.Uniform() : 0;
    const double fx = x + 1 < width ? stream.Uniform() : 0;
    tap = {.offset = y * width + x,
           .weights = {static_cast<float>((1 - fy) * (1 - fx)), static_cast<float>((1 - fy) * fx),
                       static_cast<float>(fy * (1 - fx)), static_cast<float>(fy * fx)}};
  }
  return taps;
}

// The weighted sum, exactly, with the window by rows and columns.
double Sum(const BilinearTap& tap, int32_t height, int32_t width,
           const std::vector<uint8_t>& image) {
  double sum = 0;
  for (int32_t k = 0; k < 4; ++k) {
    const int32_t y = tap.offset / width + k / 2;
    const int32_t x = tap.offset % width + k % 2;
    if (y < height && x < width) sum += double{tap.weights[k]} * image[y * width + x];
  }
  return sum;
}

// The definition, with each step rounded to float whatever the compiler would fuse.
uint8_t Definition(const BilinearTap& tap, int32_t height, int32_t width,
                   const std::vector<uint8_t>& image) {
  volatile float sum = 256.5f;
  for (int32_t k = 0; k < 4; ++k) {
    const int32_t y = tap.offset / width + k / 2;
    const int32_t x = tap.offset % width + k % 2;
    const float pixel = y < height && x < width ? image[y * width + x] : 0.0f;
    volatile float product = tap.weights[k] * pixel;
    sum = sum + product;
  }
  return static_cast<uint8_t>(static_cast<int>(std::floor(sum)) - 256);
}

std::vector<uint8_t> Resample(std::span<const BilinearTap> taps, int32_t height, int32_t width,
                              const Images& images) {
  std::vector<const uint8_t*> sources;
  for (const std::vector<uint8_t>& image : images) sources.push_back(image.data());
  std::vector<uint8_t> guarded(images.size() * taps.size() + 2, kGuard);
  const std::span<uint8_t> targets = std::span(guarded).subspan(1, guarded.size() - 2);
  ResampleBilinear(taps, height, width, sources, targets);
  EXPECT_EQ(guarded.front(), kGuard);
  EXPECT_EQ(guarded.back(), kGuard);
  return {targets.begin(), targets.end()};
}

TEST(BilinearTest, MatchesItsDefinitionForAnyShapeAndNumberOfImages) {
  struct Shape {
    int32_t height, width;
    int64_t taps;
  };
  OnEveryTarget([] {
    for (const Shape& shape :
         {Shape{28, 28, 784}, Shape{9, 5, 45}, Shape{3, 6, 16}, Shape{4, 4, 5}, Shape{1, 1, 20},
          Shape{1, 33, 31}, Shape{21, 1, 17}, Shape{6, 7, 0}, Shape{20, 30, 100}}) {
      random::Stream stream = random::Stream(1).Split(shape.taps);
      const std::vector<BilinearTap> taps =
          RandomTaps(stream, shape.taps, shape.height, shape.width);
      for (const int64_t count : {0, 1, 2, 3, 8, 15, 16, 17, 18, 19, 33, 50}) {
        const Images images = RandomImages(stream, count, shape.height * shape.width);
        const std::vector<uint8_t> targets = Resample(taps, shape.height, shape.width, images);
        for (int64_t n = 0; n < count; ++n) {
          for (int64_t i = 0; i < shape.taps; ++i) {
            const uint8_t pixel = targets[n * shape.taps + i];
            ASSERT_EQ(pixel, Definition(taps[i], shape.height, shape.width, images[n]))
                << "pixel " << i << " of image " << n << " of " << count;
            EXPECT_NEAR(pixel, Sum(taps[i], shape.height, shape.width, images[n]), 0.5 + 1e-4);
          }
        }
      }
    }
  });
}

// Sums that lie on a boundary between two integers but for the rounding of a float, for the first
// image: there a fused product, or another order, gives other bytes.
TEST(BilinearTest, GivesTheSameBytesWhereRoundingDecides) {
  random::Stream stream(2);
  const int32_t size = 28;
  std::vector<BilinearTap> taps = RandomTaps(stream, size * size, size - 1, size - 1);
  Images images = RandomImages(stream, 16, size * size);
  for (uint8_t& pixel : images[0]) pixel = static_cast<uint8_t>(128 + pixel / 2);
  for (BilinearTap& tap : taps) {
    const int32_t y = tap.offset / (size - 1);
    tap.offset += y;  // Of the image that is wider by one.
    for (int k = 0; k < 3; ++k) tap.weights[k] = static_cast<float>(stream.Uniform(0.1, 0.25));
    tap.weights[3] = 0;
    const double rest = Sum(tap, size, size, images[0]);
    const double last = images[0][tap.offset + size + 1];
    // The least weight that rounds up.
    tap.weights[3] = static_cast<float>((std::ceil(rest + 0.1 * last) + 0.5 - rest) / last);
  }
  int64_t up = 0;
  for (const BilinearTap& tap : taps) {
    const double sum = Sum(tap, size, size, images[0]);
    EXPECT_NEAR(sum + 0.5, std::round(sum + 0.5), 1e-4);
    up += Definition(tap, size, size, images[0]) > sum;
  }
  EXPECT_GT(up, 100);
  EXPECT_LT(up, 684);
  OnEveryTarget([&] {
    const std::vector<uint8_t> together = Resample(taps, size, size, images);
    for (size_t n = 0; n < images.size(); ++n) {
      const std::vector<uint8_t> alone = Resample(taps, size, size, {images[n]});
      for (size_t i = 0; i < taps.size(); ++i) {
        ASSERT_EQ(together[n * taps.size() + i], Definition(taps[i], size, size, images[n]));
        ASSERT_EQ(alone[i], Definition(taps[i], size, size, images[n]));
      }
    }
  });
}

TEST(BilinearTest, RoundsHalfUpAndReachesBothEnds) {
  const BilinearTap halfway = {.offset = 0, .weights = {0.5f, 0.5f, 0, 0}};
  const BilinearTap quarters = {.offset = 0, .weights = {0.25f, 0.25f, 0.25f, 0.25f}};
  std::vector<BilinearTap> taps(20, halfway);
  taps.resize(40, quarters);
  OnEveryTarget([&] {
    for (const int64_t count : {1, 16}) {
      const auto values = [&](const std::vector<uint8_t>& image) {
        const std::vector<uint8_t> targets = Resample(taps, 2, 2, Images(count, image));
        EXPECT_EQ(std::count(targets.begin(), targets.begin() + 20, targets[0]), 20);
        return std::pair<int, int>(targets[0], targets[39]);
      };
      EXPECT_EQ(values({0, 0, 0, 0}), std::pair(0, 0));
      EXPECT_EQ(values({255, 255, 255, 255}), std::pair(255, 255));
      EXPECT_EQ(values({7, 8, 7, 8}), std::pair(8, 8));          // 7.5 and 7.5.
      EXPECT_EQ(values({6, 7, 6, 6}), std::pair(7, 6));          // 6.5 and 6.25.
      EXPECT_EQ(values({255, 254, 1, 0}), std::pair(255, 128));  // 254.5 and 127.5.
    }
  });
}

// Windows at the end of an image may lie on what a larger image left behind.
TEST(BilinearTest, EarlierImagesLeaveNoTrace) {
  random::Stream stream(3);
  const std::vector<BilinearTap> large = RandomTaps(stream, 900, 30, 30);
  const std::vector<BilinearTap> small = RandomTaps(stream, 400, 6, 6);
  const Images images = RandomImages(stream, 17, 36);
  const std::vector<uint8_t> before = Resample(small, 6, 6, images);
  Resample(large, 30, 30, Images(17, std::vector<uint8_t>(900, 255)));
  EXPECT_EQ(Resample(small, 6, 6, images), before);
}

}  // namespace
}  // namespace perennial::kernels
