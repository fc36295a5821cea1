#include "causal/data/acic2016.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Facts {
  double treated_share, effect, deviation, effect_of_treated;
};
// Of sets 1 to 10, by pandas 3.1.1 (tools/oracles/real_data.py).
constexpr Facts kFacts[] = {
    {0.17867555185339443, 2.1280792580310415, 3.9770863918056203, 2.721925445529166},
    {0.3117451062057476, 4.679244876982743, 0, 4.679244876982741},
    {0.2823823406913786, 4.751825996939839, 0, 4.751825996939838},
    {0.36151603498542273, 4.7959638029149705, 5.017870880775434, 4.682938320394438},
    {0.30070803831736775, 3.35295896506166, 4.530441483435135, 3.4474747358606384},
    {0.2603082049146189, 2.9275365360885317, 2.0814365069027234, 3.0100933778948122},
    {0.3132028321532695, 3.9487455166880596, 4.999003339852829, 3.969728188290806},
    {0.25760099958350685, 1.5211156056949227, 3.2240492128885223, 1.4436978235160127},
    {0.2861307788421491, 3.79935719572073, 2.245374405605469, 3.7015887051087724},
    {0.24802165764264889, 4.223393263297926, 6.739096567078149, 4.969484116037893}};

TEST(Acic2016Test, TheTenSetsHaveTheFactsThatPandasFinds) {
  for (int set = 1; set <= 10; ++set) {
    SCOPED_TRACE(set);
    const absl::StatusOr<Observations> data = LoadAcic2016({.set = set});
    ASSERT_TRUE(data.ok()) << data.status();
    ASSERT_EQ(data->size(), 4802);
    EXPECT_EQ(data->features(), 82);
    double treated = 0, sum = 0, squares = 0, of_treated = 0;
    for (int i = 0; i < 4802; ++i) {
      const double effect = data->truth->mean_outcome[1][i] - data->truth->mean_outcome[0][i];
      sum += effect;
      // From the true mean, since the sets of constant effect have no room for cancellation.
      squares += std::pow(effect - kFacts[set - 1].effect, 2);
      treated += data->treatment[i];
      of_treated += data->treatment[i] * effect;
    }
    EXPECT_NEAR(treated / 4802, kFacts[set - 1].treated_share, 1e-12);
    EXPECT_NEAR(sum / 4802, kFacts[set - 1].effect, 1e-10);
    EXPECT_NEAR(of_treated / treated, kFacts[set - 1].effect_of_treated, 1e-10);
    EXPECT_NEAR(std::sqrt(squares / 4802), kFacts[set - 1].deviation, 1e-10);
  }
}

// The first rows of the files.
TEST(Acic2016Test, OutcomesAreTheFactualOnesAndIndicatorsStandAtTheirColumn) {
  const Observations data = LoadAcic2016({.set = 1}).value();
  EXPECT_EQ(data.treatment[0], 0);
  EXPECT_EQ(data.outcome[0], 3.15772731741586);
  EXPECT_EQ(data.truth->mean_outcome[0][0], 3.89056346452065);
  EXPECT_EQ(data.truth->mean_outcome[1][0], 5.71610839400229);
  EXPECT_TRUE(data.truth->propensity.empty());
  // x_1 is 29, x_2 is "C", x_3 is 1, x_58 is 39.
  EXPECT_THAT(
      std::vector<std::string>(data.covariate_names.begin(), data.covariate_names.begin() + 8),
      ElementsAre("x_1", "x_2=A", "x_2=B", "x_2=C", "x_2=D", "x_2=E", "x_2=F", "x_3"));
  EXPECT_THAT(std::vector<double>(data.covariates.begin(), data.covariates.begin() + 8),
              ElementsAre(29, 0, 0, 1, 0, 0, 0, 1));
  EXPECT_EQ(data.covariates[81], 39);
  // The noise around the mean of the unit's own arm has the deviation 1.
  double sum = 0;
  for (int i = 0; i < 4802; ++i) {
    sum += std::pow(data.outcome[i] - data.truth->mean_outcome[data.treatment[i]][i], 2);
  }
  EXPECT_NEAR(sum / 4802, 1, 0.1);
}

TEST(Acic2016Test, IndicatorsOfAColumnAddUpToOneUnlessTheFirstIsLeftOut) {
  const Observations all = LoadAcic2016({.set = 2}).value();
  const Observations fewer = LoadAcic2016({.set = 2, .levels = Levels::kWithoutFirst}).value();
  EXPECT_EQ(fewer.features(), 79);
  for (const char* column : {"x_2=", "x_21=", "x_24="}) {
    for (int i = 0; i < 4802; ++i) {
      double sum = 0;
      for (int c = 0; c < 82; ++c) {
        if (absl::StartsWith(all.covariate_names[c], column)) sum += all.covariates[i * 82 + c];
      }
      ASSERT_EQ(sum, 1);
    }
    EXPECT_EQ(std::ranges::count(fewer.covariate_names, absl::StrCat(column, "A")), 0);
    EXPECT_EQ(std::ranges::count(fewer.covariate_names, absl::StrCat(column, "B")), 1);
  }
}

TEST(Acic2016Test, ErrorsNameWhatIsWrong) {
  EXPECT_THAT(std::string(LoadAcic2016({.set = 11}).status().message()),
              AllOf(HasSubstr("set 11"), HasSubstr("1 to 10")));
  EXPECT_EQ(LoadAcic2016({.folder = "nowhere"}).status().code(), absl::StatusCode::kNotFound);
  const std::string folder = std::getenv("TEST_TMPDIR");
  std::ofstream(folder + "/x.csv") << "x_1,x_2\n1,A\n2,B\n";
  std::ofstream(folder + "/zymu_1.csv") << "z,y0,y1,mu0,mu1\n0,1,2,3,4\n";
  EXPECT_THAT(std::string(LoadAcic2016({.folder = folder}).status().message()),
              AllOf(HasSubstr("zymu_1.csv: 1 rows"), HasSubstr("has 2")));
  std::ofstream(folder + "/zymu_11.csv") << "z,y0,y1,mu0,mu1\n0,1,2,3,4\n1,1,2,3,4\n";
  const absl::StatusOr<Observations> own = LoadAcic2016({.set = 11, .folder = folder});
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_THAT(own->outcome, ElementsAre(1, 2));
}

}  // namespace
}  // namespace perennial::causal
