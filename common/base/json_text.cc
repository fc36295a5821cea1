#include "common/base/json_text.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace perennial::base {
namespace {

// Bytes of the UTF-8 sequence at the front of `text` (RFC 3629: no overlong forms, no surrogates,
// nothing beyond U+10FFFF); 0 if it is none.
size_t Utf8Length(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                        : first >= 0xe0 && first <= 0xef ? 3
                        : first >= 0xf0 && first <= 0xf4 ? 4
                                                         : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
      (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) {
    return 0;
  }
  return length;
}

template <typename T>
std::string Shortest(T value) {
  if (!std::isfinite(value)) return "null";
  // Readers take "-0" for a whole number, which has no sign.
  if (value == 0 && std::signbit(value)) return "-0.0";
  char buffer[64];
  const std::to_chars_result result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, result.ptr);
}

}  // namespace

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string JsonString(absl::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const char c = text[0];
    if (length == 0) {
      quoted += "\\ufffd";
      text.remove_prefix(1);
      continue;
    }
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) {
      absl::StrAppendFormat(&quoted, "\\u%04x", static_cast<int>(c));
    } else {
      quoted.append(text.data(), length);
    }
    text.remove_prefix(length);
  }
  quoted += '"';
  return quoted;
}

std::string JsonNumber(double value) { return Shortest(value); }
std::string JsonNumber(float value) { return Shortest(value); }

std::string JsonArray(absl::Span<const double> values) {
  std::string text = "[";
  for (const double value : values) {
    absl::StrAppend(&text, text.size() > 1 ? "," : "", JsonNumber(value));
  }
  return text + "]";
}

std::string JsonArray(absl::Span<const std::string> values) {
  std::string text = "[";
  for (const std::string& value : values) {
    absl::StrAppend(&text, text.size() > 1 ? "," : "", JsonString(value));
  }
  return text + "]";
}

JsonObject& JsonObject::AddRaw(absl::string_view key, absl::string_view json) {
  absl::StrAppend(&body_, body_.empty() ? "" : ",", JsonString(key), ":", json);
  return *this;
}

}  // namespace perennial::base
