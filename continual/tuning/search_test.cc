#include "continual/tuning/search.h"

#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/config/resolve.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

using ::testing::HasSubstr;

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  config::FillDefaults(&message);
  return message;
}

MethodConfig Er() { return Parse<MethodConfig>("name: 'er' er {}"); }

SearchConfig Search(const std::string& fields) {
  return Parse<SearchConfig>("name: 'er' trials: 4 " + fields);
}

TEST(SearchTest, TrialZeroIsTheMethodAsItStands) {
  const SearchConfig search =
      Search("fields { path: 'er.replay_weight' uniform { min: 2 max: 3 } }");
  const MethodConfig trial = *Trial(Er(), search, 0);
  EXPECT_EQ(trial.name(), "er_t00");
  EXPECT_EQ(trial.er().replay_weight(), 1);
  EXPECT_EQ(*TrialText(Er(), search, 0), "as it stands");
}

TEST(SearchTest, DrawsFillTheIntervalAndAreFixedByNameTrialAndField) {
  const SearchConfig search = Search(
      "fields { path: 'training.learning_rate' log_uniform { min: 0.001 max: 0.1 } } "
      "fields { path: 'er.replay_weight' uniform { min: 2 max: 3 } } "
      "fields { path: 'training.batch_size' choices { value: ['8', '16'] } } "
      "fields { path: 'training.epochs' uniform { min: 1 max: 5 } }");
  std::vector<double> rates, weights;
  std::set<int> sizes, epochs;
  for (int trial = 1; trial <= 400; ++trial) {
    const MethodConfig method = *Trial(Er(), search, trial);
    rates.push_back(method.training().learning_rate());
    weights.push_back(method.er().replay_weight());
    sizes.insert(method.training().batch_size());
    epochs.insert(method.training().epochs());
    EXPECT_EQ(Trial(Er(), search, trial)->SerializeAsString(), method.SerializeAsString());
  }
  std::ranges::sort(rates);
  std::ranges::sort(weights);
  EXPECT_GE(rates.front(), 0.001);
  EXPECT_LE(rates.back(), 0.1);
  EXPECT_NEAR(rates[200], 0.01, 0.003) << "the median of a log-uniform draw is the mean of logs";
  EXPECT_LT(rates.front(), 0.0011);
  EXPECT_GT(rates.back(), 0.09);
  EXPECT_GE(weights.front(), 2);
  EXPECT_LE(weights.back(), 3);
  EXPECT_NEAR(weights[200], 2.5, 0.1);
  EXPECT_THAT(sizes, ::testing::ElementsAre(8, 16));
  EXPECT_THAT(epochs, ::testing::ElementsAre(1, 2, 3, 4, 5));
}

// What the text says, written after --set, makes the trial: the tables are not hearsay.
TEST(SearchTest, TheTextSaysWhatTheTrialSets) {
  const SearchConfig search = Search(
      "fields { path: 'training.learning_rate' log_uniform { min: 0.001 max: 0.1 } } "
      "fields { path: 'er.memory.policy' choices { value: ['RING', 'RESERVOIR'] } }");
  for (int trial = 1; trial < 20; ++trial) {
    const MethodConfig method = *Trial(Er(), search, trial);
    const std::vector<std::string> parts = absl::StrSplit(*TrialText(Er(), search, trial), ' ');
    ASSERT_EQ(parts.size(), 2u);
    ASSERT_EQ(parts[0].substr(0, 23), "training.learning_rate=");
    double rate = 0;
    ASSERT_TRUE(absl::SimpleAtod(parts[0].substr(23), &rate)) << parts[0];
    EXPECT_EQ(rate, method.training().learning_rate());
    EXPECT_EQ(parts[1],
              "er.memory.policy=" + MemoryConfig::Policy_Name(method.er().memory().policy()));
  }
}

TEST(SearchTest, AddingAFieldLeavesTheDrawsOfOthersAlone) {
  const std::string rate =
      "fields { path: 'training.learning_rate' log_uniform { min: 0.001 max: 0.1 } } ";
  const std::string weight = "fields { path: 'er.replay_weight' uniform { min: 2 max: 3 } } ";
  EXPECT_EQ(Trial(Er(), Search(rate), 3)->training().learning_rate(),
            Trial(Er(), Search(weight + rate), 3)->training().learning_rate());
}

TEST(SearchTest, MistakesAreNamed) {
  const auto error = [](const std::string& fields) {
    return std::string(CheckSearch(Er(), Search(fields)).message());
  };
  EXPECT_THAT(error("fields { path: 'er.replay_wight' uniform { min: 2 max: 3 } }"),
              ::testing::AllOf(HasSubstr("method \"er\", path \"er.replay_wight\""),
                               HasSubstr("did you mean \"replay_weight\""),
                               ::testing::Not(HasSubstr("--set"))));
  EXPECT_THAT(error("fields { path: 'er.replay_weight' uniform { min: 3 max: 3 } }"),
              HasSubstr("the interval 3 .. 3 must have min < max"));
  EXPECT_THAT(error("fields { path: 'er.replay_weight' log_uniform { min: 0 max: 3 } }"),
              HasSubstr("min > 0"));
  EXPECT_THAT(error("fields { path: 'er.replay_weight' uniform { min: 2000 max: 3000 } }"),
              HasSubstr("er.replay_weight"));
  EXPECT_THAT(error("fields { path: 'er.replay_weight' uniform { min: 1 max: 2 } } "
                    "fields { path: 'er.replay_weight' uniform { min: 1 max: 2 } }"),
              HasSubstr("stands twice"));
  EXPECT_THAT(error("fields { path: 'agem.reference_batch_size' uniform { min: 1 max: 2 } }"),
              HasSubstr("agem"));
  EXPECT_THAT(error("fields { path: 'name' choices { value: ['a', 'b'] } }"),
              HasSubstr("is the method's name"));
}

// Not only those that happen to be drawn.
TEST(SearchTest, EveryValueThatCouldBeDrawnIsInItsFieldsRange) {
  const auto error = [](const std::string& fields) {
    return std::string(CheckSearch(Er(), Search(fields)).message());
  };
  EXPECT_EQ(error("fields { path: 'training.learning_rate' log_uniform { min: 1e-9 max: 100 } }"),
            "");
  EXPECT_THAT(
      error("fields { path: 'training.learning_rate' log_uniform { min: 1e-9 max: 100.0000001 } }"),
      ::testing::AllOf(HasSubstr("path \"training.learning_rate\""), HasSubstr("100.0000001"),
                       HasSubstr("<= 100")));
  EXPECT_THAT(error("fields { path: 'training.momentum' uniform { min: -0.001 max: 0.5 } }"),
              HasSubstr("-0.001"));
  EXPECT_THAT(error("fields { path: 'training.batch_size' uniform { min: 0.4 max: 8 } }"),
              HasSubstr("training.batch_size = 0"));
  EXPECT_THAT(error("fields { path: 'training.batch_size' choices { value: ['8', '0'] } }"),
              HasSubstr("training.batch_size = 0"));
}

TEST(SearchTest, NamesOfTrialsAreNumbered) {
  EXPECT_EQ(TrialName("er", 7), "er_t07");
  EXPECT_EQ(TrialName("er", 123), "er_t123");
}

}  // namespace
}  // namespace perennial::continual
