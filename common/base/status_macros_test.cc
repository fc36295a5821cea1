#include "common/base/status_macros.h"

#include <map>
#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace perennial::base {
namespace {

absl::StatusOr<int> Parse(int value) {
  if (value < 0) return absl::InvalidArgumentError("negative");
  return value;
}

absl::StatusOr<int> Sum(int a, int b) {
  PERENNIAL_ASSIGN_OR_RETURN(const int x, Parse(a));
  PERENNIAL_ASSIGN_OR_RETURN(const int y, Parse(b));
  return x + y;
}

absl::Status Check(int a, int* reached) {
  PERENNIAL_RETURN_IF_ERROR(Parse(a).status());
  ++*reached;
  return absl::OkStatus();
}

TEST(AssignOrReturn, PassesValuesOnAndErrorsOut) {
  EXPECT_EQ(Sum(1, 2).value(), 3);
  EXPECT_EQ(Sum(1, -2).status(), absl::InvalidArgumentError("negative"));
}

TEST(AssignOrReturn, MovesValuesThatCannotBeCopied) {
  const auto make = []() -> absl::StatusOr<std::unique_ptr<int>> {
    return std::make_unique<int>(4);
  };
  const auto use = [&]() -> absl::StatusOr<int> {
    PERENNIAL_ASSIGN_OR_RETURN(std::unique_ptr<int> value, make());
    return *value;
  };
  EXPECT_EQ(use().value(), 4);
}

TEST(AssignOrReturn, TakesExpressionsWithCommas) {
  const auto use = []() -> absl::StatusOr<size_t> {
    PERENNIAL_ASSIGN_OR_RETURN(auto map,
                               absl::StatusOr<std::map<int, int>>(std::map<int, int>{{1, 2}}));
    return map.size();
  };
  EXPECT_EQ(use().value(), 1u);
}

TEST(ReturnIfError, LeavesAtTheFirstError) {
  int reached = 0;
  EXPECT_TRUE(Check(1, &reached).ok());
  EXPECT_FALSE(Check(-1, &reached).ok());
  EXPECT_EQ(reached, 1);
}

TEST(ReturnIfError, NestsInALambdaOfItsOwnExpression) {
  const auto outer = []() -> absl::Status {
    PERENNIAL_RETURN_IF_ERROR([]() -> absl::Status {
      PERENNIAL_RETURN_IF_ERROR(absl::NotFoundError("inner"));
      return absl::OkStatus();
    }());
    return absl::OkStatus();
  };
  EXPECT_EQ(outer(), absl::NotFoundError("inner"));
}

TEST(WithContext, KeepsTheCodeAndPutsTheContextFirst) {
  EXPECT_EQ(WithContext(absl::NotFoundError("gone"), "a.txt"), absl::NotFoundError("a.txt: gone"));
  EXPECT_TRUE(WithContext(absl::OkStatus(), "a.txt").ok());
}

}  // namespace
}  // namespace perennial::base
