#include "common/nn/layout.h"

#include "common/nn/rows.h"
#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

TEST(ParameterLayoutTest, SlicesAreAlignedAndDoNotOverlap) {
  ParameterLayout layout;
  EXPECT_EQ(layout.Add("0.weight", {3, 5}, ParameterRole::kWeight, 5), 0);
  EXPECT_EQ(layout.Add("0.bias", {3}, ParameterRole::kBias, 5), 16);
  EXPECT_EQ(layout.Add("1.weight", {16}, ParameterRole::kWeight, 3), 32);
  EXPECT_EQ(layout.size(), 48);
  EXPECT_EQ(layout.parameters(), 15 + 3 + 16);
  EXPECT_EQ(layout.slices()[1].size, 3);
  EXPECT_EQ(layout.slices()[1].fan_in, 5);
}

TEST(ParameterLayoutTest, BuffersLieBehindWhatIsTrained) {
  ParameterLayout layout;
  layout.Add("0.weight", {3, 5}, ParameterRole::kWeight, 5);
  layout.Add("1.running_mean", {20}, ParameterRole::kBuffer, 0);
  EXPECT_EQ(layout.trainable(), 16);
  EXPECT_EQ(layout.size(), 48);
  EXPECT_EQ(layout.parameters(), 15);
  EXPECT_DEATH(layout.Add("2.bias", {3}, ParameterRole::kBias, 5), "behind a buffer");
}

TEST(RowsTest, EveryRowBeginsOnACacheLine) {
  Rows<float> rows(3, 48);
  for (int64_t k = 0; k < rows.count(); ++k) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(rows.row(k).data()) % 64, 0u);
    for (const float value : rows.row(k)) EXPECT_EQ(value, 0);
  }
  rows.row(0)[47] = 5;
  rows.CopyRow(0, 2);
  EXPECT_EQ(rows.row(2)[47], 5);
  EXPECT_EQ(rows.row(1)[47], 0);
}

}  // namespace
}  // namespace perennial::nn
