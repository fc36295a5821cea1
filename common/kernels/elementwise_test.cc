#include "common/kernels/elementwise.h"

#include <cmath>
#include <iterator>
#include <limits>
#include <vector>

#include "common/kernels/every_target.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

// Every test runs for both scalars on every instruction set of this CPU, on sizes around the vector
// lengths, from unaligned pointers, and checks that nothing beyond the extent is written.
constexpr int64_t kGuard = 20;

// Equal, or both NaN.
template <typename T>
void ExpectSame(T actual, T expected) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(actual)) << actual;
  } else {
    EXPECT_EQ(actual, expected);
  }
}

template <typename T>
class Kernels : public testing::Test {
 protected:
  T Normal() { return static_cast<T>(stream_.Normal()); }
  // `count` values and a guard, beginning one element after an aligned address.
  std::vector<T> Values(int64_t count) {
    std::vector<T> values(count + kGuard);
    for (T& value : values) value = Normal();
    return values;
  }
  // The kernels may fuse a multiplication and an addition.
  static void ExpectClose(T actual, long double expected) {
    EXPECT_NEAR(
        actual, expected,
        4 * std::numeric_limits<T>::epsilon() * (1 + std::abs(static_cast<double>(expected))));
  }

  random::Stream stream_ = random::Stream(3);
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Kernels, Scalars);

TYPED_TEST(Kernels, GatherPixelsScalesTheChosenImages) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t features : kKernelSizes) {
      std::vector<uint8_t> pixels(3 * features);
      for (uint8_t& pixel : pixels) pixel = static_cast<uint8_t>(this->stream_.Below(256));
      const std::vector<int32_t> indices = {2, 0, 2, 1};
      std::vector<T> out(4 * (features + 3) + kGuard, T(-7));
      GatherPixels<T>(pixels.data(), features, indices, T(1) / 255, T(0.25),
                      MatrixView<T>{out.data() + 1, 4, features, features + 3});
      for (int64_t r = 0; r < 4; ++r) {
        for (int64_t c = 0; c < features; ++c) {
          this->ExpectClose(
              out[1 + r * (features + 3) + c],
              pixels[indices[r] * features + c] * static_cast<long double>(T(1) / 255) + 0.25L);
        }
        EXPECT_EQ(out[1 + r * (features + 3) + features], T(-7));
      }
    }
  });
}

TYPED_TEST(Kernels, ColumnSumsAddUpRows) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t columns : kKernelSizes) {
      for (const bool accumulate : {false, true}) {
        const std::vector<T> x = this->Values(5 * columns + 1);
        const std::vector<T> before = this->Values(columns + 1);
        std::vector<T> out = before;
        ColumnSums<T>(MatrixView<const T>{x.data() + 1, 5, columns, columns}, T(0.5), accumulate,
                      out.data() + 1);
        for (int64_t c = 0; c < columns; ++c) {
          long double sum = 0;
          for (int64_t r = 0; r < 5; ++r) sum += x[1 + r * columns + c];
          this->ExpectClose(out[1 + c] / 4, (sum / 2 + (accumulate ? before[1 + c] : 0)) / 4);
        }
        EXPECT_EQ(out[1 + columns], before[1 + columns]);
      }
    }
  });
}

TYPED_TEST(Kernels, LinePointAndAxpyMatchTheirDefinition) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t size : kKernelSizes) {
      const std::vector<T> g = this->Values(size + 1);
      const std::vector<T> w = this->Values(size + 1);
      const std::vector<T> v = this->Values(size + 1);
      const auto part = [size](const std::vector<T>& values) {
        return std::span<const T>(values).subspan(1, size);
      };
      std::vector<T> point = v, sum = v;
      LinePoint<T>(T(0.25), part(w), part(g), std::span<T>(point).subspan(1, size));
      Axpy<T>(T(-1.5), part(g), std::span<T>(sum).subspan(1, size));
      for (int64_t i = 1; i <= size; ++i) {
        this->ExpectClose(point[i], w[i] + 0.25L * (static_cast<long double>(g[i]) - w[i]));
        this->ExpectClose(sum[i] / 2, (v[i] - 1.5L * g[i]) / 2);
      }
      for (const std::vector<T>* changed : {&point, &sum}) {
        EXPECT_EQ(changed->front(), v.front());
        EXPECT_EQ((*changed)[1 + size], v[1 + size]);
      }
    }
  });
}

