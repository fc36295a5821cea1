#include "common/kernels/activation.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "common/kernels/every_target.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

constexpr Activation kAll[] = {Activation::kIdentity, Activation::kRelu, Activation::kLeakyRelu,
                               Activation::kElu,      Activation::kTanh, Activation::kGelu,
                               Activation::kCrelu};
constexpr int64_t kRows = 3;

// The definitions, in long double. CReLU's first half.
long double Value(Activation f, long double z) {
  switch (f) {
    case Activation::kIdentity:
      return z;
    case Activation::kRelu:
    case Activation::kCrelu:
      return z > 0 || std::isnan(z) ? z : 0;
    case Activation::kLeakyRelu:
      return z > 0 ? z : 0.01L * z;
    case Activation::kElu:
      return z > 0 ? z : std::expm1(z);
    case Activation::kTanh:
      return std::tanh(z);
    case Activation::kGelu:
      return z / 2 * std::erfc(-z / std::numbers::sqrt2_v<long double>);
  }
  return 0;
}

long double Slope(Activation f, long double z) {
  switch (f) {
    case Activation::kIdentity:
      return 1;
    case Activation::kRelu:
    case Activation::kCrelu:
      return z > 0 ? 1 : 0;
    case Activation::kLeakyRelu:
      return z > 0 ? 1 : 0.01L;
    case Activation::kElu:
      return z > 0 ? 1 : std::exp(z);
    case Activation::kTanh:
      return 1 / (std::cosh(z) * std::cosh(z));
    case Activation::kGelu:
      return std::erfc(-z / std::numbers::sqrt2_v<long double>) / 2 +
             z * std::exp(-z * z / 2) * std::numbers::inv_sqrtpi_v<long double> /
                 std::numbers::sqrt2_v<long double>;
  }
  return 0;
}

template <typename T>
class ActivationTest : public testing::Test {
 protected:
  std::vector<T> Normals(int64_t count) {
    std::vector<T> values(count);
    for (T& value : values) value = static_cast<T>(2 * stream_.Normal());
    return values;
  }

  // As the header promises: units in the last place of y, for GELU of max(|z|, 1).
  static void ExpectValue(Activation f, T actual, T z) {
    const long double expected = Value(f, z);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(actual)) << static_cast<int>(f) << " at " << z;
      return;
    }
    if (std::isinf(expected)) {
      EXPECT_EQ(actual, static_cast<T>(expected));
      return;
    }
    const long double scale = f == Activation::kGelu
                                  ? std::max(std::abs(static_cast<long double>(z)), 1.0L)
                                  : std::abs(expected);
    EXPECT_LE(std::abs(actual - expected), 5 * std::numeric_limits<T>::epsilon() * scale +
                                               2 * std::numeric_limits<T>::denorm_min())
        << static_cast<int>(f) << " at " << z << ": " << actual << ", not " << expected;
  }

  random::Stream stream_ = random::Stream(5);
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ActivationTest, Scalars);

TYPED_TEST(ActivationTest, ForwardIsTheFunctionOfInputPlusBias) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const Activation f : kAll) {
      for (const int64_t columns : kKernelSizes) {
        for (const bool with_bias : {false, true}) {
          const int64_t width = ActivationWidth(f, columns);
          const int64_t stride = width + 3;
          const std::vector<T> bias = this->Normals(columns + 1);
          const std::vector<T> before = this->Normals(kRows * stride + 1);
          std::vector<T> y = before;
          const std::vector<T> saved_before = this->Normals(kRows * (columns + 2) + 1);
          std::vector<T> saved = saved_before;
          BiasActivation<T>(f, with_bias ? bias.data() + 1 : nullptr,
                            MatrixView<T>{y.data() + 1, kRows, width, stride},
                            SavesInputs(f)
                                ? MatrixView<T>{saved.data() + 1, kRows, columns, columns + 2}
                                : MatrixView<T>{});
          EXPECT_EQ(y[0], before[0]);
          for (int64_t r = 0; r < kRows; ++r) {
            const int64_t at = 1 + r * stride;
            for (int64_t c = 0; c < columns; ++c) {
              const T z = with_bias ? before[at + c] + bias[1 + c] : before[at + c];
              this->ExpectValue(f, y[at + c], z);
              if (f == Activation::kCrelu) this->ExpectValue(f, y[at + columns + c], -z);
              if (SavesInputs(f)) {
                EXPECT_EQ(saved[1 + r * (columns + 2) + c], z);
              }
            }
            for (int64_t c = width; c < stride; ++c) EXPECT_EQ(y[at + c], before[at + c]);
            for (int64_t c = columns; c < columns + 2; ++c) {
              const int64_t guard = 1 + r * (columns + 2) + c;
              EXPECT_EQ(saved[guard], saved_before[guard]);
            }
          }
        }
      }
    }
  });
}

TYPED_TEST(ActivationTest, ForwardIsAccurateOverTheWholeRange) {
  using T = TypeParam;
  OnEveryTarget([&] {
    std::vector<T> z;
    for (int i = -20000; i <= 20000; ++i) z.push_back(T(i) / 1000);
    for (int e = -140; e < 127; ++e) {
      z.push_back(std::ldexp(T(1.37), e));
      z.push_back(-z.back());
    }
    for (const Activation f : kAll) {
      if (f == Activation::kCrelu) continue;
      std::vector<T> y = z, saved(z.size());
      const auto size = static_cast<int64_t>(z.size());
      BiasActivation<T>(f, nullptr, MatrixView<T>{y.data(), 1, size, size},
                        MatrixView<T>{saved.data(), 1, size, size});
      for (size_t i = 0; i < z.size(); ++i) this->ExpectValue(f, y[i], z[i]);
    }
  });
}

