// The order of these two headers is what is tested, so it is kept from being sorted.
// clang-format off
#include "c10/util/Logging.h"
#include "common/base/logging.h"
// clang-format on

#include "gtest/gtest.h"

namespace {

void FailPlainly() { CHECK(false) << "plain"; }

TEST(LoggingAfterTorch, MacrosAreGlogs) {
  EXPECT_DEATH(CHECK_EQ(1 + 1, 3) << "sum", "logging_torch_first_test.cc.*Check failed.*sum");
  EXPECT_DEATH(FailPlainly(), "Check failed: false plain");
  google::LogMessage* message = nullptr;
  EXPECT_EQ(CHECK_NOTNULL(&message), &message);
  LOG(INFO) << "a line";
  VLOG(1) << "a line that is off";
  DCHECK(true);
}

TEST(LoggingAfterTorch, TorchChecksStillThrow) {
  EXPECT_THROW(TORCH_CHECK(false, "torch"), c10::Error);
}

}  // namespace
