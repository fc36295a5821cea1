#include "causal/data/covariate_columns.h"

#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsNan;

data::CsvTable Table(absl::string_view text) { return data::ParseCsv(text, "t.csv").value(); }

TEST(CovariateColumnsTest, IndicatorsStandInAscendingOrderOfTheLevels) {
  const data::CsvTable table = Table("age,site,grade\n31,Oslo,10\n45,Bern,9\n22,Oslo,10\n");
  CovariateColumns columns(3);
  ASSERT_TRUE(columns.AddIndicators(table, "site", Levels::kAll).ok());
  ASSERT_TRUE(columns.AddNumbers(table, "age").ok());
  ASSERT_TRUE(columns.AddIndicators(table, "grade", Levels::kAll).ok());
  Observations observations;
  columns.MoveTo(observations);
  EXPECT_THAT(observations.covariate_names,
              ElementsAre("site=Bern", "site=Oslo", "age", "grade=9", "grade=10"));
  EXPECT_THAT(observations.covariates, ElementsAre(0, 1, 31, 0, 1, 1, 0, 45, 1, 0, 0, 1, 22, 0, 1));
}

TEST(CovariateColumnsTest, TheFirstLevelCanBeLeftOut) {
  const data::CsvTable table = Table("site\nOslo\nBern\nRome\n");
  CovariateColumns columns(3);
  ASSERT_TRUE(columns.AddIndicators(table, "site", Levels::kWithoutFirst).ok());
  Observations observations;
  columns.MoveTo(observations);
  EXPECT_THAT(observations.covariate_names, ElementsAre("site=Oslo", "site=Rome"));
  EXPECT_THAT(observations.covariates, ElementsAre(1, 0, 0, 0, 0, 1));
}

TEST(CovariateColumnsTest, MissingValuesMakeARowIncompleteInWhicheverColumnTheyStand) {
  const data::CsvTable table =
      Table("t,y,age,site\n0,1,31,a\n1,2,NA,b\n0,3,5,\n1,NA,5,a\n1,5,6,b\n");
  CovariateColumns columns(5);
  ASSERT_TRUE(columns.AddNumbers(table, "age").ok());
  ASSERT_TRUE(columns.AddIndicators(table, "site", Levels::kAll).ok());
  Observations observations;
  columns.MoveTo(observations);
  observations.treatment = ReadArms(table, "t").value();
  const std::span<const double> outcome = table.Numbers("y").value();
  observations.outcome.assign(outcome.begin(), outcome.end());
  EXPECT_THAT(std::span(observations.covariates).subspan(6, 3), ElementsAre(5, IsNan(), IsNan()));
  EXPECT_THAT(CompleteRows(observations), ElementsAre(0, 4));
}

TEST(CovariateColumnsTest, ErrorsNameTheColumn) {
  const data::CsvTable table = Table("arm,flag,t\na,yes,0\nb,no,2\n");
  CovariateColumns columns(2);
  EXPECT_EQ(columns.AddNumbers(table, "flog").code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(columns.AddNumbers(table, "arm").message()), HasSubstr("arm"));
  EXPECT_THAT(std::string(columns.AddIndicators(table, "flag", Levels::kAll).message()),
              AllOf(HasSubstr("flag"), HasSubstr("booleans")));
  EXPECT_THAT(std::string(ReadArms(table, "t").status().message()),
              AllOf(HasSubstr("column t: row 2 is 2"), HasSubstr("0 (control) or 1 (treated)")));
  Observations observations;
  columns.MoveTo(observations);
  EXPECT_THAT(observations.covariate_names, IsEmpty());
}

TEST(CovariateColumnsTest, AColumnOfIdentifiersIsNoCategory) {
  std::string text = "id\n";
  for (int i = 0; i < 1001; ++i) absl::StrAppend(&text, i, "\n");
  const data::CsvTable table = Table(text);
  CovariateColumns columns(1001);
  EXPECT_THAT(std::string(columns.AddIndicators(table, "id", Levels::kAll).message()),
              HasSubstr("id has 1001 levels"));
}

}  // namespace
}  // namespace perennial::causal
