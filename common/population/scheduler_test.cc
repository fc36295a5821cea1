#include "common/population/scheduler.h"

#include <atomic>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::population {
namespace {

// Counts its own steps; fails at a given one.
class CountingUnit final : public Unit {
 public:
  CountingUnit(std::string replicate, int64_t steps, int64_t fails_at = -1, double memory_bytes = 0)
      : key_{"counting", "test", "seed", std::move(replicate)}, fails_at_(fails_at) {
    plan_.steps = steps;
    plan_.memory_bytes = memory_bytes;
    plan_.training_flops = static_cast<double>(steps);
  }

  const UnitKey& key() const override { return key_; }
  const UnitPlan& plan() const override { return plan_; }
  int64_t steps_done() const override { return done_; }
  double progress() const override {
    return static_cast<double>(done_) / static_cast<double>(plan_.steps);
  }
  absl::Status Advance(int64_t steps) override {
    EXPECT_FALSE(busy_.exchange(true)) << "two threads in one unit";
    started_order_ = started_order_ == 0 ? ++Started() : started_order_;
    for (int64_t i = 0; i < steps && !finished(); ++i) {
      if (done_ == fails_at_) {
        busy_ = false;
        if (thrown_ != nullptr) thrown_();
        return absl::FailedPreconditionError("the loss is nan");
      }
      ++done_;
    }
    busy_ = false;
    return absl::OkStatus();
  }
  std::vector<Event> TakeEvents() override { return {}; }
  absl::StatusOr<std::string> Save() const override { return std::to_string(done_); }
  absl::Status Load(absl::string_view) override { return absl::UnimplementedError("unused"); }
  UnitResults Results() const override { return {}; }
  void Release() override {
    EXPECT_TRUE(finished() || done_ == fails_at_);
    ++released_;
  }
  // Called where the unit fails.
  void ThrowsInstead(void (*thrown)()) { thrown_ = thrown; }

  int started_order() const { return started_order_; }
  int released() const { return released_; }
  static std::atomic<int>& Started() {
    static std::atomic<int> started = 0;
    return started;
  }

 private:
  UnitKey key_;
  UnitPlan plan_;
  int64_t done_ = 0;
  int64_t fails_at_;
  void (*thrown_)() = nullptr;
  int started_order_ = 0;
  int released_ = 0;
  std::atomic<bool> busy_ = false;
};

using Units = std::vector<std::unique_ptr<CountingUnit>>;

std::vector<Unit*> Pointers(const Units& units) {
  std::vector<Unit*> pointers;
  for (const auto& unit : units) pointers.push_back(unit.get());
  return pointers;
}

TEST(SchedulerTest, BegunUnitsComeFirstThenThoseWithMostLeft) {
  Units units;
  for (const int64_t steps : {5, 9, 7, 100}) {
    units.push_back(std::make_unique<CountingUnit>(std::to_string(units.size()), steps));
  }
  ASSERT_TRUE(units[3]->Advance(98).ok());  // Two are left.
  ASSERT_TRUE(units[0]->Advance(1).ok());   // Four are left.
  std::vector<int64_t> ended;
  ASSERT_TRUE(RunUnits(Pointers(units), {.after_chunk =
                                             [&](int64_t index, double) {
                                               if (units[index]->finished()) ended.push_back(index);
                                               return absl::OkStatus();
                                             }})
                  .ok());
  EXPECT_THAT(ended, ::testing::ElementsAre(0, 3, 1, 2));
}

TEST(SchedulerTest, ReleasesAUnitOnceWhenItHasEnded) {
  Units units;
  units.push_back(std::make_unique<CountingUnit>("0", 5));
  units.push_back(std::make_unique<CountingUnit>("1", 5, /*fails_at=*/3));
  EXPECT_FALSE(RunUnits(Pointers(units), {}).ok());
  EXPECT_EQ(units[0]->released(), 1);
  EXPECT_EQ(units[1]->released(), 0);
}

TEST(SchedulerTest, PlansTheMemoryOfTheLargestUnitsThatRunTogether) {
  Units units;
  for (const double bytes : {3e9, 5e9, 1e9, 4e9}) {
    units.push_back(
        std::make_unique<CountingUnit>(std::to_string(units.size()), 5, /*fails_at=*/-1, bytes));
  }
  EXPECT_EQ(PlannedMemoryBytes(Pointers(units), 1), 5e9);
  EXPECT_EQ(PlannedMemoryBytes(Pointers(units), 2), 9e9);
  EXPECT_EQ(PlannedMemoryBytes(Pointers(units), 8), 13e9);
  ASSERT_TRUE(units[1]->Advance(5).ok());
  EXPECT_EQ(PlannedMemoryBytes(Pointers(units), 2), 7e9);
  // Loaded units hold theirs while they wait.
  for (const int i : {0, 2, 3}) ASSERT_TRUE(units[i]->Advance(1).ok());
  EXPECT_EQ(PlannedMemoryBytes(Pointers(units), 1), 8e9);
}

TEST(SchedulerTest, RefusesWhatDoesNotFitBeforeAnythingRuns) {
  Units units;
  units.push_back(std::make_unique<CountingUnit>("0", 5, /*fails_at=*/-1, 3e9));
  units.push_back(std::make_unique<CountingUnit>("1", 5, /*fails_at=*/-1, 2e9));
  const absl::Status status = RunUnits(Pointers(units), {.threads = 2, .memory_bytes = 4000000000});
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(status.message(),
            "2 units at a time need 5 GB (counting.test.seed.0 alone 3 GB) and 4 GB are free; use "
            "fewer threads, or make the network, the batches or the data smaller");
  EXPECT_EQ(units[0]->steps_done() + units[1]->steps_done(), 0);
  EXPECT_TRUE(RunUnits(Pointers(units), {.threads = 1, .memory_bytes = 4000000000}).ok());
}

TEST(SchedulerTest, RunsEveryUnitToItsEndOnAnyNumberOfThreads) {
  for (const int threads : {1, 2, 5}) {
    Units units;
    for (int i = 0; i < 20; ++i) {
      units.push_back(std::make_unique<CountingUnit>(std::to_string(i), 1 + 37 * i));
    }
    ASSERT_TRUE(RunUnits(Pointers(units), {.threads = threads}).ok());
    for (const auto& unit : units) EXPECT_TRUE(unit->finished());
  }
}

TEST(SchedulerTest, TheMostExpensiveUnitStartsFirst) {
  CountingUnit::Started() = 0;
  Units units;
  for (const int64_t steps : {5, 80, 20}) {
    units.push_back(std::make_unique<CountingUnit>(std::to_string(steps), steps));
  }
  ASSERT_TRUE(RunUnits(Pointers(units), {.threads = 1}).ok());
  EXPECT_EQ(units[1]->started_order(), 1);
  EXPECT_EQ(units[2]->started_order(), 2);
  EXPECT_EQ(units[0]->started_order(), 3);
}

TEST(SchedulerTest, AnErrorNamesTheUnitAndEndsTheRun) {
  Units units;
  units.push_back(std::make_unique<CountingUnit>("0", 10));
  units.push_back(std::make_unique<CountingUnit>("1", 1000, /*fails_at=*/7));
  const absl::Status status = RunUnits(Pointers(units), {.threads = 2});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "counting.test.seed.1: the loss is nan");
}

