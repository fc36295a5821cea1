#include "causal/findings.h"

#include <string>

#include "causal/causal.pb.h"
#include "common/config/textproto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

record::SummaryResult Result(const std::string& method, const std::string& metric, double first,
                             double second, const std::string& group = "nhefs") {
  return {.method = method,
          .group = group,
          .metric = metric,
          .unit = "outcome",
          .over = "realisation",
          .values = {{"0", first}, {"1", second}}};
}

TEST(FindingsTest, EstimatesStandInATableWhereNoTruthIsKnown) {
  std::vector<record::SummaryResult> results = {
      Result("naive", "ate", 2.5, 2.5),
      Result("naive", "att", 2.5, 2.5),
      Result("aipw", "ate", 3, 4),
      Result("aipw", "ate_standard_error", 0.5, 0.7),
      Result("aipw", "ate_width", 2, 2.8),
      // A group with errors has them in the tables of errors.
      Result("aipw", "ate", 1, 1, "ihdp"),
      Result("aipw", "ate_error", 0.1, 0.1, "ihdp"),
      Result("other", "ate", 1, 1, "ihdp"),
      Result("aipw", "att", 1, 1, "lalonde"),
      Result("aipw", "att_error", 1, 1, "lalonde"),
  };
  const auto findings = EstimatesWithoutTruth(results);
  ASSERT_TRUE(findings.ok()) << findings.status();
  ASSERT_EQ(findings->size(), 2u);
  EXPECT_EQ((*findings)[0].title, "Estimates of the average effect");
  EXPECT_THAT((*findings)[0].table.caption, HasSubstr("nhefs, whose effects nobody knows: ATE"));
  // 3.5 -+ 1.2; the deviation of 3 and 4 is sqrt(1/2).
  EXPECT_THAT((*findings)[0].table.rows,
              ElementsAre(ElementsAre("naive", "2.500", "\u2013", "\u2013", "0.000"),
                          ElementsAre("aipw", "3.500", "0.600", "2.300 .. 4.700", "0.707")));
  EXPECT_EQ((*findings)[1].title, "Estimates of the effect on the treated");
  EXPECT_THAT((*findings)[1].table.rows,
              ElementsAre(ElementsAre("naive", "2.500", "\u2013", "\u2013", "0.000")));
  // A second arm against control has its own.
  results.push_back(Result("aipw", "ate_2", 7, 7));
  results.push_back(Result("aipw", "ate_standard_error_2", 1, 1));
  results.push_back(Result("aipw", "ate_width_2", 4, 4));
  const auto of_arms = EstimatesWithoutTruth(results);
  ASSERT_TRUE(of_arms.ok()) << of_arms.status();
  ASSERT_EQ(of_arms->size(), 3u);
  EXPECT_THAT((*of_arms)[1].table.caption, HasSubstr("ATE of arm 2, means"));
  EXPECT_THAT((*of_arms)[1].table.rows,
              ElementsAre(ElementsAre("aipw", "7.000", "1.000", "5.000 .. 9.000", "0.000")));
  results.push_back(Result("net", "sqrt_pehe_in", 1, 1));
  EXPECT_THAT(*EstimatesWithoutTruth(results), IsEmpty());
}

CausalConfig Parse(const std::string& text) {
  CausalConfig config;
  const absl::Status parsed = config::ParseTextproto(text, "test.textproto", &config);
  EXPECT_TRUE(parsed.ok()) << parsed.message();
  return config;
}

TEST(FindingsTest, WhatBalanceTermsSawIsSaidOfEachNetworkThatHasSome) {
  const auto finding = InformationOf(Parse(R"(
    methods { ols_1 {} }
    methods { name: "tarnet" net { transductive: TEST_TREATMENT } }
    methods { name: "cfr" net { alpha: 1 } }
    methods { name: "treatment" net { beta: 1 transductive: TEST_TREATMENT } }
    methods { name: "covariates" net { adversary: 1 transductive: TEST_COVARIATES } }
  )"));
  ASSERT_TRUE(finding.has_value());
  EXPECT_EQ(finding->title, "What was seen");
  EXPECT_THAT(
      finding->table.rows,
      ElementsAre(ElementsAre("cfr", "training units"),
                  ElementsAre("treatment", "training units; covariates and arms of test units"),
                  ElementsAre("covariates", "training units; covariates of test units")));
  // What the configuration says of all networks counts, and what a method says on top of it.
  const auto all = InformationOf(Parse(R"(
    net { alpha: 1 transductive: TEST_COVARIATES }
    methods { name: "cfr" net {} }
    methods { name: "tarnet" net { alpha: 0 } }
    methods { name: "inductive" net { transductive: INDUCTIVE } }
  )"));
  ASSERT_TRUE(all.has_value());
  EXPECT_THAT(all->table.rows,
              ElementsAre(ElementsAre("cfr", "training units; covariates of test units"),
                          ElementsAre("inductive", "training units")));
  EXPECT_FALSE(InformationOf(Parse(R"(
    methods { name: "cfr" net { alpha: 1 } }
    methods { name: "tarnet" net { transductive: TEST_TREATMENT } }
  )"))
                   .has_value());
}

}  // namespace
}  // namespace perennial::causal
