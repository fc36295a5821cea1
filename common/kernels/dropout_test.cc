#include "common/kernels/dropout.h"

#include <cmath>
#include <limits>
#include <vector>

#include "common/kernels/every_target.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

template <typename T>
class DropoutTest : public testing::Test {};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(DropoutTest, Scalars);

// Word i of the stream, by its definition.
uint32_t Word(const random::Stream& stream, int64_t i) {
  return stream.At(static_cast<uint64_t>(i) / 4)[i % 4];
}

TYPED_TEST(DropoutTest, KeepsWhatTheWordsOfTheStreamSay) {
  using T = TypeParam;
  const random::Stream stream = random::Stream(7).Split("dropout");
  OnEveryTarget([&] {
    for (const double rate : {0.0, 0.1, 0.5, 0.93}) {
      for (const int64_t rows : {0, 1, 3, 70}) {  // 70 * 100: more than one stretch of words
        for (const int64_t columns : kKernelSizes) {
          const int64_t stride = columns + 3;
          std::vector<T> x(1 + rows * stride);
          for (size_t i = 0; i < x.size(); ++i) x[i] = T(i) + T(0.5);
          std::vector<T> out(x.size(), T(-7));
          Dropout<T>(stream, rate, MatrixView<const T>{x.data() + 1, rows, columns, stride},
                     MatrixView<T>{out.data() + 1, rows, columns, stride});
          const double threshold = std::round(rate * 4294967296.0);
          EXPECT_EQ(out[0], T(-7));
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < stride; ++c) {
              const int64_t at = 1 + r * stride + c;
              if (c >= columns) {
                EXPECT_EQ(out[at], T(-7));
              } else if (Word(stream, r * columns + c) >= threshold) {
                EXPECT_EQ(out[at], x[at] * static_cast<T>(1 / (1 - rate)));
              } else {
                EXPECT_EQ(out[at], 0);
              }
            }
          }
        }
      }
    }
  });
}

TYPED_TEST(DropoutTest, InPlaceAndAgainIsTheSameMask) {
  using T = TypeParam;
  const random::Stream stream(3);
  random::Stream drawn = stream;
  drawn.Next32();
  std::vector<T> x(64 * 50, T(1)), out(x.size()), gradient(x.size(), T(2));
  Dropout<T>(stream, 0.5, MatrixView<const T>{x.data(), 64, 50, 50},
             MatrixView<T>{out.data(), 64, 50, 50});
  Dropout<T>(stream, 0.5, MatrixView<const T>{x.data(), 64, 50, 50},
             MatrixView<T>{x.data(), 64, 50, 50});
  Dropout<T>(drawn, 0.5, MatrixView<const T>{gradient.data(), 64, 50, 50},
             MatrixView<T>{gradient.data(), 64, 50, 50});
  EXPECT_EQ(x, out);
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(gradient[i], 2 * out[i]);
}

TYPED_TEST(DropoutTest, RateIsTheShareOfDroppedElementsAndTheMeanStays) {
  using T = TypeParam;
  constexpr int64_t kCount = 1 << 18;
  for (const double rate : {0.05, 0.3, 0.5, 0.8}) {
    std::vector<T> x(kCount, T(1));
    const MatrixView<T> view{x.data(), kCount / 256, 256, 256};
    Dropout<T>(random::Stream(11).Split("rate"), rate, view, view);
    double sum = 0;
    int64_t dropped = 0;
    for (const T value : x) {
      sum += value;
      dropped += value == 0;
    }
    const double deviation = std::sqrt(rate * (1 - rate) / kCount);
    EXPECT_NEAR(static_cast<double>(dropped) / kCount, rate, 5 * deviation);
    EXPECT_NEAR(sum / kCount, 1, 5 * deviation / (1 - rate));
  }
}

TYPED_TEST(DropoutTest, ExtremeRatesAndNonFiniteNumbers) {
  using T = TypeParam;
  const T infinity = std::numeric_limits<T>::infinity();
  OnEveryTarget([&] {
    // A dropped infinity or NaN is 0, a kept one stays.
    std::vector<T> x = {infinity, std::numeric_limits<T>::quiet_NaN()};
    x.resize(64, infinity);
    const MatrixView<T> view{x.data(), 1, 64, 64};
    const random::Stream stream(2);
    Dropout<T>(stream, 0.5, view, view);
    for (int64_t i = 0; i < 64; ++i) {
      if (Word(stream, i) < 0x80000000u) {
        EXPECT_EQ(x[i], 0);
      } else {
        EXPECT_FALSE(std::isfinite(x[i]));
      }
    }
    // A rate that rounds to one half of the last place below 1 keeps no word at all.
    x.assign(64, T(1));
    Dropout<T>(stream, std::nextafter(1.0, 0.0), view, view);
    for (const T value : x) EXPECT_EQ(value, 0);
    // A rate that rounds to 0 keeps every word.
    x.assign(64, T(1));
    Dropout<T>(stream, 1e-12, view, view);
    for (const T value : x) EXPECT_EQ(value, static_cast<T>(1 / (1 - 1e-12)));
  });
}

TYPED_TEST(DropoutTest, DenormalNumbersAreKept) {
  using T = TypeParam;
  constexpr T kTiny = std::numeric_limits<T>::denorm_min();
  const random::Stream stream(2);
  OnEveryTarget([&] {
    std::vector<T> x(67), out(67);
    for (size_t i = 0; i < x.size(); ++i) x[i] = T(i) * (i % 2 == 0 ? kTiny : -kTiny);
    Dropout<T>(stream, 0.5, MatrixView<const T>{x.data(), 1, 67, 67},
               MatrixView<T>{out.data(), 1, 67, 67});
    for (int64_t i = 0; i < 67; ++i) {
      EXPECT_EQ(out[i], Word(stream, i) < 0x80000000u ? 0 : 2 * x[i]) << i;
    }
  });
}

}  // namespace
}  // namespace perennial::kernels
