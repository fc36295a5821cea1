#include "common/kernels/packed_matrix.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "common/kernels/activation.h"
#include "common/kernels/every_target.h"
#include "common/kernels/gemm.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

template <typename T>
class PackedMatrixTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(PackedMatrixTest, Scalars);

template <typename T>
AlignedVector<T> Random(int64_t count, random::Stream& stream) {
  AlignedVector<T> values(count);
  for (T& value : values) value = static_cast<T>(stream.Normal());
  return values;
}

// The first `rows` rows of `values`, with columns and stride.
template <typename T>
MatrixView<const T> View(const AlignedVector<T>& values, int64_t rows, int64_t columns,
                         int64_t stride) {
  return {values.data(), rows, columns, stride};
}

// Against the sum that defines the product, in long double: all heights of tiles, columns around
// vectors and panels, strides larger than the columns; with and without bias and rectifier. Nothing
// but c is written, and what c holds before, NaN too, does not matter. Packed once for all
// instruction sets.
TYPED_TEST(PackedMatrixTest, IsTheProductWithBiasAndRectifier) {
  using T = TypeParam;
  random::Stream stream(1);
  for (const int64_t n : {1, 4, 10, 16, 17, 31, 32, 33, 256}) {
    for (const int64_t k : {1, 7, 784}) {
      if (n == 256 && k == 784) continue;  // Long, and nothing new.
      const int64_t max_rows = k == 784 ? 29 : 45;
      const AlignedVector<T> b_values = Random<T>(n * (k + 1), stream);
      const AlignedVector<T> a_values = Random<T>(max_rows * (k + 3), stream);
      const AlignedVector<T> bias = Random<T>(n, stream);
      const MatrixView<const T> b = View(b_values, n, k, k + 1);
      AlignedVector<long double> expected(max_rows * n);
      for (int64_t r = 0; r < max_rows; ++r) {
        for (int64_t c = 0; c < n; ++c) {
          long double& sum = expected[r * n + c];
          for (int64_t p = 0; p < k; ++p) {
            sum += static_cast<long double>(a_values[r * (k + 3) + p]) * b(c, p);
          }
        }
      }
      PackedMatrix<T> packed(n, k);
      packed.Pack(View(b_values, n, k, k));
      packed.Pack(b);
      OnEveryTarget([&] {
        for (int64_t rows = 1; rows <= max_rows; rows += rows < 20 ? 1 : 8) {
          SCOPED_TRACE(testing::Message() << rows << " x " << k << " by " << n);
          const bool biased = rows % 2 == 0, rectified = rows % 3 == 0;
          AlignedVector<T> c_values(rows * (n + 2), std::numeric_limits<T>::quiet_NaN());
          for (int64_t r = 0; r < rows; ++r) std::fill_n(&c_values[r * (n + 2) + n], 2, T(7));
          packed.Multiply(View(a_values, rows, k, k + 3), {c_values.data(), rows, n, n + 2},
                          biased ? bias.data() : nullptr,
                          rectified ? Epilogue::kRectify : Epilogue::kNone);
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < n; ++c) {
              const double sum =
                  static_cast<double>(expected[r * n + c] + (biased ? bias[c] : T(0)));
              const double tolerance =
                  8 * std::numeric_limits<T>::epsilon() * std::sqrt(k + 1.0) * (2 + std::abs(sum));
              ASSERT_NEAR(c_values[r * (n + 2) + c], rectified ? std::max(sum, 0.0) : sum,
                          tolerance)
                  << "at " << r << ", " << c;
            }
            ASSERT_EQ(c_values[r * (n + 2) + n], T(7)) << "beyond the columns";
            ASSERT_EQ(c_values[r * (n + 2) + n + 1], T(7)) << "beyond the columns";
          }
        }
      });
    }
  }
}

// The same bits alone, in any batch, and at any place of it.
TEST(PackedMatrixRowsTest, ARowOfTheProductDoesNotDependOnTheOthers) {
  constexpr int64_t kRows = 61, kColumns = 49, kInner = 300;
  random::Stream stream(2);
  const AlignedVector<float> a = Random<float>(kRows * kInner, stream);
  const AlignedVector<float> b = Random<float>(kColumns * kInner, stream);
  const AlignedVector<float> bias = Random<float>(kColumns, stream);
  PackedMatrix<float> packed(kColumns, kInner);
  packed.Pack(View(b, kColumns, kInner, kInner));
  OnEveryTarget([&] {
    const auto product = [&](int64_t first, int64_t rows) {
      AlignedVector<float> c(rows * kColumns);
      packed.Multiply({a.data() + first * kInner, rows, kInner, kInner},
                      {c.data(), rows, kColumns, kColumns}, bias.data(), Epilogue::kRectify);
      return c;
    };
    const AlignedVector<float> whole = product(0, kRows);
    for (int64_t rows = 1; rows <= 30; ++rows) {
      for (int64_t first = 0; first + rows <= kRows; first += rows) {
        const AlignedVector<float> part = product(first, rows);
        ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + first * kColumns))
            << "rows " << first << " to " << first + rows;
      }
    }
  });
}

