#include "common/experiment/names.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::experiment {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(NameSetTest, TakesEachNameOnce) {
  NameSet names;
  EXPECT_TRUE(names.Add("methods[0].name", "mc_sgd").ok());
  EXPECT_TRUE(names.Add("methods[1].name", "er").ok());
  EXPECT_THAT(names.Add("methods[2].name", "er").message(),
              HasSubstr("methods[2].name = \"er\": stands twice"));
  EXPECT_TRUE(names.contains("er"));
  EXPECT_FALSE(names.contains("ewc"));
  EXPECT_THAT(names.sorted(), ElementsAre("er", "mc_sgd"));
}

TEST(NameSetTest, RefusesWhatIsNoName) {
  NameSet names;
  for (const char* name : {"", "Er", "2er", "a b", "../a"}) {
    EXPECT_THAT(names.Add("methods[0].name", name).message(), HasSubstr("lower_snake_case"));
  }
}

}  // namespace
}  // namespace perennial::experiment
