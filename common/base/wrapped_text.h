// Words in lines of a terminal.
//
//   out << WrappedText(absl::StrSplit(text, ' '), 80, "- ", "  ");   // An item of a list.
#ifndef PERENNIAL_COMMON_BASE_WRAPPED_TEXT_H_
#define PERENNIAL_COMMON_BASE_WRAPPED_TEXT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace perennial::base {

// Characters of UTF-8, which a terminal shows in a column each but for wide ones.
size_t ColumnsOf(absl::string_view text);

// The words with a blank between them, in lines of at most `width` columns that end with "\n": the
// first begins with `first`, the others with `rest`. A word that is too long has a line of its own.
// Nothing where there is no word.
std::string WrappedText(const std::vector<absl::string_view>& words, size_t width,
                        absl::string_view first = "", absl::string_view rest = "");

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_WRAPPED_TEXT_H_
