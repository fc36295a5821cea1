#include "common/experiment/plan.h"

#include <cstdio>
#include <utility>

#include "common/base/cpu_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::experiment {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Works for as long as it is told to.
struct Work {
  int64_t steps = 1;
  double step_seconds = 0;
  double first_seconds = 0;  // On top, of the first step.
  double flops = 0;
  double memory_bytes = 0;
  int64_t fails_at = -1;
};

class Worker final : public population::Unit {
 public:
  Worker(std::string method, Work work) : key_{std::move(method), "g", "seed", "0"}, work_(work) {
    plan_.steps = work.steps;
    plan_.training_flops = work.flops;
    plan_.memory_bytes = work.memory_bytes;
  }
  const population::UnitKey& key() const override { return key_; }
  const population::UnitPlan& plan() const override { return plan_; }
  int64_t steps_done() const override { return done_; }
  double progress() const override {
    return static_cast<double>(done_) / static_cast<double>(work_.steps);
  }
  absl::Status Advance(int64_t steps) override {
    for (; steps > 0 && !finished(); --steps, ++done_) {
      if (done_ == work_.fails_at) return absl::InternalError("out of chalk");
      const double end =
          base::ThreadCpuSeconds() + work_.step_seconds + (done_ == 0 ? work_.first_seconds : 0);
      while (base::ThreadCpuSeconds() < end) continue;
    }
    return absl::OkStatus();
  }
  std::vector<population::Event> TakeEvents() override { return {}; }
  absl::StatusOr<std::string> Save() const override { return ""; }
  absl::Status Load(absl::string_view) override { return absl::OkStatus(); }
  population::UnitResults Results() const override { return {}; }

 private:
  const population::UnitKey key_;
  const Work work_;
  population::UnitPlan plan_;
  int64_t done_ = 0;
};

double Tried(const Work& work, double seconds = 0.05) {
  Worker worker("m", work);
  const absl::StatusOr<double> tried = TryUnit(worker, seconds);
  EXPECT_TRUE(tried.ok()) << tried.status();
  return tried.value_or(-1);
}

TEST(TryUnitTest, AShareOfAUnitTellsTheWhole) {
  EXPECT_NEAR(Tried({.steps = 5000, .step_seconds = 1e-3}), 5, 0.5);
  // What the first step costs on top is counted once.
  EXPECT_NEAR(Tried({.steps = 5000, .step_seconds = 1e-3, .first_seconds = 0.04}), 5.04, 0.5);
  // Steps longer than the trial.
  EXPECT_NEAR(Tried({.steps = 100, .step_seconds = 0.1}), 10, 0.5);
  // A unit that ends meanwhile.
  EXPECT_NEAR(Tried({.steps = 3, .step_seconds = 5e-3}), 0.015, 0.005);
}

TEST(TryUnitTest, ItEndsInTime) {
  const double start = base::ThreadCpuSeconds();
  Tried({.steps = 1000000, .step_seconds = 1e-4});
  EXPECT_LT(base::ThreadCpuSeconds() - start, 0.5);
}

std::string Plan(const std::vector<std::pair<std::string, Work>>& works, int threads,
                 const std::atomic<bool>* stop = nullptr) {
  std::vector<std::unique_ptr<population::Unit>> units;
  for (const auto& [method, work] : works) units.push_back(std::make_unique<Worker>(method, work));
  const absl::StatusOr<std::string> text = PlanText(units, {0, 1}, threads, stop);
  return text.ok() ? *text : std::string(text.status().message());
}

// "About 0:07, 13.6 CPU seconds": the two numbers.
std::pair<double, double> Times(const std::string& text) {
  double minutes = -1, seconds = -1, cpu = -1;
  const size_t at = text.find("About ");
  EXPECT_NE(at, std::string::npos) << text;
  if (at == std::string::npos) return {-1, -1};
  EXPECT_EQ(std::sscanf(text.c_str() + at, "About %lf:%lf, %lf CPU", &minutes, &seconds, &cpu), 3);
  return {60 * minutes + seconds, cpu};
}

TEST(PlanTextTest, WorkWithoutMatrixProductsTakesTimeToo) {
  const Work slow = {.steps = 40000, .step_seconds = 1e-3};
  const Work quick = {.steps = 10, .step_seconds = 1e-3, .flops = 1e6};
  const std::string text = Plan({{"slow", slow}, {"slow", slow}, {"quick", quick}}, 2);
  const auto [wall, cpu] = Times(text);
  EXPECT_NEAR(cpu, 80, 8);
  EXPECT_NEAR(wall, 40, 5);
  EXPECT_THAT(text, AllOf(HasSubstr("training TFLOP"), HasSubstr("CPU seconds"),
                          Not(HasSubstr("replay")), Not(HasSubstr("evaluation"))));
  // No more threads than units.
  EXPECT_NEAR(Times(Plan({{"slow", slow}, {"slow", slow}, {"quick", quick}}, 8)).first, 40, 5);
}

TEST(PlanTextTest, AMethodThatFailsIsNamed) {
  const std::string text =
      Plan({{"sound", {.steps = 3}}, {"lame", {.steps = 9, .fails_at = 2}}}, 1);
  EXPECT_THAT(text, HasSubstr("The trial of lame failed: out of chalk\n"));
}

TEST(PlanTextTest, WhatDoesNotFitIsNotTried) {
  const double start = base::ThreadCpuSeconds();
  const std::string text =
      Plan({{"huge", {.steps = 9, .first_seconds = 5, .memory_bytes = 1e18}}}, 1);
  EXPECT_THAT(text, AllOf(HasSubstr("They do not fit"), Not(HasSubstr("About"))));
  EXPECT_LT(base::ThreadCpuSeconds() - start, 4);
}

TEST(PlanTextTest, ItCanBeInterrupted) {
  const std::atomic<bool> stop = true;
  EXPECT_EQ(Plan({{"m", {.steps = 9}}}, 1, &stop), "interrupted");
}

}  // namespace
}  // namespace perennial::experiment
