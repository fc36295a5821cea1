#include "causal/estimation/encoding.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "common/data/csv.h"
#include "common/testing/mutation.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

data::CsvTable Table(const std::string& csv) {
  const auto table = data::ParseCsv(csv, "t.csv");
  EXPECT_TRUE(table.ok()) << table.status().message();
  return *table;
}

EncodingOptions Options() { return {.treatment = "t", .outcome = "y"}; }

Encoded EncodedOf(const std::string& csv, const EncodingOptions& options = Options()) {
  const auto encoded = Encode(Table(csv), options);
  EXPECT_TRUE(encoded.ok()) << encoded.status().message();
  return encoded.ok() ? *encoded : Encoded();
}

std::string ErrorOf(const std::string& csv, const EncodingOptions& options = Options()) {
  const auto encoded = Encode(Table(csv), options);
  EXPECT_FALSE(encoded.ok());
  const std::string message(encoded.status().message());
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  return message;
}

std::vector<double> Column(const Observations& observations, const std::string& name) {
  std::vector<double> values;
  for (int64_t j = 0; j < observations.features(); ++j) {
    if (observations.covariate_names[j] != name) continue;
    for (int64_t i = 0; i < observations.size(); ++i) values.push_back(observations.x().row(i)[j]);
  }
  return values;
}

