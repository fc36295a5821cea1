#include "common/testing/row_slice.h"

#include "gtest/gtest.h"

namespace perennial::testing {
namespace {

TEST(RowSliceTest, IsAViewWithTheSlicesShape) {
  nn::ParameterLayout layout;
  layout.Add("weight", {2, 3}, nn::ParameterRole::kWeight, 3);
  const int64_t offset = layout.Add("bias", {2}, nn::ParameterRole::kBias, 3);
  nn::Rows<float> rows(1, layout.size());
  const at::Tensor bias = RowSlice<float>(layout, rows.row(0), "bias");
  EXPECT_EQ(bias.sizes(), at::IntArrayRef({2}));
  EXPECT_EQ(bias.const_data_ptr(), rows.row(0).data() + offset);
  const at::Tensor weight = RowSlice<float>(layout, rows.row(0), "weight");
  EXPECT_EQ(weight.sizes(), at::IntArrayRef({2, 3}));
  EXPECT_EQ(weight.const_data_ptr(), rows.row(0).data());
}

TEST(RowSliceDeathTest, ANameThatTheLayoutDoesNotHaveIsRefused) {
  nn::Rows<double> rows(1, 16);
  EXPECT_DEATH(RowSlice<double>(nn::ParameterLayout(), rows.row(0), "bias"), "no slice bias");
}

}  // namespace
}  // namespace perennial::testing
