#include "common/population/scheduler.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <numeric>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/cpu_clock.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/population/guarded.h"

namespace perennial::population {
namespace {

double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Side work, and the threads that do it.
class SideWork {
 public:
  // One unit's.
  class Account final : public SpareThreads {
   public:
    explicit Account(SideWork* all) : all_(*all) {}

    bool TryRun(std::function<void()> work) override {
      const std::lock_guard<std::mutex> lock(all_.mutex_);
      if (all_.idle_ <= all_.queue_.size()) return false;
      all_.queue_.push_back({std::move(work), this});
      ++under_way_;
      all_.came_.notify_one();
      return true;
    }

    // Until all that was given away has ended.
    void Wait() {
      std::unique_lock<std::mutex> lock(all_.mutex_);
      all_.ended_.wait(lock, [this] { return under_way_ == 0; });
    }

    // Of what has ended since the last call.
    double TakeCpuSeconds() {
      const std::lock_guard<std::mutex> lock(all_.mutex_);
      return std::exchange(cpu_seconds_, 0);
    }

   private:
    friend class SideWork;
    SideWork& all_;
    int64_t under_way_ = 0;  // Guarded by the mutex of all_, like what follows.
    double cpu_seconds_ = 0;
  };

  explicit SideWork(size_t units) : units_left_(units) {}

  // Each unit once, when no more can come from it.
  void UnitEnded() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--units_left_ == 0) came_.notify_all();
  }

  // The calling thread does side work until all units have ended.
  void Serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      ++idle_;
      came_.wait(lock, [this] { return !queue_.empty() || units_left_ == 0; });
      --idle_;
      if (queue_.empty()) return;
      auto [work, account] = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      const double cpu = base::ThreadCpuSeconds();
      work();
      work = nullptr;  // What it holds is the unit's.
      const double seconds = base::ThreadCpuSeconds() - cpu;
      lock.lock();
      account->cpu_seconds_ += seconds;
      --account->under_way_;
      ended_.notify_all();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;   // Work, or the end.
  std::condition_variable ended_;  // Some work.
  size_t units_left_;
  size_t idle_ = 0;  // Threads in wait, of which each piece of the queue will take one.
  std::deque<std::pair<std::function<void()>, Account*>> queue_;
};

class Run {
 public:
  Run(std::span<Unit* const> units, const ScheduleOptions& options)
      : units_(units), options_(options), order_(units.size()), side_work_(units.size()) {
    std::iota(order_.begin(), order_.end(), 0);
    // Begun units hold memory: they come first.
    std::ranges::stable_sort(order_, std::greater<>(), [this](int64_t i) {
      return std::pair(units_[i]->steps_done() > 0,
                       units_[i]->plan().total_flops() * (1 - units_[i]->progress()));
    });
  }

  absl::Status Execute() {
    std::vector<std::thread> others;
    try {
      for (int i = 1; i < options_.threads; ++i) others.emplace_back([this] { Work(); });
    } catch (const std::system_error&) {
      // The machine has no more threads to give; those that there are do the work.
    }
    Work();
    for (std::thread& thread : others) thread.join();
    return status_;
  }

