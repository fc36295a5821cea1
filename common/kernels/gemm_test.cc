#include "common/kernels/gemm.h"

#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

template <typename T>
class GemmTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(GemmTest, Scalars);

template <typename T>
AlignedVector<T> Random(int64_t count, random::Stream& stream) {
  AlignedVector<T> values(count);
  for (T& value : values) value = static_cast<T>(stream.Normal());
  return values;
}

// Against the sum that defines the product, in long double, for all transposes, strides larger than
// the columns, and odd sizes.
TYPED_TEST(GemmTest, IsTheSumOfProducts) {
  using T = TypeParam;
  random::Stream stream(1);
  for (const int64_t m : {1, 3, 10, 33}) {
    for (const int64_t n : {1, 7, 16}) {
      for (const int64_t k : {1, 5, 64}) {
        for (const bool ta : {false, true}) {
          for (const bool tb : {false, true}) {
            const MatrixView<T> a = {nullptr, ta ? k : m, ta ? m : k, (ta ? m : k) + 3};
            const MatrixView<T> b = {nullptr, tb ? n : k, tb ? k : n, (tb ? k : n) + 1};
            AlignedVector<T> a_values = Random<T>(a.rows * a.stride, stream);
            AlignedVector<T> b_values = Random<T>(b.rows * b.stride, stream);
            AlignedVector<T> c_values = Random<T>(m * (n + 2), stream);
            const AlignedVector<T> before = c_values;
            const MatrixView<T> c = {c_values.data(), m, n, n + 2};
            Gemm<T>(ta ? Transpose::kYes : Transpose::kNo, tb ? Transpose::kYes : Transpose::kNo,
                    T(0.5), MatrixView<const T>{a_values.data(), a.rows, a.columns, a.stride},
                    MatrixView<const T>{b_values.data(), b.rows, b.columns, b.stride}, T(-2), c);
            for (int64_t i = 0; i < m; ++i) {
              for (int64_t j = 0; j < n; ++j) {
                long double sum = 0;
                for (int64_t p = 0; p < k; ++p) {
                  sum +=
                      static_cast<long double>(a_values[ta ? p * a.stride + i : i * a.stride + p]) *
                      b_values[tb ? j * b.stride + p : p * b.stride + j];
                }
                const long double expected = 0.5L * sum - 2 * before[i * (n + 2) + j];
                const double tolerance = 8 * std::numeric_limits<T>::epsilon() * std::sqrt(k + 1.0);
                EXPECT_NEAR(c(i, j), expected, tolerance * (2 + std::abs((double)expected)));
              }
              EXPECT_EQ(c_values[i * (n + 2) + n], before[i * (n + 2) + n]) << "beyond the columns";
            }
          }
        }
      }
    }
  }
}

TYPED_TEST(GemmTest, BetaZeroOverwritesEvenNaN) {
  using T = TypeParam;
  AlignedVector<T> a = {1, 2}, b = {3, 4}, c = {std::numeric_limits<T>::quiet_NaN()};
  Gemm<T>(Transpose::kNo, Transpose::kNo, 1, MatrixView<const T>{a.data(), 1, 2, 2},
          MatrixView<const T>{b.data(), 2, 1, 1}, 0, MatrixView<T>{c.data(), 1, 1, 1});
  EXPECT_EQ(c[0], 11);
}

TYPED_TEST(GemmTest, GivesTheSameBitsOnEveryThread) {
  using T = TypeParam;
  random::Stream stream(2);
  const int64_t size = 150;
  const AlignedVector<T> a = Random<T>(size * size, stream);
  const AlignedVector<T> b = Random<T>(size * size, stream);
  const auto product = [&] {
    AlignedVector<T> c(size * size);
    Gemm<T>(Transpose::kNo, Transpose::kYes, 1, MatrixView<const T>{a.data(), size, size, size},
            MatrixView<const T>{b.data(), size, size, size}, 0,
            MatrixView<T>{c.data(), size, size, size});
    return c;
  };
  const AlignedVector<T> here = product();
  std::vector<AlignedVector<T>> there(3);
  std::vector<std::thread> threads;
  for (auto& result : there) threads.emplace_back([&] { result = product(); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : there) EXPECT_EQ(result, here);
}

TYPED_TEST(GemmTest, EmptyProductsDoNothing) {
  using T = TypeParam;
  Gemm<T>(Transpose::kNo, Transpose::kNo, 1, MatrixView<const T>{nullptr, 0, 2, 2},
          MatrixView<const T>{nullptr, 2, 1, 1}, 0, MatrixView<T>{nullptr, 0, 1, 1});
}

}  // namespace
}  // namespace perennial::kernels
