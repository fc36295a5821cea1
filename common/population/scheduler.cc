#include "common/population/scheduler.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/cpu_clock.h"
#include "common/base/logging.h"

namespace perennial::population {
namespace {

double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class Run {
 public:
  Run(std::span<Unit* const> units, const ScheduleOptions& options)
      : units_(units), options_(options), order_(units.size()) {
    std::iota(order_.begin(), order_.end(), 0);
    std::ranges::stable_sort(order_, std::greater<>(), [this](int64_t i) {
      return units_[i]->plan().total_flops() * (1 - units_[i]->progress());
    });
  }

  absl::Status Execute() {
    const int threads = std::min<int>(options_.threads, static_cast<int>(units_.size()));
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back([this] { Work(); });
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
    for (size_t next; (next = next_.fetch_add(1)) < order_.size();) RunUnit(order_[next]);
  }

  void RunUnit(int64_t index) {
    Unit& unit = *units_[index];
    int64_t steps = 1;  // The first chunk measures.
    while (!unit.finished() && !Stopped()) {
      const double wall = WallSeconds();
      const double cpu = base::ThreadCpuSeconds();
      absl::Status status = unit.Advance(steps);
      if (status.ok() && options_.after_chunk) {
        status = options_.after_chunk(index, base::ThreadCpuSeconds() - cpu);
      }
      if (!status.ok()) {
        Fail(absl::Status(status.code(), absl::StrCat(unit.key().Id(), ": ", status.message())));
        return;
      }
      // Only how often reports come depends on time, never a number.
      const double elapsed = std::max(WallSeconds() - wall, 1e-6);
      const double factor = std::clamp(options_.chunk_seconds / elapsed, 0.25, 4.0);
      steps = std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(steps) * factor));
    }
  }

  const std::span<Unit* const> units_;
  const ScheduleOptions& options_;
  std::vector<int64_t> order_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  absl::Status status_;
};

}  // namespace

absl::Status RunUnits(std::span<Unit* const> units, const ScheduleOptions& options) {
  CHECK_GE(options.threads, 1);
  return Run(units, options).Execute();
}

}  // namespace perennial::population
