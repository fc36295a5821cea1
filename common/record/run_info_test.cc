#include "common/record/run_info.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::record {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

RunInfo Sample() {
  return {.line = "continual",
          .config = "smoke",
          .fingerprint = "3f2a90c1b7de",
          .data_digest = "9c0d",
          .seeds = "0..2",
          .state = "running",
          .gemm_peak_flops = 1.25e11,
          .flops = 5e12,
          .cpu_seconds = {{"er.rotated.seed.0", 4.5}, {"er.rotated.seed.1", 0.25}},
          .failures = {{"er.rotated.seed.1", "the loss is nan"}}};
}

Environment Somewhere() {
  return {.version = "1.2.3",
          .compiler = "gcc",
          .build_mode = "optimized",
          .cpu = "a CPU",
          .device = "cpu",
          .threads = 2,
          .wall_seconds = 10,
          .cpu_seconds = 18,
          .peak_memory_bytes = 1000};
}

TEST(RunInfoTest, IsReadAsItWasWritten) {
  const StoredRunInfo stored = ParseRunInfo(RunInfoText(Sample(), Somewhere(), {}));
  const RunInfo sample = Sample();
  EXPECT_EQ(stored.info.line, sample.line);
  EXPECT_EQ(stored.info.config, sample.config);
  EXPECT_EQ(stored.info.fingerprint, sample.fingerprint);
  EXPECT_EQ(stored.info.data_digest, sample.data_digest);
  EXPECT_EQ(stored.info.seeds, sample.seeds);
  EXPECT_EQ(stored.info.state, sample.state);
  EXPECT_EQ(stored.info.gemm_peak_flops, sample.gemm_peak_flops);
  EXPECT_EQ(stored.info.flops, sample.flops);
  EXPECT_EQ(stored.info.cpu_seconds, sample.cpu_seconds);
  EXPECT_EQ(stored.info.failures, sample.failures);
  EXPECT_EQ(stored.device, "cpu");
  EXPECT_EQ(stored.threads, 2);
  EXPECT_EQ(stored.machine, Machine(Somewhere()));
  EXPECT_THAT(stored.machine,
              UnorderedElementsAre(Pair("version", "1.2.3"), Pair("compiler", "gcc"),
                                   Pair("build_mode", "optimized"), Pair("cpu", "a CPU")));
}

TEST(RunInfoTest, TimesAddUpOverSittings) {
  const StoredRunInfo first = ParseRunInfo(RunInfoText(Sample(), Somewhere(), {}));
  EXPECT_EQ(first.sittings.count, 1);
  const StoredRunInfo second = ParseRunInfo(RunInfoText(Sample(), Somewhere(), first.sittings));
  EXPECT_EQ(second.sittings.count, 2);
  EXPECT_EQ(second.sittings.wall_seconds, 20);
  EXPECT_EQ(second.sittings.cpu_seconds, 36);
  EXPECT_EQ(second.sittings.peak_memory_bytes, 1000);
}

TEST(RunInfoTest, CostsAreSummedByMethod) {
  EXPECT_THAT(RunInfoText(Sample(), Somewhere(), {}), HasSubstr("\"costs\":{\"er\":4.75}"));
}

TEST(RunInfoTest, TheFloorIsTheTimeAtThePeak) {
  EXPECT_THAT(RunInfoText(Sample(), Somewhere(), {}), HasSubstr("\"floor_seconds\":40,"));
}

TEST(RunInfoTest, NoFailuresNoKey) {
  RunInfo info = Sample();
  info.failures.clear();
  EXPECT_THAT(RunInfoText(info, Somewhere(), {}), Not(HasSubstr("failed")));
}

TEST(RunInfoTest, WhatIsDamagedIsLeftOut) {
  EXPECT_EQ(ParseRunInfo("{\"seeds\":\"0..").info.seeds, "");
  EXPECT_EQ(ParseRunInfo("[1]").info.seeds, "");
  const StoredRunInfo stored = ParseRunInfo(
      R"({"seeds":3,"unit_costs":{"a":"x","b":2.5},"failed":[1],"cpu":7,"sittings":-1e300,)"
      R"("peak_memory_bytes":1e300})");
  EXPECT_EQ(stored.info.seeds, "");
  EXPECT_THAT(stored.info.cpu_seconds, UnorderedElementsAre(Pair("b", 2.5)));
  EXPECT_TRUE(stored.info.failures.empty());
  EXPECT_TRUE(stored.machine.empty());
  EXPECT_EQ(stored.sittings.count, 1);
  EXPECT_GE(stored.sittings.peak_memory_bytes, 0);
}

}  // namespace
}  // namespace perennial::record
