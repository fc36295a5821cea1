#include "common/record/environment.h"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace perennial::record {
namespace {

using ::testing::Contains;
using ::testing::MatchesRegex;
using ::testing::Pair;

TEST(Environment, DescribesThisProcess) {
  Environment environment = CollectEnvironment({.blas = "MKL", .threads = 2});
  volatile double sink = 0;
  for (int i = 0; i < 20000000; ++i) sink = sink + i;
  FinishEnvironment(&environment);
  const nlohmann::json json = nlohmann::json::parse(EnvironmentJson(environment).Text());
  EXPECT_EQ(json["blas"], "MKL");
  EXPECT_EQ(json["threads"], 2);
  EXPECT_EQ(json["device"], "cpu");
  EXPECT_GE(json["cores"].get<int>(), 1);
  EXPECT_THAT(json["start_time"].get<std::string>(),
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"));
  EXPECT_GT(json["wall_seconds"].get<double>(), 0);
  EXPECT_GT(json["cpu_seconds"].get<double>(), 0);
  EXPECT_GT(json["peak_memory_bytes"].get<int64_t>(), 1 << 20);
  EXPECT_THAT(EnvironmentRows(environment), Contains(Pair("BLAS", "MKL")));
}

TEST(Environment, WhatIsUnknownIsAbsent) {
  unsetenv("PERENNIAL_GIT_REVISION");
  unsetenv("BUILD_WORKSPACE_DIRECTORY");
  const nlohmann::json json = nlohmann::json::parse(EnvironmentJson(CollectEnvironment({})).Text());
  for (const char* key : {"git_revision", "git_dirty", "blas", "end_time", "wall_seconds"}) {
    EXPECT_FALSE(json.contains(key)) << key;
  }
}

TEST(Environment, GitRevisionComesFromTheVariableFirst) {
  setenv("PERENNIAL_GIT_REVISION", "abc123", 1);
  EXPECT_EQ(CollectEnvironment({}).git_revision, "abc123");
  unsetenv("PERENNIAL_GIT_REVISION");
}

TEST(Environment, FolderWithoutGitHasNoRevision) {
  setenv("BUILD_WORKSPACE_DIRECTORY", "/proc", 1);
  EXPECT_EQ(CollectEnvironment({}).git_revision, std::nullopt);
  unsetenv("BUILD_WORKSPACE_DIRECTORY");
}

}  // namespace
}  // namespace perennial::record