// gradient: of the penalty, by its definition. Step: where the gradient of the penalty and of half
// the squared distance to the start cancel.
TYPED_TEST(Kernels, QuadraticPenaltiesMatchTheirDefinition) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t size : kKernelSizes) {
      std::vector<T> precision = this->Values(size + 1);
      for (T& p : precision) p = p * p;
      const std::vector<T> centre = this->Values(size + 1);
      const std::vector<T> x = this->Values(size + 1);
      const std::vector<T> g = this->Values(size + 1);
      const auto part = [size](auto& values) { return std::span(values).subspan(1, size); };
      std::vector<T> gradient = g, moved = x;
      const std::vector<T>& p = precision;
      AddQuadraticGradient<T>(T(1.5), part(p), part(centre), part(x), part(gradient));
      QuadraticProximalStep<T>(T(1.5), part(p), part(centre), part(moved));
      for (int64_t i = 1; i <= size; ++i) {
        const long double pull = static_cast<long double>(p[i]) * x[i] - centre[i];
        this->ExpectClose(gradient[i] / 4, (g[i] + 1.5L * pull) / 4);
        const long double y = moved[i];
        this->ExpectClose(static_cast<T>(1.5L * (p[i] * y - centre[i]) / (4 * (1 + p[i]))),
                          (x[i] - y) / (4 * (1 + p[i])));
      }
      for (const auto& [changed, before] : {std::pair(&gradient, &g), std::pair(&moved, &x)}) {
        EXPECT_EQ(changed->front(), before->front());
        EXPECT_EQ((*changed)[1 + size], (*before)[1 + size]);
      }
    }
  });
}

TYPED_TEST(Kernels, MappedGatherIsTheGatherOfPermutedImages) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t features : {1, 7, 100, 784, 3000}) {
      std::vector<uint8_t> pixels(3 * features);
      for (uint8_t& pixel : pixels) pixel = static_cast<uint8_t>(this->stream_.Below(256));
      const std::vector<int32_t> map =
          this->stream_.Sample(static_cast<int32_t>(features), static_cast<int32_t>(features));
      std::vector<uint8_t> permuted(pixels.size());
      for (int64_t i = 0; i < 3; ++i) {
        for (int64_t c = 0; c < features; ++c) {
          permuted[i * features + c] = pixels[i * features + map[c]];
        }
      }
      const std::vector<int32_t> indices = {2, 0, 2, 1};
      const int64_t stride = features + 3;
      std::vector<T> expected(1 + 4 * stride, T(-7)), out = expected;
      GatherPixels<T>(permuted.data(), features, indices, T(1) / 255, T(0.25),
                      MatrixView<T>{expected.data() + 1, 4, features, stride});
      GatherPixelsMapped<T>(pixels.data(), features, map.data(), indices, T(1) / 255, T(0.25),
                            MatrixView<T>{out.data() + 1, 4, features, stride});
      EXPECT_EQ(out, expected);
      // Fewer columns than features: a choice of pixels.
      const int64_t some = features / 2;
      std::vector<T> chosen(1 + 4 * stride, T(-7));
      GatherPixelsMapped<T>(pixels.data(), features, map.data(), indices, T(1) / 255, T(0.25),
                            MatrixView<T>{chosen.data() + 1, 4, some, stride});
      for (int64_t r = 0; r < 4; ++r) {
        for (int64_t c = 0; c < stride; ++c) {
          const int64_t at = 1 + r * stride + c;
          // A whole vector may fuse what a single element rounds twice.
          if (c < some) {
            this->ExpectClose(chosen[at], expected[at]);
          } else {
            EXPECT_EQ(chosen[at], T(-7));
          }
        }
      }
    }
  });
}

