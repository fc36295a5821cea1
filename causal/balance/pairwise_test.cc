#include "causal/balance/pairwise.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/kernels/every_target.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using kernels::kKernelSizes;
using kernels::MatrixView;
using kernels::OnEveryTarget;

constexpr double kGuard = -7;

// A matrix at an unaligned address, whose rows have room after them that must stay as it is.
template <typename T>
class Matrix {
 public:
  Matrix(int64_t rows, int64_t columns)
      : rows_(rows),
        columns_(columns),
        values_(1 + rows * (columns + 3) + 3, static_cast<T>(kGuard)) {}

  operator MatrixView<T>() { return {values_.data() + 1, rows_, columns_, columns_ + 3}; }
  operator MatrixView<const T>() const {
    return {values_.data() + 1, rows_, columns_, columns_ + 3};
  }
  T& operator()(int64_t r, int64_t c) { return values_[1 + r * (columns_ + 3) + c]; }
  T operator()(int64_t r, int64_t c) const { return values_[1 + r * (columns_ + 3) + c]; }
  void Fill(random::Stream& stream) {
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t c = 0; c < columns_; ++c) (*this)(r, c) = static_cast<T>(stream.Normal());
    }
  }
  void ExpectGuards() const {
    for (int64_t i = 0; i < static_cast<int64_t>(values_.size()); ++i) {
      const int64_t at = i - 1;
      if (at >= 0 && at < rows_ * (columns_ + 3) && at % (columns_ + 3) < columns_) continue;
      EXPECT_EQ(values_[i], static_cast<T>(kGuard)) << i;
    }
  }

 private:
  int64_t rows_, columns_;
  std::vector<T> values_;
};

template <typename T>
class PairwiseTest : public testing::Test {
 protected:
  static constexpr double kUnit = std::numeric_limits<T>::epsilon();

  // One more than asked for, so that the last must stay as it is.
  std::vector<T> Vector(int64_t count, double mean = 0, double spread = 1) {
    std::vector<T> values(count + 1, static_cast<T>(kGuard));
    for (int64_t i = 0; i < count; ++i) {
      values[i] = static_cast<T>(mean + spread * stream_.Normal());
    }
    return values;
  }
  // Squares of normal numbers, and some zeros.
  Matrix<T> Squares(int64_t rows, int64_t columns) {
    Matrix<T> squares(rows, columns);
    squares.Fill(stream_);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        squares(r, c) = stream_.Below(5) == 0 ? 0 : squares(r, c) * squares(r, c);
      }
    }
    return squares;
  }

  random::Stream stream_ = random::Stream(3);
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(PairwiseTest, Scalars);

TYPED_TEST(PairwiseTest, SquaredDistancesAreSymmetricAndExactlyZeroForEqualPoints) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t n : kKernelSizes) {
      for (const int64_t d : {1, 3, 17, 40}) {
        Matrix<T> points(n, d), transposed(d, n), squared(n, n);
        points.Fill(this->stream_);
        // Far away, where |a|^2 + |b|^2 - 2 ab has no digits left; and some equal points.
        const double offset = sizeof(T) == 4 ? 1e4 : 1e8;
        for (int64_t i = 0; i < n; ++i) {
          for (int64_t k = 0; k < d; ++k) {
            points(i, k) = i % 4 == 3 ? points(i - 2, k) : points(i, k) + static_cast<T>(offset);
            transposed(k, i) = points(i, k);
          }
        }
        SquaredDistances<T>(points, transposed, squared);
        for (int64_t i = 0; i < n; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            double expected = 0;
            for (int64_t k = 0; k < d; ++k) {
              expected += std::pow(static_cast<double>(points(i, k)) - points(j, k), 2);
            }
            EXPECT_NEAR(squared(i, j), expected, 8 * this->kUnit * expected);
            EXPECT_EQ(squared(i, j), squared(j, i));
          }
          if (i % 4 == 3) {
            EXPECT_EQ(squared(i, i - 2), 0);
          }
        }
        squared.ExpectGuards();
      }
    }
  });
}

