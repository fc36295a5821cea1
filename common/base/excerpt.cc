#include "common/base/excerpt.h"

#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/json_text.h"

namespace perennial::base {

std::string Excerpt(absl::string_view text, size_t max_bytes) {
  const bool cut = text.size() > max_bytes;
  if (cut) {
    size_t end = max_bytes;
    while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
    text = text.substr(0, end);
  }
  std::string shown;
  const bool utf8 = IsUtf8(text);
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !utf8)) {
      shown += absl::CHexEscape(absl::string_view(&c, 1));
    } else {
      shown += c;
    }
  }
  return cut ? absl::StrCat(shown, "...") : shown;
}

}  // namespace perennial::base
