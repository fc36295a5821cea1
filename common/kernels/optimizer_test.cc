#include "common/kernels/optimizer.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "common/kernels/every_target.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

constexpr int64_t kGuard = 20;
constexpr int kRuns = 4;  // Gradient, weights, and up to two of state.

// The runs of one call, each in a vector of its own that begins with one element of guard, so that
// the run is not aligned, and ends with more.
template <typename T>
using Runs = std::vector<std::vector<T>>;

// A kernel, and the scalar update that it must agree with.
template <typename T>
struct Case {
  const char* name;
  std::function<void(std::span<const T>, std::span<T>, std::span<T>, std::span<T>)> kernel;
  std::function<void(T, T&, T&, T&)> scalar;
};

template <typename T>
std::vector<Case<T>> Cases() {
  const SgdCoefficients<T> sgd = {.rate = T(0.1), .decay = T(0.02), .gradient_scale = T(0.7)};
  SgdCoefficients<T> momentum = sgd;
  momentum.momentum = T(0.8);
  SgdCoefficients<T> nesterov = momentum;
  nesterov.nesterov = true;
  const AdamCoefficients<T> adam = {.rate = T(0.02),
                                    .beta1 = T(0.9),
                                    .gradient_weight = T(0.1),
                                    .beta2 = T(0.95),
                                    .square_weight = T(0.05),
                                    .deviation_scale = T(1.5),
                                    .epsilon = T(1e-3),
                                    .decay = T(0.03),
                                    .shrinkage = T(0.98),
                                    .gradient_scale = T(0.7)};
  const RmspropCoefficients<T> rmsprop = {.rate = T(0.05),
                                          .momentum = T(0.6),
                                          .smoothing = T(0.9),
                                          .square_weight = T(0.1),
                                          .epsilon = T(1e-3),
                                          .decay = T(0.03),
                                          .gradient_scale = T(0.7)};
  using Const = std::span<const T>;
  using Run = std::span<T>;
  return {
      {"sgd", [=](Const g, Run w, Run, Run) { SgdStep<T>(sgd, g, w, {}); },
       [=](T g, T& w, T&, T&) { SgdUpdate(sgd, g, w); }},
      {"momentum", [=](Const g, Run w, Run v, Run) { SgdStep<T>(momentum, g, w, v); },
       [=](T g, T& w, T& v, T&) { SgdUpdate(momentum, g, w, v); }},
      {"nesterov", [=](Const g, Run w, Run v, Run) { SgdStep<T>(nesterov, g, w, v); },
       [=](T g, T& w, T& v, T&) { SgdUpdate(nesterov, g, w, v); }},
      {"adam", [=](Const g, Run w, Run m, Run s) { AdamStep<T>(adam, g, w, m, s); },
       [=](T g, T& w, T& m, T& s) { AdamUpdate(adam, g, w, m, s); }},
      {"rmsprop", [=](Const g, Run w, Run, Run s) { RmspropStep<T>(rmsprop, g, w, s, {}); },
       [=](T g, T& w, T&, T& s) { RmspropUpdate(rmsprop, g, w, s); }},
      {"rmsprop momentum",
       [=](Const g, Run w, Run b, Run s) { RmspropStep<T>(rmsprop, g, w, s, b); },
       [=](T g, T& w, T& b, T& s) { RmspropUpdate(rmsprop, g, w, s, b); }},
  };
}

template <typename T>
class OptimizerKernels : public testing::Test {
 protected:
  // The last run holds squares: not negative.
  Runs<T> RandomRuns(int64_t size) {
    Runs<T> runs(kRuns, std::vector<T>(1 + size + kGuard));
    for (std::vector<T>& run : runs) {
      for (T& value : run) value = static_cast<T>(stream_.Normal());
    }
    for (T& value : runs.back()) value = std::abs(value);
    return runs;
  }
  static void Call(const Case<T>& c, Runs<T>& runs, int64_t offset, int64_t size) {
    const auto part = [=](std::vector<T>& run) {
      return std::span<T>(run).subspan(1 + offset, size);
    };
    c.kernel(part(runs[0]), part(runs[1]), part(runs[2]), part(runs[3]));
  }
  static void ExpectAgree(T actual, T expected) {
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(actual)) << actual;
    } else if (std::isinf(expected)) {
      EXPECT_EQ(actual, expected);
    } else {
      // Instruction sets without fused multiply-adds round once more.
      EXPECT_NEAR(actual, expected,
                  8 * std::numeric_limits<T>::epsilon() * (1 + std::abs(expected)));
    }
  }
  void ExpectAgreesWithScalar(const Case<T>& c, const Runs<T>& before, int64_t size) {
    SCOPED_TRACE(c.name);
    Runs<T> runs = before;
    Call(c, runs, 0, size);
    for (int64_t i = 0; i < 1 + size + kGuard; ++i) {
      T w = before[1][i], first = before[2][i], second = before[3][i];
      if (i >= 1 && i < 1 + size) c.scalar(before[0][i], w, first, second);
      ExpectAgree(runs[1][i], w);
      ExpectAgree(runs[2][i], first);
      ExpectAgree(runs[3][i], second);
    }
  }

  random::Stream stream_ = random::Stream(5);
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(OptimizerKernels, Scalars);

