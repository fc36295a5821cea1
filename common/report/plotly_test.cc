#include "common/report/plotly.h"

#include <string>

#include "gtest/gtest.h"

namespace perennial::report {
namespace {

TEST(LoadPlotly, IsPlotlyAndLeavesRoomInAReportOfSixMegabytes) {
  const absl::StatusOr<std::string> script = LoadPlotly();
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_NE(script->substr(0, 200).find("plotly.js v"), std::string::npos);
  EXPECT_LT(script->size(), size_t{5500000});
}

}  // namespace
}  // namespace perennial::report
