#include "common/kernels/norm.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <vector>

#include "common/kernels/every_target.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

enum class Kind { kLayer, kBatch, kFixed };
constexpr Kind kKinds[] = {Kind::kLayer, Kind::kBatch, Kind::kFixed};
constexpr double kEpsilon = 1e-5;

// Also more than the kernels take at a time.
std::vector<int64_t> Columns() {
  std::vector<int64_t> columns(std::begin(kKernelSizes), std::end(kKernelSizes));
  columns.push_back(517);
  return columns;
}

// Statistics of one row or column, in long double.
struct Moments {
  long double mean = 0;
  long double variance = 0;
};

template <typename T>
Moments MomentsOf(const T* x, int64_t count, int64_t step) {
  Moments moments;
  if (count == 0) return moments;
  for (int64_t i = 0; i < count; ++i) moments.mean += x[i * step];
  moments.mean /= count;
  for (int64_t i = 0; i < count; ++i) {
    const long double centred = x[i * step] - moments.mean;
    moments.variance += centred * centred / count;
  }
  return moments;
}

// One normalisation with room around everything that it writes, at unaligned addresses.
template <typename T>
struct Problem {
  Problem(Kind kind_in, int64_t rows_in, int64_t columns_in, random::Stream& stream, double offset,
          double scale)
      : kind(kind_in), rows(rows_in), columns(columns_in), stride(columns_in + 3) {
    const auto draw = [&](std::vector<T>& values, int64_t count, double centre, double spread) {
      values.resize(count);
      for (T& value : values) value = static_cast<T>(centre + spread * stream.Normal());
    };
    draw(x, 1 + rows * stride, offset, scale);
    draw(dy, 1 + rows * stride, 0, 1);
    draw(gamma, 1 + columns, 1, 0.3);
    draw(beta, 1 + columns, 0, 1);
    draw(mean, 2 + columns, offset, scale);
    draw(variance, 2 + columns, 0, 1);
    for (T& value : variance) value = static_cast<T>(scale * scale) * (value * value + T(0.1));
    normalized.assign(x.size(), T(-7));
    y.assign(x.size(), T(-7));
    dx.assign(x.size(), T(-7));
    inverse_deviation.assign(2 + rows, T(-7));
  }

  MatrixView<T> View(std::vector<T>& values) const {
    return {values.data() + 1, rows, columns, stride};
  }
  void Forward() {
    const T epsilon = static_cast<T>(kEpsilon);
    switch (kind) {
      case Kind::kLayer:
        return LayerNormForward<T>(epsilon, gamma.data() + 1, beta.data() + 1, View(x),
                                   View(normalized), inverse_deviation.data() + 1, View(y));
      case Kind::kBatch:
        return BatchNormForward<T>(epsilon, gamma.data() + 1, beta.data() + 1, View(x),
                                   View(normalized), mean.data() + 1, variance.data() + 1, View(y));
      case Kind::kFixed:
        return FixedNormForward<T>(epsilon, gamma.data() + 1, beta.data() + 1, mean.data() + 1,
                                   variance.data() + 1, View(x), View(normalized), View(y));
    }
  }
  void Backward(std::vector<T>& out) {
    const T epsilon = static_cast<T>(kEpsilon);
    switch (kind) {
      case Kind::kLayer:
        return LayerNormBackward<T>(gamma.data() + 1, View(normalized),
                                    inverse_deviation.data() + 1, View(dy), View(out));
      case Kind::kBatch:
        return BatchNormBackward<T>(epsilon, gamma.data() + 1, View(normalized),
                                    variance.data() + 1, View(dy), View(out));
      case Kind::kFixed:
        return FixedNormBackward<T>(epsilon, gamma.data() + 1, variance.data() + 1, View(dy),
                                    View(out));
    }
  }
  Moments Statistics(int64_t r, int64_t c) {
    if (kind == Kind::kLayer) return MomentsOf(View(x).row(r), columns, 1);
    if (kind == Kind::kBatch) return MomentsOf(View(x).data + c, rows, stride);
    return {mean[1 + c], variance[1 + c]};
  }

  Kind kind;
  int64_t rows, columns, stride;
  std::vector<T> x, dy, gamma, beta, mean, variance, normalized, y, dx, inverse_deviation;
};