TYPED_TEST(PackedMatrixTest, GivesTheSameBitsWhereverItLiesAndOnEveryThread) {
  using T = TypeParam;
  random::Stream stream(4);
  const AlignedVector<T> b = Random<T>(256 * 784, stream);
  const AlignedVector<T> a = Random<T>(56 * 784, stream);
  std::vector<PackedMatrix<T>> packed;
  for (int i = 0; i < 3; ++i) {
    packed.emplace_back(256, 784).Pack(View(b, 256, 784, 784));  // Moves those before.
  }
  std::vector<AlignedVector<T>> products(packed.size(), AlignedVector<T>(56 * 256));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < packed.size(); ++i) {
    threads.emplace_back([&, i] {
      packed[i].Multiply(View(a, 56, 784, 784), {products[i].data(), 56, 256, 256});
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_NE(products[0][0], T(0));
  for (const AlignedVector<T>& product : products) EXPECT_EQ(product, products[0]);
}

// As Gemm and BiasActivation: NaN and infinities of any factor, where they are and nowhere else.
// The padding of the last panel must not bring them into c either.
TYPED_TEST(PackedMatrixTest, NaNAndInfinitiesPassAsInTheGemm) {
  using T = TypeParam;
  constexpr int64_t kRows = 17, kColumns = 37, kInner = 5;
  const T infinity = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  random::Stream stream(5);
  AlignedVector<T> a = Random<T>(kRows * kInner, stream);
  AlignedVector<T> b = Random<T>(kColumns * kInner, stream);
  AlignedVector<T> bias = Random<T>(kColumns, stream);
  a[2 * kInner + 1] = nan;
  a[3 * kInner] = infinity;
  a[16 * kInner + 4] = -infinity;
  b[3 * kInner] = 0;  // Times infinity: NaN.
  b[36 * kInner + 4] = infinity;
  bias[20] = nan;
  bias[35] = -infinity;
  PackedMatrix<T> packed(kColumns, kInner);
  packed.Pack(View(b, kColumns, kInner, kInner));
  for (const bool rectified : {false, true}) {
    AlignedVector<T> expected(kRows * kColumns), c(kRows * kColumns);
    const MatrixView<T> expected_view = {expected.data(), kRows, kColumns, kColumns};
    Gemm<T>(Transpose::kNo, Transpose::kYes, 1, View(a, kRows, kInner, kInner),
            View(b, kColumns, kInner, kInner), 0, expected_view);
    BiasActivation<T>(rectified ? Activation::kRelu : Activation::kIdentity, bias.data(),
                      expected_view, {});
    OnEveryTarget([&] {
      packed.Multiply(View(a, kRows, kInner, kInner), {c.data(), kRows, kColumns, kColumns},
                      bias.data(), rectified ? Epilogue::kRectify : Epilogue::kNone);
      for (int64_t i = 0; i < kRows * kColumns; ++i) {
        SCOPED_TRACE(testing::Message() << "at " << i / kColumns << ", " << i % kColumns);
        if (std::isfinite(expected[i])) {
          EXPECT_NEAR(c[i], expected[i], 1e-5);
        } else if (std::isnan(expected[i])) {
          EXPECT_TRUE(std::isnan(c[i])) << c[i];
        } else {
          EXPECT_EQ(c[i], expected[i]);
        }
      }
    });
  }
}

TYPED_TEST(PackedMatrixTest, NoRowsAreNoWork) {
  using T = TypeParam;
  const AlignedVector<T> b = {1, 2};
  PackedMatrix<T> packed(1, 2);
  packed.Pack(View(b, 1, 2, 2));
  packed.Multiply({nullptr, 0, 2, 2}, {nullptr, 0, 1, 1});
}

TEST(PackedMatrixBytesTest, AreThoseOfWholePanelsInFloat) {
  EXPECT_EQ(PackedMatrix<float>::Bytes(256, 784), 4 * 256 * 784);
  EXPECT_EQ(PackedMatrix<float>::Bytes(33, 7), 4 * 64 * 7);
  EXPECT_EQ(PackedMatrix<double>::Bytes(256, 784), 0);
}

TEST(PackedMatrixDeathTest, NeedsAMatrixAndItsShapes) {
  const AlignedVector<float> b(6), a(6);
  AlignedVector<float> c(4);
  PackedMatrix<float> packed(2, 3);
  const auto multiply = [&](int64_t rows, int64_t columns) {
    packed.Multiply(View(a, 2, 3, 3), {c.data(), rows, columns, columns});
  };
  EXPECT_DEATH(multiply(2, 2), "nothing is packed");
  EXPECT_DEATH(packed.Pack(View(b, 3, 2, 2)), "n_");
  packed.Pack(View(b, 2, 3, 3));
  EXPECT_DEATH(multiply(2, 1), "n_");
  EXPECT_DEATH(multiply(1, 2), "a.rows");
}

}  // namespace
}  // namespace perennial::kernels
