#include "causal/estimation/model_file.h"

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "causal/estimation/encoding.h"
#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Csv(int64_t n) {
  random::Stream stream = random::Stream(4).Split("csv");
  std::string csv = "t,y,age,site\n";
  for (int64_t i = 0; i < n; ++i) {
    const int age = 20 + static_cast<int>(stream.Below(50));
    const bool treated = stream.Uniform() < 0.2 + 0.008 * age;
    absl::StrAppend(&csv, treated ? 1 : 0, ",", age + (treated ? 5 : 0) + stream.Normal(), ",", age,
                    ",", stream.Below(2) == 0 ? "Bern" : "Oslo", "\n");
  }
  return csv;
}

struct Fitted {
  data::CsvTable table;
  ModelFile file;
  Predictions predictions;
};

Fitted FittedTo(const std::string& csv) {
  data::CsvTable table = *data::ParseCsv(csv, "t.csv");
  const auto encoded = Encode(table, {.treatment = "t", .outcome = "y"});
  EXPECT_TRUE(encoded.ok()) << encoded.status().message();
  const auto model =
      EffectModel::Fit(EffectModelKind::kLinear, encoded->observations, random::Stream(1));
  EXPECT_TRUE(model.ok()) << model.status().message();
  Predictions predictions = *model->Predict(encoded->observations.x());
  return {std::move(table),
          {encoded->schema, std::make_shared<const EffectModel>(*model),
           ModelFile::RangesOf(predictions)},
          predictions};
}

TEST(ModelFileTest, WhatIsReadBackScoresRowsOfTheFitWithEqualBits) {
  const Fitted fitted = FittedTo(Csv(200));
  const auto bytes = fitted.file.Bytes();
  ASSERT_TRUE(bytes.ok());
  const auto read = ModelFile::Parse(*bytes);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(*read->Bytes(), *bytes);
  const auto scored = read->Score(fitted.table);
  ASSERT_TRUE(scored.ok()) << scored.status().message();
  EXPECT_EQ(scored->predictions.effect, fitted.predictions.effect);
  for (const std::string& reason : scored->outside) EXPECT_EQ(reason, "");
}

TEST(ModelFileTest, PropensitiesBeyondTheFittedAreOutside) {
  Fitted fitted = FittedTo(Csv(200));
  fitted.file.propensity[1] = {0.35, 0.5};
  const auto scored = fitted.file.Score(fitted.table);
  ASSERT_TRUE(scored.ok());
  int outside = 0;
  for (size_t i = 0; i < scored->outside.size(); ++i) {
    const double p = scored->predictions.propensity[1][i];
    EXPECT_EQ(!scored->outside[i].empty(), p < 0.35 || p > 0.5) << i;
    if (!scored->outside[i].empty()) {
      ++outside;
      EXPECT_THAT(scored->outside[i], HasSubstr("beyond the fitted 0.35 to 0.5"));
    }
  }
  EXPECT_GT(outside, 10);
}

TEST(ModelFileTest, ChangedBytesAreRefused) {
  const std::string bytes = *FittedTo(Csv(100)).file.Bytes();
  EXPECT_FALSE(ModelFile::Parse("").ok());
  EXPECT_FALSE(ModelFile::Parse("hello, this is text").ok());
  random::Stream stream(6);
  for (int trial = 0; trial < 300; ++trial) {
    std::string changed = bytes;
    char& byte = changed[stream.Below(changed.size())];
    byte = static_cast<char>(byte ^ (1 << stream.Below(8)));
    EXPECT_FALSE(ModelFile::Parse(changed).ok()) << trial;
    EXPECT_FALSE(ModelFile::Parse(bytes.substr(0, stream.Below(bytes.size()))).ok());
  }
}

TEST(ModelFileTest, OtherFilesAreNoModelsAndCutOnesAreDamaged) {
  for (const std::string& other :
       {std::string(), std::string("{\n\"schema\": 1}\n"), std::string("row,arm,effect\n1,a,2\n"),
        std::string(100, '\0'), std::string("<!DOCTYPE html>\n<html>")}) {
    EXPECT_THAT(std::string(ModelFile::Parse(other).status().message()),
                HasSubstr("this is no model of //causal:estimate; give its folder"))
        << other;
  }
  const std::string bytes = *FittedTo(Csv(100)).file.Bytes();
  for (const size_t size : {size_t{9}, size_t{500}, bytes.size() - 1}) {
    const absl::Status status = ModelFile::Parse(bytes.substr(0, size)).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("the file is damaged or was cut short, copy it again or run "
                                "//causal:estimate again (safetensors: the "),
                      Not(HasSubstr("no model"))))
        << size;
  }
  std::string changed = bytes;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  EXPECT_THAT(std::string(ModelFile::Parse(changed).status().message()),
              HasSubstr("the file is damaged, copy it again or run //causal:estimate again (its "
                        "checksum"));
}

TEST(ModelFileTest, TablesAreReadAsTheColumnsOfTheFit) {
  const Fitted fitted = FittedTo(Csv(100));
  const std::string path = absl::StrCat(std::getenv("TEST_TMPDIR"), "/new.csv");
  // By itself this site would be a number.
  std::ofstream(path) << "site,age\n12,30\nBern,40\n";
  auto table = fitted.file.ReadTable(path, {});
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(fitted.file.Score(*table)->outside[0], "site=12 is new");
  EXPECT_EQ(fitted.file.Score(*table)->outside[1], "");
  std::ofstream(path) << "site,age\nBern,old\n";
  EXPECT_THAT(std::string(fitted.file.ReadTable(path, {}).status().message()),
              AllOf(HasSubstr("new.csv:2:6"), HasSubstr("old")));
  std::ofstream(path) << "site,agee\nBern,4\n";
  EXPECT_THAT(std::string(fitted.file.ReadTable(path, {}).status().message()),
              AllOf(HasSubstr("the model needs a column"), HasSubstr("\"agee\"")));
}

}  // namespace
}  // namespace perennial::causal
