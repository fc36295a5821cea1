#include "common/population/guarded.h"

#include <exception>
#include <new>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace perennial::population {

absl::Status Guarded(absl::FunctionRef<int64_t()> step, absl::FunctionRef<absl::Status()> work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrCat("out of memory in step ", step(), "; use fewer threads or smaller batches"));
  } catch (const std::exception& error) {
    // LibTorch appends a trace of its calls.
    const std::string what = error.what();
    return absl::InternalError(
        absl::StrCat("in step ", step(), ": ", absl::string_view(what).substr(0, what.find('\n'))));
  }
}

}  // namespace perennial::population
