#include "common/base/available_memory.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/file_io.h"

namespace perennial::base {
namespace {

// Version 2 of control groups, then version 1: limit, usage, statistics.
constexpr const char* kGroupFiles[][3] = {
    {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"},
    {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
     "/sys/fs/cgroup/memory/memory.stat"}};

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

int64_t ParseGroupMemory(absl::string_view limit, absl::string_view usage,
                         absl::string_view statistics) {
  int64_t limit_bytes = 0, used_bytes = 0;
  // "max" is no number: no limit.
  if (!absl::SimpleAtoi(limit, &limit_bytes) || !absl::SimpleAtoi(usage, &used_bytes)) return -1;
  // Version 1 has totals of its own, of the group and those below.
  int64_t cached = 0, total_cached = -1;
  for (const absl::string_view line : absl::StrSplit(statistics, '\n')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    int64_t bytes = 0;
    if (!absl::SimpleAtoi(parts.second, &bytes)) continue;
    if (parts.first == "inactive_file" || parts.first == "active_file") cached += bytes;
    if (parts.first == "total_inactive_file" || parts.first == "total_active_file") {
      total_cached = std::max<int64_t>(total_cached, 0) + bytes;
    }
  }
  if (total_cached >= 0) cached = total_cached;
  return std::max<int64_t>(0, limit_bytes - used_bytes + cached);
}

int64_t AvailableMemoryBytes() {
  int64_t available = std::numeric_limits<int64_t>::max();
  if (const auto text = ReadFile("/proc/meminfo"); text.ok()) {
    const int64_t free = ParseMemoryAvailable(*text);
    if (free >= 0) available = free;
  }
  for (const auto& [limit_file, usage_file, statistics_file] : kGroupFiles) {
    const auto limit = ReadFile(limit_file), usage = ReadFile(usage_file);
    const auto statistics = ReadFile(statistics_file);
    if (!limit.ok() || !usage.ok()) continue;
    const int64_t left = ParseGroupMemory(*limit, *usage, statistics.value_or(""));
    if (left >= 0) available = std::min(available, left);
  }
  return available;
}

}  // namespace perennial::base