 private:
  bool Stopped() {
    if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) {
      Fail(absl::CancelledError("interrupted"));
    }
    return failed_.load(std::memory_order_relaxed);
  }

  void Fail(absl::Status status) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (status_.ok()) status_ = std::move(status);
    failed_ = true;
  }

  void Work() {
    // A stop that comes when nothing is left to do is none.
    for (size_t next; (next = next_.fetch_add(1)) < order_.size();) {
      RunUnit(order_[next]);
      side_work_.UnitEnded();
    }
    side_work_.Serve();
  }

  void RunUnit(int64_t index) {
    Unit& unit = *units_[index];
    if (unit.finished() || Stopped()) return;
    SideWork::Account side_work(&side_work_);
    unit.UseSpareThreads(&side_work);
    const auto step = [&] { return unit.steps_done() + 1; };
    const auto report = [&](double cpu_seconds) {
      if (!options_.after_chunk) return absl::OkStatus();
      return Guarded(step, [&] { return options_.after_chunk(index, cpu_seconds); });
    };
    absl::Status error;   // Of the unit.
    absl::Status status;  // Of the run.
    int64_t steps = 1;    // The first chunk measures.
    do {
      const double wall = WallSeconds();
      const double cpu = base::ThreadCpuSeconds();
      const int64_t before = unit.steps_done();
      error = Guarded(step, [&] { return unit.Advance(steps); });
      if (error.ok() && unit.steps_done() <= before) {
        error = absl::InternalError(absl::StrCat("stands still at step ", before));
      }
      if (!error.ok()) break;
      const double cpu_seconds = base::ThreadCpuSeconds() - cpu;
      if (unit.finished()) side_work.Wait();
      status = report(cpu_seconds + side_work.TakeCpuSeconds());
      // Only how often reports come depends on time, never a number.
      const double elapsed = std::max(WallSeconds() - wall, 1e-6);
      const double factor = std::clamp(options_.chunk_seconds / elapsed, 0.25, 4.0);
      steps = std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(steps) * factor));
    } while (status.ok() && !unit.finished() && !Stopped());
    side_work.Wait();
    unit.UseSpareThreads(nullptr);
    const double late_seconds = side_work.TakeCpuSeconds();
    if (!error.ok()) {
      status = options_.after_failure ? options_.after_failure(index, error) : error;
    } else if (status.ok() && late_seconds > 0) {
      status = report(late_seconds);
    }
    if (!status.ok()) {
      return Fail(
          absl::Status(status.code(), absl::StrCat(unit.key().Id(), ": ", status.message())));
    }
    if (!error.ok() || unit.finished()) unit.Release();
  }

  const std::span<Unit* const> units_;
  const ScheduleOptions& options_;
  std::vector<int64_t> order_;
  SideWork side_work_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  absl::Status status_;
};

}  // namespace

double PlannedMemoryBytes(std::span<Unit* const> units, int threads) {
  std::vector<double> bytes;
  double begun = 0;
  for (const Unit* unit : units) {
    if (unit->finished()) continue;
    bytes.push_back(unit->plan().memory_bytes);
    if (unit->steps_done() > 0) begun += unit->plan().memory_bytes;
  }
  std::ranges::sort(bytes, std::greater<>());
  const size_t together = std::min(bytes.size(), static_cast<size_t>(threads));
  // New units start when no begun one waits: then there are no more than threads.
  return std::max(
      begun, std::accumulate(bytes.begin(), bytes.begin() + static_cast<int64_t>(together), 0.0));
}

absl::Status CheckMemory(std::span<Unit* const> units, int threads, int64_t memory_bytes) {
  const double needed = PlannedMemoryBytes(units, threads);
  if (needed <= static_cast<double>(memory_bytes)) return absl::OkStatus();
  const Unit* const largest = *std::ranges::max_element(units, {}, [](const Unit* unit) {
    return unit->finished() ? -1 : unit->plan().memory_bytes;
  });
  return absl::ResourceExhaustedError(absl::StrFormat(
      "%d units at a time need %.3g GB (%s alone %.3g GB) and %.3g GB are free; use fewer threads, "
      "or make the network, the batches or the data smaller",
      std::min<int64_t>(threads, std::ssize(units)), needed / 1e9, largest->key().Id(),
      largest->plan().memory_bytes / 1e9, static_cast<double>(memory_bytes) / 1e9));
}

absl::Status RunUnits(std::span<Unit* const> units, const ScheduleOptions& options) {
  CHECK_GE(options.threads, 1);
  PERENNIAL_RETURN_IF_ERROR(CheckMemory(units, options.threads, options.memory_bytes));
  return Run(units, options).Execute();
}

}  // namespace perennial::population
