// A piece of a user's text for a message: one line, of bounded length.
//
//   absl::StrCat("--seeds ", Excerpt(text), ": ...")
#ifndef PERENNIAL_COMMON_BASE_EXCERPT_H_
#define PERENNIAL_COMMON_BASE_EXCERPT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace perennial::base {

// Control characters and bytes that are not UTF-8 become escapes (\n, \x1b); what is longer than
// `max_bytes` is cut between two characters, and "..." tells so.
std::string Excerpt(absl::string_view text, size_t max_bytes = 120);

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_EXCERPT_H_