TYPED_TEST(PairwiseTest, MedianOfPairsIsThatOfTheSortedPairs) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t n : {2, 3, 4, 5, 8, 16, 17, 33, 50}) {
      for (const bool ties : {false, true}) {
        Matrix<T> squared = this->Squares(n, n);
        std::vector<T> pairs;
        for (int64_t i = 0; i < n; ++i) {
          squared(i, i) = std::numeric_limits<T>::infinity();
          for (int64_t j = 0; j < i; ++j) {
            if (ties) squared(i, j) = std::round(squared(i, j));
            squared(j, i) = squared(i, j);
            pairs.push_back(squared(i, j));
          }
        }
        std::sort(pairs.begin(), pairs.end());
        const size_t middle = pairs.size() / 2;
        const double expected =
            pairs.size() % 2 == 1
                ? static_cast<double>(pairs[middle])
                : (static_cast<double>(pairs[middle]) + static_cast<double>(pairs[middle - 1])) / 2;
        EXPECT_EQ(MedianOfPairs<T>(squared), expected) << n;
      }
    }
  });
}

TYPED_TEST(PairwiseTest, GaussianAndDistanceRowsAreTheirDefinitions) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t n : {1, 3, 5}) {
      for (const int64_t m : kKernelSizes) {
        for (const bool gaussian : {true, false}) {
          Matrix<T> q = this->Squares(n, m);
          const std::vector<T> c = this->Vector(m);
          std::vector<T> sums = this->Vector(n);
          const Matrix<T> before = q;
          if (gaussian) {
            GaussianRows<T>(T(0.7), c.data(), sums.data(), q);
          } else {
            DistanceRows<T>(c.data(), sums.data(), q);
          }
          for (int64_t i = 0; i < n; ++i) {
            double sum = 0, size = 0;
            for (int64_t j = 0; j < m; ++j) {
              const double x = before(i, j);
              const double of = gaussian ? std::exp(-T(0.7) * x) : std::sqrt(x);
              const double left = gaussian ? c[j] * of : x == 0 ? 0 : c[j] / of;
              EXPECT_NEAR(q(i, j), left, 8 * this->kUnit * std::abs(left));
              sum += c[j] * of;
              size += std::abs(c[j] * of);
            }
            EXPECT_NEAR(sums[i], sum, 16 * this->kUnit * size);
          }
          q.ExpectGuards();
          EXPECT_EQ(sums[n], T(kGuard));
        }
      }
    }
  });
}

TYPED_TEST(PairwiseTest, GaussianOfAnInfiniteDistanceIsZero) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t m : {1, 16, 19}) {
      Matrix<T> q = this->Squares(1, m);
      for (int64_t j = 0; j < m; ++j) q(0, j) = std::numeric_limits<T>::infinity();
      std::vector<T> sum(1, T(3));
      GaussianRows<T>(T(2), std::vector<T>(m, T(5)).data(), sum.data(), q);
      EXPECT_EQ(sum[0], 0);
      for (int64_t j = 0; j < m; ++j) EXPECT_EQ(q(0, j), 0);
    }
  });
}

TYPED_TEST(PairwiseTest, NegativeLogSumExpIsStable) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t n : {1, 5, 70, 130}) {
      for (const int64_t m : kKernelSizes) {
        if (m == 0) continue;
        Matrix<T> l(n, m);
        l.Fill(this->stream_);
        std::vector<T> shift = this->Vector(m, /*mean=*/-3e4, /*spread=*/100);
        if (m > 2) shift[m / 2] = -std::numeric_limits<T>::infinity();
        const std::vector<T> offset = this->Vector(n);
        std::vector<T> out = this->Vector(n);
        NegativeLogSumExp<T>(l, shift.data(), offset.data(), out.data());
        for (int64_t i = 0; i < n; ++i) {
          double most = -HUGE_VAL, sum = 0;
          for (int64_t j = 0; j < m; ++j) most = std::max<double>(most, T(l(i, j) + shift[j]));
          for (int64_t j = 0; j < m; ++j) sum += std::exp(T(l(i, j) + shift[j]) - most);
          EXPECT_NEAR(out[i], offset[i] - (most + std::log(sum)), 4e4 * this->kUnit);
        }
        EXPECT_EQ(out[n], T(kGuard));
      }
    }
  });
}

