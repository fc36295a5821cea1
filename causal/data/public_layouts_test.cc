#include "causal/data/public_layouts.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/runfiles.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Path(absl::string_view name) {
  return base::FindRunfile(absl::StrCat("perennial/causal/data/testdata/", name)).value();
}

// The files are tools/oracles/public_layouts.py's: numbers tell their place.
TEST(PublicLayoutsTest, IhdpNpzGivesEachRealisationWithItsTruth) {
  const absl::StatusOr<IhdpFile> file = IhdpFile::Read(Path("ihdp.npz"));
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->realisations(), 3);
  for (int r = 0; r < 3; ++r) {
    const absl::StatusOr<Observations> ihdp = file->Realisation(r);
    ASSERT_TRUE(ihdp.ok()) << ihdp.status();
    ASSERT_EQ(ihdp->size(), 6);
    ASSERT_EQ(ihdp->features(), 25);
    EXPECT_EQ(ihdp->covariate_names[24], "x25");
    EXPECT_FALSE(ihdp->binary_outcome);
    ASSERT_EQ(ihdp->truth->mean_outcome.size(), 2);
    for (int i = 0; i < 6; ++i) {
      EXPECT_EQ(ihdp->treatment[i], (i + r) % 2);
      EXPECT_EQ(ihdp->outcome[i], 3000 + i + r / 10.0);
      EXPECT_EQ(ihdp->truth->mean_outcome[0][i], 2000 + i + r / 10.0);
      EXPECT_EQ(ihdp->truth->mean_outcome[1][i], 1000 + i + r / 10.0);
      for (int c = 0; c < 25; ++c) {
        ASSERT_EQ(ihdp->covariates[i * 25 + c], 100 * i + c + r / 10.0);
      }
    }
  }
}

TEST(PublicLayoutsTest, JobsNpzTellsWhoWasInTheExperiment) {
  const absl::StatusOr<JobsFile> file = JobsFile::Read(Path("jobs.npz"));
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->realisations(), 2);
  const absl::StatusOr<JobsObservations> first = file->Realisation(0);
  const absl::StatusOr<JobsObservations> second = file->Realisation(1);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_THAT(first->randomised, ElementsAre(1, 1, 0, 0, 1));
  EXPECT_THAT(second->randomised, ElementsAre(1, 1, 1, 0, 1));
  EXPECT_THAT(first->observations.treatment, ElementsAre(1, 0, 0, 0, 1));
  EXPECT_THAT(second->observations.treatment, ElementsAre(1, 1, 0, 0, 0));
  EXPECT_THAT(first->observations.outcome, ElementsAre(0, 1, 1, 0, 1));
  EXPECT_TRUE(second->observations.binary_outcome);
  EXPECT_FALSE(second->observations.truth.has_value());
  ASSERT_EQ(second->observations.features(), 17);
  EXPECT_EQ(second->observations.covariates[4 * 17 + 16], 416.1);
}

TEST(PublicLayoutsTest, WrongValuesAreNamedWithFileRealisationAndUnit) {
  const absl::StatusOr<JobsFile> file = JobsFile::Read(Path("jobs_bad.npz"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(std::string(file->Realisation(0).status().message()),
              AllOf(HasSubstr("jobs_bad.npz: realisation 0"), HasSubstr("e of unit 4 is 2")));
  EXPECT_THAT(std::string(file->Realisation(1).status().message()),
              AllOf(HasSubstr("realisation 1"), HasSubstr("outcome of unit 3 is 0.5")));
  EXPECT_EQ(file->Realisation(2).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(file->Realisation(-1).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(PublicLayoutsTest, ArraysMustAgreeAndBeThere) {
  EXPECT_THAT(std::string(IhdpFile::Read(Path("ihdp_shapes.npz")).status().message()),
              AllOf(HasSubstr("mu0 has the shape [6, 2]"), HasSubstr("must have [6, 3]")));
  EXPECT_EQ(IhdpFile::Read(Path("jobs.npz")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(JobsFile::Read("no/such.npz").status().code(), absl::StatusCode::kNotFound);
}

std::string Write(const std::string& text) {
  const std::string path = absl::StrCat(std::getenv("TEST_TMPDIR"), "/ihdp.csv");
  std::ofstream(path) << text;
  return path;
}

// t, y, ycf, mu0, mu1, x1 to x25 of a unit.
std::string Line(int unit, absl::string_view treated) {
  std::string line = absl::StrCat(treated);
  for (int c = 1; c < 30; ++c) absl::StrAppend(&line, ",", 100 * unit + c, ".5");
  return line + "\n";
}

TEST(PublicLayoutsTest, IhdpCsvHasNoHeader) {
  const absl::StatusOr<Observations> ihdp = ReadIhdpCsv(Write(Line(1, "1") + Line(2, "0")));
  ASSERT_TRUE(ihdp.ok()) << ihdp.status();
  EXPECT_THAT(ihdp->treatment, ElementsAre(1, 0));
  EXPECT_THAT(ihdp->outcome, ElementsAre(101.5, 201.5));
  EXPECT_THAT(ihdp->truth->mean_outcome,
              ElementsAre(ElementsAre(103.5, 203.5), ElementsAre(104.5, 204.5)));
  ASSERT_EQ(ihdp->features(), 25);
  EXPECT_EQ(ihdp->covariate_names[0], "x1");
  EXPECT_EQ(ihdp->covariates[0], 105.5);
  EXPECT_EQ(ihdp->covariates[49], 229.5);
}

TEST(PublicLayoutsTest, CsvErrorsNameTheFile) {
  EXPECT_THAT(std::string(ReadIhdpCsv(Write("1,2,3\n0,2,3\n")).status().message()),
              AllOf(HasSubstr("ihdp.csv: 3 columns"), HasSubstr("must be 30")));
  EXPECT_THAT(std::string(ReadIhdpCsv(Write(Line(1, "1") + Line(2, "2"))).status().message()),
              AllOf(HasSubstr("ihdp.csv"), HasSubstr("row 2 is 2")));
  EXPECT_EQ(ReadIhdpCsv("no/such.csv").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace perennial::causal
