#include "common/testing/process.h"

#include <signal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::testing {
namespace {

TEST(ProcessTest, GivesExitCodeAndBothOutputs) {
  const ProcessResult result = RunProcess({"/bin/sh", "-c", "echo out; echo log >&2; exit 7"});
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.signal, 0);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.log, "log\n");
}

TEST(ProcessTest, FolderAndEnvironmentAreTheProgramsOwn) {
  const ProcessResult result =
      RunProcess({"/bin/sh", "-c", "pwd; echo $COLOUR; echo $HOME"},
                 {.working_folder = "/", .environment = {{"COLOUR", "blue"}, {"HOME", "nowhere"}}});
  EXPECT_EQ(result.out, "/\nblue\nnowhere\n");
}

TEST(ProcessTest, ASignalIsToldApartFromAnExitCode) {
  Process process({"/bin/sh", "-c", "sleep 100"});
  EXPECT_FALSE(process.EndsWithin(0.01));
  process.Signal(SIGKILL);
  EXPECT_TRUE(process.EndsWithin(10));
  const ProcessResult result = process.Wait();
  EXPECT_EQ(result.exit_code, -1);
  EXPECT_EQ(result.signal, SIGKILL);
}

TEST(ProcessTest, WhatCannotStartSaysSo) {
  EXPECT_EQ(RunProcess({"/nonexistent"}).exit_code, kNotStarted);
  EXPECT_EQ(RunProcess({"/bin/true"}, {.before_start = [] { return false; }}).exit_code,
            kNotStarted);
}

}  // namespace
}  // namespace perennial::testing
