// Damaged bytes of fitted models; see common/testing/mutation.h.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "causal/data/observations.h"
#include "causal/estimators/baselines.h"
#include "causal/estimators/logistic.h"
#include "causal/estimators/ridge.h"
#include "causal/models/model.h"
#include "causal/models/regressor.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"
#include "common/testing/mutation.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::perennial::testing::MutationCounts;
using ::perennial::testing::RunMutations;

const std::vector<std::string>& Tokens() {
  static const auto* const tokens = new std::vector<std::string>{
      "\"F64\"",      "\"I64\"", "\"U8\"", "[]",   "[0]",   "[1]",   "[2]",  "center",
      "coefficients", "scalars", "binary", "mean", "steps", "arm0.", "arm1."};
  return *tokens;
}

Observations Sample() {
  random::Stream stream(1);
  Observations o = {.covariate_names = {"a", "b"}};
  for (int i = 0; i < 20; ++i) {
    o.covariates.insert(o.covariates.end(), {stream.Normal(), stream.Normal()});
    o.treatment.push_back(i % 2);
    o.outcome.push_back(i % 3 == 0 ? 1 : 0);
  }
  return o;
}

void MutateRestore(const Regressor& regressor) {
  const Observations o = Sample();
  const auto fit =
      regressor.Fit({.x = o.x(), .y = o.outcome, .binary = true, .stream = random::Stream(0)});
  ASSERT_TRUE(fit.ok()) << fit.status();
  const MutationCounts counts =
      RunMutations({.corpus = {(*fit)->Serialize()}, .tokens = Tokens()},
                   [&](absl::string_view bytes) -> absl::Status {
                     const auto restored = regressor.Restore(std::string(bytes));
                     if (!restored.ok()) return restored.status();
                     // What is accepted is whole: it writes what it reads.
                     const auto again = regressor.Restore((*restored)->Serialize());
                     EXPECT_TRUE(again.ok()) << again.status();
                     if (!again.ok()) return absl::OkStatus();
                     EXPECT_EQ((*again)->Serialize(), (*restored)->Serialize());
                     return absl::OkStatus();
                   });
  EXPECT_GT(counts.accepted, 0);
  EXPECT_LT(counts.accepted, counts.trials);
}

TEST(EstimatorsMutation, Ridge) { MutateRestore(Ridge({.penalty = 0.1})); }

TEST(EstimatorsMutation, Logistic) { MutateRestore(Logistic({})); }

TEST(EstimatorsMutation, Baselines) {
  const Observations o = Sample();
  const ModelFactory factory = Ols2();
  const auto fit = *factory({.observations = o, .stream = random::Stream(0)});
  ASSERT_TRUE(fit->Advance(1).ok());
  record::SafetensorsWriter writer;
  ASSERT_TRUE(fit->Save("m.", writer).ok());
  const MutationCounts counts =
      RunMutations({.corpus = {*writer.Finish()}, .tokens = Tokens()},
                   [&](absl::string_view bytes) -> absl::Status {
                     const auto file = record::SafetensorsFile::Parse(std::string(bytes));
                     if (!file.ok()) return file.status();
                     const auto other = *factory({.observations = o, .stream = random::Stream(0)});
                     const absl::Status status = other->Load("m.", *file);
                     if (!status.ok()) return status;
                     EXPECT_TRUE(other->Advance(1).ok());
                     EXPECT_TRUE(other->Predict(o.x()).ok());
                     return absl::OkStatus();
                   });
  EXPECT_GT(counts.accepted, 0);
  EXPECT_LT(counts.accepted, counts.trials);
}

}  // namespace
}  // namespace perennial::causal
