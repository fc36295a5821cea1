#include "causal/estimators/symmetric_matrix.h"

#include <cmath>
#include <numbers>
#include <vector>

#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

// Of rank `rank`: a sum of squares of random vectors.
std::vector<double> Random(int64_t n, int64_t rank, uint64_t seed) {
  random::Stream stream(seed);
  std::vector<double> a(n * n);
  for (int64_t r = 0; r < rank; ++r) {
    std::vector<double> v(n);
    for (double& value : v) value = stream.Normal();
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) a[i * n + j] += v[i] * v[j];
    }
  }
  return a;
}

TEST(Cholesky, SolvesTheSystem) {
  for (const int64_t n : {1, 2, 5, 17}) {
    const std::vector<double> a = Random(n, n + 3, n);
    std::vector<double> x(n);
    for (int64_t i = 0; i < n; ++i) x[i] = 1.0 + static_cast<double>(i);
    std::vector<double> b(n);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) b[i] += a[i * n + j] * x[j];
    }
    std::vector<double> factor = a;
    // Nothing above the diagonal is read.
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = i + 1; j < n; ++j) factor[i * n + j] = NAN;
    }
    ASSERT_TRUE(Cholesky(factor, n, 0));
    CholeskySolve(factor, n, b);
    for (int64_t i = 0; i < n; ++i) EXPECT_NEAR(b[i], x[i], 1e-9);
  }
}

TEST(Cholesky, RefusesWhatIsNotPositive) {
  std::vector<double> indefinite = {1, 2, 2, 1};
  EXPECT_FALSE(Cholesky(indefinite, 2, 0));
  std::vector<double> singular = {1, 1, 1, 1};
  EXPECT_FALSE(Cholesky(singular, 2, 0));
  std::vector<double> small = {1, 0, 0, 1e-9};
  EXPECT_FALSE(Cholesky(small, 2, 1e-8));
  small = {1, 0, 0, 1e-9};
  EXPECT_TRUE(Cholesky(small, 2, 1e-10));
  std::vector<double> nan = {NAN};
  EXPECT_FALSE(Cholesky(nan, 1, 0));
}

TEST(EigenOf, GivesTheEigenvaluesOfSecondDifferences) {
  const int64_t n = 24;
  std::vector<double> a(n * n);
  for (int64_t i = 0; i < n; ++i) {
    a[i * n + i] = 2;
    if (i + 1 < n) a[i * n + i + 1] = a[(i + 1) * n + i] = -1;
  }
  const SymmetricEigen eigen = EigenOf(a, n);
  for (int64_t k = 0; k < n; ++k) {
    EXPECT_NEAR(eigen.values[k], 2 - 2 * std::cos(std::numbers::pi * (n - k) / (n + 1)), 5e-14);
  }
}

TEST(EigenOf, RebuildsTheMatrixFromOrthogonalVectors) {
  for (const int64_t rank : {3, 12}) {
    const int64_t n = 12;
    const std::vector<double> a = Random(n, rank, 5);
    const SymmetricEigen eigen = EigenOf(a, n);
    for (int64_t k = 1; k < n; ++k) EXPECT_LE(eigen.values[k], eigen.values[k - 1]);
    for (int64_t k = rank; k < n; ++k) EXPECT_NEAR(eigen.values[k], 0, 1e-13);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double rebuilt = 0;
        double product = 0;
        for (int64_t k = 0; k < n; ++k) {
          rebuilt += eigen.values[k] * eigen.vectors[k * n + i] * eigen.vectors[k * n + j];
          product += eigen.vectors[i * n + k] * eigen.vectors[j * n + k];
        }
        EXPECT_NEAR(rebuilt, a[i * n + j], 1e-12);
        EXPECT_NEAR(product, i == j ? 1 : 0, 1e-13);
      }
    }
  }
}

TEST(EigenOf, HasNothingToDoForNothing) {
  EXPECT_TRUE(EigenOf({}, 0).values.empty());
  EXPECT_EQ(EigenOf({0, 0, 0, 0}, 2).values, (std::vector<double>{0, 0}));
}

}  // namespace
}  // namespace perennial::causal