template <typename T>
class NormTest : public testing::Test {
 protected:
  static constexpr double kUnit = std::numeric_limits<T>::epsilon();
  random::Stream stream_ = random::Stream(8);
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(NormTest, Scalars);

TYPED_TEST(NormTest, ForwardIsTheDefinition) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const Kind kind : kKinds) {
      for (const int64_t rows : {0, 1, 2, 5, 33}) {
        for (const int64_t columns : Columns()) {
          Problem<T> p(kind, rows, columns, this->stream_, 0.5, 2);
          const Problem<T> before = p;
          p.Forward();
          const MatrixView<T> normalized = p.View(p.normalized), y = p.View(p.y);
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < columns; ++c) {
              const Moments moments = p.Statistics(r, c);
              const long double n = (p.View(p.x)(r, c) - moments.mean) /
                                    std::sqrt(moments.variance + static_cast<T>(kEpsilon));
              // Rounding of sums of numbers near 2, magnified where the variance is small.
              const double tolerance =
                  20 * this->kUnit * (1 + std::abs(static_cast<double>(n))) *
                  (1 + 4 / std::sqrt(static_cast<double>(moments.variance) + kEpsilon));
              EXPECT_NEAR(normalized(r, c), n, tolerance);
              EXPECT_NEAR(y(r, c), n * p.gamma[1 + c] + p.beta[1 + c], 3 * tolerance);
            }
            for (int64_t c = columns; c < p.stride; ++c) {
              EXPECT_EQ(normalized.row(r)[c], T(-7));
              EXPECT_EQ(y.row(r)[c], T(-7));
            }
            if (kind == Kind::kLayer) {
              const Moments moments = p.Statistics(r, 0);
              const double expected =
                  1 / std::sqrt(static_cast<double>(moments.variance) + kEpsilon);
              if (columns > 0) {
                EXPECT_NEAR(p.inverse_deviation[1 + r], expected, 100 * this->kUnit * expected);
              }
            }
          }
          for (int64_t c = 0; c < columns && kind == Kind::kBatch; ++c) {
            const Moments moments = p.Statistics(0, c);
            EXPECT_NEAR(p.mean[1 + c], moments.mean, 20 * this->kUnit);
            EXPECT_NEAR(p.variance[1 + c], moments.variance,
                        20 * this->kUnit * (1 + static_cast<double>(moments.variance)));
          }
          EXPECT_EQ(p.inverse_deviation.front(), T(-7));
          EXPECT_EQ(p.inverse_deviation.back(), T(-7));
          for (const auto part : {&Problem<T>::mean, &Problem<T>::variance}) {
            EXPECT_EQ((p.*part).front(), (before.*part).front());
            EXPECT_EQ((p.*part).back(), (before.*part).back());
          }
          EXPECT_EQ(p.x, before.x);
        }
      }
    }
  });
}

TYPED_TEST(NormTest, VarianceIsAccurateFarFromZero) {
  using T = TypeParam;
  // Naive sums of squares would lose the variance of 1 beside the square of this mean.
  const double offset = sizeof(T) == 4 ? 3e3 : 1e8;
  OnEveryTarget([&] {
    for (const Kind kind : {Kind::kLayer, Kind::kBatch}) {
      Problem<T> p(kind, 50, 60, this->stream_, offset, 1);
      p.Forward();
      for (int64_t r = 0; r < p.rows; ++r) {
        for (int64_t c = 0; c < p.columns; ++c) {
          const Moments moments = p.Statistics(r, c);
          const double n =
              static_cast<double>((p.View(p.x)(r, c) - moments.mean) /
                                  std::sqrt(moments.variance + static_cast<T>(kEpsilon)));
          // The mean is a number of T, so that it errs by units of its last place.
          EXPECT_NEAR(p.View(p.normalized)(r, c), n, 20 * this->kUnit * offset);
        }
      }
    }
  });
}

// In double: the gradient of sum(dy * y) with respect to x by central differences.
TEST(NormGradientTest, BackwardIsTheDerivativeOfForward) {
  random::Stream stream(9);
  OnEveryTarget([&] {
    for (const Kind kind : kKinds) {
      for (const int64_t rows : {1, 2, 5}) {
        for (const int64_t columns : {1, 2, 3, 9, 17}) {
          Problem<double> p(kind, rows, columns, stream, 0.5, 2);
          p.Forward();
          p.Backward(p.dx);
          const auto loss = [&] {
            Problem<double> q = p;
            q.Forward();
            double sum = 0;
            for (int64_t r = 0; r < rows; ++r) {
              for (int64_t c = 0; c < columns; ++c) sum += q.View(q.dy)(r, c) * q.View(q.y)(r, c);
            }
            return sum;
          };
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < columns; ++c) {
              double& x = p.View(p.x)(r, c);
              const double kept = x;
              constexpr double kStep = 1e-5;
              x = kept + kStep;
              const double above = loss();
              x = kept - kStep;
              const double below = loss();
              x = kept;
              EXPECT_NEAR(p.View(p.dx)(r, c), (above - below) / (2 * kStep), 1e-5)
                  << static_cast<int>(kind) << " " << rows << "x" << columns;
            }
          }
        }
      }
    }
  });
}