TEST(SchedulerTest, AFailureThatIsTakenNoteOfLeavesTheOthersAlone) {
  Units units;
  units.push_back(std::make_unique<CountingUnit>("0", 10));
  units.push_back(std::make_unique<CountingUnit>("1", 1000, /*fails_at=*/7));
  units.push_back(std::make_unique<CountingUnit>("2", 500));
  std::vector<std::pair<int64_t, std::string>> failures;
  const auto note = [&](int64_t unit, const absl::Status& error) {
    failures.emplace_back(unit, std::string(error.message()));
    return absl::OkStatus();
  };
  ASSERT_TRUE(RunUnits(Pointers(units), {.threads = 1, .after_failure = note}).ok());
  EXPECT_THAT(failures, ::testing::ElementsAre(::testing::Pair(1, "the loss is nan")));
  EXPECT_TRUE(units[0]->finished());
  EXPECT_EQ(units[1]->steps_done(), 7);
  EXPECT_TRUE(units[2]->finished());
  for (const auto& unit : units) EXPECT_EQ(unit->released(), 1);
}

TEST(SchedulerTest, AnErrorOfTheFailureCallbackEndsTheRun) {
  Units units;
  units.push_back(std::make_unique<CountingUnit>("0", 10, /*fails_at=*/3));
  const auto refuse = [](int64_t, const absl::Status&) {
    return absl::ResourceExhaustedError("disk full");
  };
  EXPECT_EQ(RunUnits(Pointers(units), {.after_failure = refuse}).message(),
            "counting.test.seed.0: disk full");
}

TEST(SchedulerTest, WhatAUnitThrowsIsItsFailure) {
  Units units;
  units.push_back(std::make_unique<CountingUnit>("0", 10, /*fails_at=*/3));
  units[0]->ThrowsInstead([] { throw std::bad_alloc(); });
  EXPECT_EQ(RunUnits(Pointers(units), {}).code(), absl::StatusCode::kResourceExhausted);
  units[0]->ThrowsInstead([] { throw std::runtime_error("a shape\nand a trace"); });
  EXPECT_EQ(RunUnits(Pointers(units), {}).message(), "counting.test.seed.0: in step 4: a shape");
}

TEST(SchedulerTest, StopEndsBetweenChunks) {
  Units units;
  units.push_back(std::make_unique<CountingUnit>("0", int64_t{1} << 60));
  std::atomic<bool> stop = false;
  int chunks = 0;
  const absl::Status status = RunUnits(
      Pointers(units),
      {.chunk_seconds = 1e-6, .stop = &stop, .after_chunk = [&](int64_t unit, double cpu_seconds) {
         EXPECT_EQ(unit, 0);
         EXPECT_GE(cpu_seconds, 0);
         stop = ++chunks == 3;
         return absl::OkStatus();
       }});
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(chunks, 3);
}

TEST(SchedulerTest, AnErrorOfTheReporterEndsTheRun) {
  Units units;
  units.push_back(std::make_unique<CountingUnit>("0", 100));
  const absl::Status status = RunUnits(Pointers(units), {.after_chunk = [](int64_t, double) {
                                         return absl::ResourceExhaustedError("disk full");
                                       }});
  EXPECT_EQ(status.message(), "counting.test.seed.0: disk full");
}

TEST(UnitKeyTest, IdIsAFileName) {
  EXPECT_EQ((UnitKey{"mc_sgd", "rotated", "seed", "3"}.Id()), "mc_sgd.rotated.seed.3");
}

}  // namespace
}  // namespace perennial::population
