// Damaged command lines; see common/testing/mutation.h.
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "common/experiment/command_line.h"
#include "common/testing/mutation.h"
#include "gtest/gtest.h"

namespace perennial::experiment {
namespace {

using ::perennial::testing::MutationCounts;
using ::perennial::testing::RunMutations;

void ExpectBoth(const MutationCounts& counts) {
  EXPECT_GT(counts.accepted, 0);
  EXPECT_LT(counts.accepted, counts.trials);
}

TEST(CommandLineMutationTest, Seeds) {
  ExpectBoth(RunMutations({.corpus = {"0..4", "3", "0..2,7", "18446744073709551615", "5,1..3"},
                           .tokens = {"..", ",", "...", " ", "-", "+1", "99999"},
                           .memory_base = 8 << 20},  // 100,000 seeds.
                          [](absl::string_view text) {
                            const auto seeds = ParseSeeds(text);
                            if (!seeds.ok()) return seeds.status();
                            EXPECT_LE(seeds->size(), 100000u);
                            const auto again = ParseSeeds(SeedsText(*seeds));
                            EXPECT_TRUE(again.ok()) << again.status();
                            if (again.ok()) {
                              EXPECT_EQ(*again, *seeds);
                            }
                            return absl::OkStatus();
                          }));
}

TEST(CommandLineMutationTest, Flags) {
  // One argument a line.
  ExpectBoth(RunMutations(
      {.corpus = {"--config\nsmoke\n--seeds=0..4\n--set\na.b=1\n--set=c=2", "--list",
                  "--threads\n2\n--device\ncpu\n--out=x\n--data\ny\n--resume\n--dry_run"},
       .tokens = {"\n", "--", "=", "--seeds", "--threads", "0", "-1", "--help", "-h", "--set", "é"},
       .memory_base = 8 << 20},
      [](absl::string_view text) {
        const std::vector<std::string> arguments = absl::StrSplit(text, '\n');
        const auto line = ParseCommandLine(arguments);
        if (!line.ok()) return line.status();
        EXPECT_GE(line->threads, 0);
        EXPECT_LE(line->overrides.size(), arguments.size());
        return absl::OkStatus();
      }));
}

}  // namespace
}  // namespace perennial::experiment
