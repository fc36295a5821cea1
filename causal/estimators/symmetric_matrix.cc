#include "causal/estimators/symmetric_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

#include "common/base/logging.h"

namespace perennial::causal {
namespace {

double Dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += a[k] * b[k];
  return sum;
}

// (u, v) := (c u - s v, s u + c v)
void Rotate(double* u, double* v, int64_t n, int64_t stride, double c, double s) {
  for (int64_t k = 0; k < n; ++k) {
    const double a = u[k * stride];
    const double b = v[k * stride];
    u[k * stride] = c * a - s * b;
    v[k * stride] = s * a + c * b;
  }
}

}  // namespace

bool Cholesky(std::span<double> a, int64_t n, double least_pivot) {
  CHECK_EQ(static_cast<int64_t>(a.size()), n * n);
  for (int64_t i = 0; i < n; ++i) {
    double* const row = a.data() + i * n;
    for (int64_t j = 0; j < i; ++j) {
      const double* const other = a.data() + j * n;
      row[j] = (row[j] - Dot(row, other, j)) / other[j];
    }
    const double pivot = row[i] - Dot(row, row, i);
    if (!(pivot > least_pivot)) return false;  // A NaN is refused, too.
    row[i] = std::sqrt(pivot);
  }
  return true;
}

void CholeskySolve(std::span<const double> factor, int64_t n, std::span<double> b) {
  CHECK_EQ(static_cast<int64_t>(factor.size()), n * n);
  CHECK_EQ(static_cast<int64_t>(b.size()), n);
  for (int64_t i = 0; i < n; ++i) {
    const double* const row = factor.data() + i * n;
    b[i] = (b[i] - Dot(row, b.data(), i)) / row[i];
  }
  for (int64_t i = n - 1; i >= 0; --i) {
    const double* const row = factor.data() + i * n;
    b[i] /= row[i];
    for (int64_t k = 0; k < i; ++k) b[k] -= row[k] * b[i];
  }
}

SymmetricEigen EigenOf(std::vector<double> a, int64_t n) {
  CHECK_EQ(static_cast<int64_t>(a.size()), n * n);
  std::vector<double> vectors(n * n);
  for (int64_t k = 0; k < n; ++k) vectors[k * n + k] = 1;
  double greatest = 0;
  for (const double value : a) {
    CHECK(std::isfinite(value));
    greatest = std::max(greatest, std::abs(value));
  }
  // Far more sweeps than the quadratic convergence needs.
  for (int sweep = 0; sweep < 64; ++sweep) {
    bool rotated = false;
    for (int64_t p = 0; p < n; ++p) {
      for (int64_t q = p + 1; q < n; ++q) {
        const double off = a[p * n + q];
        if (std::abs(off) <= std::numeric_limits<double>::epsilon() * 0.01 * greatest) continue;
        rotated = true;
        const double theta = (a[q * n + q] - a[p * n + p]) / (2 * off);
        const double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::hypot(theta, 1.0));
        const double c = 1 / std::hypot(t, 1.0);
        const double s = t * c;
        Rotate(&a[p * n], &a[q * n], n, 1, c, s);
        Rotate(&a[p], &a[q], n, n, c, s);
        a[p * n + q] = a[q * n + p] = 0;
        Rotate(&vectors[p * n], &vectors[q * n], n, 1, c, s);
      }
    }
    if (!rotated) break;
  }
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order,
                           [&](int64_t i, int64_t j) { return a[i * n + i] > a[j * n + j]; });
  SymmetricEigen eigen;
  for (const int64_t k : order) {
    eigen.values.push_back(a[k * n + k]);
    eigen.vectors.insert(eigen.vectors.end(), vectors.begin() + k * n,
                         vectors.begin() + (k + 1) * n);
  }
  return eigen;
}

}  // namespace perennial::causal