TYPED_TEST(Kernels, GatherRowsConvertsTheChosenRows) {
  using T = TypeParam;
  constexpr int64_t kFeatures = 9;
  std::vector<float> table(3 * kFeatures);
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(1 / (1.0 + i));
  table[3] = std::numeric_limits<float>::denorm_min();
  table[4] = std::numeric_limits<float>::quiet_NaN();
  table[5] = std::numeric_limits<float>::infinity();
  const std::vector<int32_t> indices = {2, 0, 2, 1};
  const std::vector<int32_t> map = {8, 0, 3, 4, 5, 7, 6, 2, 1};
  std::vector<T> rows(4 * 12, T(-7)), mapped = rows;
  GatherRows<T>(table.data(), kFeatures, indices, MatrixView<T>{rows.data(), 4, kFeatures, 12});
  GatherRowsMapped<T>(table.data(), kFeatures, map.data(), indices,
                      MatrixView<T>{mapped.data(), 4, kFeatures, 12});
  for (int64_t r = 0; r < 4; ++r) {
    const float* row = table.data() + indices[r] * kFeatures;
    for (int64_t c = 0; c < kFeatures; ++c) {
      ExpectSame(rows[r * 12 + c], static_cast<T>(row[c]));
      ExpectSame(mapped[r * 12 + c], static_cast<T>(row[map[c]]));
    }
    EXPECT_EQ(rows[r * 12 + kFeatures], T(-7));
    EXPECT_EQ(mapped[r * 12 + kFeatures], T(-7));
  }
}

TYPED_TEST(Kernels, DotAndSquaredNormAreSumsInDouble) {
  using T = TypeParam;
  OnEveryTarget([&] {
    std::vector<int64_t> sizes(std::begin(kKernelSizes), std::end(kKernelSizes));
    sizes.push_back(10000);
    for (const int64_t size : sizes) {
      // Beyond the extent there is NaN, which would show.
      std::vector<T> x = this->Values(size + 1), y = this->Values(size + 1);
      x[0] = x[1 + size] = y[0] = y[1 + size] = std::numeric_limits<T>::quiet_NaN();
      long double dot = 0, squares = 0, magnitude = 1;
      for (int64_t i = 1; i <= size; ++i) {
        dot += static_cast<long double>(x[i]) * y[i];
        squares += static_cast<long double>(x[i]) * x[i];
        magnitude += std::abs(static_cast<long double>(x[i]) * y[i]);
      }
      const auto part = [size](const std::vector<T>& values) {
        return std::span<const T>(values).subspan(1, size);
      };
      // Double's precision, whatever T.
      EXPECT_NEAR(Dot<T>(part(x), part(y)), dot, 1e-14 * static_cast<double>(magnitude));
      EXPECT_NEAR(SquaredNorm<T>(part(x)), squares, 1e-14 * (1 + static_cast<double>(squares)));
      EXPECT_EQ(SquaredNorm<T>(part(x)), SquaredNorm<T>(part(std::vector<T>(x))));
    }
    const std::vector<T> huge(3, std::numeric_limits<T>::infinity());
    EXPECT_TRUE(std::isinf(SquaredNorm<T>(huge)));
    const std::vector<T> tiny(3, std::numeric_limits<float>::denorm_min());
    EXPECT_EQ(SquaredNorm<T>(tiny), 3 * 0x1p-149 * 0x1p-149);  // 0 if summed in float.
  });
}

