#include "common/testing/mutation.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace perennial::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

MutationOptions Options() {
  return {.corpus = {"name: 12, [3, 4]", "second"}, .tokens = {"TOKEN"}};
}

std::vector<std::string> Inputs(int64_t count) {
  std::vector<std::string> inputs;
  for (int64_t trial = 0; trial < count; ++trial) {
    inputs.push_back(MutatedInput(Options(), trial));
  }
  return inputs;
}

TEST(MutationTest, TrialsBeginWithTheCorpusAndDependOnTheirNumberAlone) {
  EXPECT_EQ(MutatedInput(Options(), 0), "name: 12, [3, 4]");
  EXPECT_EQ(MutatedInput(Options(), 1), "second");
  EXPECT_EQ(MutatedInput(Options(), 77), Inputs(100)[77]);
  MutationOptions other = Options();
  other.seed = 2;
  EXPECT_NE(MutatedInput(other, 50), MutatedInput(Options(), 50));
}

TEST(MutationTest, DamageIsOfEveryKind) {
  const std::vector<std::string> inputs = Inputs(5000);
  EXPECT_GT(std::set<std::string>(inputs.begin(), inputs.end()).size(), 3000u);
  EXPECT_THAT(inputs, Contains("name: 12, ["));                         // Cut.
  EXPECT_THAT(inputs, Contains("name: 18446744073709551615, [3, 4]"));  // A number's extreme.
  EXPECT_THAT(inputs, Contains(HasSubstr("TOKEN")));
  EXPECT_THAT(inputs, Contains(HasSubstr(std::string(4096, '['))));
  EXPECT_THAT(inputs, Contains(HasSubstr(std::string(8, '\xff'))));
  size_t longest = 0;
  for (const std::string& input : inputs) longest = std::max(longest, input.size());
  EXPECT_LE(longest, Options().max_input_bytes);
}

TEST(MutationTest, CleanParserPasses) {
  const MutationCounts counts = RunMutations(Options(), [](absl::string_view text) {
    return absl::StrContains(text, "\n") ? absl::InvalidArgumentError("a line break")
                                         : absl::OkStatus();
  });
  EXPECT_GT(counts.trials, 100);
  EXPECT_GT(counts.accepted, 0);
  EXPECT_LT(counts.accepted, counts.trials);
}

TEST(MutationTest, MessagesOfTwoLinesAndGreedAreFound) {
  EXPECT_NONFATAL_FAILURE(RunMutations(Options(),
                                       [](absl::string_view text) {
                                         return text == "second"
                                                    ? absl::InvalidArgumentError("a\nb")
                                                    : absl::OkStatus();
                                       }),
                          "mutation trial 1 of seed 1: a message of several lines");
  EXPECT_NONFATAL_FAILURE(RunMutations(Options(),
                                       [](absl::string_view) {
                                         std::vector<char> greedy(3 << 20);
                                         return greedy[5] == 0 ? absl::OkStatus()
                                                               : absl::InternalError("x");
                                       }),
                          "bytes held at once");
}

TEST(MutationTest, PeakCountsWhatIsHeldAtOnce) {
  const int64_t peak = PeakAllocation([] {
    for (int i = 0; i < 10; ++i) {
      std::vector<char> block(100000);
      block[i] = 1;
    }
  });
  EXPECT_GE(peak, 100000);
  EXPECT_LT(peak, 200000);
}

TEST(MutationDeathTest, TrialThatEndsTheProcessIsNamed) {
  EXPECT_DEATH(RunMutations(Options(),
                            [](absl::string_view text) {
                              if (text == "second") std::abort();
                              return absl::OkStatus();
                            }),
               "mutation trial 1");
}

}  // namespace
}  // namespace perennial::testing
