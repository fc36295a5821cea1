#include "common/kernels/elementwise.h"

#include <cmath>
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

template <typename T, typename S>
void ExpectGatheredRows() {
  constexpr int64_t kFeatures = 9;
  std::vector<S> table(3 * kFeatures);
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<S>(1 / (1.0 + i));
  table[4] = std::numeric_limits<S>::quiet_NaN();
  table[5] = std::numeric_limits<S>::infinity();
  const std::vector<int32_t> indices = {2, 0, 2, 1};
  const std::vector<int32_t> map = {8, 0, 3, 4, 5, 7, 6, 2, 1};
  std::vector<T> rows(4 * 12, T(-7)), mapped = rows;
  GatherRows<T, S>(table.data(), kFeatures, indices, MatrixView<T>{rows.data(), 4, kFeatures, 12});
  GatherRowsMapped<T, S>(table.data(), kFeatures, map.data(), indices,
                         MatrixView<T>{mapped.data(), 4, kFeatures, 12});
  for (int64_t r = 0; r < 4; ++r) {
    const S* row = table.data() + indices[r] * kFeatures;
    for (int64_t c = 0; c < kFeatures; ++c) {
      const T plain = static_cast<T>(row[c]), chosen = static_cast<T>(row[map[c]]);
      EXPECT_TRUE(rows[r * 12 + c] == plain || std::isnan(plain));
      EXPECT_EQ(std::isnan(rows[r * 12 + c]), std::isnan(plain));
      EXPECT_TRUE(mapped[r * 12 + c] == chosen || std::isnan(chosen));
      EXPECT_EQ(std::isnan(mapped[r * 12 + c]), std::isnan(chosen));
    }
    EXPECT_EQ(rows[r * 12 + kFeatures], T(-7));
    EXPECT_EQ(mapped[r * 12 + kFeatures], T(-7));
  }
}

TYPED_TEST(Kernels, GatherRowsConvertsTheChosenRowsOfEitherTable) {
  ExpectGatheredRows<TypeParam, float>();
  ExpectGatheredRows<TypeParam, double>();
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

TYPED_TEST(Kernels, ScaleSquareAndCombineMatchTheirDefinition) {
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
      std::vector<T> scaled = a, squares = a, sum = a, none = a;
      Scale<T>(T(-1.5), std::span<T>(scaled).subspan(1, columns));
      Square<T>(view(squares), out_view(squares));
      const std::vector<T> coefficients = {T(0.25), T(-2), T(0.7)};
      const std::vector<MatrixView<const T>> matrices = {view(sum), view(b), view(c)};
      Combine<T>(coefficients, matrices, out_view(sum));
      Combine<T>({}, {}, out_view(none));
      for (size_t i = 0; i < a.size(); ++i) {
        const int64_t at = static_cast<int64_t>(i) - 1;
        const bool inside = at >= 0 && at < 3 * stride && at % stride < columns;
        EXPECT_EQ(scaled[i], at >= 0 && at < columns ? T(-1.5) * a[i] : a[i]);
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

}  // namespace
}  // namespace perennial::kernels
