#include "causal/selection_table.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::ElementsAre;

experiment::FinishedUnit Unit(const std::string& method, const std::string& realisation,
                              double error, double dr_loss, double factual_loss = -1) {
  experiment::FinishedUnit unit;
  unit.key = {method, "ihdp", "realisation", realisation};
  unit.results.measurements = {{"sqrt_pehe_out", "outcome", error},
                               {"selection_dr_loss", "outcome^2", dr_loss}};
  if (factual_loss >= 0) {
    unit.results.measurements.push_back({"selection_factual_loss", "outcome^2", factual_loss});
  }
  return unit;
}

TEST(SelectionTableTest, RowsTellWhatEachCriterionWouldHaveChosen) {
  // By DR loss: b (1), then a (4). By factual loss a alone can be chosen: no choice. The best are
  // b (1) and b (3), which is what "always b" takes.
  const auto table = SelectionTable({Unit("a", "0", 2, 9, 1), Unit("b", "0", 1, 8),
                                     Unit("a", "1", 4, 1, 1), Unit("b", "1", 3, 2)});
  ASSERT_TRUE(table.ok()) << table.status().message();
  ASSERT_TRUE(table->has_value());
  EXPECT_THAT((*table)->rows,
              ElementsAre(ElementsAre("dr_loss", "2.500 (2.500)", "0.500 (0.500)", "0.00"),
                          ElementsAre("always b", "2.000 (2.000)", "0.000 (0.000)")));
}

TEST(SelectionTableTest, NoCriterionNoTable) {
  experiment::FinishedUnit unit = Unit("a", "0", 2, 9);
  unit.results.measurements.pop_back();
  const auto table = SelectionTable({unit});
  ASSERT_TRUE(table.ok());
  EXPECT_FALSE(table->has_value());
}

}  // namespace
}  // namespace perennial::causal
