#include "common/base/flags.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::base {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Options {
  std::vector<std::string> outs;
  std::string log;
  bool quiet = false;
  bool help = false;
};

const FlagSet<Options>& Flags() {
  static const auto* flags = new FlagSet<Options>({
      {"out", "DIR", "Where files go.\nMay be repeated.",
       [](const std::string& value, Options& options) {
         if (value == "nowhere") return absl::InvalidArgumentError("--out nowhere: no such place");
         options.outs.push_back(value);
         return absl::OkStatus();
       },
       kRepeatable},
      {"log", "FILE", "Where messages go.",
       [](const std::string& value, Options& options) {
         options.log = value;
         return absl::OkStatus();
       }},
      {"quiet", nullptr, "Says less.",
       [](const std::string&, Options& options) {
         options.quiet = true;
         return absl::OkStatus();
       }},
      {"help", nullptr, "Prints this.",
       [](const std::string&, Options& options) {
         options.help = true;
         return absl::OkStatus();
       }},
  });
  return *flags;
}

std::string ErrorOf(const std::vector<std::string>& arguments) {
  Options options;
  return std::string(Flags().Parse(arguments, options).message());
}

TEST(FlagsTest, AValueFollowsOrStandsBehindAnEqualsSign) {
  Options options;
  ASSERT_TRUE(Flags().Parse({"--out", "a", "--out=b=c", "--quiet", "--out=", "-h"}, options).ok());
  EXPECT_THAT(options.outs, ElementsAre("a", "b=c", ""));
  EXPECT_TRUE(options.quiet);
  EXPECT_TRUE(options.help);
}

TEST(FlagsTest, ASecondValueIsRefusedUnlessTheyAreCollected) {
  Options options;
  ASSERT_TRUE(
      Flags().Parse({"--log", "a", "--out=b", "--out=c", "--quiet", "--quiet"}, options).ok());
  EXPECT_EQ(options.log, "a");
  EXPECT_THAT(options.outs, ElementsAre("b", "c"));
  EXPECT_EQ(ErrorOf({"--log", "a", "--out=b", "--log=c"}),
            "--log stands twice, with a and c; give it once");
}

TEST(FlagsTest, AValueMayLookLikeAFlag) {
  Options options;
  ASSERT_TRUE(Flags().Parse({"--out", "--quiet"}, options).ok());
  EXPECT_THAT(options.outs, ElementsAre("--quiet"));
  EXPECT_FALSE(options.quiet);
}

TEST(FlagsTest, WhatIsNoFlagIsRefusedOrCollected) {
  EXPECT_THAT(ErrorOf({"runs/a"}), AllOf(HasSubstr("\"runs/a\""), HasSubstr("--help")));
  EXPECT_THAT(ErrorOf({"-o"}), HasSubstr("\"-o\""));
  Options options;
  std::vector<std::string> others;
  ASSERT_TRUE(Flags().Parse({"runs/a", "--quiet", "runs/b"}, options, &others).ok());
  EXPECT_THAT(others, ElementsAre("runs/a", "runs/b"));
  EXPECT_FALSE(Flags().Parse({"-o"}, options, &others).ok());
  EXPECT_FALSE(Flags().Parse({""}, options, &others).ok());
}

TEST(FlagsTest, ErrorsNameTheFlagAndTheNearest) {
  EXPECT_THAT(ErrorOf({"--ot", "a"}), AllOf(HasSubstr("--ot"), HasSubstr("\"--out\"")));
  EXPECT_EQ(ErrorOf({"--out"}), "--out needs a value: --out DIR");
  EXPECT_EQ(ErrorOf({"--quiet=yes"}), "--quiet takes no value");
  EXPECT_EQ(ErrorOf({"--out", "nowhere"}), "--out nowhere: no such place");
}

TEST(FlagsTest, HelpHasALineForEach) {
  EXPECT_EQ(Flags().Help(10),
            "  --out DIR  Where files go.\n"
            "             May be repeated.\n"
            "  --log FILE Where messages go.\n"
            "  --quiet    Says less.\n"
            "  --help     Prints this.\n");
}

}  // namespace
}  // namespace perennial::base
