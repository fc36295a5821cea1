#include "common/kernels/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/kernels/every_target.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

template <typename T>
class SoftmaxTest : public testing::Test {
 protected:
  std::vector<T> Normals(int64_t count, double scale) {
    std::vector<T> values(count);
    for (T& value : values) value = static_cast<T>(scale * stream_.Normal());
    return values;
  }

  random::Stream stream_ = random::Stream(6);
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(SoftmaxTest, Scalars);

TYPED_TEST(SoftmaxTest, PartsAreThoseOfTheDefinition) {
  using T = TypeParam;
  constexpr T kEpsilon = std::numeric_limits<T>::epsilon();
  OnEveryTarget([&] {
    std::vector<int64_t> sizes(std::begin(kKernelSizes) + 1, std::end(kKernelSizes));
    sizes.insert(sizes.end(), {5, 10, 32, 48, 1000});
    for (const int64_t columns : sizes) {
      for (const double scale : {1.0, 30.0}) {
        const int64_t stride = columns + 3;
        const std::vector<T> logits = this->Normals(1 + 3 * stride, scale);
        std::vector<T> numerators(logits.size(), T(-7)), shift(5, T(-7)), total(5, T(-7));
        SoftmaxRows<T>(MatrixView<const T>{logits.data() + 1, 3, columns, stride}, shift.data() + 1,
                       total.data() + 1, MatrixView<T>{numerators.data() + 1, 3, columns, stride});
        for (int64_t r = 0; r < 3; ++r) {
          const T* row = logits.data() + 1 + r * stride;
          const T max = *std::max_element(row, row + columns);
          EXPECT_EQ(shift[1 + r], max);
          long double sum = 0;
          for (int64_t c = 0; c < columns; ++c) {
            // The difference is rounded once, which exp magnifies.
            const long double difference = static_cast<long double>(row[c]) - max;
            const long double expected = std::exp(difference);
            EXPECT_NEAR(
                numerators[1 + r * stride + c], expected,
                (4 + std::abs(difference)) * kEpsilon * expected + std::numeric_limits<T>::min());
            sum += expected;
          }
          EXPECT_NEAR(total[1 + r], sum, (4 + 0.05 * columns) * kEpsilon * sum);
          for (int64_t c = columns; c < stride; ++c) {
            EXPECT_EQ(numerators[1 + r * stride + c], T(-7));
          }
        }
        EXPECT_EQ(numerators[0], T(-7));
        for (const std::vector<T>* guarded : {&shift, &total}) {
          EXPECT_EQ(guarded->front(), T(-7));
          EXPECT_EQ(guarded->back(), T(-7));
        }
        std::vector<T> in_place = logits;
        const MatrixView<T> view{in_place.data() + 1, 3, columns, stride};
        SoftmaxRows<T>(view, shift.data() + 1, total.data() + 1, view);
        for (int64_t r = 0; r < 3; ++r) {
          for (int64_t c = 0; c < columns; ++c) {
            EXPECT_EQ(view(r, c), numerators[1 + r * stride + c]);
          }
        }
      }
    }
  });
}

TYPED_TEST(SoftmaxTest, ExtremeLogitsGiveNumbersAndNonFiniteOnesNanOnlyInTheirRow) {
  using T = TypeParam;
  const T infinity = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  OnEveryTarget([&] {
    for (const int64_t columns : {2, 3, 10, 16, 17, 40}) {
      for (int64_t at = 0; at < columns; ++at) {
        std::vector<T> logits(7 * columns, T(0.5));
        const auto logit = [&](int64_t r, int64_t c) -> T& { return logits[r * columns + c]; };
        logit(0, at) = nan;
        logit(1, at) = infinity;
        logit(2, at) = -infinity;
        logit(3, at) = T(1e4);
        logit(4, at) = std::numeric_limits<T>::max();
        for (int64_t c = 0; c < columns; ++c) logit(5, c) = -infinity;
        logit(6, at) = std::numeric_limits<T>::denorm_min();
        std::vector<T> shift(7), total(7), numerators(7 * columns);
        SoftmaxRows<T>(MatrixView<const T>{logits.data(), 7, columns, columns}, shift.data(),
                       total.data(), MatrixView<T>{numerators.data(), 7, columns, columns});
        EXPECT_TRUE(std::isnan(total[0]));
        EXPECT_TRUE(std::isnan(total[1]));
        EXPECT_TRUE(std::isnan(total[5]));
        EXPECT_EQ(total[2], T(columns - 1));
        EXPECT_EQ(shift[2], T(0.5));
        EXPECT_EQ(numerators[2 * columns + at], 0);
        for (const int64_t r : {3, 4}) {  // All others vanish.
          EXPECT_EQ(total[r], 1);
          EXPECT_EQ(shift[r], logit(r, at));
          for (int64_t c = 0; c < columns; ++c) EXPECT_EQ(numerators[r * columns + c], c == at);
        }
        EXPECT_NEAR(total[6], columns - 1 + std::exp(-0.5), 1e-5 * columns);
      }
    }
  });
}

}  // namespace
}  // namespace perennial::kernels