TEST(EncodingTest, NumbersStayBooleansAreZeroAndOneTextBecomesIndicators) {
  const Encoded encoded = EncodedOf(
      "t,y,age,smokes,site\n"
      "0,1.5,30,yes,Oslo\n"
      "1,2.5,40,no,Bern\n"
      "0,3.5,50,yes,Rome\n"
      "1,4.5,61,yes,Oslo\n");
  const Observations& o = encoded.observations;
  EXPECT_THAT(o.covariate_names,
              ElementsAre("age", "smokes", "site=Oslo", "site=Bern", "site=Rome"));
  EXPECT_THAT(Column(o, "age"), ElementsAre(30, 40, 50, 61));
  EXPECT_THAT(Column(o, "smokes"), ElementsAre(1, 0, 1, 1));
  EXPECT_THAT(Column(o, "site=Oslo"), ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(Column(o, "site=Bern"), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(o.treatment, ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(o.outcome, ElementsAre(1.5, 2.5, 3.5, 4.5));
  EXPECT_FALSE(o.binary_outcome);
  EXPECT_THAT(encoded.schema.arms, ElementsAre("0", "1"));
  EXPECT_THAT(encoded.notes, Contains(HasSubstr("\"site\": 3 texts have an indicator each")));
}

TEST(EncodingTest, TwoTextsAreOneIndicatorOfTheSecond) {
  const Encoded encoded = EncodedOf("t,y,sex\n0,1,f\n1,2,m\n0,3,m\n1,4,m\n");
  EXPECT_THAT(encoded.observations.covariate_names, ElementsAre("sex=m"));
  EXPECT_THAT(encoded.observations.covariates, ElementsAre(0, 1, 1, 1));
  EXPECT_THAT(encoded.notes, Contains(HasSubstr("is 1 for \"m\" and 0 for \"f\"")));
}

TEST(EncodingTest, NamedColumnsOfNumbersAreCategories) {
  data::CsvOptions csv;
  csv.types["c"] = data::CsvType::kText;
  const auto table = data::ParseCsv("t,y,c\n0,1,1\n1,2,2\n0,3,3\n1,5,1\n", "t.csv", csv);
  ASSERT_TRUE(table.ok());
  EncodingOptions options = Options();
  options.categorical = {"c"};
  const auto encoded = Encode(*table, options);
  ASSERT_TRUE(encoded.ok()) << encoded.status().message();
  EXPECT_THAT(encoded->observations.covariate_names, ElementsAre("c=1", "c=2", "c=3"));
  EXPECT_THAT(ErrorOf("t,y,c\n0,1,1\n1,2,2\n0,3,3\n1,5,1\n", options),
              HasSubstr("\"c\": was read as a number"));
}

TEST(EncodingTest, MissingValuesGetMeanOrModeAndAnIndicator) {
  const Encoded encoded = EncodedOf(
      "t,y,age,smokes,site\n"
      "0,1,30,yes,a\n"
      "1,2,,yes,\n"
      "0,3,50,,b\n"
      "1,4,70,no,b\n"
      "1,5,NA,yes,c\n");
  const Observations& o = encoded.observations;
  EXPECT_THAT(Column(o, "age"), ElementsAre(30, 50, 50, 70, 50));  // The mean of 30, 50, 70.
  EXPECT_THAT(Column(o, "age missing"), ElementsAre(0, 1, 0, 0, 1));
  EXPECT_THAT(Column(o, "smokes"), ElementsAre(1, 1, 1, 0, 1));
  EXPECT_THAT(Column(o, "smokes missing"), ElementsAre(0, 0, 1, 0, 0));
  EXPECT_THAT(Column(o, "site=b"), ElementsAre(0, 1, 1, 1, 0));
  EXPECT_THAT(Column(o, "site missing"), ElementsAre(0, 1, 0, 0, 0));
  EXPECT_THAT(encoded.notes,
              AllOf(Contains(HasSubstr("\"age\": 2 missing values are set to its mean, 50")),
                    Contains(HasSubstr("\"smokes\": 1 missing value is set to the more frequent "
                                       "value, \"yes\"")),
                    Contains(HasSubstr("\"site\": 1 missing value is set to the most frequent "
                                       "text, \"b\""))));
}

TEST(EncodingTest, ConstantEqualAndEmptyColumnsAreLeftOutByName) {
  const Encoded encoded = EncodedOf(
      "t,y,a,b,k,e\n"
      "0,1,3,3,7,\n"
      "1,2,4,4,7,\n"
      "0,3,5,5,7,\n"
      "1,5,6,6,7,\n");
  EXPECT_THAT(encoded.observations.covariate_names, ElementsAre("a"));
  EXPECT_THAT(encoded.notes, AllOf(Contains(HasSubstr("\"b\" equals \"a\" in every row")),
                                   Contains(HasSubstr("\"k\" is 7 in every row")),
                                   Contains(HasSubstr("\"e\" has no values"))));
}

TEST(EncodingTest, RowsWithoutTreatmentOrOutcomeAreLeftOut) {
  const Encoded encoded = EncodedOf("t,y,a\n0,1,1\n,2,2\n1,,3\n1,4,4\n0,0,9\n");
  EXPECT_THAT(encoded.rows, ElementsAre(1, 4, 5));
  EXPECT_THAT(encoded.observations.outcome, ElementsAre(1, 4, 0));
  EXPECT_THAT(encoded.notes, AllOf(Contains(HasSubstr("1 of 5 rows have no treatment (\"t\")")),
                                   Contains(HasSubstr("1 of 5 rows have no outcome (\"y\")"))));
}

TEST(EncodingTest, OneAndTwoMeanControlAndTreated) {
  const Encoded encoded = EncodedOf("t,y,a\n2,1,1\n1,2,2\n2,3,4\n1,4,5\n");
  EXPECT_THAT(encoded.observations.treatment, ElementsAre(1, 0, 1, 0));
  EXPECT_THAT(encoded.schema.arms, ElementsAre("1", "2"));
  EXPECT_THAT(encoded.notes, Contains(HasSubstr("control of \"t\" is \"1\"")));
}

TEST(EncodingTest, NoIsTheControlAndArmsAreNamedAsTheTableDoes) {
  const Encoded encoded = EncodedOf("t,y,a\nyes,1,1\nno,2,2\nyes,3,4\nno,4,5\n");
  EXPECT_THAT(encoded.observations.treatment, ElementsAre(1, 0, 1, 0));
  EXPECT_THAT(encoded.schema.arms, ElementsAre("no", "yes"));
  EXPECT_THAT(EncodedOf("t,y,a\nTRUE,1,1\nFALSE,2,2\nTRUE,3,4\n").schema.arms,
              ElementsAre("FALSE", "TRUE"));
  EncodingOptions options = Options();
  options.control_value = "Yes";
  EXPECT_THAT(EncodedOf("t,y,a\nyes,1,1\nno,2,2\nyes,3,4\nno,4,5\n", options).schema.arms,
              ElementsAre("yes", "no"));
}

TEST(EncodingTest, WhatTheReaderPassedOverIsSaid) {
  const Encoded encoded = EncodedOf(
      "t,y, a,smokes,zip,big\n"
      "yes,1,1,no,0815,9007199254740993\n"
      "\n"
      " no,NA,5,NO,4711,1\n"
      "YES,3,NaN,yes,815,2\n"
      "No,4, 2,no,17,3\n"
      "yes,7, 2,no,18,4\n");
  EXPECT_THAT(
      encoded.notes,
      IsSupersetOf({HasSubstr("1 empty line is passed over"),
                    HasSubstr("Blanks around values or names are passed over in \"t\", \"a\"."),
                    HasSubstr("\"t\": \"yes\", \"YES\" are taken as one value"),
                    HasSubstr("\"t\": \"no\", \"No\" are taken as one value"),
                    HasSubstr("\"smokes\": \"no\", \"NO\" are taken as one value"),
                    HasSubstr("\"NA\", \"NaN\" are taken as a missing value in \"y\", \"a\"."),
                    HasSubstr("Yes and true are 1, no and false are 0 in \"smokes\".")}));
  EXPECT_THAT(encoded.warnings,
              IsSupersetOf({HasSubstr("1 of its numbers begin with 0"), HasSubstr("beyond 2^53")}));
  const Encoded plain = EncodedOf("t,y,a\nyes,1,1\nno,2,5\nyes,3,4\nno,4,2\n");
  EXPECT_THAT(plain.notes, IsEmpty());
  EXPECT_THAT(plain.warnings, IsEmpty());
}

TEST(EncodingTest, ValuesThatDifferInBlanksOrCaseAreNoTwoArmsAndSuspiciousCategories) {
  EXPECT_THAT(ErrorOf("t,y,a\ndrug,1,1\nplacebo,2,2\nDrug ,3,4\nplacebo,4,5\n"),
              AllOf(HasSubstr("treatment \"t\""), HasSubstr("\"drug\" and \"Drug \"")));
  const Encoded encoded = EncodedOf("t,y,c\n0,1,a\n1,2,b\n0,3,B\n1,4,a\n");
  EXPECT_THAT(encoded.warnings, ElementsAre(HasSubstr("\"b\" and \"B\" differ only in")));
}

TEST(EncodingTest, NumbersInAnotherDressAreRefused) {
  for (const char* other : {"\"1,234\"", "\"12,5\"", "3 000", "50%", "$7", "\"\u20ac1,5\""}) {
    const std::string csv = absl::StrCat("t,y,a\n0,1,", other, "\n1,2,2\n0,3,4\n1,4,5\n");
    EXPECT_THAT(ErrorOf(csv),
                AllOf(HasSubstr("covariate \"a\""), HasSubstr("in row 1 is a number "),
                      HasSubstr("--decimal_mark")));
  }
  EXPECT_THAT(ErrorOf("t,y,a\n0,\"1,5\",1\n1,\"2,5\",2\n0,\"3,5\",4\n"),
              AllOf(HasSubstr("outcome \"y\""), HasSubstr("--decimal_mark"),
                    Not(HasSubstr("--categorical"))));
  // Where the mark is a comma, points are the other dress.
  EncodingOptions comma = Options();
  comma.decimal_mark = ',';
  const auto error = [&](const std::string& csv) {
    const auto table = data::ParseCsv(csv, "t.csv", {.delimiter = ';', .decimal_mark = ','});
    EXPECT_TRUE(table.ok()) << table.status().message();
    return std::string(Encode(*table, comma).status().message());
  };
  for (const char* other : {"1.234", "2.5", "1.234,5", "7,5%", "3 000,5"}) {
    EXPECT_THAT(
        error(absl::StrCat("t;y;a\n0;1;", other, "\n1;2;2,5\n0;3;4\n1;4;5\n")),
        AllOf(HasSubstr("covariate \"a\": \""), HasSubstr("in row 1 is a number with a point"),
              HasSubstr("write it as 1234,5")))
        << other;
  }
  EXPECT_THAT(error("t;y;a\n0;1.5;1\n1;2.5;2\n0;3.5;4\n"),
              HasSubstr("outcome \"y\": \"1.5\" in row 1 is a number with a point"));
  EXPECT_EQ(error("t;y;a\n0;1,5;1\n1;2,5;2\n0;3;4\n"), "");
  // Ages in bands are none.
  EXPECT_THAT(EncodedOf("t,y,a\n0,1,10-19\n1,2,20-29\n0,3,10-19\n").observations.covariate_names,
              ElementsAre("a=20-29"));
}

TEST(EncodingTest, WordsNeedToBeToldApart) {
  const std::string csv = "t,y,a\ndrug,1,1\nplacebo,2,2\ndrug,3,4\nplacebo,4,5\n";
  EXPECT_THAT(ErrorOf(csv),
              AllOf(HasSubstr("holds \"drug\" and \"placebo\""), HasSubstr("--treated_value")));
  EncodingOptions options = Options();
  options.treated_value = "drug";
  EXPECT_THAT(EncodedOf(csv, options).observations.treatment, ElementsAre(1, 0, 1, 0));
  options.treated_value = "";
  options.control_value = "drug";
  EXPECT_THAT(EncodedOf(csv, options).observations.treatment, ElementsAre(0, 1, 0, 1));
  options.control_value = "drog";
  EXPECT_THAT(ErrorOf(csv, options), AllOf(HasSubstr("--control_value"), HasSubstr("\"drug\"")));
}

TEST(EncodingTest, MoreArmsAreContrastedWithTheNamedOrTheFirst) {
  const std::string csv = "t,y,a\nc,1,1\na,2,2\nb,3,3\nc,4,5\na,5,4\nb,6,9\n";
  EXPECT_THAT(EncodedOf(csv).schema.arms, ElementsAre("a", "b", "c"));
  EncodingOptions options = Options();
  options.control_value = "b";
  const Encoded encoded = EncodedOf(csv, options);
  EXPECT_THAT(encoded.schema.arms, ElementsAre("b", "a", "c"));
  EXPECT_THAT(encoded.observations.treatment, ElementsAre(2, 1, 0, 2, 1, 0));
  EXPECT_EQ(encoded.observations.arms, 3);
  options.treated_value = "c";
  const Encoded two = EncodedOf(csv, options);
  EXPECT_THAT(two.schema.arms, ElementsAre("b", "c"));
  EXPECT_THAT(two.rows, ElementsAre(1, 3, 4, 6));
  EXPECT_THAT(two.notes, Contains(HasSubstr("2 rows of others are left out")));
  options.control_value = "";
  EXPECT_THAT(ErrorOf(csv, options), HasSubstr("has 3 arms: c, a, b"));
}

TEST(EncodingTest, AControlThatNobodyChoseIsAWarning) {
  const std::string words = "t,y,a\nyes,1,1\nmaybe,2,2\nno,3,3\nyes,4,5\nmaybe,5,4\nno,6,9\n";
  EXPECT_THAT(EncodedOf(words).warnings,
              ElementsAre(AllOf(
                  HasSubstr("control of \"t\" is \"maybe\""), HasSubstr("first in the alphabet"),
                  HasSubstr("--control_value names another of \"maybe\", \"no\", \"yes\""))));
  EncodingOptions options = Options();
  options.control_value = "no";
  EXPECT_THAT(EncodedOf(words, options).warnings, IsEmpty());
  const auto doses = [](const char* first) {
    return EncodedOf(absl::StrCat("t,y,a\n", first, ",1,1\n20,2,2\n30,3,4\n"));
  };
  EXPECT_THAT(doses("10").warnings,
              ElementsAre(HasSubstr("\"10\", for no better reason than that it "
                                    "is the smallest")));
  // None is what a dose is compared with.
  EXPECT_THAT(doses("0").warnings, IsEmpty());
  EXPECT_THAT(doses("0").notes, ElementsAre(HasSubstr("control of \"t\" is \"0\"")));
}

TEST(EncodingTest, TwoOfManyTextsCanBeCompared) {
  std::string csv = "t,y,a\n";
  for (int i = 0; i < 48; ++i) absl::StrAppend(&csv, "w", i % 12, ",", i, ",", i * i % 7, "\n");
  EXPECT_THAT(ErrorOf(csv),
              AllOf(HasSubstr("has 12 different texts"), HasSubstr("--control_value")));
  EncodingOptions options = Options();
  options.treated_value = "w11";
  options.control_value = "w4";
  EXPECT_THAT(EncodedOf(csv, options).schema.arms, ElementsAre("w4", "w11"));
}

TEST(EncodingTest, ArmsAndTablesOfFewUnitsAreRefusedWhereAsked) {
  const std::string csv = "t,y,a\nb,1,1\na,2,2\nb,3,3\na,4,5\ntypo,5,4\nb,6,9\n";
  EncodingOptions options = Options();
  options.control_value = "a";
  EXPECT_EQ(EncodedOf(csv, options).observations.size(), 6);
  options.least_of_arm = 2;
  EXPECT_THAT(ErrorOf(csv, options),
              AllOf(HasSubstr("arm \"typo\" has only 1 unit "), HasSubstr("an arm needs 2"),
                    HasSubstr("--treated_value")));
  options.treated_value = "b";
  EXPECT_EQ(EncodedOf(csv, options).observations.size(), 5);
  options.least_units = 6;
  EXPECT_THAT(ErrorOf(csv, options), HasSubstr("there are only 5 rows with treatment and outcome"));
}

TEST(EncodingTest, OutcomesInTwoWordsAreOneWhereChosen) {
  const std::string csv = "t,y,a\n0,died,1\n1,alive,2\n0,died,3\n1,died,5\n0,,7\n";
  EXPECT_THAT(ErrorOf(csv),
              AllOf(HasSubstr("holds \"died\" and \"alive\""), HasSubstr("--outcome_value")));
  EncodingOptions options = Options();
  options.outcome_value = "died";
  const Encoded encoded = EncodedOf(csv, options);
  EXPECT_TRUE(encoded.observations.binary_outcome);
  EXPECT_THAT(encoded.observations.outcome, ElementsAre(1, 0, 1, 1));
  EXPECT_EQ(encoded.schema.outcome, "y=died");
  EXPECT_THAT(encoded.notes, Contains("The outcome \"y\" is 1 for \"died\" and 0 for \"alive\"."));
  options.outcome_value = "alive";
  EXPECT_THAT(EncodedOf(csv, options).observations.outcome, ElementsAre(0, 1, 0, 0));
  options.outcome_value = "dead";
  EXPECT_THAT(ErrorOf(csv, options), AllOf(HasSubstr("--outcome_value"), HasSubstr("\"dead\"")));
  options.outcome_value = "good";
  EXPECT_THAT(ErrorOf("t,y,a\n0,good,1\n1,bad,2\n0,so,3\n", options),
              HasSubstr("more than two different values (\"good\", \"bad\", \"so\""));
  // Numbers and yes and no can be turned round as well.
  options.outcome_value = "2";
  EXPECT_THAT(EncodedOf("t,y,a\n0,2,1\n1,1,2\n0,2,4\n", options).observations.outcome,
              ElementsAre(1, 0, 1));
  options.outcome_value = "no";
  EXPECT_THAT(EncodedOf("t,y,a\n0,No,1\n1,Yes,2\n0,No,4\n", options).observations.outcome,
              ElementsAre(1, 0, 1));
  EXPECT_THAT(ErrorOf("t,y,a\n0,1,1\n1,2,2\n0,3,4\n", options),
              HasSubstr("more than two different values"));
}

TEST(EncodingTest, ZeroOneAndTrueFalseOutcomesAreBinary) {
  EXPECT_TRUE(EncodedOf("t,y,a\n0,1,1\n1,0,2\n0,1,3\n1,1,4\n").observations.binary_outcome);
  const Encoded words = EncodedOf("t,y,a\n0,true,1\n1,false,2\n0,true,3\n1,true,4\n");
  EXPECT_TRUE(words.observations.binary_outcome);
  EXPECT_THAT(words.observations.outcome, ElementsAre(1, 0, 1, 1));
  EXPECT_THAT(words.notes, Contains("The outcome \"y\" is 1 for \"true\" and 0 for \"false\"."));
  EXPECT_EQ(words.schema.outcome, "y");
}

// Of 60 units: the arm, the outcome, a covariate that says neither, and `more`(i, arm, outcome).
template <typename Function>
std::string Leaky(const char* names, const Function& more, int arms = 2) {
  std::string csv = absl::StrCat("t,y,a,", names, "\n");
  for (int i = 0; i < 60; ++i) {
    const int arm = i * 7 % 13 % arms;
    const double y = 20 + i * i % 37 + 0.5 * (i % 2) + 3 * arm;
    absl::StrAppend(&csv, arm, ",", y, ",", i * 11 % 17, ",", more(i, arm, y), "\n");
  }
  return csv;
}

TEST(EncodingTest, TheOutcomeInOtherUnitsIsRefused) {
  EXPECT_THAT(
      ErrorOf(Leaky("\"cost, EUR\"", [](int, int, double y) { return 2 * y + 3; })),
      AllOf(HasSubstr("covariate \"cost, EUR\": is the outcome in other units: the outcome is "
                      "0.5 times it less 1.5 in every row"),
            HasSubstr("--ignore '\"cost, EUR\"'")));
  EXPECT_THAT(ErrorOf(Leaky("b", [](int, int, double y) { return -4 * y; })),
              HasSubstr("the outcome is -0.25 times it in every row"));
  // An indicator names the column that is to be left out.
  EncodingOptions options = Options();
  options.outcome = "died";
  options.ignore = {"y"};
  const std::string csv =
      Leaky("died,status", [](int, int, double y) { return y > 35 ? "1,dead" : "0,alive"; });
  EXPECT_THAT(ErrorOf(csv, options),
              AllOf(HasSubstr("covariate \"status="), HasSubstr("--ignore status")));
  // What only the dead have tells as well.
  EXPECT_THAT(
      ErrorOf(Leaky("died,day",
                    [](int i, int, double y) { return y > 35 ? absl::StrCat("1,", i % 5) : "0,"; }),
              options),
      AllOf(HasSubstr("covariate \"day missing\""), HasSubstr("--ignore day")));
}

TEST(EncodingTest, WhatMayBeTheOutcomeOrTheArmIsAWarning) {
  EXPECT_THAT(
      EncodedOf(Leaky("b", [](int i, int, double y) { return y + 0.1 * (i % 5); })).warnings,
      ElementsAre(
          AllOf(HasSubstr("\"b\" may be the outcome: within arms their correlation is 0.99"),
                HasSubstr("--ignore b"))));
  EXPECT_THAT(EncodedOf(Leaky("b", [](int, int, double y) { return 1e6 / (y * y); })).warnings,
              ElementsAre(HasSubstr("it falls with it")));
  EXPECT_THAT(
      EncodedOf(Leaky("b", [](int i, int arm, double) { return 10 * arm + i % 5; })).warnings,
      ElementsAre(AllOf(HasSubstr("\"b\" (above 4) tells arm \"1\" from \"0\" in 60 of 60 units"),
                        HasSubstr("--ignore b"))));
  EXPECT_THAT(
      EncodedOf(Leaky("b", [](int i, int arm, double) { return 10 - 10 * arm + i % 5; })).warnings,
      ElementsAre(HasSubstr("\"b\" (not above 4) tells arm")));
  const Encoded clinics = EncodedOf(
      Leaky("b", [](int i, int arm, double) { return absl::StrCat("clinic", 2 * (i % 3) + arm); }));
  EXPECT_THAT(clinics.warnings, ElementsAre(HasSubstr("\"b\" tells arm \"1\" from \"0\"")));
  // To have no clinic is a category as well.
  const Encoded none = EncodedOf(Leaky("b", [](int i, int arm, double) {
    return arm == 0 && i % 3 == 0 ? "" : absl::StrCat("clinic", 2 * (i % 2) + arm);
  }));
  EXPECT_THAT(none.warnings, ElementsAre(HasSubstr("in 60 of 60 units")));
  EXPECT_THAT(EncodedOf(Leaky("b", [](int i, int, double y) { return y + 3 * (i % 5); })).warnings,
              IsEmpty());
}

TEST(EncodingTest, ACopyOfThreeArmsIsRefused) {
  for (const bool words : {false, true}) {
    const std::string csv = Leaky(
        "b", [&](int, int arm, double) { return absl::StrCat(words ? "arm" : "", arm); }, 3);
    EXPECT_THAT(ErrorOf(csv),
                AllOf(HasSubstr("has one value in each arm"), HasSubstr("--ignore b")));
  }
}

TEST(EncodingTest, WhatIsWrongWithTheTreatmentIsToldBeforeCovariates) {
  std::string csv = "t,y,a,id\n";
  for (int i = 0; i < 40; ++i)
    absl::StrAppend(&csv, i == 7 ? 1 : 0, ",", i, ",", i % 7, ",x", i, "\n");
  EncodingOptions options = Options();
  options.least_of_arm = 5;
  EXPECT_THAT(ErrorOf(csv, options), HasSubstr("arm \"1\" has only 1 unit"));
  options.least_of_arm = 1;
  EXPECT_THAT(ErrorOf(csv, options), HasSubstr("\"id\": all 40 texts differ"));
}

TEST(EncodingTest, NumbersThatMayStandForAMissingValueAreAWarning) {
  std::string csv = "t,y,income,score,dose\n";
  for (int i = 0; i < 60; ++i) {
    absl::StrAppend(&csv, i % 2, ",", i % 12 == 5 ? 99 : i * i % 37, ",",
                    i % 7 == 3 ? -999 : 1500 * (i * 11 % 17), ",",
                    i < 4 ? 999 - i % 2 : i * 5 % 43 - 20.5, ",", i * 13 % 60, "\n");
  }
  EXPECT_THAT(
      EncodedOf(csv).warnings,
      ElementsAre("Outcome \"y\" is 99 in 5 rows, far from all other values (0 to 36): if that "
                  "stands for a missing value, leave those cells empty.",
                  "Covariate \"income\" is -999 in 9 rows, and not below 0 in the others (0 to "
                  "24000): if that stands for a missing value, leave those cells empty.",
                  "Covariate \"score\" is 998 or 999 in 4 rows, far from all other values (-20.5 "
                  "to 21.5): if that stands for a missing value, leave those cells empty."));
  // Rows that are left out count for nothing.
  EXPECT_THAT(EncodedOf("t,y,a\n0,1,5\n1,2,6\n0,,99\n1,,99\n0,4,99\n1,7,8\n").warnings, IsEmpty());
  const Encoded arms = EncodedOf("t,y,a\n0,1,5\n1,2,6\n0,3,7\n1,4,8\n9,4,7\n9,5,2\n9,7,1\n");
  EXPECT_THAT(arms.warnings, ElementsAre(HasSubstr("Treatment \"t\" is 9 in 3 rows, far from")));
  const Encoded two = EncodedOf("t,y,a\n0,1,5\n1,2,6\n0,3,7\n1,4,8\n9,4,7\n9,5,2\n9,,1\n");
  EXPECT_THAT(two.warnings, IsEmpty());
}

TEST(EncodingTest, DatesAreNamedAsSuch) {
  const auto csv = [](int days) {
    std::string text = "t,y,a,day\n";
    for (int i = 0; i < 24; ++i) {
      absl::StrAppend(&text, i % 2, ",", i * i % 17, ",", i * 5 % 7, ",2024-03-", 1 + i % days,
                      " 08:30\n");
    }
    return text;
  };
  EXPECT_THAT(
      ErrorOf(csv(24)),
      AllOf(HasSubstr("covariate \"day\": holds dates, as \"2024-03-1 08:30\": make them "
                      "a number, as days since some day, or leave them out with --ignore day"),
            Not(HasSubstr("identifier"))));
  EXPECT_THAT(EncodedOf(csv(5)).warnings,
              ElementsAre(AllOf(HasSubstr("Covariate \"day\" holds dates, as \"2024-03-1 08:30\""),
                                HasSubstr("as they are, each is a category."))));
  // Named in --categorical they are meant as categories.
  EncodingOptions options = Options();
  options.categorical = {"day"};
  EXPECT_THAT(EncodedOf(csv(5), options).warnings, IsEmpty());
  std::string times = "t,y,a,at\n";
  for (int i = 0; i < 24; ++i) {
    absl::StrAppend(&times, i % 2, ",", i * i % 17, ",", i * 5 % 7, ",", i, ":15\n");
  }
  EXPECT_THAT(ErrorOf(times),
              HasSubstr("covariate \"at\": holds times, as \"0:15\": make them a number, as hours "
                        "since midnight, or leave them out with --ignore at"));
}

TEST(EncodingTest, DatesAsOutcomeOrTreatmentAreToldWhatToDo) {
  EXPECT_EQ(ErrorOf("t,y,a\n0,,1\n1,2024-03-01,2\n0,2024-04-01,4\n1,unknown,3\n0,1/2/2024,5\n"),
            "outcome \"y\": holds dates, as \"2024-03-01\" in row 2; an outcome is a number: give "
            "the days since a start instead, as since each unit's treatment");
  // Also of two dates, of which --outcome_value could name one.
  const std::string two = "t,y,a\n0,2024-03-01,1\n1,2024-04-01,2\n0,2024-03-01,4\n";
  EXPECT_THAT(ErrorOf(two), HasSubstr("holds dates"));
  EncodingOptions options = Options();
  options.outcome_value = "2024-03-01";
  EXPECT_THAT(EncodedOf(two, options).observations.outcome, ElementsAre(1, 0, 1));
  EXPECT_THAT(ErrorOf("t,y,a\n0,14:05,1\n1,2:30 PM,2\n0,9:00,4\n"),
              AllOf(HasSubstr("outcome \"y\": holds times, as \"14:05\" in row 1"),
                    HasSubstr("give the hours since a start")));
  EXPECT_THAT(
      EncodedOf("t,y,a\n0,20240301,1\n1,20240401,2\n0,,5\n0,20230301,4\n").warnings,
      ElementsAre("Outcome \"y\" may hold dates, as 20240301, whose differences are no time: give "
                  "the days since a start instead."));
  EXPECT_THAT(EncodedOf("t,y,a\n0,20240301,1\n1,20240401,2\n0,20240299,4\n").warnings,
              Not(Contains(HasSubstr("dates"))));

  // A day of treatment, and nothing where there was none.
  EXPECT_EQ(
      ErrorOf("t,y,a\n,1,1\n2024-03-01,2,2\n,3,4\n2024-03-01,3,4\n"),
      "treatment \"t\": holds dates, as \"2024-03-01\" in row 2; a treatment tells who was "
      "treated: "
      "make a column of 0 and 1 of it (1 from some day on, or where there is one at all), or name "
      "two of its values with --treated_value and --control_value");
  std::string many = "t,y,a\nnever,4,4\nnever,5,5\n";
  for (int i = 0; i < 24; ++i) {
    absl::StrAppend(&many, 1 + i % 12, "/7/2023,", i, ",", i * i % 7, "\n");
  }
  EXPECT_THAT(ErrorOf(many), HasSubstr("holds dates, as \"1/7/2023\" in row 3"));
  // Who names arms means them.
  options = Options();
  options.treated_value = "1/7/2023";
  options.control_value = "never";
  EXPECT_THAT(EncodedOf(many, options).schema.arms, ElementsAre("never", "1/7/2023"));
  const std::string three = "t,y,a\nnone,1,1\n2024-03-01,2,2\n2024-04-01,3,4\n";
  EXPECT_THAT(EncodedOf(three).schema.arms, ElementsAre("2024-03-01", "2024-04-01", "none"));
}

TEST(EncodingTest, ValueLabelsThatAreNotAppliedAreSaid) {
  const data::CsvTable plain = Table("t,y,a,b\n0,1,1,3\n1,2,2,1\n0,3,4,1\n1,4,5,2\n");
  std::vector<data::CsvColumn> columns = plain.columns();
  columns[0].labelled = columns[3].labelled = true;
  const auto encoded = Encode(data::CsvTable("t.dta", plain.rows(), columns), Options());
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_THAT(
      encoded->notes,
      ElementsAre("Stata's value labels are not applied to \"t\", \"b\": the numbers count. "
                  "For the labels as categories, decode the column in Stata."));
}

TEST(EncodingTest, AnArmOfFewerClustersThanAskedForIsNamed) {
  EncodingOptions options = Options();
  options.cluster = "g";
  const std::string csv = "t,y,a,g\nno,1,1,u\nyes,2,2,v\nno,3,4,w\nyes,4,5,v\nno,4,4,v\n";
  EXPECT_EQ(EncodedOf(csv, options).observations.size(), 5);
  options.least_clusters_of_arm = 2;
  EXPECT_THAT(ErrorOf(csv, options),
              HasSubstr("treatment \"t\": the units of arm \"yes\" are in only 1 cluster of \"g\"; "
                        "an arm needs 2"));
  options.least_clusters_of_arm = 3;
  options.treated_value = "no";
  EXPECT_THAT(ErrorOf(csv, options), HasSubstr("arm \"yes\" are in only 1 cluster"));
}

TEST(EncodingTest, ATreatmentOfManyNumbersIsToldHowToMakeArms) {
  std::string csv = "t,y,a\n";
  for (int i = 0; i < 24; ++i) absl::StrAppend(&csv, i, ",", i * i % 17, ",", i * 5 % 7, "\n");
  EXPECT_THAT(ErrorOf(csv), HasSubstr("has more than 10 different numbers; arms are compared, 2 to "
                                      "10 of them: make a column of two words, as low and high"));
  EncodingOptions options = Options();
  options.control_value = "3";
  EXPECT_THAT(ErrorOf(csv, options), HasSubstr("or name two with --treated_value and "));
  // As of texts, two of many can be compared.
  options.treated_value = "17";
  EXPECT_THAT(EncodedOf(absl::StrCat(csv, "3,5,1\n3,6,9\n17,2,4\n17,8,4\n"), options).schema.arms,
              ElementsAre("3", "17"));
  std::string doses = "t,y,a\n";
  for (int i = 0; i < 10001; ++i) absl::StrAppend(&doses, i, ",", i % 17, ",", i % 7, "\n");
  EXPECT_THAT(ErrorOf(doses, options), AllOf(HasSubstr("has more than 10,000 different numbers"),
                                             Not(HasSubstr("or name two"))));
}

TEST(EncodingTest, ACovariateThatIsCalledAsAnIndicatorIsAWarning) {
  const Encoded encoded = EncodedOf(
      "t,y,age,age missing,c,c=b\n0,1,5,1,a,3\n1,2,,4,a,1\n0,3,7,2,b,2\n1,4,2,2,b,9\n"
      "0,6,3,7,c,4\n1,5,4,1,a,6\n");
  EXPECT_THAT(encoded.observations.covariate_names,
              ElementsAre("age", "age missing", "age missing", "c=a", "c=b", "c=c", "c=b"));
  EXPECT_THAT(encoded.warnings,
              Contains("Two covariates are called \"age missing\", a column and what is made of "
                       "another: rename the column to tell them apart."));
  EXPECT_THAT(encoded.warnings, Contains(HasSubstr("are called \"c=b\"")));
}

TEST(EncodingTest, RareLevelsShareAnIndicator) {
  std::string csv = "t,y,c\n";
  for (int i = 0; i < 12; ++i) {
    const char* level = i < 5 ? "big" : i < 9 ? "mid" : i == 9 ? "x" : i == 10 ? "y" : "z";
    absl::StrAppend(&csv, i % 2, ",", i, ",", level, "\n");
  }
  EncodingOptions options = Options();
  options.max_levels = 3;
  const Encoded encoded = EncodedOf(csv, options);
  EXPECT_THAT(encoded.observations.covariate_names, ElementsAre("c=big", "c=mid", "c=(others)"));
  EXPECT_THAT(Column(encoded.observations, "c=(others)"),
              ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1));
  EXPECT_THAT(encoded.notes, Contains(HasSubstr("of 5 texts the 2 most frequent")));
}

TEST(EncodingTest, ClustersAreNumberedAndNoCovariate) {
  EncodingOptions options = Options();
  options.cluster = "g";
  const Encoded encoded = EncodedOf("t,y,a,g\n0,1,1,u\n1,2,2,v\n0,3,4,u\n1,4,5,w\n", options);
  EXPECT_THAT(encoded.observations.cluster, ElementsAre(0, 1, 0, 2));
  EXPECT_THAT(encoded.observations.covariate_names, ElementsAre("a"));
  EXPECT_THAT(ErrorOf("t,y,a,g\n0,1,1,u\n1,2,2,\n", options), HasSubstr("row 2 has no value"));
}

TEST(EncodingTest, CovariatesAreThoseNamedOrAllButTheIgnored) {
  const std::string csv = "t,y,a,b,c\n0,1,1,5,2\n1,2,2,6,2\n0,3,4,6,1\n1,4,5,9,9\n";
  EncodingOptions options = Options();
  options.covariates = {"c", "a"};
  EXPECT_THAT(EncodedOf(csv, options).observations.covariate_names, ElementsAre("c", "a"));
  options.covariates = {};
  options.ignore = {"b"};
  EXPECT_THAT(EncodedOf(csv, options).observations.covariate_names, ElementsAre("a", "c"));
  options.ignore = {"bb"};
  EXPECT_THAT(ErrorOf(csv, options), HasSubstr("\"bb\""));
}

TEST(EncodingTest, MistakesAreNamedInOneLine) {
  const std::string good = "t,y,a\n0,1,1\n1,2,2\n0,3,4\n1,4,5\n";
  EncodingOptions options = Options();
  options.treatment = "treat";
  EXPECT_THAT(ErrorOf(good, options), HasSubstr("treat"));
  options.treatment = "y";
  EXPECT_THAT(ErrorOf(good, options), HasSubstr("treatment and outcome are both \"y\""));

  EXPECT_THAT(ErrorOf("t,y,a\n1,1,1\n1,2,2\n"), HasSubstr("is \"1\" in every row"));
  EXPECT_THAT(ErrorOf("t,y,a\n,1,1\n,2,2\n"), HasSubstr("has no values"));
  EXPECT_THAT(ErrorOf("t,y,a\n1,1,1\n1,2,2\n0,,3\n"),
              HasSubstr("arm \"0\" has no units with a known outcome"));
  EXPECT_THAT(ErrorOf("t,y,a\n0,7,1\n1,7,2\n"), HasSubstr("is 7 in every row"));
  EXPECT_THAT(ErrorOf("t,y,a\n0,good,1\n1,bad,2\n0,so,3\n"), HasSubstr("holds text (\"good\")"));
  EXPECT_THAT(ErrorOf("t,y\n0,1\n1,2\n"), HasSubstr("no covariate is left"));
  EXPECT_THAT(ErrorOf("t,y,a\n0,1,5\n1,2,5\n"), HasSubstr("no covariate is left"));
  EXPECT_THAT(ErrorOf("t,y,a\n0,1,1\n1,2,inf\n0,3,4\n1,4,5\n"),
              AllOf(HasSubstr("covariate \"a\""), HasSubstr("\"inf\" in row 2")));
  EXPECT_THAT(ErrorOf("t,y,a\n0,1,1\n1,-inf,2\n0,3,4\n1,4,5\n"),
              AllOf(HasSubstr("outcome \"y\""), HasSubstr("\"-inf\" in row 2")));
  EXPECT_THAT(ErrorOf("t,y,a\n0,1,1\n1,2,1e200\n0,3,4\n1,4,5\n"),
              HasSubstr("1e+200 in row 2 is too large"));
  EXPECT_THAT(ErrorOf("t,y,a,u\n0,1,1,5\n1,2,2,6\n0,3,4,5\n1,4,5,6\n"),
              HasSubstr("covariate \"u\": has one value in each arm"));
  EXPECT_THAT(ErrorOf("t,y,a,u\n0,1,1,1\n1,2,2,2\n0,3,4,3\n1,4,5,4\n"),
              HasSubstr("covariate \"u\": equals the outcome"));
  EXPECT_THAT(ErrorOf("t,y,a\n0.1,1,1\n0.2,2,2\n0.3,3,3\n0.4,4,4\n0.5,4,4\n0.6,3,3\n0.7,3,3\n"
                      "0.8,3,3\n0.9,3,3\n1,3,3\n1.1,3,3\n"),
              HasSubstr("more than 10 different numbers"));
}

TEST(EncodingTest, IdentifiersAreRefusedAsTextAndWarnedOfAsNumbers) {
  std::string text = "t,y,a,id\n";
  std::string numbers = text;
  for (int i = 0; i < 20; ++i) {
    absl::StrAppend(&text, i % 2, ",", i, ",", i * i % 7, ",name", i, "\n");
    absl::StrAppend(&numbers, i % 2, ",", i * i % 11, ",", i * i % 7, ",", 100 + i, "\n");
  }
  EXPECT_THAT(ErrorOf(text), AllOf(HasSubstr("all 20 texts differ"), HasSubstr("--ignore")));
  EXPECT_THAT(EncodedOf(numbers).warnings, ElementsAre(HasSubstr("\"id\"")));
  EncodingOptions options = Options();
  options.ignore = {"id"};
  EXPECT_THAT(EncodedOf(numbers, options).warnings, IsEmpty());
}

constexpr char kMixed[] =
    "t,y,age,smokes,site\n"
    "0,1,30,yes,Oslo\n"
    "1,2,40,no,Bern\n"
    "0,3,,no,Rome\n"
    "1,4,61,yes,Oslo\n";

TEST(EncodingTest, RowsOfTheFitAreAppliedToWithEqualBits) {
  const Encoded encoded = EncodedOf(kMixed);
  const auto applied = Apply(encoded.schema, Table(kMixed));
  ASSERT_TRUE(applied.ok()) << applied.status().message();
  EXPECT_EQ(applied->covariates, encoded.observations.covariates);
  EXPECT_THAT(applied->outside, ElementsAre("", "", "", ""));
}

TEST(EncodingTest, UnlikeRowsAreFlaggedWithTheReason) {
  const Encoded encoded = EncodedOf(kMixed);
  const auto applied = Apply(encoded.schema, Table("site,smokes,age\n"
                                                   "Oslo,no,61\n"
                                                   "Paris,no,62\n"
                                                   "Bern,,29.5\n"
                                                   "Bern,yes,\n"));
  ASSERT_TRUE(applied.ok()) << applied.status().message();
  EXPECT_THAT(applied->outside, ElementsAre("", "age=62 is above 61; site=Paris is new",
                                            "age=29.5 is below 30; smokes is missing", ""));
  // site=Paris: no indicator is 1.
  const auto p = static_cast<int64_t>(encoded.schema.features.size());
  for (int64_t j = 0; j < p; ++j) {
    if (encoded.observations.covariate_names[j].starts_with("site=")) {
      EXPECT_EQ(applied->covariates[p + j], 0);
    }
  }
}

TEST(EncodingTest, TablesWithoutAColumnOrOfAnotherTypeAreRefused) {
  const Encoded encoded = EncodedOf(kMixed);
  const auto missing = Apply(encoded.schema, Table("site,smokes,ages\nOslo,no,61\n"));
  EXPECT_THAT(missing.status().message(), AllOf(HasSubstr("\"age\""), HasSubstr("\"ages\"")));
  const auto other = Apply(encoded.schema, Table("site,smokes,age\nOslo,no,old\n"));
  EXPECT_THAT(other.status().message(), HasSubstr("is a text, the model was fitted to a number"));
}

TEST(EncodingTest, ColumnsThatWereLeftOutAreNotNeededLater) {
  const Encoded encoded = EncodedOf("t,y,a,k\n0,1,1,7\n1,2,2,7\n0,3,4,7\n1,4,5,7\n");
  EXPECT_EQ(encoded.schema.Types().size(), 1u);
  EXPECT_TRUE(Apply(encoded.schema, Table("a\n3\n")).ok());
}

TEST(EncodingTest, SchemasAreReadBackAsTheyWere) {
  const EncodingSchema schema = EncodedOf(kMixed).schema;
  const auto read = EncodingSchema::FromJson(schema.Json());
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->Json(), schema.Json());
  const auto applied = Apply(*read, Table(kMixed));
  ASSERT_TRUE(applied.ok());
  EXPECT_EQ(applied->covariates, EncodedOf(kMixed).observations.covariates);
}

TEST(EncodingTest, DamagedSchemasNeverCrash) {
  const std::string json = EncodedOf(kMixed).schema.Json();
  const data::CsvTable table = Table(kMixed);
  perennial::testing::RunMutations(
      {.corpus = {json}, .tokens = {"\"part\":", "\"column\":", "-1", "-2", "1e308", "null", "[]"}},
      [&table](absl::string_view text) -> absl::Status {
        PERENNIAL_ASSIGN_OR_RETURN(const EncodingSchema schema, EncodingSchema::FromJson(text));
        return Apply(schema, table).status();
      });
}

TEST(EncodingTest, CountsHaveCommas) {
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(999), "999");
  EXPECT_EQ(CountText(1000), "1,000");
  EXPECT_EQ(CountText(1234567), "1,234,567");
}

}  // namespace
}  // namespace perennial::causal
