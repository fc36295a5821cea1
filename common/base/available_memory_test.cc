#include "common/base/available_memory.h"

#include "gtest/gtest.h"

namespace perennial::base {
namespace {

TEST(AvailableMemoryTest, ReadsTheKernelsOwnEstimate) {
  EXPECT_EQ(ParseMemoryAvailable("MemTotal:       24000000 kB\nMemFree:         100 kB\n"
                                 "MemAvailable:   19531250 kB\n"),
            int64_t{20'000'000'000});
  EXPECT_EQ(ParseMemoryAvailable("MemTotal: 1 kB\n"), -1);
  EXPECT_EQ(ParseMemoryAvailable("MemAvailable: many kB\n"), -1);
  EXPECT_EQ(ParseMemoryAvailable(""), -1);
}

TEST(AvailableMemoryTest, ThereIsSome) { EXPECT_GT(AvailableMemoryBytes(), 10 << 20); }

}  // namespace
}  // namespace perennial::base
