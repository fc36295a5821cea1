#include "causal/estimation/column_names.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/data/csv.h"
#include "common/testing/process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::perennial::testing::ProcessResult;
using ::perennial::testing::RunProcess;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> Names(absl::string_view list) {
  const auto names = ParseNames("ignore", list);
  EXPECT_TRUE(names.ok()) << names.status();
  return names.ok() ? *names : std::vector<std::string>();
}

std::string ErrorOf(absl::string_view list) {
  const auto names = ParseNames("ignore", list);
  EXPECT_FALSE(names.ok()) << list;
  return std::string(names.status().message());
}

TEST(ColumnNamesTest, NamesArePartedByCommasOutsideQuotes) {
  EXPECT_THAT(Names("age"), ElementsAre("age"));
  EXPECT_THAT(Names("age,site"), ElementsAre("age", "site"));
  EXPECT_THAT(Names(" age , site name "), ElementsAre("age", "site name"));
  EXPECT_THAT(Names("\"bmi, kg/m2\",name"), ElementsAre("bmi, kg/m2", "name"));
  EXPECT_THAT(Names("name , \"bmi, kg/m2\" "), ElementsAre("name", "bmi, kg/m2"));
  EXPECT_THAT(Names("\"say \"\"a\"\"\""), ElementsAre("say \"a\""));
  EXPECT_THAT(Names("5\" pipe,b"), ElementsAre("5\" pipe", "b"));
}

TEST(ColumnNamesTest, MistakesNameTheFlag) {
  EXPECT_THAT(ErrorOf(""), AllOf(HasSubstr("--ignore"), HasSubstr("a name is empty")));
  EXPECT_THAT(ErrorOf("a,"), HasSubstr("a name is empty"));
  EXPECT_THAT(ErrorOf("a,,b"), HasSubstr("a name is empty"));
  EXPECT_THAT(ErrorOf("\"\""), HasSubstr("a name is empty"));
  EXPECT_THAT(ErrorOf("a,\"b"), HasSubstr("the quote is never closed"));
  EXPECT_THAT(ErrorOf("\"a\"b"), HasSubstr("text follows a closing quote"));
}

// What a message shows can be typed.
TEST(ColumnNamesTest, AShellAndTheParserGiveTheNameBack) {
  for (const std::string name :
       {"age", "bmi, kg/m2", "it's", "a \"b\"", "x;y", "$HOME", "a,'\"b\"'", "50 %", "s=1"}) {
    const ProcessResult result = RunProcess(
        {"/bin/sh", "-c", absl::StrCat("printf '%s\\n' ", FlagWithName("ignore", name))});
    ASSERT_EQ(result.exit_code, 0) << result.log;
    const std::vector<std::string> lines = absl::StrSplit(result.out, '\n');
    ASSERT_THAT(lines, ElementsAre("--ignore", ::testing::_, "")) << result.out;
    EXPECT_THAT(Names(lines[1]), ElementsAre(name));
  }
}

TEST(ColumnNamesTest, UnknownColumnsNameTheFlagAndNotTheTable) {
  const auto table = data::ParseCsv("treated,\"bmi, kg/m2\",age\n1,2,3\n", "/a/my.csv");
  ASSERT_TRUE(table.ok());
  EXPECT_EQ((*ColumnOfFlag(*table, "ignore", "bmi, kg/m2"))->name, "bmi, kg/m2");
  const auto message = [&](absl::string_view name) {
    return std::string(ColumnOfFlag(*table, "ignore", name).status().message());
  };
  EXPECT_THAT(message("treat"),
              AllOf(HasSubstr("--ignore: unknown column \"treat\"; did you mean \"treated\"?"),
                    Not(HasSubstr("my.csv"))));
  for (const char* piece : {"bmi", "kg/m2"}) {
    EXPECT_THAT(message(piece), HasSubstr("--ignore '\"bmi, kg/m2\"'"));
  }
  EXPECT_THAT(message("ages"), Not(HasSubstr("quotes")));
}

}  // namespace
}  // namespace perennial::causal