TYPED_TEST(OptimizerKernels, AgreeWithTheScalarUpdateAndStayInTheirRuns) {
  OnEveryTarget([&] {
    for (int64_t size = 0; size <= 100; ++size) {
      const Runs<TypeParam> before = this->RandomRuns(size);
      for (const auto& c : Cases<TypeParam>()) this->ExpectAgreesWithScalar(c, before, size);
    }
  });
}

TYPED_TEST(OptimizerKernels, NotANumberInfinityAndDenormalsGoTheWayOfTheScalarUpdate) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  OnEveryTarget([&] {
    for (const T special : {Limits::quiet_NaN(), Limits::infinity(), Limits::denorm_min(),
                            Limits::min() / 4, Limits::max()}) {
      for (int run = 0; run < kRuns; ++run) {
        Runs<T> before = this->RandomRuns(37);
        for (const int64_t at : {1, 18, 37}) before[run][at] = special;
        for (const auto& c : Cases<T>()) this->ExpectAgreesWithScalar(c, before, 37);
      }
    }
  });
}

TYPED_TEST(OptimizerKernels, DenormalNumbersAreNotFlushed) {
  using T = TypeParam;
  const T tiny = std::numeric_limits<T>::denorm_min();
  OnEveryTarget([&] {
    const std::vector<T> g(19, tiny);
    std::vector<T> w(19, 0), v(19, 4 * tiny);
    SgdStep<T>({.rate = 1, .momentum = T(0.5)}, g, w, v);
    EXPECT_EQ(v, std::vector<T>(19, 3 * tiny));
    EXPECT_EQ(w, std::vector<T>(19, -3 * tiny));
  });
}

TYPED_TEST(OptimizerKernels, ANumbersBitsDoNotDependOnWhereARunIsCut) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const auto& c : Cases<T>()) {
      SCOPED_TRACE(c.name);
      Runs<T> whole = this->RandomRuns(100);
      Runs<T> pieces = whole;
      this->Call(c, whole, 0, 100);
      for (int64_t at = 0, size = 1; at < 100; at += size, size = 2 * size + 1) {
        size = std::min<int64_t>(size, 100 - at);
        this->Call(c, pieces, at, size);
      }
      EXPECT_EQ(whole, pieces);
    }
  });
}

// The scalar updates, which are the GPU's arithmetic, against the formulas of the papers as written
// there, in long double.
template <typename T>
class OptimizerUpdates : public testing::Test {
 protected:
  static void ExpectClose(T actual, long double expected) {
    EXPECT_NEAR(
        actual, static_cast<double>(expected),
        4 * std::numeric_limits<T>::epsilon() * (1 + std::abs(static_cast<double>(expected))));
  }
  T Normal() { return static_cast<T>(stream_.Normal()); }

  random::Stream stream_ = random::Stream(6);
};
TYPED_TEST_SUITE(OptimizerUpdates, Scalars);

TYPED_TEST(OptimizerUpdates, SgdIsItsFormula) {
  using T = TypeParam;
  using Long = long double;
  for (int i = 0; i < 200; ++i) {
    const T g = this->Normal(), w = this->Normal(), v = this->Normal();
    SgdCoefficients<T> c = {
        .rate = T(0.3), .momentum = T(0.8), .decay = T(0.1), .gradient_scale = T(0.6)};
    const Long gradient = Long(c.gradient_scale) * g + Long(c.decay) * w;
    const Long velocity = Long(c.momentum) * v + gradient;
    T new_w = w, new_v = v;
    SgdUpdate(c, g, new_w);
    this->ExpectClose(new_w, w - Long(c.rate) * gradient);

    new_w = w;
    SgdUpdate(c, g, new_w, new_v);
    this->ExpectClose(new_v, velocity);
    this->ExpectClose(new_w, w - Long(c.rate) * velocity);

    new_w = w, new_v = v;
    c.nesterov = true;
    SgdUpdate(c, g, new_w, new_v);
    this->ExpectClose(new_v, velocity);
    this->ExpectClose(new_w, w - Long(c.rate) * (gradient + Long(c.momentum) * velocity));
  }
}

