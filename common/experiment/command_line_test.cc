#include "common/experiment/command_line.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::experiment {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ErrorOf(const std::vector<std::string>& arguments) {
  return std::string(ParseCommandLine(arguments).status().message());
}

TEST(CommandLineTest, ReadsEveryFlagInBothForms) {
  const auto line = ParseCommandLine({"--config", "a.textproto", "--set=x.y=1", "--set", "z=a=b",
                                      "--seeds=0..2", "--out", "o", "--data=d", "--device", "cpu",
                                      "--threads=3", "--resume", "--dry_run", "--list", "--help"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->config, "a.textproto");
  EXPECT_THAT(line->overrides, ElementsAre("x.y=1", "z=a=b"));
  EXPECT_THAT(line->seeds, ElementsAre(0, 1, 2));
  EXPECT_EQ(line->out, "o");
  EXPECT_EQ(line->data, "d");
  EXPECT_EQ(line->threads, 3);
  EXPECT_TRUE(line->resume && line->dry_run && line->list && line->help);
}

TEST(CommandLineTest, DefaultsAreUnset) {
  const auto line = ParseCommandLine({});
  ASSERT_TRUE(line.ok());
  EXPECT_TRUE(line->config.empty() && line->out.empty() && line->seeds.empty());
  EXPECT_EQ(line->threads, 0);
  EXPECT_FALSE(line->resume || line->dry_run || line->list || line->help);
}

TEST(CommandLineTest, MistakesAreNamed) {
  EXPECT_THAT(ErrorOf({"--sed", "1"}), HasSubstr("--set"));
  EXPECT_THAT(ErrorOf({"--thread=2"}), HasSubstr("did you mean \"--threads\"?"));
  EXPECT_THAT(ErrorOf({"rotated"}), HasSubstr("unexpected argument \"rotated\""));
  EXPECT_THAT(ErrorOf({"--config"}), HasSubstr("--config needs a value"));
  EXPECT_THAT(ErrorOf({"--out="}), HasSubstr("--out: the value is empty"));
  EXPECT_THAT(ErrorOf({"--resume=yes"}), HasSubstr("takes no value"));
  EXPECT_THAT(ErrorOf({"--threads", "0"}), HasSubstr("must be a number in 1 .. 4096"));
  EXPECT_THAT(ErrorOf({"--device", "gpu"}), HasSubstr("cuda"));
}

// One of two values would be lost.
TEST(CommandLineTest, OnlySetMayStandTwice) {
  EXPECT_TRUE(ParseCommandLine({"--set", "x=1", "--set", "x=2"}).ok());
  for (const auto& [flag, value] :
       std::vector<std::pair<std::string, std::string>>{{"--config", "a"},
                                                        {"--seeds", "1"},
                                                        {"--out", "a"},
                                                        {"--data", "a"},
                                                        {"--device", "cpu"},
                                                        {"--threads", "1"}}) {
    EXPECT_THAT(ErrorOf({flag, value, "--resume", flag, value}),
                HasSubstr(flag + " stands twice, with " + value + " and " + value));
  }
}

TEST(SeedsTest, RangesIncludeBothEnds) {
  EXPECT_THAT(*ParseSeeds("0..4"), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(*ParseSeeds("7"), ElementsAre(7));
  EXPECT_THAT(*ParseSeeds("9,0..1,4..4"), ElementsAre(0, 1, 4, 9));
}

TEST(SeedsTest, TextReadsBackAsTheSameSeeds) {
  for (const char* text : {"0..4", "7", "0..1,4,9..12"}) {
    EXPECT_EQ(SeedsText(*ParseSeeds(text)), text);
  }
}

TEST(SeedsTest, MistakesAreNamed) {
  const auto error = [](const char* text) {
    return std::string(ParseSeeds(text).status().message());
  };
  EXPECT_THAT(error("5..2"), HasSubstr("write the smaller seed first: 2..5"));
  EXPECT_THAT(error("a..2"), HasSubstr("\"a\" is not a seed"));
  EXPECT_THAT(error(""), HasSubstr("not a seed"));
  EXPECT_THAT(error("-1"), HasSubstr("not a seed"));
  EXPECT_THAT(error("1,1..2"), HasSubstr("seed 1 stands twice"));
  EXPECT_THAT(error("0..18446744073709551615"), HasSubstr("more than 100000 seeds"));
}

TEST(FlagsHelpTest, NamesEveryFlagWithinEightyColumns) {
  const std::string help = FlagsHelp();
  for (const char* flag :
       {"--config FILE", "--set PATH=VALUE", "--seeds A..B", "--out DIR", "--data DIR",
        "--device cpu|cuda", "--threads N", "--resume", "--list", "--dry_run", "--help"}) {
    EXPECT_THAT(help, HasSubstr(flag));
  }
  size_t begin = 0;
  while (begin < help.size()) {
    const size_t end = help.find('\n', begin);
    EXPECT_LE(end - begin, 80u) << help.substr(begin, end - begin);
    begin = end + 1;
  }
}

}  // namespace
}  // namespace perennial::experiment
