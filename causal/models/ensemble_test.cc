#include "causal/models/ensemble.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

// Two steps; predicts what its stream gives it at each of them.
class Draws final : public ModelFit {
 public:
  explicit Draws(random::Stream stream) : stream_(stream) {}
  int64_t steps() const override { return 2; }
  int64_t steps_done() const override { return done_; }
  absl::Status Advance(int64_t steps) override {
    for (; steps > 0 && done_ < 2; --steps, ++done_) {
      sum_ += stream_.Split(static_cast<uint64_t>(done_)).Uniform();
    }
    return absl::OkStatus();
  }
  absl::StatusOr<Predictions> Predict(kernels::MatrixView<const double> x) const override {
    return Predictions{
        .effect = {std::vector<double>(x.rows, sum_)},
        .outcome = {std::vector<double>(x.rows, 0), std::vector<double>(x.rows, sum_)},
        .propensity = {std::vector<double>(x.rows, 1 - sum_ / 2),
                       std::vector<double>(x.rows, sum_ / 2)}};
  }
  absl::Status Save(absl::string_view prefix, record::SafetensorsWriter& writer) const override {
    const double state[] = {static_cast<double>(done_), sum_};
    return writer.Add<double>(std::string(prefix) + "state", {2}, state);
  }
  absl::Status Load(absl::string_view prefix, const record::SafetensorsFile& file) override {
    const auto state = file.Read<double>(std::string(prefix) + "state");
    if (!state.ok()) return state.status();
    done_ = static_cast<int64_t>(state->at(0));
    sum_ = state->at(1);
    return absl::OkStatus();
  }
  double training_flops() const override { return 5; }

 private:
  random::Stream stream_;
  int64_t done_ = 0;
  double sum_ = 0;
};

absl::StatusOr<std::unique_ptr<ModelFit>> MakeDraws(FitData data) {
  return std::make_unique<Draws>(data.stream);
}

constexpr double kX[] = {0, 0, 0};
constexpr kernels::MatrixView<const double> kUnits = {kX, 3, 1, 1};

TEST(EnsembleTest, PredictionsAreTheMeansOfMembersFromStreamsOfTheirOwn) {
  const random::Stream stream(4);
  const auto fit = *Ensemble(MakeDraws, 3)({.observations = {}, .stream = stream});
  EXPECT_EQ(fit->steps(), 6);
  EXPECT_EQ(fit->training_flops(), 15);
  ASSERT_TRUE(fit->Advance(100).ok());
  double mean = 0;
  std::vector<double> members;
  for (uint64_t k = 0; k < 3; ++k) {
    Draws member(stream.Split("member").Split(k));
    ASSERT_TRUE(member.Advance(2).ok());
    members.push_back(member.Predict(kUnits)->effect[0][0]);
    mean += members.back() / 3;
  }
  EXPECT_NE(members[0], members[1]);
  const Predictions predictions = *fit->Predict(kUnits);
  for (int i = 0; i < 3; ++i) {
    EXPECT_DOUBLE_EQ(predictions.effect[0][i], mean);
    EXPECT_DOUBLE_EQ(predictions.outcome[1][i], mean);
    EXPECT_DOUBLE_EQ(predictions.propensity[0][i] + predictions.propensity[1][i], 1);
  }
}

TEST(EnsembleTest, GoesOnFromAnyStep) {
  const auto make = [] {
    return *Ensemble(MakeDraws, 3)({.observations = {}, .stream = random::Stream(4)});
  };
  const auto whole = make();
  ASSERT_TRUE(whole->Advance(6).ok());
  for (int64_t stop = 0; stop <= 6; ++stop) {
    const auto first = make();
    for (int64_t step = 0; step < stop; ++step) ASSERT_TRUE(first->Advance(1).ok());
    record::SafetensorsWriter writer;
    ASSERT_TRUE(first->Save("e.", writer).ok());
    const auto second = make();
    ASSERT_TRUE(second->Load("e.", *record::SafetensorsFile::Parse(*writer.Finish())).ok());
    EXPECT_EQ(second->steps_done(), stop);
    ASSERT_TRUE(second->Advance(6).ok());
    EXPECT_EQ(second->Predict(kUnits)->effect, whole->Predict(kUnits)->effect);
  }
}

}  // namespace
}  // namespace perennial::causal
