#include "common/experiment/progress.h"

#include <chrono>
#include <sstream>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::experiment {
namespace {

TEST(DurationTextTest, CountsUpToHours) {
  EXPECT_EQ(DurationText(0), "0:00");
  EXPECT_EQ(DurationText(31.2), "0:32");
  EXPECT_EQ(DurationText(725), "12:05");
  EXPECT_EQ(DurationText(10930), "3:02:10");
}

TEST(ProgressTextTest, TellsShareRateAndTimeLeftWithinEightyColumns) {
  EXPECT_EQ(ProgressText(0.5, 10, 6, 12, 61.2e9, 9.5, 10),
            "[#####-----]  50 %  6.0/12 units  61.2 GFLOP/s  0:10 left");
  EXPECT_EQ(ProgressText(1, 83, 12, 12, 61.2e9, 0, 0), "100 %  12.0/12 units  61.2 GFLOP/s  1:23");
  EXPECT_LE(ProgressText(0.5, 99999, 9999.5, 10000, 1e12, 99999, 20).size(), 80u);
}

TEST(ProgressTest, ALogGetsWholeLinesAndATerminalOneLine) {
  std::ostringstream log, terminal;
  Progress(log, false, 2, {}).Finish({1, 2, 1e9});
  Progress(terminal, true, 2, {}).Finish({1, 2, 1e9});
  EXPECT_THAT(log.str(), ::testing::MatchesRegex("100 %.*\n"));
  EXPECT_THAT(terminal.str(), ::testing::StartsWith("\r["));
}

TEST(ProgressTest, RateAndTimeLeftAreOfThisRunAlone) {
  std::ostringstream log;
  Progress progress(log, false, 10, {.fraction = 0.5, .units = 5, .flops = 1e15});
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  // A tenth in a good second: the other four take four or five, not less than one.
  progress.Finish({.fraction = 0.6, .units = 6, .flops = 1e15 + 1.1e9});
  EXPECT_THAT(log.str(), ::testing::MatchesRegex(" 60 %  6.0/10 units  [01].[0-9] GFLOP/s  "
                                                 "0:0[5-9] left\n"));
}

TEST(ProgressTest, ALogIsNotFlooded) {
  std::ostringstream log;
  Progress progress(log, false, 2, {});
  for (int i = 0; i < 1000; ++i) progress.Update({.fraction = i / 1000.0});
  EXPECT_EQ(std::ranges::count(log.str(), '\n'), 1);
}

TEST(ProgressTest, ALineNeverFillsANarrowTerminal) {
  for (const int columns : {200, 80, 60, 40, 10, 1}) {
    std::ostringstream out;
    Progress progress(out, /*terminal=*/true, 1000, {}, columns);
    progress.Finish({0.5, 500, 1e12});
    std::string line = out.str();
    line = line.substr(1, line.find('\x1b') - 1);
    EXPECT_LT(line.size(), static_cast<size_t>(columns)) << line;
    EXPECT_EQ(line.find('[') != std::string::npos, columns >= 80) << line;
  }
}

TEST(ProgressTest, ANoteStandsOnALineOfItsOwn) {
  std::ostringstream out;
  Progress progress(out, /*terminal=*/true, 1, {});
  progress.Note("failed: er");
  EXPECT_EQ(out.str(), "\r\x1b[Kfailed: er\n");
}

}  // namespace
}  // namespace perennial::experiment