TYPED_TEST(NormTest, BackwardIsTheClosedFormAndKeepsToItsExtent) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const Kind kind : kKinds) {
      for (const int64_t rows : {0, 1, 33}) {
        for (const int64_t columns : Columns()) {
          Problem<T> p(kind, rows, columns, this->stream_, 0, 1);
          p.Forward();
          p.Backward(p.dx);
          const MatrixView<T> n = p.View(p.normalized), dy = p.View(p.dy), dx = p.View(p.dx);
          const auto sum = [&](int64_t r, int64_t c, bool product) {
            long double total = 0;
            const int64_t count = kind == Kind::kLayer ? columns : rows;
            for (int64_t i = 0; i < count; ++i) {
              const int64_t row = kind == Kind::kLayer ? r : i;
              const int64_t column = kind == Kind::kLayer ? i : c;
              const long double scaled =
                  static_cast<long double>(p.gamma[1 + column]) * dy(row, column);
              total += product ? scaled * n(row, column) : scaled;
            }
            return kind == Kind::kFixed ? 0 : total / count;
          };
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < columns; ++c) {
              const long double inverse =
                  kind == Kind::kLayer ? p.inverse_deviation[1 + r]
                                       : 1 / std::sqrt(static_cast<long double>(p.variance[1 + c]) +
                                                       static_cast<T>(kEpsilon));
              const long double expected =
                  inverse * (static_cast<long double>(p.gamma[1 + c]) * dy(r, c) -
                             sum(r, c, false) - n(r, c) * sum(r, c, true));
              EXPECT_NEAR(dx(r, c), expected, 40 * this->kUnit * static_cast<double>(inverse));
            }
            for (int64_t c = columns; c < p.stride; ++c) EXPECT_EQ(dx.row(r)[c], T(-7));
          }
          EXPECT_EQ(p.dx[0], T(-7));
          p.Backward(p.dy);  // In place, so after all that reads dy.
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < columns; ++c) EXPECT_EQ(p.View(p.dy)(r, c), dx(r, c));
          }
        }
      }
    }
  });
}

TYPED_TEST(NormTest, ForwardInPlaceIsTheSame) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const Kind kind : kKinds) {
      Problem<T> p(kind, 5, 37, this->stream_, 0, 1);
      p.Forward();
      Problem<T> q = p;
      const T epsilon = static_cast<T>(kEpsilon);
      const MatrixView<T> x = q.View(q.x);
      // Everything at x: only y is left.
      if (kind == Kind::kLayer) {
        LayerNormForward<T>(epsilon, q.gamma.data() + 1, q.beta.data() + 1, x, x,
                            q.inverse_deviation.data() + 1, x);
      } else if (kind == Kind::kBatch) {
        BatchNormForward<T>(epsilon, q.gamma.data() + 1, q.beta.data() + 1, x, x, q.mean.data() + 1,
                            q.variance.data() + 1, x);
      } else {
        FixedNormForward<T>(epsilon, q.gamma.data() + 1, q.beta.data() + 1, q.mean.data() + 1,
                            q.variance.data() + 1, x, x, x);
      }
      for (int64_t r = 0; r < 5; ++r) {
        for (int64_t c = 0; c < 37; ++c) EXPECT_EQ(x(r, c), p.View(p.y)(r, c));
      }
    }
  });
}

TYPED_TEST(NormTest, EmptyBatchHasStatisticsOfZero) {
  using T = TypeParam;
  OnEveryTarget([&] {
    Problem<T> p(Kind::kBatch, 0, 19, this->stream_, 0, 1);
    p.Forward();
    p.Backward(p.dx);
    for (int64_t c = 1; c <= 19; ++c) {
      EXPECT_EQ(p.mean[c], 0);
      EXPECT_EQ(p.variance[c], 0);
    }
  });
}

