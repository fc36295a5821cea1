#include "common/testing/tensor_memory.h"

#include "ATen/ATen.h"
#include "gtest/gtest.h"

namespace perennial::testing {
namespace {

TEST(TensorMemoryTest, CountsWhatTensorsTakeAndGiveBack) {
  const TensorMemory memory;
  const at::Tensor kept = at::empty({1000}, at::kDouble);
  EXPECT_EQ(memory.live(), 8000);
  {
    const at::Tensor passing = at::empty({500}, at::kFloat);
    EXPECT_EQ(memory.live(), 10000);
  }
  EXPECT_EQ(memory.live(), 8000);
  EXPECT_EQ(memory.peak(), 10000);
}

}  // namespace
}  // namespace perennial::testing
