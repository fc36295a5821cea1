#include "common/base/available_memory.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/file_io.h"

namespace perennial::base {
namespace {

std::optional<int64_t> ReadNumber(const char* path) {
  const auto text = ReadFile(path);
  int64_t value = 0;
  // "max" is no number: no limit.
  if (!text.ok() || !absl::SimpleAtoi(*text, &value)) return std::nullopt;
  return value;
}

// Version 2 of control groups, then version 1.
constexpr const char* kGroupFiles[][2] = {
    {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
    {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"}};

}  // namespace

int64_t ParseMemoryAvailable(absl::string_view meminfo) {
  for (const absl::string_view line : absl::StrSplit(meminfo, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    int64_t kilobytes = 0;
    if (words.size() >= 2 && words[0] == "MemAvailable:" &&
        absl::SimpleAtoi(words[1], &kilobytes)) {
      return kilobytes * 1024;
    }
  }
  return -1;
}

int64_t AvailableMemoryBytes() {
  int64_t available = std::numeric_limits<int64_t>::max();
  if (const auto text = ReadFile("/proc/meminfo"); text.ok()) {
    const int64_t free = ParseMemoryAvailable(*text);
    if (free >= 0) available = free;
  }
  for (const auto& [limit_file, usage_file] : kGroupFiles) {
    const std::optional<int64_t> limit = ReadNumber(limit_file);
    const std::optional<int64_t> usage = ReadNumber(usage_file);
    if (limit.has_value() && usage.has_value()) {
      available = std::min(available, std::max<int64_t>(0, *limit - *usage));
    }
  }
  return available;
}

}  // namespace perennial::base
