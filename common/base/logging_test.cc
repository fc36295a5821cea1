#include "common/base/logging.h"

#include "gtest/gtest.h"

namespace {

TEST(Logging, WorksWithoutTorchOnTheIncludePath) {
  EXPECT_DEATH(CHECK_LT(2, 1) << "order", "Check failed: 2 < 1.*order");
  LOG(INFO) << "a line";
}

}  // namespace