// A step that takes its gradient as a product, and the scalar update that it must agree with.
template <typename T>
struct ProductCase {
  const char* name;
  std::function<void(MatrixView<const T>, MatrixView<const T>, std::span<T>, std::span<T>,
                     std::span<T>)>
      kernel;
  std::function<void(T, T&, T&, T&)> scalar;
};

template <typename T>
std::vector<ProductCase<T>> ProductCases() {
  using Matrix = MatrixView<const T>;
  using Run = std::span<T>;
  const SgdCoefficients<T> sgd = {.rate = T(0.1), .momentum = T(0.8), .decay = T(0.02)};
  SgdCoefficients<T> nesterov = sgd;
  nesterov.nesterov = true;
  const AdamCoefficients<T> adam = {.rate = T(0.1),
                                    .beta1 = T(0.9),
                                    .gradient_weight = T(0.1),
                                    .beta2 = T(0.99),
                                    .square_weight = T(0.01),
                                    .deviation_scale = T(3),
                                    .epsilon = T(1e-3)};
  const RmspropCoefficients<T> rmsprop = {.rate = T(0.1),
                                          .momentum = T(0.6),
                                          .smoothing = T(0.9),
                                          .square_weight = T(0.1),
                                          .epsilon = T(1e-2)};
  return {
      {"sgd", [=](Matrix d, Matrix x, Run w, Run, Run) { SgdProductStep<T>(sgd, d, x, w, {}); },
       [=](T g, T& w, T&, T&) { SgdUpdate(sgd, g, w); }},
      {"momentum",
       [=](Matrix d, Matrix x, Run w, Run v, Run) { SgdProductStep<T>(sgd, d, x, w, v); },
       [=](T g, T& w, T& v, T&) { SgdUpdate(sgd, g, w, v); }},
      {"nesterov",
       [=](Matrix d, Matrix x, Run w, Run v, Run) { SgdProductStep<T>(nesterov, d, x, w, v); },
       [=](T g, T& w, T& v, T&) { SgdUpdate(nesterov, g, w, v); }},
      {"adam",
       [=](Matrix d, Matrix x, Run w, Run m, Run s) { AdamProductStep<T>(adam, d, x, w, m, s); },
       [=](T g, T& w, T& m, T& s) { AdamUpdate(adam, g, w, m, s); }},
      {"rmsprop",
       [=](Matrix d, Matrix x, Run w, Run, Run s) {
         RmspropProductStep<T>(rmsprop, d, x, w, s, {});
       },
       [=](T g, T& w, T&, T& s) { RmspropUpdate(rmsprop, g, w, s); }},
      {"rmsprop momentum",
       [=](Matrix d, Matrix x, Run w, Run b, Run s) {
         RmspropProductStep<T>(rmsprop, d, x, w, s, b);
       },
       [=](T g, T& w, T& b, T& s) { RmspropUpdate(rmsprop, g, w, s, b); }},
  };
}

