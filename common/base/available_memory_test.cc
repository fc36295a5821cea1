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

TEST(AvailableMemoryTest, AControlGroupLeavesWhatIsBelowItsLimitAndCountsCachedFilesAsFree) {
  EXPECT_EQ(ParseGroupMemory("1000\n", "900\n", "anon 500\ninactive_file 200\nactive_file 50\n"),
            350);
  EXPECT_EQ(ParseGroupMemory("1000\n", "900\n", ""), 100);
  EXPECT_EQ(ParseGroupMemory("1000\n", "1200\n", ""), 0);
  // Version 1.
  EXPECT_EQ(ParseGroupMemory("1000", "900",
                             "inactive_file 1\ntotal_inactive_file 20\ntotal_active_file 30\n"),
            150);
  EXPECT_EQ(ParseGroupMemory("max\n", "900\n", "inactive_file 200\n"), -1);
  EXPECT_EQ(ParseGroupMemory("", "", ""), -1);
}

TEST(AvailableMemoryTest, ThereIsSome) { EXPECT_GT(AvailableMemoryBytes(), 10 << 20); }

}  // namespace
}  // namespace perennial::base
