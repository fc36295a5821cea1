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

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_AVAILABLE_MEMORY_H_
