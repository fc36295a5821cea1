#include "common/testing/tensor_memory.h"

#include <algorithm>

#include "c10/core/Allocator.h"
#include "c10/util/ThreadLocalDebugInfo.h"

namespace perennial::testing {

// Stands where a profiler does, whom the allocator tells what it does.
struct TensorMemory::Counter : c10::MemoryReportingInfoBase {
  void reportMemoryUsage(void* /*pointer*/, int64_t size, size_t /*total_allocated*/,
                         size_t /*total_reserved*/, c10::Device /*device*/) override {
    live += size;  // Negative when freed.
    peak = std::max(peak, live);
  }
  bool memoryProfilingEnabled() const override { return true; }

  int64_t live = 0;
  int64_t peak = 0;
};

struct TensorMemory::Guard {
  explicit Guard(std::shared_ptr<Counter> counter)
      : installed(c10::DebugInfoKind::PROFILER_STATE, std::move(counter)) {}

  c10::DebugInfoGuard installed;
};

TensorMemory::TensorMemory()
    : counter_(std::make_shared<Counter>()), guard_(std::make_unique<Guard>(counter_)) {}
TensorMemory::~TensorMemory() = default;

int64_t TensorMemory::live() const { return counter_->live; }
int64_t TensorMemory::peak() const { return counter_->peak; }

}  // namespace perennial::testing