// The product in plain loops, then the update of one number.
TYPED_TEST(OptimizerKernels, AProductStepIsTheStepOfTheProduct) {
  using T = TypeParam;
  using Matrix = MatrixView<const T>;
  using Run = std::span<T>;
  random::Stream stream(8);
  const auto values = [&](int64_t count, bool positive) {
    std::vector<T> made(count);
    for (T& value : made) {
      value = static_cast<T>(positive ? stream.Uniform(0.5, 1) : stream.Normal());
    }
    return made;
  };
  OnEveryTarget([&] {
    for (const ProductCase<T>& c : ProductCases<T>()) {
      SCOPED_TRACE(c.name);
      for (const int64_t batch : {0, 1, 5}) {
        for (const int64_t outputs : {1, 3, 4, 9}) {
          for (const int64_t inputs : {1, 2, 7, 8, 16, 17, 31, 33, 48, 50, 64, 67, 100}) {
            // Unaligned, and with strides beyond the columns.
            const std::vector<T> d_values = values(1 + batch * (outputs + 3), false);
            const std::vector<T> x_values = values(1 + batch * (inputs + 5), false);
            const Matrix d = {d_values.data() + 1, batch, outputs, outputs + 3};
            const Matrix x = {x_values.data() + 1, batch, inputs, inputs + 5};
            const int64_t size = outputs * inputs;
            std::vector<std::vector<T>> fused = {values(size + 2, false), values(size + 2, false),
                                                 values(size + 2, true)};
            std::vector<std::vector<T>> expected = fused;
            const auto run = [&](int which) { return Run(fused[which]).subspan(1, size); };
            c.kernel(d, x, run(0), run(1), run(2));
            for (int64_t o = 0; o < outputs; ++o) {
              for (int64_t i = 0; i < inputs; ++i) {
                long double g = 0;
                for (int64_t k = 0; k < batch; ++k)
                  g += static_cast<long double>(d(k, o)) * x(k, i);
                const int64_t at = 1 + o * inputs + i;
                c.scalar(static_cast<T>(g), expected[0][at], expected[1][at], expected[2][at]);
              }
            }
            for (int which = 0; which < 3; ++which) {
              for (int64_t i = 0; i < size + 2; ++i) {
                const T want = expected[which][i];
                if (i == 0 || i == size + 1) {
                  ASSERT_EQ(fused[which][i], want);
                } else {
                  ASSERT_NEAR(fused[which][i], want,
                              200 * std::numeric_limits<T>::epsilon() * (1 + std::abs(want)))
                      << outputs << " x " << inputs << ", batch " << batch << ", at " << i;
                }
              }
            }
          }
        }
      }
    }
  });
}

