// Early returns for absl::Status and absl::StatusOr, and context for the messages they carry.
//
// PERENNIAL_RETURN_IF_ERROR(expr) returns expr's status from the enclosing function (which returns
// absl::Status or absl::StatusOr<T>) if it is an error. PERENNIAL_ASSIGN_OR_RETURN(lhs, expr)
// does the same with a StatusOr and otherwise moves the value into lhs.
//
//   absl::StatusOr<int> CountLines(absl::string_view path) {
//     PERENNIAL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
//     PERENNIAL_RETURN_IF_ERROR(CheckEncoding(text));
//     return std::count(text.begin(), text.end(), '\n');
//   }
#ifndef PERENNIAL_COMMON_BASE_STATUS_MACROS_H_
#define PERENNIAL_COMMON_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace perennial::base {

// The same error with "context: " before its message; OK stays OK.
inline absl::Status WithContext(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(context, ": ", status.message()));
}

}  // namespace perennial::base

#define PERENNIAL_STATUS_CONCAT_INNER_(a, b) a##b
#define PERENNIAL_STATUS_CONCAT_(a, b) PERENNIAL_STATUS_CONCAT_INNER_(a, b)

// A counter instead of a fixed name: an expression may hold a lambda that uses the macros again.
#define PERENNIAL_RETURN_IF_ERROR(...) \
  PERENNIAL_RETURN_IF_ERROR_(PERENNIAL_STATUS_CONCAT_(perennial_status_, __COUNTER__), __VA_ARGS__)
#define PERENNIAL_RETURN_IF_ERROR_(name, ...)                         \
  do {                                                                \
    if (::absl::Status name = (__VA_ARGS__); !name.ok()) return name; \
  } while (false)

#define PERENNIAL_ASSIGN_OR_RETURN(lhs, ...)                                                    \
  PERENNIAL_ASSIGN_OR_RETURN_(PERENNIAL_STATUS_CONCAT_(perennial_status_or_, __COUNTER__), lhs, \
                              __VA_ARGS__)
#define PERENNIAL_ASSIGN_OR_RETURN_(name, lhs, ...)  \
  auto name = (__VA_ARGS__);                         \
  if (!name.ok()) return ::std::move(name).status(); \
  lhs = ::std::move(name).value()

#endif  // PERENNIAL_COMMON_BASE_STATUS_MACROS_H_
