// How much memory this process may still take.
#ifndef PERENNIAL_COMMON_BASE_AVAILABLE_MEMORY_H_
#define PERENNIAL_COMMON_BASE_AVAILABLE_MEMORY_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace perennial::base {

// Bytes that can be had without swapping: what the kernel counts as available, or what is left
// below the limit of the control group, whichever is less. INT64_MAX if neither can be read.
int64_t AvailableMemoryBytes();

// Bytes that the text of /proc/meminfo says are available; -1 if it says nothing.
int64_t ParseMemoryAvailable(absl::string_view meminfo);

// Bytes left below a control group's limit, from the texts of its files of limit, usage and
// statistics, where cached files count as free; -1 without a limit.
int64_t ParseGroupMemory(absl::string_view limit, absl::string_view usage,
                         absl::string_view statistics);

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_AVAILABLE_MEMORY_H_