TYPED_TEST(ActivationTest, ForwardOfSpecialValuesIsTheDefinitions) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  const std::vector<T> z = {Limits::quiet_NaN(),
                            Limits::infinity(),
                            -Limits::infinity(),
                            Limits::denorm_min(),
                            -Limits::denorm_min(),
                            Limits::max(),
                            Limits::lowest(),
                            Limits::min(),
                            -Limits::min(),
                            0,
                            -T(0)};
  const auto size = static_cast<int64_t>(z.size());
  OnEveryTarget([&] {
    for (const Activation f : kAll) {
      std::vector<T> y = z, saved(z.size());
      y.resize(2 * z.size());
      const int64_t width = ActivationWidth(f, size);
      BiasActivation<T>(f, nullptr, MatrixView<T>{y.data(), 1, width, width},
                        MatrixView<T>{saved.data(), 1, size, size});
      for (size_t i = 0; i < z.size(); ++i) {
        this->ExpectValue(f, y[i], z[i]);
        if (f == Activation::kCrelu) this->ExpectValue(f, y[z.size() + i], -z[i]);
      }
    }
  });
}

TYPED_TEST(ActivationTest, BackwardMultipliesByTheSlope) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const Activation f : kAll) {
      for (const int64_t columns : kKernelSizes) {
        const int64_t width = ActivationWidth(f, columns);
        const int64_t stride = width + 3;
        const std::vector<T> inputs = this->Normals(kRows * stride + 1);
        std::vector<T> y = inputs, saved(kRows * stride + 1);
        BiasActivation<T>(f, nullptr, MatrixView<T>{y.data() + 1, kRows, width, stride},
                          MatrixView<T>{saved.data() + 1, kRows, columns, stride});
        const std::vector<T> before = this->Normals(kRows * stride + 1);
        std::vector<T> delta = before;
        ActivationBackward<T>(f, MatrixView<const T>{y.data() + 1, kRows, width, stride},
                              MatrixView<const T>{saved.data() + 1, kRows, columns, stride},
                              MatrixView<T>{delta.data() + 1, kRows, width, stride});
        EXPECT_EQ(delta[0], before[0]);
        for (int64_t r = 0; r < kRows; ++r) {
          const int64_t at = 1 + r * stride;
          for (int64_t c = 0; c < columns; ++c) {
            const T z = inputs[at + c];
            long double expected = before[at + c] * Slope(f, z);
            if (f == Activation::kCrelu) expected -= before[at + columns + c] * Slope(f, -z);
            EXPECT_NEAR(delta[at + c], expected,
                        8 * std::numeric_limits<T>::epsilon() *
                            (1 + std::abs(static_cast<double>(before[at + c]))))
                << static_cast<int>(f) << " at " << z;
          }
          for (int64_t c = width; c < stride; ++c) EXPECT_EQ(delta[at + c], before[at + c]);
        }
      }
    }
  });
}

TYPED_TEST(ActivationTest, BackwardAgreesWithTheScalarFunctionsOfTheGpu) {
  using T = TypeParam;
  for (const Activation f : kAll) {
    if (f == Activation::kCrelu) continue;
    const std::vector<T> z = this->Normals(100);
    std::vector<T> y = z, saved(100), delta(100, T(1));
    BiasActivation<T>(f, nullptr, MatrixView<T>{y.data(), 1, 100, 100},
                      MatrixView<T>{saved.data(), 1, 100, 100});
    ActivationBackward<T>(f, MatrixView<const T>{y.data(), 1, 100, 100},
                          MatrixView<const T>{saved.data(), 1, 100, 100},
                          MatrixView<T>{delta.data(), 1, 100, 100});
    for (int i = 0; i < 100; ++i) {
      EXPECT_NEAR(y[i], Activate(f, z[i]), 16 * std::numeric_limits<T>::epsilon());
      EXPECT_NEAR(delta[i], ActivationSlope(f, y[i], z[i]), 8 * std::numeric_limits<T>::epsilon());
    }
  }
}

TYPED_TEST(ActivationTest, GradientIsNotHiddenByNan) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  OnEveryTarget([&] {
    for (const Activation f : kAll) {
      // An output of NaN never stops a gradient, and a gradient of NaN stops at an inactive unit.
      std::vector<T> y = {nan, nan}, saved = {nan, nan}, delta = {T(2), T(3)};
      const MatrixView<T> view{delta.data(), 1, 2, 2};
      ActivationBackward<T>(f, MatrixView<T>{y.data(), 1, 2, 2},
                            MatrixView<T>{saved.data(), 1, 2, 2}, view);
      EXPECT_TRUE(delta[0] != 0) << static_cast<int>(f);
      if (f != Activation::kRelu) continue;
      y = {T(0), T(1)};
      delta = {nan, nan};
      ActivationBackward<T>(f, MatrixView<T>{y.data(), 1, 2, 2}, MatrixView<T>{}, view);
      EXPECT_EQ(delta[0], 0);
      EXPECT_TRUE(std::isnan(delta[1]));
    }
  });
}

}  // namespace
}  // namespace perennial::kernels
