#include "common/population/scheduler.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/cpu_clock.h"
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
    for (int64_t i = 0; i < steps && !finished() && done_ != stands_at_; ++i) {
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
  void StandsAt(int64_t step) { stands_at_ = step; }
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
  int64_t stands_at_ = -1;
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

TEST(SchedulerTest, AUnitThatStandsStillIsAFailureAndNoEndlessRun) {
  Units units;
  units.push_back(std::make_unique<CountingUnit>("0", 10));
  units[0]->StandsAt(3);
  EXPECT_EQ(RunUnits(Pointers(units), {}).message(),
            "counting.test.seed.0: stands still at step 3");
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

// Its steps are a function of the test, which may give work away.
class GivingUnit final : public Unit {
 public:
  // Takes the step, counted from 0, and where work can be given.
  using StepFunction = std::function<absl::Status(int64_t step, SpareThreads& spare)>;

  GivingUnit(std::string replicate, int64_t steps, StepFunction step)
      : key_{"giving", "test", "seed", std::move(replicate)}, step_(std::move(step)) {
    plan_.steps = steps;
    plan_.training_flops = static_cast<double>(steps);
  }

  const UnitKey& key() const override { return key_; }
  const UnitPlan& plan() const override { return plan_; }
  int64_t steps_done() const override { return done_; }
  double progress() const override {
    return static_cast<double>(done_) / static_cast<double>(plan_.steps);
  }
  absl::Status Advance(int64_t steps) override {
    for (int64_t i = 0; i < steps && !finished(); ++i) {
      const absl::Status status = step_(done_, *spare_);
      if (!status.ok()) return status;
      ++done_;
    }
    return absl::OkStatus();
  }
  std::vector<Event> TakeEvents() override { return {}; }
  void UseSpareThreads(SpareThreads* spare) override {
    EXPECT_NE(spare == nullptr, spare_ == nullptr);
    spare_ = spare;
  }
  absl::StatusOr<std::string> Save() const override { return std::to_string(done_); }
  absl::Status Load(absl::string_view) override { return absl::UnimplementedError("unused"); }
  UnitResults Results() const override { return {}; }
  void Release() override {
    EXPECT_EQ(spare_, nullptr);
    if (at_release_) at_release_();
    ++released_;
  }
  void AtRelease(std::function<void()> at_release) { at_release_ = std::move(at_release); }

  bool HasSpareThreads() const { return spare_ != nullptr; }
  int released() const { return released_; }

 private:
  UnitKey key_;
  UnitPlan plan_;
  StepFunction step_;
  std::function<void()> at_release_;
  SpareThreads* spare_ = nullptr;
  int64_t done_ = 0;
  int released_ = 0;
};

// Threads come to be free at any time: gives up after a minute.
template <typename Condition>
bool Becomes(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

void BurnCpuSeconds(double seconds) {
  const double end = base::ThreadCpuSeconds() + seconds;
  while (base::ThreadCpuSeconds() < end) {
  }
}

void Sleep() { std::this_thread::sleep_for(std::chrono::milliseconds(30)); }

TEST(SpareThreadsTest, AThreadWithoutAUnitDoesTheWork) {
  std::thread::id units_own, worker;
  GivingUnit unit("0", 1, [&](int64_t, SpareThreads& spare) {
    units_own = std::this_thread::get_id();
    const auto done = std::make_shared<std::promise<void>>();
    // The unit waits in the middle of a step.
    EXPECT_TRUE(Becomes([&] {
      return spare.TryRun([&, done] {
        worker = std::this_thread::get_id();
        done->set_value();
      });
    }));
    done->get_future().wait();
    return absl::OkStatus();
  });
  Unit* const units[] = {&unit};
  ASSERT_TRUE(RunUnits(units, {.threads = 2}).ok());
  EXPECT_NE(worker, std::thread::id());
  EXPECT_NE(worker, units_own);
  EXPECT_FALSE(unit.HasSpareThreads());
  EXPECT_EQ(unit.released(), 1);
}

TEST(SpareThreadsTest, OneThreadHasNoneToSpare) {
  GivingUnit unit("0", 100, [&](int64_t, SpareThreads& spare) {
    EXPECT_FALSE(spare.TryRun([] { ADD_FAILURE() << "refused and done"; }));
    return absl::OkStatus();
  });
  Unit* const units[] = {&unit};
  EXPECT_TRUE(RunUnits(units, {.threads = 1}).ok());
}

TEST(SpareThreadsTest, ThreadsWithUnitsAreNotSpare) {
  std::atomic<int> arrived = 0;
  std::atomic<int> refused = 0;
  const auto step = [&](int64_t, SpareThreads& spare) {
    ++arrived;
    EXPECT_TRUE(Becomes([&] { return arrived == 2; }));  // Both threads are in a unit.
    EXPECT_FALSE(spare.TryRun([] {}));
    ++refused;
    EXPECT_TRUE(Becomes([&] { return refused == 2; }));
    return absl::OkStatus();
  };
  GivingUnit first("0", 1, step);
  GivingUnit second("1", 1, step);
  Unit* const units[] = {&first, &second};
  EXPECT_TRUE(RunUnits(units, {.threads = 2}).ok());
}

TEST(SpareThreadsTest, ASpareThreadTakesOnePieceAfterTheOther) {
  GivingUnit unit("0", 1, [&](int64_t, SpareThreads& spare) {
    for (int piece = 0; piece < 3; ++piece) {
      // Owned by the piece, too: it may start after this round is over.
      const auto go = std::make_shared<std::promise<void>>();
      EXPECT_TRUE(Becomes([&] { return spare.TryRun([go] { go->get_future().wait(); }); }));
      EXPECT_FALSE(spare.TryRun([] {}));  // Taken or not yet taken up, there is no second thread.
      Sleep();
      EXPECT_FALSE(spare.TryRun([] {}));
      go->set_value();
    }
    return absl::OkStatus();
  });
  Unit* const units[] = {&unit};
  EXPECT_TRUE(RunUnits(units, {.threads = 2}).ok());
}

TEST(SpareThreadsTest, AsManyPiecesAtATimeAsThereAreSpareThreads) {
  std::atomic<int> running = 0;  // Pieces look at it when the unit's step is over, too.
  GivingUnit unit("0", 1, [&](int64_t, SpareThreads& spare) {
    for (int piece = 0; piece < 3; ++piece) {
      EXPECT_TRUE(Becomes([&] {
        return spare.TryRun([&] {
          ++running;
          EXPECT_TRUE(Becomes([&] { return running == 3; }));
        });
      }));
    }
    EXPECT_TRUE(Becomes([&] { return running == 3; }));
    return absl::OkStatus();
  });
  Unit* const units[] = {&unit};
  EXPECT_TRUE(RunUnits(units, {.threads = 4}).ok());
}

TEST(SpareThreadsTest, ThreadsBecomeSpareWhenUnitsEnd) {
  GivingUnit quick("0", 1, [](int64_t, SpareThreads&) { return absl::OkStatus(); });
  GivingUnit long_one("1", 2, [](int64_t, SpareThreads& spare) {
    EXPECT_TRUE(Becomes([&] { return spare.TryRun([] {}); }));
    return absl::OkStatus();
  });
  Unit* const units[] = {&quick, &long_one};
  EXPECT_TRUE(RunUnits(units, {.threads = 2}).ok());
}

// CPU time that goes when the last copy does, after whoever waits for the work has gone on.
struct BurnsAtItsEnd {
  ~BurnsAtItsEnd() { BurnCpuSeconds(0.05); }
};

TEST(SpareThreadsTest, CpuTimeCountsAsTheUnitsAndIsWholeWhenItHasFinished) {
  GivingUnit giving("0", 3, [](int64_t, SpareThreads& spare) {
    auto done = std::make_shared<std::promise<void>>();
    EXPECT_TRUE(Becomes([&] {
      return spare.TryRun([done, last = std::make_shared<BurnsAtItsEnd>()] {
        BurnCpuSeconds(0.05);
        done->set_value();
      });
    }));
    done->get_future().wait();
    return absl::OkStatus();
  });
  // Its own time counts too, and nobody else's.
  GivingUnit other("1", 1, [](int64_t, SpareThreads&) {
    BurnCpuSeconds(0.02);
    return absl::OkStatus();
  });
  Unit* const units[] = {&giving, &other};
  double seconds[2] = {0, 0};
  double at_end[2] = {-1, -1};
  ASSERT_TRUE(RunUnits(units, {.threads = 3,
                               .after_chunk =
                                   [&](int64_t unit, double cpu_seconds) {
                                     EXPECT_EQ(at_end[unit], -1);
                                     seconds[unit] += cpu_seconds;
                                     if (units[unit]->finished()) at_end[unit] = seconds[unit];
                                     return absl::OkStatus();
                                   }})
                  .ok());
  EXPECT_GE(at_end[0], 0.3);
  EXPECT_GE(at_end[1], 0.02);
  EXPECT_LT(at_end[1], 0.05);
}

TEST(SpareThreadsTest, AStoppedRunEndsWithTheWorkDoneAndItsTimeCounted) {
  std::atomic<bool> stop = false;
  bool done = false;
  GivingUnit unit("0", int64_t{1} << 60, [&](int64_t step, SpareThreads& spare) {
    if (step > 0) return absl::OkStatus();
    EXPECT_TRUE(Becomes([&] {
      return spare.TryRun([&] {
        EXPECT_TRUE(Becomes([&] { return stop.load(); }));
        Sleep();  // The unit's thread comes to its end meanwhile.
        BurnCpuSeconds(0.05);
        done = true;
      });
    }));
    return absl::OkStatus();
  });
  Unit* const units[] = {&unit};
  double seconds = 0;
  const absl::Status status = RunUnits(units, {.threads = 2,
                                               .chunk_seconds = 1e-6,
                                               .stop = &stop,
                                               .after_chunk = [&](int64_t, double cpu_seconds) {
                                                 seconds += cpu_seconds;
                                                 stop = true;
                                                 return absl::OkStatus();
                                               }});
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(done);
  EXPECT_GE(seconds, 0.05);
  EXPECT_FALSE(unit.HasSpareThreads());
  EXPECT_EQ(unit.released(), 0);
}

TEST(SpareThreadsTest, AFailingUnitIsReleasedAfterItsWork) {
  for (const bool noted : {true, false}) {
    std::atomic<bool> failing = false;
    bool done = false;
    GivingUnit unit("0", 2, [&](int64_t step, SpareThreads& spare) -> absl::Status {
      if (step == 1) {
        failing = true;
        return absl::FailedPreconditionError("the loss is nan");
      }
      EXPECT_TRUE(Becomes([&] {
        return spare.TryRun([&] {
          EXPECT_TRUE(Becomes([&] { return failing.load(); }));
          Sleep();
          done = true;
        });
      }));
      return absl::OkStatus();
    });
    unit.AtRelease([&] { EXPECT_TRUE(done); });
    Unit* const units[] = {&unit};
    ScheduleOptions options = {.threads = 2};
    if (noted) {
      options.after_failure = [&](int64_t, const absl::Status&) {
        EXPECT_FALSE(unit.HasSpareThreads());
        return absl::OkStatus();
      };
    }
    EXPECT_EQ(RunUnits(units, options).ok(), noted);
    EXPECT_TRUE(done);
    EXPECT_EQ(unit.released(), noted ? 1 : 0);
  }
}

TEST(SpareThreadsTest, WorkIsDoneWhenAnotherUnitEndsTheRun) {
  std::atomic<bool> given = false;
  std::atomic<bool> failing = false;
  bool done = false;
  GivingUnit giving("0", int64_t{1} << 60, [&](int64_t step, SpareThreads& spare) {
    if (step > 0) return absl::OkStatus();
    EXPECT_TRUE(Becomes([&] {
      return spare.TryRun([&] {
        EXPECT_TRUE(Becomes([&] { return failing.load(); }));
        Sleep();
        done = true;
      });
    }));
    given = true;
    return absl::OkStatus();
  });
  GivingUnit failing_one("1", 1, [&](int64_t, SpareThreads&) -> absl::Status {
    EXPECT_TRUE(Becomes([&] { return given.load(); }));
    failing = true;
    return absl::FailedPreconditionError("the loss is nan");
  });
  Unit* const units[] = {&giving, &failing_one};
  EXPECT_EQ(RunUnits(units, {.threads = 3}).message(), "giving.test.seed.1: the loss is nan");
  EXPECT_TRUE(done);
  EXPECT_FALSE(giving.HasSpareThreads());
}

// Many units that give much away, some waited for in the step and some not.
std::vector<int64_t> Sums(int threads) {
  constexpr int kUnits = 12;
  constexpr int64_t kSteps = 60;
  struct Shared {
    std::atomic<int64_t> sum = 0;  // A sum of integers: the order makes no difference.
    std::atomic<bool> reporting = false;
  };
  std::vector<Shared> shared(kUnits);
  std::vector<std::unique_ptr<GivingUnit>> units;
  std::vector<Unit*> pointers;
  for (int i = 0; i < kUnits; ++i) {
    const auto step = [&mine = shared[i], i](int64_t at, SpareThreads& spare) {
      std::vector<std::future<void>> waited;
      for (int64_t piece = 0; piece < 3; ++piece) {
        auto task = std::make_shared<std::packaged_task<void()>>(
            [&mine, value = (i + 1) * (at + 1) + piece] { mine.sum += value; });
        if (piece > 0) waited.push_back(task->get_future());
        const auto work = [task] { (*task)(); };
        if (!spare.TryRun(work)) work();
      }
      for (std::future<void>& future : waited) future.wait();
      return absl::OkStatus();
    };
    units.push_back(std::make_unique<GivingUnit>(std::to_string(i), kSteps * (1 + i % 4), step));
    pointers.push_back(units.back().get());
  }
  EXPECT_TRUE(RunUnits(pointers, {.threads = threads,
                                  .chunk_seconds = 1e-5,
                                  .after_chunk =
                                      [&](int64_t unit, double cpu_seconds) {
                                        EXPECT_GE(cpu_seconds, 0);
                                        EXPECT_FALSE(shared[unit].reporting.exchange(true));
                                        shared[unit].reporting = false;
                                        return absl::OkStatus();
                                      }})
                  .ok());
  std::vector<int64_t> sums;
  for (const Shared& one : shared) sums.push_back(one.sum);
  return sums;
}

TEST(SpareThreadsTest, NumbersAreTheSameForAnyNumberOfThreads) {
  const std::vector<int64_t> alone = Sums(1);
  // Each piece was done once.
  EXPECT_EQ(alone[0], 3 * 60 * 61 / 2 + 3 * 60);
  for (const int threads : {2, 3, 5, 16, 40}) {
    for (int run = 0; run < 20; ++run) ASSERT_EQ(Sums(threads), alone) << threads << " threads";
  }
}

TEST(UnitKeyTest, IdIsAFileName) {
  EXPECT_EQ((UnitKey{"mc_sgd", "rotated", "seed", "3"}.Id()), "mc_sgd.rotated.seed.3");
}

}  // namespace
}  // namespace perennial::population
