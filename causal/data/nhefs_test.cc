#include "causal/data/nhefs.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Counts and the difference by pandas 3.1.1 (tools/oracles/real_data.py).
TEST(NhefsTest, CompleteCasesAreThoseThatPandasFinds) {
  const absl::StatusOr<Observations> data = LoadNhefs({});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->size(), 1566);
  double sum[2] = {}, units[2] = {};
  for (int64_t i = 0; i < data->size(); ++i) {
    sum[data->treatment[i]] += data->outcome[i];
    ++units[data->treatment[i]];
  }
  EXPECT_EQ(units[1], 403);
  EXPECT_NEAR(sum[1] / units[1] - sum[0] / units[0], 2.540581454955888, 1e-10);
  EXPECT_FALSE(data->truth.has_value());
}

// The first row of the file: sex 0, age 42, race 1, education 1, 30 cigarettes, 29 years, exercise
// 2, active 0, 79.04 kg.
TEST(NhefsTest, CovariatesStandInOrderWithIndicatorsForLevels) {
  const Observations data = LoadNhefs({}).value();
  EXPECT_THAT(data.covariate_names,
              ElementsAre("sex", "race", "age", "education=1", "education=2", "education=3",
                          "education=4", "education=5", "smokeintensity", "smokeyrs", "exercise=0",
                          "exercise=1", "exercise=2", "active=0", "active=1", "active=2", "wt71"));
  EXPECT_THAT(std::vector<double>(data.covariates.begin(), data.covariates.begin() + 17),
              ElementsAre(0, 1, 42, 1, 0, 0, 0, 0, 30, 29, 0, 0, 1, 1, 0, 0, 79.04));
  EXPECT_EQ(data.treatment[0], 0);
  EXPECT_EQ(data.outcome[0], -10.09395976);
  EXPECT_EQ(LoadNhefs({.levels = Levels::kWithoutFirst})->features(), 14);
}

TEST(NhefsTest, ErrorsNameTheFileAndTheColumn) {
  EXPECT_EQ(LoadNhefs({.path = "no/such.csv"}).status().code(), absl::StatusCode::kNotFound);
  const std::string path = absl::StrCat(std::getenv("TEST_TMPDIR"), "/nhefs.csv");
  std::ofstream(path) << "qsmk,wt82_71,sex,race\n1,2,1,0\n";
  EXPECT_THAT(std::string(LoadNhefs({.path = path}).status().message()),
              AllOf(HasSubstr("nhefs.csv"), HasSubstr("age")));
}

}  // namespace
}  // namespace perennial::causal