TYPED_TEST(Kernels, SquareAndCombineMatchTheirDefinition) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t columns : kKernelSizes) {
      const int64_t stride = columns + 2;
      const std::vector<T> a = this->Values(3 * stride), b = this->Values(3 * stride),
                           c = this->Values(3 * stride);
      const auto view = [&](const std::vector<T>& values) {
        return MatrixView<const T>{values.data() + 1, 3, columns, stride};
      };
      const auto out_view = [&](std::vector<T>& values) {
        return MatrixView<T>{values.data() + 1, 3, columns, stride};
      };
      std::vector<T> squares = a, sum = a, none = a;
      Square<T>(view(squares), out_view(squares));
      const std::vector<T> coefficients = {T(0.25), T(-2), T(0.7)};
      const std::vector<MatrixView<const T>> matrices = {view(sum), view(b), view(c)};
      Combine<T>(coefficients, matrices, out_view(sum));
      Combine<T>({}, {}, out_view(none));
      for (size_t i = 0; i < a.size(); ++i) {
        const int64_t at = static_cast<int64_t>(i) - 1;
        const bool inside = at >= 0 && at < 3 * stride && at % stride < columns;
        EXPECT_EQ(squares[i], inside ? a[i] * a[i] : a[i]);
        EXPECT_EQ(none[i], inside ? 0 : a[i]);
        if (inside) {
          const long double expected =
              0.25L * a[i] - 2.0L * b[i] + static_cast<long double>(T(0.7)) * c[i];
          this->ExpectClose(sum[i] / 4, expected / 4);
        } else {
          EXPECT_EQ(sum[i], a[i]);
        }
      }
    }
  });
}

// NaN, infinities and denormal numbers behave as in a plain loop. All other numbers are small
// powers of two, so that fusing a product and a sum changes nothing and results are equal, not
// close.
template <typename T>
class SpecialNumbers : public testing::Test {
 protected:
  static constexpr T kTiny = std::numeric_limits<T>::denorm_min();
  static constexpr T kInfinity = std::numeric_limits<T>::infinity();

  // Element i: ordinary or special, every pair at some place.
  static std::vector<T> Numbers(int64_t count, int64_t seed) {
    static constexpr T kNumbers[] = {1,
                                     kTiny,
                                     std::numeric_limits<T>::quiet_NaN(),
                                     -2,
                                     kInfinity,
                                     5 * kTiny,
                                     T(0.5),
                                     -kInfinity,
                                     -3 * kTiny,
                                     std::numeric_limits<T>::min(),
                                     0};
    const auto kinds = static_cast<int64_t>(std::size(kNumbers));
    std::vector<T> numbers(count);
    for (int64_t i = 0; i < count; ++i) {
      numbers[i] = kNumbers[(i + seed + seed * (i / kinds)) % kinds];
    }
    return numbers;
  }
};
TYPED_TEST_SUITE(SpecialNumbers, Scalars);

TYPED_TEST(SpecialNumbers, LinePointAndAxpyAreThePlainLoops) {
  using T = TypeParam;
  OnEveryTarget([&] {
    // From the second element on, so that the runs are not aligned.
    for (const int64_t size : {1, 5, 16, 33, 125}) {
      const std::vector<T> a = this->Numbers(size + 1, 1), b = this->Numbers(size + 1, 4);
      const auto part = [](auto& values) { return std::span(values).subspan(1); };
      for (const T alpha : {T(2), T(0), this->kInfinity, std::numeric_limits<T>::quiet_NaN()}) {
        std::vector<T> point(size + 1), sum = a;
        LinePoint<T>(alpha, part(a), part(b), part(point));
        Axpy<T>(alpha, part(b), part(sum));
        for (int64_t i = 1; i <= size; ++i) {
          SCOPED_TRACE(testing::Message() << alpha << ": " << a[i] << ", " << b[i]);
          ExpectSame<T>(point[i], a[i] + alpha * (b[i] - a[i]));
          ExpectSame<T>(sum[i], a[i] + alpha * b[i]);
        }
      }
    }
  });
}

