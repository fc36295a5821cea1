#include "common/record/summary.h"

#include <cmath>
#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace perennial::record {
namespace {

using ::testing::HasSubstr;

RunSummary Example() {
  RunSummary summary{.line = "continual", .config = "smoke", .fingerprint = "3f2a90c1b7de"};
  summary.results.push_back({.method = "mc_sgd",
                             .group = "rotated",
                             .metric = "average_accuracy",
                             .unit = "fraction",
                             .values = {{"0", 0.5}, {"1", 0.75}, {"2", 0.25}}});
  summary.results.push_back({.method = "er",
                             .group = "rotated",
                             .metric = "forgetting",
                             .unit = "fraction",
                             .values = {{"0", 0.1}}});
  return summary;
}

TEST(SummaryText, IsTheContractByteForByte) {
  // The half-width of the interval is t(0.975, 2) * 0.25 / sqrt(3) (scipy 1.17.1).
  const std::string text = SummaryText(Example()).value();
  const std::string expected_begin =
      "{\"schema\":1,\"line\":\"continual\",\"config\":\"smoke\",\"fingerprint\":\"3f2a90c1b7de\","
      "\"results\":[\n"
      "{\"method\":\"mc_sgd\",\"group\":\"rotated\",\"metric\":\"average_accuracy\","
      "\"unit\":\"fraction\",\"over\":\"seed\",\"n\":3,\"mean\":0.5,\"median\":0.5,"
      "\"interval\":\"t\",\"ci95\":[";
  const std::string expected_end =
      "],\"values\":{\"0\":0.5,\"1\":0.75,\"2\":0.25}},\n"
      "{\"method\":\"er\",\"group\":\"rotated\",\"metric\":\"forgetting\",\"unit\":\"fraction\","
      "\"over\":\"seed\",\"n\":1,\"mean\":0.1,\"median\":0.1,\"interval\":\"t\",\"ci95\":null,"
      "\"values\":{\"0\":0.1}}\n]}\n";
  EXPECT_EQ(text.substr(0, expected_begin.size()), expected_begin);
  EXPECT_EQ(text.substr(text.size() - expected_end.size()), expected_end);
  const nlohmann::json json = nlohmann::json::parse(text);
  EXPECT_NEAR(json["results"][0]["ci95"][0].get<double>(), 0.5 - 0.6210344279375826, 1e-12);
  EXPECT_NEAR(json["results"][0]["ci95"][1].get<double>(), 0.5 + 0.6210344279375826, 1e-12);
}

TEST(SummaryText, OrderOfInsertionOfValuesDoesNotMatter) {
  RunSummary a = Example();
  RunSummary b = Example();
  a.results[0].values.clear();
  b.results[0].values.clear();
  for (int i = 0; i <= 12; ++i) a.results[0].values[std::to_string(i)] = i * 0.1;
  for (int i = 12; i >= 0; --i) b.results[0].values[std::to_string(i)] = i * 0.1;
  EXPECT_EQ(SummaryText(a).value(), SummaryText(b).value());
  EXPECT_THAT(SummaryText(a).value(), HasSubstr("\"9\":0.9,\"10\":1,\"11\":"));
}

TEST(SummaryText, RefusesWhatTheContractForbids) {
  const auto error = [](void (*spoil)(RunSummary*)) {
    RunSummary summary = Example();
    spoil(&summary);
    const absl::Status status = SummaryText(summary).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(error([](RunSummary* s) { s->results[0].values.clear(); }), HasSubstr("no values"));
  EXPECT_THAT(error([](RunSummary* s) { s->results[0].values["1"] = std::nan(""); }),
              HasSubstr("seed 1 is nan"));
  EXPECT_THAT(error([](RunSummary* s) { s->results[0].method = "MC-SGD"; }),
              HasSubstr("lower_snake_case"));
  EXPECT_THAT(error([](RunSummary* s) { s->results[0].over = "seeds"; }),
              HasSubstr("did you mean \"seed\"?"));
  EXPECT_THAT(error([](RunSummary* s) { s->results[0].interval = "normal"; }),
              HasSubstr("allowed: t"));
  EXPECT_THAT(error([](RunSummary* s) { s->results[1] = s->results[0]; }),
              HasSubstr("given twice"));
}

TEST(ParseSummary, ReadsBackEveryBit) {
  RunSummary summary = Example();
  std::mt19937_64 random(3);
  for (int i = 0; i < 50; ++i) {
    summary.results[0].values[std::to_string(i)] =
        std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 100) - 60);
  }
  const std::string text = SummaryText(summary).value();
  const RunSummary back = ParseSummary(text).value();
  EXPECT_EQ(back.results[0].values, summary.results[0].values);
  EXPECT_EQ(back.results[1].metric, "forgetting");
  EXPECT_EQ(SummaryText(back).value(), text);
}