TYPED_TEST(NormTest, NonFiniteNumbersStayInTheirRowOrColumn) {
  using T = TypeParam;
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
    OnEveryTarget([&] {
      for (const Kind kind : {Kind::kLayer, Kind::kBatch}) {
        Problem<T> p(kind, 4, 21, this->stream_, 0, 1);
        p.View(p.x)(2, 20) = bad;
        p.Forward();
        for (int64_t r = 0; r < 4; ++r) {
          for (int64_t c = 0; c < 21; ++c) {
            const bool touched = kind == Kind::kLayer ? r == 2 : c == 20;
            EXPECT_EQ(std::isfinite(p.View(p.y)(r, c)), !touched);
          }
        }
      }
    });
  }
}

TYPED_TEST(NormTest, ConstantsAndDenormalsNormalizeToNearZero) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const Kind kind : {Kind::kLayer, Kind::kBatch}) {
      for (const T value : {T(0), T(0.75), std::numeric_limits<T>::denorm_min()}) {
        Problem<T> p(kind, 8, 16, this->stream_, 0, 1);
        std::fill(p.x.begin(), p.x.end(), value);
        p.Forward();
        for (int64_t r = 0; r < 8; ++r) {
          for (int64_t c = 0; c < 16; ++c) EXPECT_NEAR(p.View(p.normalized)(r, c), 0, 1e-30);
        }
      }
    }
  });
}

TYPED_TEST(NormTest, ColumnProductSumsAddUpProducts) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t columns : Columns()) {
      for (const bool accumulate : {false, true}) {
        Problem<T> p(Kind::kLayer, 5, columns, this->stream_, 0, 1);
        const std::vector<T> before = p.mean;
        ColumnProductSums<T>(p.View(p.x), p.View(p.dy), T(0.5), accumulate, p.mean.data() + 1);
        for (int64_t c = 0; c < columns; ++c) {
          long double sum = 0, size = 1;
          for (int64_t r = 0; r < 5; ++r) {
            const long double product =
                static_cast<long double>(p.View(p.x)(r, c)) * p.View(p.dy)(r, c);
            sum += product;
            size += std::abs(product);
          }
          EXPECT_NEAR(p.mean[1 + c], sum / 2 + (accumulate ? before[1 + c] : 0),
                      8 * this->kUnit * static_cast<double>(size));
        }
        EXPECT_EQ(p.mean.front(), before.front());
        EXPECT_EQ(p.mean.back(), before.back());
      }
    }
  });
}

TYPED_TEST(NormTest, ColumnProductSumsPassOnSpecialNumbers) {
  using T = TypeParam;
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  constexpr T kTiny = std::numeric_limits<T>::denorm_min();
  struct Product {
    T a, b, sum;
  };
  const T nan = std::numeric_limits<T>::quiet_NaN();
  // Beside a row of zeros: the sum is the product.
  const Product products[] = {
      {kTiny, 3, 3 * kTiny},
      {T(-2), kTiny, -2 * kTiny},
      {kTiny, kTiny, 0},
      {kInfinity, -2, -kInfinity},
      {3, -kInfinity, -kInfinity},
      {kInfinity, 0, nan},
      {nan, 1, nan},
      {1, nan, nan},
  };
  OnEveryTarget([&] {
    for (const int64_t columns : Columns()) {
      for (const bool accumulate : {false, true}) {
        for (int64_t first = 0; first < std::ssize(products); ++first) {
          const auto product_at = [&](int64_t c) -> const Product& {
            return products[(first + c) % std::ssize(products)];
          };
          std::vector<T> a(1 + 2 * columns), b(1 + 2 * columns), sums(1 + columns, kTiny);
          for (int64_t c = 0; c < columns; ++c) {
            a[1 + columns + c] = product_at(c).a;
            b[1 + columns + c] = product_at(c).b;
          }
          ColumnProductSums<T>(MatrixView<const T>{a.data() + 1, 2, columns, columns},
                               MatrixView<const T>{b.data() + 1, 2, columns, columns}, T(2),
                               accumulate, sums.data() + 1);
          for (int64_t c = 0; c < columns; ++c) {
            const T expected = 2 * product_at(c).sum + (accumulate ? kTiny : 0);
            if (std::isnan(expected)) {
              EXPECT_TRUE(std::isnan(sums[1 + c])) << c << " of " << columns;
            } else {
              EXPECT_EQ(sums[1 + c], expected) << c << " of " << columns;
            }
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace perennial::kernels
