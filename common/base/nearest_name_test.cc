#include "common/base/nearest_name.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::base {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string>& Methods() {
  static const auto& methods = *new std::vector<std::string>{"naive", "joint", "er", "mc_sgd"};
  return methods;
}

TEST(NearestName, FindsTyposOfEveryKind) {
  EXPECT_EQ(NearestName("niave", Methods()), "naive");   // swap
  EXPECT_EQ(NearestName("nave", Methods()), "naive");    // deletion
  EXPECT_EQ(NearestName("joinnt", Methods()), "joint");  // insertion
  EXPECT_EQ(NearestName("joimt", Methods()), "joint");   // replacement
}

TEST(NearestName, CaseAndSeparatorsCostNothing) {
  EXPECT_EQ(NearestName("MC-SGD", Methods()), "mc_sgd");
  EXPECT_EQ(NearestName("mcsgd", Methods()), "mc_sgd");
}

TEST(NearestName, SuggestsNothingFarFetched) {
  EXPECT_EQ(NearestName("transformer", Methods()), "");
  EXPECT_EQ(NearestName("xy", Methods()), "");
  EXPECT_EQ(NearestName("", Methods()), "");
  EXPECT_EQ(NearestName("er", {}), "");
  EXPECT_EQ(NearestName(std::string(100000, 'e'), Methods()), "");
}

TEST(NearestName, FirstCandidateWinsAmongEquals) {
  EXPECT_EQ(NearestName("cat", {"bat", "rat", "hat"}), "bat");
}

TEST(UnknownNameMessage, NamesValueSuggestionAndAllowedInOneLine) {
  EXPECT_EQ(UnknownNameMessage("method", "mcsgd", Methods()),
            "unknown method \"mcsgd\"; did you mean \"mc_sgd\"? Allowed: naive, joint, er, mc_sgd");
  const std::string far = UnknownNameMessage("method", "transformer", Methods());
  EXPECT_THAT(far, Not(HasSubstr("did you mean")));
  EXPECT_THAT(far, HasSubstr("allowed: naive, joint, er, mc_sgd"));
}

TEST(IsLowerSnakeCase, TakesALetterThenLettersDigitsAndUnderscores) {
  for (const char* name : {"a", "mc_sgd", "er2", "a_"}) EXPECT_TRUE(IsLowerSnakeCase(name)) << name;
  for (const char* name : {"", "_a", "2er", "mcSgd", "mc-sgd", "mc sgd", "é"}) {
    EXPECT_FALSE(IsLowerSnakeCase(name)) << name;
  }
}

}  // namespace
}  // namespace perennial::base
