#include "causal/estimation/date_text.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/ascii.h"

namespace perennial::causal {
namespace {

struct Number {
  int value = 0;
  size_t digits = 0;  // 0: there is none.
};

// Takes up to `most` digits from the front.
Number Take(absl::string_view& text, size_t most) {
  Number number;
  while (number.digits < most && number.digits < text.size() &&
         absl::ascii_isdigit(static_cast<unsigned char>(text[number.digits]))) {
    number.value = 10 * number.value + (text[number.digits] - '0');
    ++number.digits;
  }
  text.remove_prefix(number.digits);
  return number;
}

bool TakeOne(absl::string_view& text, absl::string_view of) {
  if (text.empty() || of.find(text[0]) == absl::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

bool AreDayAndMonth(const Number& a, const Number& b) {
  return a.digits > 0 && a.digits <= 2 && b.digits > 0 && b.digits <= 2 && a.value >= 1 &&
         b.value >= 1 && std::max(a.value, b.value) <= 31 && std::min(a.value, b.value) <= 12;
}

// What follows the hour of a time.
bool IsRestOfTime(absl::string_view text) {
  if (!TakeOne(text, ":") || Take(text, 2).digits != 2) return false;
  if (TakeOne(text, ":")) {
    if (Take(text, 2).digits != 2) return false;
    if (TakeOne(text, ".,") && Take(text, 9).digits == 0) return false;
  }
  TakeOne(text, " ");
  if (TakeOne(text, "AaPp")) return TakeOne(text, "Mm") && text.empty();
  if (TakeOne(text, "Zz")) return text.empty();
  if (!TakeOne(text, "+-")) return text.empty();
  if (Take(text, 2).digits != 2) return false;
  if (text.empty()) return true;
  TakeOne(text, ":");
  return Take(text, 2).digits == 2 && text.empty();
}

}  // namespace

bool IsDateText(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  const Number first = Take(text, 4);
  if (text.empty()) return false;
  const char mark = text[0];
  const absl::string_view marks(&mark, 1);
  if (!TakeOne(text, "-/.")) return false;
  const Number second = Take(text, 2);
  if (!TakeOne(text, marks)) return false;
  const Number third = Take(text, 4);
  const bool year_first = first.digits == 4 && AreDayAndMonth(second, third);
  // With points, 1.2.10 is rather a version.
  const bool year_last =
      (third.digits == 4 || (third.digits == 2 && mark != '.')) && AreDayAndMonth(first, second);
  if (!year_first && !year_last) return false;
  if (text.empty()) return true;
  if (!TakeOne(text, "Tt ")) return false;
  return Take(text, 2).digits > 0 && IsRestOfTime(text);
}

bool IsTimeText(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  const Number hour = Take(text, 2);
  if (hour.digits == 0 || hour.value > 24 || !IsRestOfTime(text)) return false;
  text.remove_prefix(1);
  return Take(text, 2).value < 60;
}

bool IsDateNumber(double number) {
  if (!(number >= 18000101 && number <= 21991231) || number != std::floor(number)) return false;
  const auto whole = static_cast<int>(number);
  const int month = whole / 100 % 100;
  const int day = whole % 100;
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

}  // namespace perennial::causal
