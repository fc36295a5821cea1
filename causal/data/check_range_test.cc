#include "causal/data/check_range.h"

#include <limits>

#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

TEST(CheckRange, AcceptsTheEndsAndNamesWhatIsOutside) {
  EXPECT_TRUE(CheckRange("kappa", 0, 0, 2).ok());
  EXPECT_TRUE(CheckRange("kappa", 2, 0, 2).ok());
  EXPECT_EQ(CheckRange("kappa", 2.5, 0, 2).message(), "kappa is 2.5, must be from 0 to 2");
  EXPECT_EQ(CheckRange("kappa", -0.5, 0, 2).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(CheckRange("kappa", std::numeric_limits<double>::quiet_NaN(), 0, 2).ok());
}

}  // namespace
}  // namespace perennial::causal