// One number of delta spoils one row of the weights, one of x one column; all others are the same
// as without it.
TYPED_TEST(OptimizerKernels, ANonFiniteFactorOfAProductSpoilsItsRowOrColumn) {
  using T = TypeParam;
  constexpr int64_t kBatch = 3, kOutputs = 6;
  random::Stream stream(9);
  OnEveryTarget([&] {
    for (const ProductCase<T>& c : ProductCases<T>()) {
      SCOPED_TRACE(c.name);
      for (const int64_t inputs : {1, 7, 16, 50, 67}) {
        std::vector<T> d(kBatch * kOutputs), x(kBatch * inputs);
        for (T& value : d) value = static_cast<T>(stream.Uniform(0.5, 1));
        for (T& value : x) value = static_cast<T>(stream.Uniform(0.5, 1));
        const auto step = [&] {
          std::vector<std::vector<T>> runs(3, std::vector<T>(kOutputs * inputs, T(0.25)));
          c.kernel({d.data(), kBatch, kOutputs, kOutputs}, {x.data(), kBatch, inputs, inputs},
                   runs[0], runs[1], runs[2]);
          return runs;
        };
        const auto good = step();
        for (const T bad :
             {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
          for (const bool in_delta : {true, false}) {
            const int64_t width = in_delta ? kOutputs : inputs;
            for (int64_t at = 0; at < width; ++at) {
              T& factor = (in_delta ? d : x)[width + at];  // In the second example.
              const T kept = factor;
              factor = bad;
              const auto spoilt = step();
              factor = kept;
              // The gradient is `bad`, the other factors being positive.
              T w = T(0.25), first = w, second = w;
              c.scalar(bad, w, first, second);
              const T expected[] = {w, first, second};
              EXPECT_FALSE(std::isfinite(w));
              for (int which = 0; which < 3; ++which) {
                for (int64_t i = 0; i < kOutputs * inputs; ++i) {
                  const T actual = spoilt[which][i];
                  if ((in_delta ? i / inputs : i % inputs) != at) {
                    ASSERT_EQ(actual, good[which][i]) << i;
                  } else if (std::isnan(expected[which])) {
                    ASSERT_TRUE(std::isnan(actual)) << i;
                  } else if (std::isinf(expected[which])) {
                    ASSERT_EQ(actual, expected[which]) << i;
                  }  // Else state that the rule does not use.
                }
              }
            }
          }
        }
      }
    }
  });
}

TYPED_TEST(OptimizerKernels, DenormalFactorsOfAProductAreKept) {
  using T = TypeParam;
  constexpr T kTiny = std::numeric_limits<T>::denorm_min();
  constexpr int64_t kOutputs = 6;
  OnEveryTarget([&] {
    for (const ProductCase<T>& c : ProductCases<T>()) {
      SCOPED_TRACE(c.name);
      for (const int64_t inputs : {1, 7, 16, 50, 67}) {
        for (const bool in_delta : {true, false}) {
          const std::vector<T> d(kOutputs, in_delta ? 100 * kTiny : T(2));
          const std::vector<T> x(inputs, in_delta ? T(2) : 100 * kTiny);
          std::vector<std::vector<T>> runs(3, std::vector<T>(kOutputs * inputs));
          c.kernel({d.data(), 1, kOutputs, kOutputs}, {x.data(), 1, inputs, inputs}, runs[0],
                   runs[1], runs[2]);
          T w = 0, first = 0, second = 0;
          c.scalar(200 * kTiny, w, first, second);
          EXPECT_LE(w, -15 * kTiny);
          const T expected[] = {w, first, second};
          for (int which = 0; which < 3; ++which) {
            for (const T actual : runs[which]) {
              // A quotient and a product may round otherwise.
              ASSERT_NEAR(actual, expected[which], std::abs(expected[which]) / 20);
            }
          }
        }
      }
    }
  });
}

TYPED_TEST(OptimizerUpdates, AdamIsItsFormula) {
  using T = TypeParam;
  using Long = long double;
  const Long rate = 0.01L, beta1 = 0.9L, beta2 = 0.99L, epsilon = 1e-4L, decay = 0.1L;
  const int t = 3;
  for (const bool decoupled : {false, true}) {
    const AdamCoefficients<T> c = {.rate = T(rate / (1 - std::pow(beta1, t))),
                                   .beta1 = T(beta1),
                                   .gradient_weight = T(1 - beta1),
                                   .beta2 = T(beta2),
                                   .square_weight = T(1 - beta2),
                                   .deviation_scale = T(1 / std::sqrt(1 - std::pow(beta2, t))),
                                   .epsilon = T(epsilon),
                                   .decay = T(decoupled ? 0 : decay),
                                   .shrinkage = T(decoupled ? 1 - rate * decay : 1),
                                   .gradient_scale = T(0.5)};
    for (int i = 0; i < 200; ++i) {
      const T g = this->Normal(), w = this->Normal(), m = this->Normal();
      const T s = std::abs(this->Normal());
      const Long gradient = 0.5L * g + (decoupled ? 0 : decay * w);
      const Long mean = beta1 * m + (1 - beta1) * gradient;
      const Long square = beta2 * s + (1 - beta2) * gradient * gradient;
      const Long mean_hat = mean / (1 - std::pow(beta1, t));
      const Long square_hat = square / (1 - std::pow(beta2, t));
      const Long start = decoupled ? w - rate * decay * w : Long(w);
      T new_w = w, new_m = m, new_s = s;
      AdamUpdate(c, g, new_w, new_m, new_s);
      this->ExpectClose(new_m, mean);
      this->ExpectClose(new_s, square);
      this->ExpectClose(new_w, start - rate * mean_hat / (std::sqrt(square_hat) + epsilon));
    }
  }
}

TYPED_TEST(OptimizerUpdates, RmspropIsItsFormula) {
  using T = TypeParam;
  using Long = long double;
  const RmspropCoefficients<T> c = {.rate = T(0.01),
                                    .momentum = T(0.5),
                                    .smoothing = T(0.75),
                                    .square_weight = T(0.25),
                                    .epsilon = T(0.125),
                                    .decay = T(0.25),
                                    .gradient_scale = T(0.5)};
  for (int i = 0; i < 200; ++i) {
    const T g = this->Normal(), w = this->Normal(), b = this->Normal();
    const T s = std::abs(this->Normal());
    const Long gradient = 0.5L * g + 0.25L * w;
    const Long square = 0.75L * s + 0.25L * gradient * gradient;
    const Long direction = gradient / (std::sqrt(square) + 0.125L);
    T new_w = w, new_s = s;
    RmspropUpdate(c, g, new_w, new_s);
    this->ExpectClose(new_s, square);
    this->ExpectClose(new_w, w - Long(c.rate) * direction);

    T new_b = b;
    new_w = w, new_s = s;
    RmspropUpdate(c, g, new_w, new_s, new_b);
    this->ExpectClose(new_s, square);
    this->ExpectClose(new_b, 0.5L * b + direction);
    this->ExpectClose(new_w, w - Long(c.rate) * (0.5L * b + direction));
  }
}

}  // namespace
}  // namespace perennial::kernels
