#include "common/kernels/elementwise.h"

#include <cmath>
#include <limits>
#include <vector>

#include "common/kernels/sgd_update.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"
#include "hwy/targets.h"

namespace perennial::kernels {
namespace {

// Every test runs for both scalars on every instruction set of this CPU, on sizes around the vector
// lengths, from unaligned pointers, and checks that nothing beyond the extent is written.
constexpr int64_t kSizes[] = {0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100};
constexpr int64_t kGuard = 20;

template <typename T>
class Kernels : public testing::Test {
 protected:
  ~Kernels() override { hwy::SetSupportedTargetsForTest(0); }

  template <typename Body>
  void OnEveryTarget(Body body) {
    const auto targets = static_cast<uint64_t>(hwy::SupportedTargets());
    int tried = 0;
    for (uint64_t bit = 1; bit != 0; bit <<= 1) {
      if ((targets & bit) == 0) continue;
      hwy::SetSupportedTargetsForTest(static_cast<int64_t>(bit));
      hwy::GetChosenTarget().Update(static_cast<int64_t>(bit));
      SCOPED_TRACE(hwy::TargetName(static_cast<int64_t>(bit)));
      body();
      ++tried;
    }
    EXPECT_GT(tried, 0);
  }

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
  this->OnEveryTarget([&] {
    for (const int64_t features : kSizes) {
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

TYPED_TEST(Kernels, AddBiasAndReluMatchTheirDefinition) {
  using T = TypeParam;
  this->OnEveryTarget([&] {
    for (const int64_t columns : kSizes) {
      const std::vector<T> bias = this->Values(columns + 1);
      std::vector<T> y = this->Values(3 * (columns + 2));
      if (columns > 2) {
        y[1 + 2] = std::numeric_limits<T>::quiet_NaN();
        y[1 + 1] = std::numeric_limits<T>::infinity();
        y[1 + 0] = std::numeric_limits<T>::denorm_min();
      }
      std::vector<T> plain = y;
      std::vector<T> rectified = y;
      AddBias<T>(bias.data() + 1, MatrixView<T>{plain.data() + 1, 3, columns, columns + 2});
      AddBiasRelu<T>(bias.data() + 1, MatrixView<T>{rectified.data() + 1, 3, columns, columns + 2});
      for (int64_t r = 0; r < 3; ++r) {
        for (int64_t c = 0; c < columns + 2; ++c) {
          const int64_t at = 1 + r * (columns + 2) + c;
          if (c >= columns) {
            EXPECT_EQ(plain[at], y[at]);
            EXPECT_EQ(rectified[at], y[at]);
            continue;
          }
          const T sum = y[at] + bias[1 + c];
          if (std::isnan(sum)) {
            EXPECT_TRUE(std::isnan(plain[at]));
            EXPECT_TRUE(std::isnan(rectified[at]));
          } else {
            EXPECT_EQ(plain[at], sum);
            EXPECT_EQ(rectified[at], sum > 0 ? sum : 0);
          }
        }
      }
    }
  });
}

TYPED_TEST(Kernels, ReluBackwardPassesTheGradientWhereTheOutputIsPositive) {
  using T = TypeParam;
  this->OnEveryTarget([&] {
    for (const int64_t columns : kSizes) {
      std::vector<T> y = this->Values(2 * columns + 1);
      for (T& value : y) value = std::max(value, T(0));
      const std::vector<T> before = this->Values(2 * columns + 1);
      std::vector<T> delta = before;
      ReluBackward<T>(MatrixView<const T>{y.data() + 1, 2, columns, columns},
                      MatrixView<T>{delta.data() + 1, 2, columns, columns});
      for (size_t i = 0; i < delta.size(); ++i) {
        const bool inside = i >= 1 && i < 1 + 2 * static_cast<size_t>(columns);
        EXPECT_EQ(delta[i], inside && y[i] <= 0 ? 0 : before[i]) << i;
      }
    }
  });
}

TYPED_TEST(Kernels, ColumnSumsAddUpRows) {
  using T = TypeParam;
  this->OnEveryTarget([&] {
    for (const int64_t columns : kSizes) {
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

TYPED_TEST(Kernels, SgdMomentumStepLinePointAndAxpyMatchTheirDefinition) {
  using T = TypeParam;
  this->OnEveryTarget([&] {
    for (const int64_t size : kSizes) {
      const std::vector<T> g = this->Values(size + 1);
      const std::vector<T> w = this->Values(size + 1);
      const std::vector<T> v = this->Values(size + 1);
      const auto part = [size](const std::vector<T>& values) {
        return std::span<const T>(values).subspan(1, size);
      };
      std::vector<T> new_w = w, new_v = v, point = v, sum = v;
      SgdMomentumStep<T>(T(0.125), T(0.75), T(0.5), part(g), std::span<T>(new_w).subspan(1, size),
                         std::span<T>(new_v).subspan(1, size));
      LinePoint<T>(T(0.25), part(w), part(g), std::span<T>(point).subspan(1, size));
      Axpy<T>(T(-1.5), part(g), std::span<T>(sum).subspan(1, size));
      for (int64_t i = 1; i <= size; ++i) {
        const long double velocity = 0.75L * v[i] + g[i] + 0.5L * w[i];
        this->ExpectClose(new_v[i] / 2, velocity / 2);
        this->ExpectClose(new_w[i], w[i] - 0.125L * velocity);
        this->ExpectClose(point[i], w[i] + 0.25L * (static_cast<long double>(g[i]) - w[i]));
        this->ExpectClose(sum[i] / 2, (v[i] - 1.5L * g[i]) / 2);
      }
      for (const std::vector<T>* changed : {&new_w, &new_v, &point, &sum}) {
        const std::vector<T>& original = changed == &new_w ? w : v;
        EXPECT_EQ(changed->front(), original.front());
        EXPECT_EQ((*changed)[1 + size], original[1 + size]);
      }
    }
  });
}

// The scalar update is what the GPU computes; instruction sets without fused multiply-adds round
// once more.
TYPED_TEST(Kernels, SgdMomentumStepAgreesWithTheScalarUpdateOfTheGpu) {
  using T = TypeParam;
  std::vector<T> g = this->Values(100), w = this->Values(100), v = this->Values(100);
  std::vector<T> scalar_w = w, scalar_v = v;
  SgdMomentumStep<T>(T(0.1), T(0.8), T(0.01), g, w, v);
  for (size_t i = 0; i < g.size(); ++i) {
    SgdMomentumUpdate<T>(T(0.1), T(0.8), T(0.01), g[i], scalar_w[i], scalar_v[i]);
    this->ExpectClose(w[i], scalar_w[i]);
    this->ExpectClose(v[i], scalar_v[i]);
  }
}

}  // namespace
}  // namespace perennial::kernels