TYPED_TEST(SpecialNumbers, SquareAndCombineAreThePlainLoops) {
  using T = TypeParam;
  // The smallest numbers whose square is denormal, not zero.
  const T small = std::sqrt(std::numeric_limits<T>::min()) / 2;
  OnEveryTarget([&] {
    for (const int64_t columns : {1, 5, 16, 33, 125}) {
      const int64_t stride = columns + 1;
      std::vector<T> a = this->Numbers(1 + 3 * stride, 1), b = this->Numbers(1 + 3 * stride, 4);
      a[2 + stride] = small;
      const auto view = [&](const std::vector<T>& values) {
        return MatrixView<const T>{values.data() + 1, 3, columns, stride};
      };
      std::vector<T> squares(a.size()), sum(a.size());
      const MatrixView<T> squares_view = {squares.data() + 1, 3, columns, stride};
      const MatrixView<T> sum_view = {sum.data() + 1, 3, columns, stride};
      Square<T>(view(a), squares_view);
      const std::vector<T> coefficients = {2, T(-0.5)};
      const std::vector<MatrixView<const T>> matrices = {view(a), view(b)};
      // Half of an odd denormal number is rounded.
      for (T& value : b) value *= 2;
      Combine<T>(coefficients, matrices, sum_view);
      for (int64_t r = 0; r < 3; ++r) {
        for (int64_t c = 0; c < columns; ++c) {
          const T x = view(a)(r, c), y = view(b)(r, c);
          SCOPED_TRACE(testing::Message() << x << ", " << y);
          ExpectSame<T>(squares_view(r, c), x * x);
          ExpectSame<T>(sum_view(r, c), 2 * x - T(0.5) * y);
        }
      }
      EXPECT_EQ(std::fpclassify(small * small), FP_SUBNORMAL);
    }
  });
}

TYPED_TEST(SpecialNumbers, ColumnSumsAreThePlainLoop) {
  using T = TypeParam;
  OnEveryTarget([&] {
    // Rows of 1: every number by itself; of 3: infinities of both signs meet.
    for (const int64_t rows : {1, 3}) {
      for (const int64_t columns : {1, 5, 16, 33, 125}) {
        const std::vector<T> values = this->Numbers(1 + rows * columns, 4);
        const MatrixView<const T> x = {values.data() + 1, rows, columns, columns};
        for (const bool accumulate : {false, true}) {
          const std::vector<T> before = this->Numbers(1 + columns, 7);
          std::vector<T> sums = before;
          ColumnSums<T>(x, T(2), accumulate, sums.data() + 1);
          for (int64_t c = 0; c < columns; ++c) {
            T sum = 0;
            for (int64_t r = 0; r < rows; ++r) sum += x(r, c);
            ExpectSame<T>(sums[1 + c], accumulate ? 2 * sum + before[1 + c] : 2 * sum);
          }
        }
      }
    }
  });
}

// At every place of a run: in whole vectors and in the rest.
TYPED_TEST(SpecialNumbers, DotAndSquaredNormPassThemOn) {
  using T = TypeParam;
  constexpr int64_t kSize = 45;
  const double tiny = static_cast<double>(this->kTiny);
  OnEveryTarget([&] {
    for (int64_t at = 0; at < kSize; ++at) {
      std::vector<T> x(1 + kSize), y(1 + kSize, T(2));
      const auto part = [](const std::vector<T>& values) {
        return std::span<const T>(values).subspan(1);
      };
      x[1 + at] = 3 * this->kTiny;
      EXPECT_EQ(Dot<T>(part(x), part(y)), 6 * tiny);
      EXPECT_EQ(SquaredNorm<T>(part(x)), 9 * tiny * tiny);
      x[1 + at] = -this->kInfinity;
      EXPECT_EQ(Dot<T>(part(x), part(y)), -std::numeric_limits<double>::infinity());
      EXPECT_EQ(SquaredNorm<T>(part(x)), std::numeric_limits<double>::infinity());
      x[1 + (at + 1) % kSize] = this->kInfinity;  // Their sum is NaN, that of their squares not.
      EXPECT_TRUE(std::isnan(Dot<T>(part(x), part(y))));
      EXPECT_EQ(SquaredNorm<T>(part(x)), std::numeric_limits<double>::infinity());
      x[1 + at] = std::numeric_limits<T>::quiet_NaN();
      EXPECT_TRUE(std::isnan(Dot<T>(part(x), part(y))));
      EXPECT_TRUE(std::isnan(Dot<T>(part(y), part(x))));
      EXPECT_TRUE(std::isnan(SquaredNorm<T>(part(x))));
    }
  });
}

}  // namespace
}  // namespace perennial::kernels