TYPED_TEST(PairwiseTest, PlanRowsAreTheirDefinition) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t m : kKernelSizes) {
      for (const bool symmetric : {false, true}) {
        for (const T root : {T(0), T(-0.4)}) {
          const int64_t n = symmetric ? m : 5;
          Matrix<T> l = this->Squares(n, m);
          for (int64_t i = 0; i < n; ++i) {
            for (int64_t j = 0; j < m; ++j) l(i, j) = -l(i, j);
          }
          const Matrix<T> before = l;
          const std::vector<T> u = this->Vector(n, -8), v = this->Vector(m, -8);
          PlanRows<T>(symmetric, u.data(), v.data(), T(1.5), root, l);
          for (int64_t i = 0; i < n; ++i) {
            for (int64_t j = 0; j < m; ++j) {
              const double x = before(i, j);
              double plan = std::exp(x + u[i] + v[j]);
              if (symmetric) plan += std::exp(x + v[i] + u[j]);
              const double s = root == 0 ? 1.5 : x == 0 ? 0 : root / x;
              EXPECT_NEAR(l(i, j), s * plan, 40 * this->kUnit * std::abs(s * plan));
            }
          }
          l.ExpectGuards();
        }
      }
    }
  });
}

TYPED_TEST(PairwiseTest, SquareRootsAreScaled) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t m : kKernelSizes) {
      Matrix<T> q = this->Squares(3, m);
      const Matrix<T> before = q;
      SquareRoots<T>(T(-2), q);
      for (int64_t i = 0; i < 3; ++i) {
        for (int64_t j = 0; j < m; ++j) EXPECT_EQ(q(i, j), -2 * std::sqrt(before(i, j)));
      }
      q.ExpectGuards();
    }
  });
}

TYPED_TEST(PairwiseTest, AddPullSumsWeightedDifferences) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t d : {1, 3, 8, 16, 31, 64, 100}) {
      for (const int64_t m : {0, 1, 9}) {
        for (const int64_t rows : {1, 2, 3, 4, 7}) {
          Matrix<T> pull(rows, m), points(rows, d), others(m, d), out(rows, d);
          for (Matrix<T>* matrix : {&pull, &points, &others, &out}) matrix->Fill(this->stream_);
          const std::vector<T> scale = this->Vector(rows);
          const Matrix<T> before = out;
          AddPull<T>(pull, points, others, scale.data(), out);
          for (int64_t i = 0; i < rows; ++i) {
            for (int64_t k = 0; k < d; ++k) {
              double sum = 0, size = std::abs(before(i, k));
              for (int64_t j = 0; j < m; ++j) {
                const double term =
                    static_cast<double>(pull(i, j)) * (points(i, k) - others(j, k)) * scale[i];
                sum += term;
                size += std::abs(term);
              }
              EXPECT_NEAR(out(i, k), before(i, k) + sum, 8 * this->kUnit * size);
            }
          }
          out.ExpectGuards();
        }
      }
    }
  });
}

TYPED_TEST(PairwiseTest, ColumnSumsAndOuterProductsAreTheirDefinitions) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const int64_t d : {1, 3, 8, 16, 31, 64, 100}) {
      for (const int64_t n : {0, 1, 9}) {
        for (const bool accumulate : {false, true}) {
          Matrix<T> x(n, d);
          x.Fill(this->stream_);
          const std::vector<T> weights = this->Vector(n);
          std::vector<T> out = this->Vector(d);
          const std::vector<T> before = out;
          WeightedColumnSums<T>(x, weights.data(), accumulate, out.data());
          for (int64_t k = 0; k < d; ++k) {
            double sum = accumulate ? before[k] : 0, size = std::abs(sum);
            for (int64_t i = 0; i < n; ++i) {
              sum += static_cast<double>(weights[i]) * x(i, k);
              size += std::abs(static_cast<double>(weights[i]) * x(i, k));
            }
            EXPECT_NEAR(out[k], sum, 8 * this->kUnit * size);
          }
          EXPECT_EQ(out[d], T(kGuard));

          const Matrix<T> old = x;
          AddOuter<T>(weights.data(), before.data(), x);
          for (int64_t i = 0; i < n; ++i) {
            for (int64_t k = 0; k < d; ++k) {
              const double product = static_cast<double>(weights[i]) * before[k];
              EXPECT_NEAR(x(i, k), old(i, k) + product,
                          2 * this->kUnit * (std::abs(old(i, k)) + std::abs(product)));
            }
          }
          x.ExpectGuards();
        }
      }
    }
  });
}

}  // namespace
}  // namespace perennial::causal