TEST(ParseSummary, SaysWhatIsWrong) {
  const auto error = [](absl::string_view text) {
    const absl::Status status = ParseSummary(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(error("{"), HasSubstr("not a JSON object"));
  EXPECT_THAT(error("{}"), HasSubstr("\"schema\" is missing"));
  EXPECT_THAT(error("{\"schema\":2}"), HasSubstr("schema 2 is not known"));
  EXPECT_THAT(error("{\"schema\":1,\"line\":3}"), HasSubstr("\"line\" must be a text, not number"));
  EXPECT_THAT(error("{\"schema\":1,\"line\":\"a\",\"config\":\"\",\"fingerprint\":\"\","
                    "\"results\":[{}]}"),
              HasSubstr("results[0]: \"method\" is missing"));
}

TEST(NaturalLess, ComparesRunsOfDigitsAsNumbers) {
  const NaturalLess less;
  EXPECT_TRUE(less("2", "10"));
  EXPECT_FALSE(less("10", "2"));
  EXPECT_TRUE(less("task2a", "task10a"));
  EXPECT_TRUE(less("a", "b"));
  EXPECT_TRUE(less("a", "a1"));
  EXPECT_FALSE(less("1", "1"));
  EXPECT_TRUE(less("01", "1") != less("1", "01"));
}

TEST(SummaryText, ABootstrapIntervalIsKeptAsItWasGiven) {
  RunSummary summary = Example();
  summary.results[0].interval = "bootstrap";
  summary.results[0].ci95 = {0.31, 0.64};
  const std::string text = SummaryText(summary).value();
  EXPECT_THAT(text, HasSubstr("\"interval\":\"bootstrap\",\"ci95\":[0.31,0.64]"));
  const RunSummary back = ParseSummary(text).value();
  EXPECT_EQ(back.results[0].ci95->high, 0.64);
  EXPECT_EQ(Statistics(back.results[0])->ci95->low, 0.31);
  EXPECT_EQ(SummaryText(back).value(), text);

  summary.results[0].ci95 = {0.64, 0.31};
  EXPECT_THAT(SummaryText(summary).status().message(), HasSubstr("no interval"));
  summary.results[0].interval = "t";
  EXPECT_THAT(SummaryText(summary).status().message(), HasSubstr("made from the values"));
}

TEST(SummaryText, FailedUnitsAreNamedAndReadBackAndAbsentOtherwise) {
  RunSummary summary = Example();
  EXPECT_THAT(SummaryText(summary).value(), ::testing::Not(HasSubstr("failed")));
  summary.failed = {{"er.rotated.seed.1", "the loss is \"nan\""}, {"er.rotated.seed.2", "x"}};
  const std::string text = SummaryText(summary).value();
  EXPECT_THAT(text,
              ::testing::EndsWith(
                  "\n],\"failed\":[\n{\"unit\":\"er.rotated.seed.1\",\"message\":\"the loss is "
                  "\\\"nan\\\"\"},\n{\"unit\":\"er.rotated.seed.2\",\"message\":\"x\"}\n]}\n"));
  const RunSummary back = ParseSummary(text).value();
  ASSERT_EQ(back.failed.size(), 2u);
  EXPECT_EQ(back.failed[0].message, "the loss is \"nan\"");
  EXPECT_EQ(SummaryText(back).value(), text);
  EXPECT_THAT(ParseSummary(R"({"schema":1,"line":"a","config":"b","fingerprint":"c","results":[],)"
                           R"("failed":[3]})")
                  .status()
                  .message(),
              HasSubstr("failed[0]"));
}

}  // namespace
}  // namespace perennial::record
