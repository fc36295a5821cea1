// Damaged configs and overrides; see common/testing/mutation.h.
#include <string>
#include <vector>

#include "common/config/override.h"
#include "common/config/resolve.h"
#include "common/config/test_config.pb.h"
#include "common/config/textproto.h"
#include "common/testing/mutation.h"
#include "gtest/gtest.h"

namespace perennial::config {
namespace {

using ::perennial::testing::MutationCounts;
using ::perennial::testing::RunMutations;

constexpr char kConfig[] = R"(# A comment.
line: "continual"
optimizer { learning_rate: 0.05 momentum: .9 schedule: STEPWISE }
learners { name: "er" replay { buffer: 500 } }
learners: [ { name: 'mc' connectivity < points: 5 > }, { plain: true } ]
widths: [16, 32]
tags: "a" tags: "b\n\x41" "joined"
shuffle: false limit: 18446744073709551615 blob: "\000\377" offset: -3
schedules: [CONSTANT, 1]
tree { depth: 1 child { depth: 2 child {} } }
weights { key: "x" value: 1e-3 }
)";

void ExpectBoth(const MutationCounts& counts) {
  EXPECT_GT(counts.accepted, 0);
  EXPECT_LT(counts.accepted, counts.trials);
}

// What is accepted has a text that reads back to the same.
void ExpectRoundTrip(const TestConfig& config) {
  const std::string text = CanonicalText(config);
  TestConfig again;
  const absl::Status status = ParseTextproto(text, "canonical", &again);
  EXPECT_TRUE(status.ok()) << status << text;
  EXPECT_EQ(CanonicalText(again), text);
}

TEST(ConfigMutationTest, Textproto) {
  ExpectBoth(RunMutations(
      {.corpus = {kConfig, "", "tree { child { depth: 3 } }"},
       .tokens = {"tree {", "child {", "child {} ", "[", "learners {", ": ", "\"", "'", "\\x", "#",
                  "widths: [", "google.protobuf.Any", "[type.googleapis.com/a.B] {", "nan", "inf",
                  "-", "optimizer", "}", "é"},
       .memory_factor = 400},
      [](absl::string_view text) {
        TestConfig config;
        const absl::Status status = ParseTextproto(text, "mutated.textproto", &config);
        if (status.ok()) {
          ExpectRoundTrip(config);
        } else {
          EXPECT_EQ(status.message().substr(0, 18), "mutated.textproto:");
        }
        return status;
      }));
}

TEST(ConfigMutationTest, Override) {
  TestConfig base;
  ASSERT_TRUE(ParseTextproto(kConfig, "base", &base).ok());
  const std::string text = CanonicalText(base);
  ExpectBoth(RunMutations(
      {.corpus = {"optimizer.learning_rate=0.05", "learners[1].connectivity.points=3",
                  "learners[0]={name: \"er\" replay { buffer: 5 }}", "widths=[1, 2, 3]",
                  "widths[2]=7", "tags[0]=\"a\\n\"", "tree.child.child.depth=-4", "shuffle=true",
                  "limit=18446744073709551615", "optimizer.schedule=COSINE", "blob=\"\\377\"",
                  "tags=[]"},
       .tokens = {"tree.", "child.", "[", "]", "=", ".", "learners[3]", "{", "}", "[18]", "\"",
                  "weights", "tree=", "child {"},
       .memory_factor = 1000},
      [&](absl::string_view override_text) {
        TestConfig config = base;
        const absl::Status status = ApplyOverride(override_text, &config);
        if (status.ok()) {
          ExpectRoundTrip(config);
        } else {
          EXPECT_EQ(CanonicalText(config), text);
        }
        return status;
      }));
}

// The path is walked by recursion: without a limit it would leave the stack.
TEST(ConfigMutationTest, OverrideWithAPathWithoutEnd) {
  std::string path = "tree";
  for (int i = 0; i < 1000000; ++i) path += ".child";
  TestConfig config;
  EXPECT_EQ(ApplyOverride(path + ".depth=1", &config).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(config.has_tree());
}

}  // namespace
}  // namespace perennial::config
