#include "continual/tuning/trials.h"

#include <vector>

#include "common/config/resolve.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ContinualConfig Config() {
  ContinualConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "methods { name: 'er' er {} } methods { name: 'naive' naive {} } "
      "methods { name: 'joint' joint {} } "
      "searches { name: 'naive' trials: 3 fields { path: 'training.learning_rate' "
      "           uniform { min: 0.1 max: 0.2 } } } "
      "searches { name: 'er' trials: 2 fields { path: 'er.replay_weight' "
      "           uniform { min: 2 max: 3 } } }",
      &config));
  config::FillDefaults(&config);
  return config;
}

record::SummaryResult Result(const std::string& method, std::vector<double> values,
                             const std::string& metric = "average_accuracy") {
  record::SummaryResult result = {.method = method, .group = "rotated", .metric = metric};
  for (size_t i = 0; i < values.size(); ++i) result.values[std::to_string(i)] = values[i];
  return result;
}

TEST(TrialsTest, TheBestMeanComesFirstAndTrialsThatLackASeedLast) {
  const auto trials =
      *RankTrials(Config(), {Result("er_t00", {0.5, 0.25}), Result("er_t01", {0.5, 0.75}),
                             Result("naive_t00", {0.125, 0.125}), Result("naive_t01", {0.9}),
                             Result("naive_t02", {0.125, 0.25}), Result("joint", {0.9, 0.9}),
                             Result("er_t00", {0.99, 0.99}, "learning_accuracy")});
  std::vector<std::pair<std::string, int>> order;
  for (const RankedTrial& trial : trials) order.emplace_back(trial.method, trial.trial);
  EXPECT_THAT(order, ElementsAre(std::pair("er", 1), std::pair("er", 0), std::pair("naive", 2),
                                 std::pair("naive", 0), std::pair("naive", 1)));
  EXPECT_EQ(trials[0].score, 0.625);
  EXPECT_THAT(trials[0].settings, HasSubstr("er.replay_weight=2."));
  EXPECT_EQ(trials[1].settings, "as it stands");
  EXPECT_FALSE(trials[4].score.has_value());
  EXPECT_EQ(trials[4].seeds, 1);

  const report::Table best = BestTrialsTable(trials);
  ASSERT_EQ(best.rows.size(), 2u);
  EXPECT_THAT(best.rows[0], ElementsAre("er", "2", "0.3750", "0.6250", "1", trials[0].settings));
  EXPECT_THAT(best.rows[1], ElementsAre("naive", "3", "0.1250", "0.1875", "2", trials[2].settings));
  const report::Table all = TrialsTable(trials);
  ASSERT_EQ(all.rows.size(), 5u);
  EXPECT_THAT(all.rows[4], ElementsAre("naive", "1", "1", "", trials[4].settings));
}

TEST(TrialsTest, WithoutSearchesThereIsNothingToRank) {
  ContinualConfig config = Config();
  config.clear_searches();
  EXPECT_TRUE(RankTrials(config, {Result("er", {0.5})})->empty());
}

}  // namespace
}  // namespace perennial::continual
