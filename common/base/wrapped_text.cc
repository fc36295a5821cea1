#include "common/base/wrapped_text.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace perennial::base {

size_t ColumnsOf(absl::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; });
}

std::string WrappedText(const std::vector<absl::string_view>& words, size_t width,
                        absl::string_view first, absl::string_view rest) {
  if (words.empty()) return "";
  std::string text(first);
  size_t columns = ColumnsOf(first);
  bool begins = true;  // A line, so that the word stands in it whatever its length.
  for (const absl::string_view word : words) {
    const size_t own = ColumnsOf(word);
    if (!begins && columns + 1 + own > width) {
      absl::StrAppend(&text, "\n", rest);
      columns = ColumnsOf(rest);
      begins = true;
    }
    absl::StrAppend(&text, begins ? "" : " ", word);
    columns += (begins ? 0 : 1) + own;
    begins = false;
  }
  return text + "\n";
}

}  // namespace perennial::base
