#include "tools/claims/lines.h"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/runfiles.h"
#include "common/data/labeled_images.h"
#include "common/experiment/configuration.h"
#include "common/random/stream.h"
#include "common/testing/idx.h"
#include "common/testing/images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/claims/claims.h"
#include "tools/claims/measure.h"

namespace perennial::claims {
namespace {

std::string Folder() { return std::getenv("TEST_TMPDIR"); }

void WriteIdx(const std::string& part, const data::LabeledImages& images) {
  const std::string prefix = absl::StrCat(Folder(), "/small/", part);
  std::ofstream(prefix + "-images-idx3-ubyte", std::ios::binary) << testing::IdxImages(images);
  std::ofstream(prefix + "-labels-idx1-ubyte", std::ios::binary) << testing::IdxLabels(images);
}

// Images that are read and learned in no time.
void WriteSmallImages() {
  std::filesystem::create_directories(Folder() + "/small");
  const random::Stream stream(1);
  WriteIdx("train", testing::ClassImages(1600, 8, 8, 10, 0.15, stream, stream.Split("train")));
  WriteIdx("t10k", testing::ClassImages(500, 8, 8, 10, 0.15, stream, stream.Split("test")));
}

class LinesTest : public ::testing::Test {
 protected:
  absl::StatusOr<LineClaims> Load(const std::string& line) {
    for (const KnownLine& known : KnownLines()) {
      if (known.line->name() != line) continue;
      const auto path = base::FindRunfile(absl::StrCat("perennial/", known.claims_file));
      if (!path.ok()) return path.status();
      return LoadClaims(*path, known.claims_file, KnownLines(), surroundings_);
    }
    return absl::NotFoundError(line);
  }

  // Runs all experiments of a line's claims in small, on three replicates: a group, method or
  // metric that a run does not have is an error.
  void ExpectAllNamesExist(
      const std::string& line, const std::string& data,
      const std::function<std::vector<std::string>(const ClaimedExperiment&)>& settings) {
    auto claims = Load(line);
    ASSERT_TRUE(claims.ok()) << claims.status().message();
    for (ClaimedExperiment& experiment : claims->experiments) {
      for (const std::string& setting : settings(experiment)) {
        experiment.command.overrides.push_back(setting);
      }
      auto small = experiment::LoadConfiguration(*claims->line, experiment.command, surroundings_);
      ASSERT_TRUE(small.ok()) << small.status().message();
      experiment.config = *std::move(small);
      experiment.quick_seeds.resize(3);
    }
    const auto results = MeasureClaims(
        {&*claims, 1}, {.runs = "small_" + line, .data = data, .threads = 2}, surroundings_);
    ASSERT_TRUE(results.ok()) << results.status().message();
    for (const ClaimAnswer& claim : (*results)[0].claims) {
      if (claim.claim.has_not_testable_here()) continue;
      EXPECT_EQ(claim.answer->replicates.size(), 3) << claim.claim.name();
      EXPECT_EQ(claim.answer->missing, "") << claim.claim.name();
      for (const ControlAnswer& control : claim.controls) {
        EXPECT_EQ(control.answer.missing, "") << claim.claim.name() << control.control.name();
      }
    }
  }

  std::ostringstream out_;
  std::ostringstream log_;
  const experiment::Surroundings surroundings_ = {
      .out = out_, .log = log_, .working_folder = Folder()};
};

TEST_F(LinesTest, EveryLinesClaimsAreValid) {
  for (const KnownLine& known : KnownLines()) {
    const auto claims = Load(known.line->name());
    ASSERT_TRUE(claims.ok()) << claims.status().message();
    EXPECT_EQ(claims->line->name(), known.line->name());
  }
}

// Seeds that development or a search has seen prove nothing.
TEST_F(LinesTest, ClaimsAreMeasuredOnFreshSeeds) {
  for (const KnownLine& known : KnownLines()) {
    const auto claims = Load(known.line->name());
    ASSERT_TRUE(claims.ok()) << claims.status().message();
    for (const ClaimedExperiment& experiment : claims->experiments) {
      for (const uint64_t seed : experiment.full_seeds) {
        // Of development; of searches.
        EXPECT_TRUE(seed >= 100 && (seed < 1000 || seed >= 2000)) << experiment.name << seed;
      }
      EXPECT_GE(experiment.quick_seeds.size(), 5) << experiment.name;
      EXPECT_GE(experiment.full_seeds.size(), 20) << experiment.name;
    }
  }
}

TEST_F(LinesTest, DataOfOneLineIsNotThatOfAll) {
  const absl::Status status = claims::Run({"--data", "small"}, KnownLines(), surroundings_);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("add --line"));
}

TEST_F(LinesTest, ContinualRunsHaveAllNamesOfItsClaims) {
  WriteSmallImages();
  ExpectAllNamesExist("continual", "small", [](const ClaimedExperiment& experiment) {
    const std::string stream = experiment.name == "permuted" ? "permuted" : "rotated";
    std::vector<std::string> settings = {absl::StrCat("stream.", stream, ".tasks=3"),
                                         "stream.images.train_per_task=500",
                                         "stream.images.test_per_task=100", "network.hidden=[8]"};
    if (experiment.name == "connectivity") {
      settings.insert(settings.end(),
                      {"studies[0].training.epochs=1", "studies[1].training.epochs=1",
                       "studies[0].points=5", "studies[1].points=5"});
    }
    return settings;
  });
}

TEST_F(LinesTest, CausalRunsHaveAllNamesOfItsClaims) {
  ExpectAllNamesExist("causal", "", [](const ClaimedExperiment&) {
    return std::vector<std::string>{"net.trunk=[4]", "net.head=[4]", "net.steps=4",
                                    "net.evaluate_every=2"};
  });
}

}  // namespace
}  // namespace perennial::claims
