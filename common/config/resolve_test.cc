#include "common/config/resolve.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_split.h"
#include "common/base/sha256.h"
#include "common/config/test_config.pb.h"
#include "common/config/textproto.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace perennial::config {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::HasSubstr;

TEST(FillDefaults, MakesDefaultsExplicitDownTheTree) {
  TestConfig config;
  config.add_learners()->mutable_replay();
  FillDefaults(&config);
  EXPECT_TRUE(config.has_tasks());
  EXPECT_EQ(config.tasks(), 20);
  EXPECT_TRUE(config.optimizer().has_schedule());
  EXPECT_EQ(config.optimizer().schedule(), COSINE);
  EXPECT_TRUE(config.learners(0).replay().has_buffer());
}

TEST(FillDefaults, WhatHasNoDefaultStaysAbsent) {
  TestConfig config;
  config.add_learners();
  FillDefaults(&config);
  EXPECT_FALSE(config.has_limit());
  EXPECT_FALSE(config.learners(0).has_name());
  EXPECT_EQ(config.learners(0).method_case(), TestLearner::METHOD_NOT_SET);
}

TEST(FillDefaults, KeepsWhatIsGiven) {
  TestConfig config;
  config.set_tasks(3);
  config.mutable_optimizer()->set_learning_rate(0);
  FillDefaults(&config);
  EXPECT_EQ(config.tasks(), 3);
  EXPECT_EQ(config.optimizer().learning_rate(), 0);
}

TEST(FillDefaults, TypeThatContainsItselfEnds) {
  TestConfig config;
  config.mutable_tree()->mutable_child();
  FillDefaults(&config);
  EXPECT_EQ(config.tree().child().depth(), 1);
  EXPECT_FALSE(config.tree().child().has_child());
}

TEST(CanonicalText, IsByNumberWithShortestNumbers) {
  TestConfig config;
  config.set_tasks(2);
  config.mutable_optimizer()->set_learning_rate(1e-3);
  config.mutable_optimizer()->set_momentum(0.1f);
  config.add_widths(1);
  config.add_widths(2);
  config.set_line("a\"b\n");
  config.mutable_tree();
  (*config.mutable_weights())["b"] = 1;
  (*config.mutable_weights())["a"] = 0.5;
  EXPECT_EQ(CanonicalText(config),
            "line: \"a\\\"b\\n\"\n"
            "optimizer {\n  learning_rate: 0.001\n  momentum: 0.1\n}\n"
            "widths: [1, 2]\n"
            "tree {}\n"
            "tasks: 2\n"
            "weights {\n  key: \"a\"\n  value: 0.5\n}\n"
            "weights {\n  key: \"b\"\n  value: 1\n}\n");
}

TEST(CanonicalText, ReadsBackToTheSameMessage) {
  TestConfig config;
  config.set_line("\x01\xc3\xa9\\");
  config.set_blob(std::string("\0\xff\x80", 3));
  config.mutable_optimizer()->set_learning_rate(0.1 + 0.2);
  config.mutable_optimizer()->set_momentum(std::numeric_limits<float>::denorm_min());
  config.set_limit(std::numeric_limits<uint64_t>::max());
  config.set_offset(std::numeric_limits<int32_t>::min());
  config.add_schedules(STEPWISE);
  config.add_learners()->mutable_replay()->set_buffer(std::numeric_limits<int64_t>::min());
  (*config.mutable_weights())["x"] = std::numeric_limits<double>::infinity();
  FillDefaults(&config);
  TestConfig back;
  const absl::Status status = ParseTextproto(CanonicalText(config), "canonical", &back);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(MessageDifferencer::Equals(config, back)) << CanonicalText(config);
}

TEST(Fingerprint, IsTheDefinedHash) {
  TestTree tree;
  tree.set_depth(3);
  const std::string text = "depth: 3\n";
  EXPECT_EQ(Fingerprint(tree, {"d1"}),
            base::Sha256Hex("25:perennial.config.TestTree9:" + text + "2:d1").substr(0, 12));
}

TEST(Fingerprint, SpelledOutDefaultsDoNotChangeIt) {
  TestConfig bare;
  TestConfig spelled;
  spelled.set_tasks(20);
  spelled.mutable_optimizer()->set_schedule(COSINE);
  EXPECT_EQ(Fingerprint(bare), Fingerprint(spelled));
}

TEST(Fingerprint, EveryValueAndExtraChangesIt) {
  TestConfig config;
  const std::string before = Fingerprint(config, {"a", "b"});
  EXPECT_NE(Fingerprint(config, {"ab"}), before);
  EXPECT_NE(Fingerprint(config, {"b", "a"}), before);
  EXPECT_NE(Fingerprint(config), before);
  config.mutable_optimizer()->set_momentum(std::nextafter(0.9f, 1.0f));
  EXPECT_NE(Fingerprint(config, {"a", "b"}), before);
}

TEST(DescribeFields, ShowsPathTypeDefaultRangeAndHelp) {
  const std::string text = DescribeFields(TestConfig::descriptor());
  EXPECT_THAT(text, HasSubstr("optimizer.learning_rate  double = 0.1  (> 0 and <= 10)\n"
                              "        Step size.\n"));
  EXPECT_THAT(text, HasSubstr("optimizer.schedule  TestSchedule = COSINE\n"
                              "        (one of CONSTANT, COSINE, STEPWISE)"));
  EXPECT_THAT(text, HasSubstr("learners[i].name  string  (must be given)"));
  EXPECT_THAT(text, HasSubstr("One of replay, connectivity, plain. What is trained."));
  EXPECT_THAT(text, HasSubstr("weights  map<string, double>  (>= 0)"));
  EXPECT_THAT(text, HasSubstr("learners[i].replay.buffer  int64 = 500  (>= 1)"));
}

TEST(DescribeFields, KeepsToEightyColumns) {
  for (const absl::string_view line :
       absl::StrSplit(DescribeFields(TestConfig::descriptor()), '\n')) {
    EXPECT_LE(line.size(), 80u) << line;
  }
}

}  // namespace
}  // namespace perennial::config
