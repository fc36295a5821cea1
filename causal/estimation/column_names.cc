#include "causal/estimation/column_names.h"

#include <algorithm>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/excerpt.h"

namespace perennial::causal {
namespace {

constexpr size_t kShownBytes = 60;

// Shells leave these alone.
bool IsPlain(absl::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::string_view("_-./:@%+").find(c) != absl::string_view::npos;
  });
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseNames(absl::string_view flag,
                                                    absl::string_view list) {
  const auto error = [&](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", flag, " ", base::Excerpt(list), ": ", what));
  };
  std::vector<std::string> names;
  absl::string_view rest = list;
  while (true) {
    rest = absl::StripLeadingAsciiWhitespace(rest);
    std::string name;
    if (absl::ConsumePrefix(&rest, "\"")) {
      while (true) {
        const size_t quote = rest.find('"');
        if (quote == absl::string_view::npos) return error("the quote is never closed");
        absl::StrAppend(&name, rest.substr(0, quote));
        rest.remove_prefix(quote + 1);
        if (!absl::ConsumePrefix(&rest, "\"")) break;
        name.push_back('"');
      }
      rest = absl::StripLeadingAsciiWhitespace(rest);
      if (!rest.empty() && rest[0] != ',') {
        return error("text follows a closing quote; write '\"a, b\",c'");
      }
    } else {
      const size_t comma = std::min(rest.find(','), rest.size());
      name = std::string(absl::StripTrailingAsciiWhitespace(rest.substr(0, comma)));
      rest.remove_prefix(comma);
    }
    if (name.empty()) return error("a name is empty; write a,b");
    names.push_back(name);
    if (!absl::ConsumePrefix(&rest, ",")) return names;
  }
}

std::string FlagWithName(absl::string_view flag, absl::string_view name) {
  std::string text = base::Excerpt(name, kShownBytes);
  if (text.find_first_of(",\"") != std::string::npos) {
    text = absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
  }
  if (!IsPlain(text)) text = absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
  return absl::StrCat("--", flag, " ", text);
}

absl::StatusOr<const data::CsvColumn*> ColumnOfFlag(const data::CsvTable& table,
                                                    absl::string_view flag,
                                                    absl::string_view name) {
  absl::StatusOr<const data::CsvColumn*> column = table.Column(name);
  if (column.ok()) return column;
  absl::string_view message = column.status().message();
  absl::ConsumePrefix(&message, absl::StrCat(table.name(), ": "));
  // "bmi" or "kg/m2" of "bmi, kg/m2"?
  for (const data::CsvColumn& other : table.columns()) {
    const std::vector<absl::string_view> pieces = absl::StrSplit(other.name, ',');
    if (pieces.size() > 1 && std::ranges::any_of(pieces, [&](absl::string_view piece) {
          return absl::StripAsciiWhitespace(piece) == name;
        })) {
      return absl::NotFoundError(
          absl::StrCat("--", flag, ": ", message,
                       "; a name with a comma stands in quotes: ", FlagWithName(flag, other.name)));
    }
  }
  return absl::NotFoundError(absl::StrCat("--", flag, ": ", message));
}

}  // namespace perennial::causal
