#include "common/experiment/results.h"

#include <vector>

#include "common/report/terminal_table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::experiment {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

FinishedUnit MakeUnit(const std::string& method, const std::string& replicate, double accuracy,
                      bool forgets = true) {
  FinishedUnit unit;
  unit.key = {method, "rotated", "seed", replicate};
  unit.plan.training_flops = 3e9;
  unit.cpu_seconds = 0.5;
  unit.results.measurements = {{"accuracy", "fraction", accuracy}};
  if (forgets) unit.results.measurements.push_back({"forgetting", "fraction", 0.25});
  unit.results.curves = {{"Accuracy", "task", "accuracy", {1, 2}, {accuracy, accuracy / 2}}};
  unit.results.matrices = {{"Matrix", "after", "on", {{accuracy, std::nullopt}, {0.5, 0.25}}}};
  return unit;
}

std::vector<FinishedUnit> Units() {
  return {MakeUnit("naive", "0", 0.5), MakeUnit("naive", "1", 0.7),
          MakeUnit("joint", "0", 0.8, false), MakeUnit("joint", "1", 0.9, false)};
}

const std::vector<Headline> kHeadlines = {
    {"accuracy", "accuracy"}, {"forgetting", "forgetting"}, {"unknown", "nobody has it"}};

TEST(ResultsTest, SummariesKeepTheOrderAndEveryReplicate) {
  const auto results = Summarize(Units());
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].method, "naive");
  EXPECT_EQ(results[0].metric, "accuracy");
  EXPECT_EQ(results[0].over, "seed");
  EXPECT_THAT(results[0].values, ElementsAre(std::pair("0", 0.5), std::pair("1", 0.7)));
  EXPECT_EQ(results[1].metric, "forgetting");
  EXPECT_EQ(results[2].method, "joint");
}

TEST(ResultsTest, TheTableShowsMeansAndIntervalsAndDashesWhereNothingIsDefined) {
  const auto table = HeadlineTable(Summarize(Units()), kHeadlines);
  ASSERT_TRUE(table.ok());
  ASSERT_EQ(table->columns.size(), 3u) << "a metric that nobody has is left out";
  // Two values 0.5 and 0.7: 0.6 +- 12.706 * 0.1 (t quantile with one degree of freedom).
  EXPECT_THAT(table->rows[0], ElementsAre("naive", "0.600 [-0.671, 1.871]", HasSubstr("0.250")));
  EXPECT_EQ(table->rows[1][2], "–");
  EXPECT_THAT(table->caption, HasSubstr("2 seeds"));
}

TEST(ResultsTest, OneReplicateHasNoInterval) {
  const auto table = HeadlineTable(Summarize({MakeUnit("naive", "0", 0.5)}), kHeadlines);
  EXPECT_EQ(table->rows[0][1], "0.500");
}

TEST(ResultsTest, CostsAddUpReplicatesAgainstTheFloor) {
  const auto costs = Costs(Units(), /*gemm_peak=*/1e10);
  ASSERT_EQ(costs.size(), 2u);
  EXPECT_DOUBLE_EQ(costs[0].flops, 6e9);
  EXPECT_DOUBLE_EQ(costs[0].cpu_seconds, 1);
  EXPECT_DOUBLE_EQ(costs[0].floor_seconds, 0.6);
  EXPECT_THAT(CostTable(costs).rows[0], ElementsAre("naive", "0.006", "1.00", "0.60", "60 %"));
}

TEST(ResultsTest, TheReportHoldsTablesCurvesMatricesAndTheConfiguration) {
  const auto html = ReportHtml(Units(), kHeadlines,
                               {.title = "A title",
                                .subtitle = "a subtitle",
                                .config_text = "hidden: 256",
                                .environment = {{"cpu", "a <processor>"}},
                                .gemm_peak = 1e11});
  ASSERT_TRUE(html.ok()) << html.status();
  EXPECT_THAT(*html, AllOf(HasSubstr("A title"), HasSubstr("0.600 [-0.671, 1.871]"),
                           HasSubstr("naive: Matrix (rotated)"), HasSubstr("Accuracy (rotated)"),
                           HasSubstr("hidden: 256"), HasSubstr("a &lt;processor&gt;")));
}

TEST(ResultsTest, TheHeadlineTableFitsAnEightyColumnTerminal) {
  auto units = Units();
  for (FinishedUnit& unit : units) {
    unit.results.measurements.push_back({"learning_accuracy", "fraction", 0.7});
  }
  const auto table = HeadlineTable(Summarize(units), {{"accuracy", "average accuracy"},
                                                      {"forgetting", "forgetting"},
                                                      {"learning_accuracy", "learning accuracy"}});
  const std::string text = report::TerminalTable(*table);
  EXPECT_EQ(text.find("method", text.find("method") + 1), std::string::npos) << text;
}

}  // namespace
}  // namespace perennial::experiment
