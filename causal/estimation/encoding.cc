#include "causal/estimation/encoding.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "causal/estimation/column_names.h"
#include "causal/estimation/date_text.h"
#include "causal/estimation/leaks.h"
#include "causal/estimation/missing_codes.h"
#include "common/base/excerpt.h"
#include "common/base/json_text.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace perennial::causal {
namespace {

using data::CsvColumn;
using data::CsvTable;
using data::CsvType;

constexpr int kMaxArms = 10;
// Squares of larger numbers come near to what a double holds.
constexpr double kLargest = 1e100;
// Fewer rows may all differ by chance.
constexpr int64_t kIdentifierRows = 20;
constexpr int32_t kNoArm = -1;
// Different numbers of a treatment of which two are named.
constexpr size_t kMostNamedArms = 10000;

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", base::Excerpt(text, 60), "\"");
}

absl::Status Invalid(absl::string_view role, absl::string_view name, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(role, " ", Quoted(name), ": ", what));
}

bool IsMissing(const CsvColumn& column, int64_t row) {
  switch (column.type) {
    case CsvType::kNumber:
      return std::isnan(column.numbers[row]);
    case CsvType::kBoolean:
      return column.booleans[row] < 0;
    case CsvType::kText:
      break;
  }
  return column.codes[row] < 0;
}

// As a table of this decimal mark has it.
bool IsNumber(const std::string& text, char decimal_mark) {
  if (decimal_mark == ',') {
    return text.find('.') == std::string::npos &&
           IsNumber(absl::StrReplaceAll(text, {{",", "."}}), '.');
  }
  double value;
  return absl::SimpleAtod(text, &value) && std::isfinite(value);
}

// "1,234", "12,5", "3 000", "50%", "$7"; where the mark is a comma, "1.234", "12.5".
bool IsNearlyNumber(const std::string& text, char decimal_mark) {
  return IsNumber(absl::StrReplaceAll(text, {{decimal_mark == '.' ? "," : ".", ""},
                                             {" ", ""},
                                             {"\u00a0", ""},
                                             {"\u202f", ""},
                                             {"'", ""},
                                             {"%", ""},
                                             {"$", ""},
                                             {"\u00a3", ""},
                                             {"\u20ac", ""}}),
                  decimal_mark);
}

// Text among numbers is more often a slip than a category.
absl::Status CheckText(absl::string_view role, const CsvColumn& column, char decimal_mark) {
  size_t numbers = 0;
  std::optional<size_t> first_other;
  for (size_t k = 0; k < column.categories.size(); ++k) {
    if (IsNumber(column.categories[k], decimal_mark)) {
      ++numbers;
    } else {
      if (!first_other) first_other = k;
      numbers += IsNearlyNumber(column.categories[k], decimal_mark) ? 1 : 0;
    }
  }
  if (!first_other || 2 * numbers < column.categories.size()) return absl::OkStatus();
  const std::string& other = column.categories[*first_other];
  const auto row = std::ranges::find(column.codes, static_cast<int32_t>(*first_other));
  return Invalid(
      role, column.name,
      absl::StrCat(Quoted(other), " in row ", row - column.codes.begin() + 1,
                   !IsNearlyNumber(other, decimal_mark)
                       ? " is not a finite number, as other values are; mend it or leave it empty"
                   : decimal_mark == '.'
                       ? " is a number with a comma, blank or sign in it; write it as 1234.5 (for "
                         "decimal commas: --decimal_mark , and another --delimiter)"
                       : " is a number with a point, blank or sign in it; write it as 1234,5 (for "
                         "decimal points leave out --decimal_mark)",
                   role == "covariate" ? ", or name a column of categories in --categorical" : ""));
}

// Texts of which most are dates, or times of a day.
struct Dates {
  std::string text;  // "holds dates, as "2024-03-01" in row 3"
  const char* unit;  // A number of what they could be instead.
  bool all;
};
std::optional<Dates> DatesOf(const CsvColumn& column) {
  if (column.type != CsvType::kText) return std::nullopt;
  struct Kind {
    const char* name;
    const char* unit;
    bool (*is)(absl::string_view);
  };
  for (const Kind& kind : {Kind{"dates", "days", IsDateText}, Kind{"times", "hours", IsTimeText}}) {
    const auto is = [&](const std::string& text) { return kind.is(text); };
    const auto first = std::ranges::find_if(column.categories, is);
    const auto count = std::ranges::count_if(column.categories, is);
    if (2 * count <= std::ssize(column.categories)) continue;
    const auto row =
        std::ranges::find(column.codes, static_cast<int32_t>(first - column.categories.begin()));
    return Dates{absl::StrCat("holds ", kind.name, ", as ", Quoted(*first), " in row ",
                              row - column.codes.begin() + 1),
                 kind.unit, count == std::ssize(column.categories)};
  }
  return std::nullopt;
}

absl::Status CheckSize(absl::string_view role, const CsvColumn& column) {
  for (size_t row = 0; row < column.numbers.size(); ++row) {
    if (std::abs(column.numbers[row]) > kLargest) {
      return Invalid(role, column.name,
                     absl::StrCat(NumberText(column.numbers[row]), " in row ", row + 1,
                                  " is too large; numbers reach to 1e100"));
    }
  }
  return absl::OkStatus();
}

// Values of a column of few different ones: a code for each row, and what users call them.
struct Values {
  std::vector<int32_t> code_of_row;  // -1: missing.
  std::vector<std::string> names;
  std::vector<double> numbers;  // Of a numeric or boolean column.
  bool too_many = false;        // More numbers than asked for; the rest is not filled.
};

// As the table spells it.
std::string BooleanName(const CsvColumn& column, bool value) {
  const std::vector<std::string>& words = value ? column.true_words : column.false_words;
  return !words.empty() ? words[0] : value ? "true" : "false";
}

Values ValuesOf(const CsvColumn& column, size_t most_numbers = kMaxArms) {
  Values values;
  std::unordered_map<double, int32_t> places;
  const auto rows = static_cast<int64_t>(
      std::max({column.numbers.size(), column.booleans.size(), column.codes.size()}));
  values.code_of_row.assign(rows, -1);
  if (column.type == CsvType::kText) {
    values.code_of_row = column.codes;
    values.names = column.categories;
    return values;
  }
  for (int64_t row = 0; row < rows; ++row) {
    if (IsMissing(column, row)) continue;
    const double number =
        column.type == CsvType::kNumber ? column.numbers[row] : column.booleans[row];
    const auto [place, is_new] =
        places.emplace(number, static_cast<int32_t>(values.numbers.size()));
    if (is_new && values.numbers.size() == most_numbers) {
      values.too_many = true;
      return values;
    }
    values.code_of_row[row] = place->second;
    if (is_new) values.numbers.push_back(number);
  }
  for (const double number : values.numbers) {
    values.names.push_back(column.type == CsvType::kBoolean ? BooleanName(column, number != 0)
                                                            : absl::StrFormat("%.15g", number));
  }
  return values;
}

// Two texts that differ in blanks around them or in case alone; empty if there are none.
std::vector<std::string> TwoSpellings(const std::vector<std::string>& texts) {
  std::unordered_map<std::string, const std::string*> seen;
  for (const std::string& text : texts) {
    const std::string plain = absl::AsciiStrToLower(absl::StripAsciiWhitespace(text));
    const auto [place, is_new] = seen.emplace(plain, &text);
    if (!is_new) return {*place->second, text};
  }
  return {};
}

// The value that a user means; -1: none.
absl::StatusOr<int> CodeNamed(const Values& values, const CsvColumn& column,
                              const std::string& word, const char* flag) {
  if (word.empty()) return -1;
  const auto place = std::ranges::find(values.names, word);
  if (place != values.names.end()) return static_cast<int>(place - values.names.begin());
  double number;
  if (absl::SimpleAtod(word, &number)) {
    const auto equal = std::ranges::find(values.numbers, number);
    if (equal != values.numbers.end()) return static_cast<int>(equal - values.numbers.begin());
  }
  const std::string lower = absl::AsciiStrToLower(word);
  for (size_t k = 0; column.type == CsvType::kBoolean && k < values.names.size(); ++k) {
    const bool value = values.numbers[k] != 0;
    if (lower == (value ? "yes" : "no") || lower == (value ? "true" : "false")) {
      return static_cast<int>(k);
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": ",
                   base::UnknownNameMessage(absl::StrCat("value of ", Quoted(column.name)), word,
                                            values.names)));
}

struct Arms {
  std::vector<int32_t> of_row;  // kNoArm: left out.
  std::vector<std::string> names;
  int64_t missing = 0;
};

absl::StatusOr<Arms> ReadTreatment(const CsvColumn& column, const EncodingOptions& options,
                                   Encoded& encoded) {
  const bool two_named = !options.treated_value.empty() && !options.control_value.empty();
  const size_t most = two_named ? kMostNamedArms : size_t{kMaxArms};
  const Values values = ValuesOf(column, most);
  if (values.too_many) {
    return Invalid("treatment", column.name,
                   absl::StrCat("has more than ", CountText(static_cast<int64_t>(most)),
                                " different numbers; arms are compared, 2 to ", kMaxArms,
                                " of them: make a column of two words, as low and high, by "
                                "cutting it at a value",
                                two_named ? ""
                                          : ", or name two with --treated_value and "
                                            "--control_value"));
  }
  const auto count = static_cast<int>(values.names.size());
  const bool any_named = !options.treated_value.empty() || !options.control_value.empty();
  if (const std::optional<Dates> dates = DatesOf(column);
      dates && !two_named && (count > kMaxArms || (dates->all && !any_named))) {
    return Invalid("treatment", column.name,
                   absl::StrCat(dates->text,
                                "; a treatment tells who was treated: make a column of 0 and 1 of "
                                "it (1 from some ",
                                dates->unit == absl::string_view("days") ? "day" : "hour",
                                " on, or where there is one at all), or name two of its values "
                                "with --treated_value and --control_value"));
  }
  if (count > kMaxArms && !two_named) {
    return Invalid("treatment", column.name,
                   absl::StrCat("has ", CountText(count), " different texts, as ",
                                Quoted(values.names[0]), "; a treatment has 2 to ", kMaxArms,
                                " arms, or two of many that --treated_value and --control_value "
                                "name"));
  }
  if (const auto two = TwoSpellings(values.names); !two.empty()) {
    return Invalid("treatment", column.name,
                   absl::StrCat(Quoted(two[0]), " and ", Quoted(two[1]),
                                " differ only in blanks or in case; spell a value in one way"));
  }
  if (count == 0) return Invalid("treatment", column.name, "has no values");
  if (count == 1) {
    return Invalid("treatment", column.name,
                   absl::StrCat("is ", Quoted(values.names[0]),
                                " in every row; an effect needs units in two arms at least"));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const int treated,
                             CodeNamed(values, column, options.treated_value, "--treated_value"));
  PERENNIAL_ASSIGN_OR_RETURN(int control,
                             CodeNamed(values, column, options.control_value, "--control_value"));
  if (treated >= 0 && treated == control) {
    return Invalid("treatment", column.name,
                   absl::StrCat("--treated_value and --control_value are both ",
                                Quoted(values.names[control])));
  }
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, [&](int a, int b) {
    return values.numbers.empty() ? values.names[a] < values.names[b]
                                  : values.numbers[a] < values.numbers[b];
  });
  if (treated >= 0 && control >= 0) {
    order = {control, treated};
    if (count > 2) {
      const auto others = std::ranges::count_if(values.code_of_row, [&](int32_t code) {
        return code >= 0 && code != control && code != treated;
      });
      encoded.notes.push_back(absl::StrCat(
          "Only the arms ", Quoted(values.names[control]), " and ", Quoted(values.names[treated]),
          " of ", Quoted(column.name), " are used; ", CountText(others),
          others == 1 ? " row of another is" : " rows of others are", " left out."));
    }
  } else if (treated >= 0) {
    if (count > 2) {
      return Invalid("treatment", column.name,
                     absl::StrCat("has ", count, " arms: ", absl::StrJoin(values.names, ", "),
                                  "; name the control with --control_value as well to compare two, "
                                  "or alone to compare all with it"));
    }
    control = 1 - treated;
  } else if (control < 0 && count == 2 && values.numbers.empty()) {
    return Invalid("treatment", column.name,
                   absl::StrCat("holds ", Quoted(values.names[0]), " and ", Quoted(values.names[1]),
                                "; say which one is the treatment with --treated_value"));
  } else if (control < 0) {
    control = order[0];
    const double first = values.numbers.empty() ? 1 : values.numbers[control];
    if (count > 2 && first != 0) {
      std::vector<std::string> names;
      for (const int k : order) names.push_back(Quoted(values.names[k]));
      encoded.warnings.push_back(absl::StrCat(
          "The control of ", Quoted(column.name), " is ", names[0], ", for no better reason than ",
          values.numbers.empty() ? "that it is the first in the alphabet"
                                 : "that it is the smallest",
          ": every effect is one against it. --control_value names another of ",
          absl::StrJoin(names, ", "), "; with --treated_value as well two are compared."));
    } else if (count > 2 || first != 0 || values.numbers[order[1]] != 1) {
      encoded.notes.push_back(absl::StrCat("The control of \"", column.name, "\" is ",
                                           Quoted(values.names[control]),
                                           ", the smallest of its values; --control_value names "
                                           "another."));
    }
  }
  std::ranges::stable_partition(order, [control](int k) { return k == control; });

  Arms arms;
  std::vector<int32_t> arm_of_code(count, kNoArm);
  for (const int k : order) {
    arm_of_code[k] = static_cast<int32_t>(arms.names.size());
    arms.names.push_back(values.names[k]);
  }
  for (const int32_t code : values.code_of_row) {
    arms.of_row.push_back(code < 0 ? kNoArm : arm_of_code[code]);
    arms.missing += code < 0 ? 1 : 0;
  }
  return arms;
}

// NaN where missing. Names the outcome in the schema.
absl::StatusOr<std::vector<double>> ReadOutcome(const CsvColumn& column,
                                                const EncodingOptions& options, Encoded& encoded) {
  encoded.schema.outcome = column.name;
  const bool chosen = !options.outcome_value.empty();
  if (column.type == CsvType::kText && !chosen) {
    if (const std::optional<Dates> dates = DatesOf(column)) {
      return Invalid("outcome", column.name,
                     absl::StrCat(dates->text, "; an outcome is a number: give the ", dates->unit,
                                  " since a start instead, as since each unit's treatment"));
    }
    PERENNIAL_RETURN_IF_ERROR(CheckText("outcome", column, options.decimal_mark));
    if (column.categories.size() == 2) {
      return Invalid("outcome", column.name,
                     absl::StrCat("holds ", Quoted(column.categories[0]), " and ",
                                  Quoted(column.categories[1]),
                                  "; say which one counts as 1 with --outcome_value"));
    }
    return Invalid("outcome", column.name,
                   absl::StrCat("holds text (", Quoted(column.categories[0]),
                                "); an outcome is a number, 0/1 or true/false, or one of two words "
                                "(--outcome_value)"));
  }
  PERENNIAL_RETURN_IF_ERROR(CheckSize("outcome", column));
  if (column.type == CsvType::kNumber && !chosen) {
    const auto not_a_date = [](double v) { return !std::isnan(v) && !IsDateNumber(v); };
    const auto known =
        std::ranges::find_if(column.numbers, [](double v) { return !std::isnan(v); });
    if (known != column.numbers.end() && std::ranges::none_of(column.numbers, not_a_date)) {
      encoded.warnings.push_back(absl::StrCat(
          "Outcome ", Quoted(column.name), " may hold dates, as ", NumberText(*known, 8),
          ", whose differences are no time: give the days since a start instead."));
    }
    return column.numbers;
  }
  const Values values = ValuesOf(column);
  int one = -1;
  if (chosen) {
    if (values.too_many || values.names.size() > 2) {
      std::string some;
      for (size_t k = 0; k < std::min<size_t>(values.names.size(), 3); ++k) {
        absl::StrAppend(&some, k == 0 ? " (" : ", ", Quoted(values.names[k]));
      }
      return Invalid(
          "outcome", column.name,
          absl::StrCat("has more than two different values", some, some.empty() ? "" : ", ...)",
                       "; --outcome_value chooses one of two"));
    }
    PERENNIAL_ASSIGN_OR_RETURN(one,
                               CodeNamed(values, column, options.outcome_value, "--outcome_value"));
    encoded.schema.outcome = absl::StrCat(column.name, "=", values.names[one]);
  } else {
    one = static_cast<int>(std::ranges::find(values.numbers, 1) - values.numbers.begin());
  }
  if (values.names.size() == 2) {
    encoded.notes.push_back(absl::StrCat("The outcome ", Quoted(column.name), " is 1 for ",
                                         Quoted(values.names[one]), " and 0 for ",
                                         Quoted(values.names[1 - one]), "."));
  }
  std::vector<double> outcome;
  for (const int32_t code : values.code_of_row) {
    outcome.push_back(code < 0 ? std::numeric_limits<double>::quiet_NaN() : code == one ? 1 : 0);
  }
  return outcome;
}

// Values of the parts of one column, in the table that is encoded or a later one.
class ColumnReader {
 public:
  ColumnReader(const CsvColumn& column, const ColumnEncoding& encoding)
      : column_(column), encoding_(encoding) {
    const auto others = static_cast<int32_t>(encoding.levels.size());
    std::unordered_map<std::string, int32_t> places;
    for (int32_t k = 0; k < others; ++k) places.emplace(encoding.levels[k], k);
    for (const std::string& category : column.categories) {
      const auto place = places.find(category);
      level_of_code_.push_back(place == places.end() ? others : place->second);
    }
  }

  bool Missing(int64_t row) const { return IsMissing(column_, row); }
  // levels.size(): one without an indicator.
  int32_t Level(int64_t row) const { return level_of_code_[column_.codes[row]]; }

  double Part(int64_t row, int part) const {
    const bool missing = Missing(row);
    if (part == Feature::kMissing) return missing ? 1 : 0;
    if (encoding_.type == CsvType::kText) {
      const auto level = missing ? static_cast<int32_t>(encoding_.fill) : Level(row);
      return level == part ? 1 : 0;
    }
    if (missing) return encoding_.fill;
    return encoding_.type == CsvType::kNumber ? column_.numbers[row] : column_.booleans[row];
  }

 private:
  const CsvColumn& column_;
  const ColumnEncoding& encoding_;
  std::vector<int32_t> level_of_code_;
};

// Warnings of numbers that may stand for a missing value.
void AddMissingCodes(absl::string_view what, absl::string_view name, std::span<const double> values,
                     Encoded& encoded) {
  for (const MissingCodes& codes : MissingCodesOf(values)) {
    const std::string which = absl::StrJoin(codes.values, " or ", [](std::string* out, double v) {
      absl::StrAppend(out, NumberText(v, 15));
    });
    const std::string others =
        absl::StrCat(NumberText(codes.low, 6), " to ", NumberText(codes.high, 6));
    encoded.warnings.push_back(absl::StrCat(
        what, " ", Quoted(name), " is ", which, " in ", CountText(codes.rows), " rows, ",
        codes.far ? absl::StrCat("far from all other values (", others, ")")
                  : absl::StrCat("and not below 0 in the others (", others, ")"),
        ": if that stands for a missing value, leave those cells empty."));
  }
}

// The encoding of a covariate, from the rows that are used.
absl::StatusOr<ColumnEncoding> EncodingOf(const CsvColumn& column, const EncodingOptions& options,
                                          const std::vector<int64_t>& rows, Encoded& encoded) {
  ColumnEncoding encoding = {.name = column.name, .type = column.type};
  const bool forced =
      std::ranges::find(options.categorical, column.name) != options.categorical.end();
  int64_t missing = 0;
  for (const int64_t row : rows) missing += IsMissing(column, row) ? 1 : 0;
  const int64_t known = static_cast<int64_t>(rows.size()) - missing;
  encoding.had_missing = missing > 0;
  std::string filled;
  switch (column.type) {
    case CsvType::kNumber: {
      PERENNIAL_RETURN_IF_ERROR(CheckSize("covariate", column));
      encoding.low = std::numeric_limits<double>::infinity();
      encoding.high = -encoding.low;
      double mean = 0;
      int64_t seen = 0;
      bool whole = true;
      bool rising = true;
      std::vector<double> values;
      values.reserve(rows.size());
      for (const int64_t row : rows) {
        const double value = column.numbers[row];
        values.push_back(value);
        if (std::isnan(value)) continue;
        whole = whole && value == std::floor(value);
        rising = rising && (seen == 0 || value > encoding.high);
        encoding.low = std::min(encoding.low, value);
        encoding.high = std::max(encoding.high, value);
        mean += (value - mean) / static_cast<double>(++seen);
      }
      encoding.fill = mean;
      filled = absl::StrCat("its mean, ", NumberText(mean));
      if (whole && rising && seen == static_cast<int64_t>(rows.size()) && seen >= kIdentifierRows) {
        encoded.warnings.push_back(
            absl::StrCat("Covariate ", Quoted(column.name),
                         " is a whole number that rises from row to row: if it numbers the rows, "
                         "leave it out with ",
                         FlagWithName("ignore", column.name), "."));
      }
      AddMissingCodes("Covariate", column.name, values, encoded);
      break;
    }
    case CsvType::kBoolean: {
      int64_t ones = 0;
      for (const int64_t row : rows) ones += column.booleans[row] == 1 ? 1 : 0;
      encoding.fill = 2 * ones > known ? 1 : 0;
      filled = absl::StrCat("the more frequent value, ",
                            Quoted(BooleanName(column, encoding.fill != 0)));
      break;
    }
    case CsvType::kText: {
      if (!forced) PERENNIAL_RETURN_IF_ERROR(CheckText("covariate", column, options.decimal_mark));
      std::vector<int64_t> count(column.categories.size());
      for (const int64_t row : rows) {
        if (column.codes[row] >= 0) ++count[column.codes[row]];
      }
      std::vector<int32_t> levels;
      for (size_t k = 0; k < count.size(); ++k) {
        if (count[k] > 0) levels.push_back(static_cast<int32_t>(k));
      }
      const auto distinct = static_cast<int64_t>(levels.size());
      const auto all_are = [&](bool (*is)(absl::string_view)) {
        return !forced &&
               std::ranges::all_of(levels, [&](int32_t k) { return is(column.categories[k]); });
      };
      const bool times = all_are(IsTimeText);
      const bool dates = times || all_are(IsDateText);
      const std::string of_dates =
          dates ? absl::StrCat("holds ", times ? "times" : "dates", ", as ",
                               Quoted(column.categories[levels[0]]), ": make them a number, as ",
                               times ? "hours since midnight" : "days since some day",
                               ", or leave them out with ", FlagWithName("ignore", column.name))
                : "";
      if (dates && distinct == known && known >= kIdentifierRows) {
        return Invalid("covariate", column.name, of_dates);
      }
      if (dates) {
        encoded.warnings.push_back(absl::StrCat("Covariate ", Quoted(column.name), " ", of_dates,
                                                "; as they are, each is a category."));
      }
      if (distinct == known && known >= kIdentifierRows) {
        return Invalid("covariate", column.name,
                       absl::StrCat("all ", CountText(known),
                                    " texts differ, as in an identifier; leave it out with ",
                                    FlagWithName("ignore", column.name),
                                    ", or name the covariates with --covariates"));
      }
      std::vector<std::string> texts;
      for (const int32_t level : levels) texts.push_back(column.categories[level]);
      if (const auto two = TwoSpellings(texts); !two.empty()) {
        encoded.warnings.push_back(absl::StrCat(
            "Covariate ", Quoted(column.name), ": ", Quoted(two[0]), " and ", Quoted(two[1]),
            " differ only in blanks or in case, and are two categories."));
      }
      const auto frequent = [&](int32_t a, int32_t b) { return count[a] > count[b]; };
      if (distinct > options.max_levels) {
        std::ranges::stable_sort(levels, frequent);
        levels.resize(options.max_levels - 1);
        std::ranges::sort(levels);
        encoding.others = true;
        encoded.notes.push_back(absl::StrCat(
            "Covariate ", Quoted(column.name), ": of ", CountText(distinct), " texts the ",
            levels.size(), " most frequent have an indicator each, the others share one."));
      }
      for (const int32_t level : levels) encoding.levels.push_back(column.categories[level]);
      const auto mode = std::ranges::min_element(levels, frequent);
      encoding.fill = static_cast<double>(mode - levels.begin());
      filled = absl::StrCat("the most frequent text, ", Quoted(column.categories[*mode]));
      if (!encoding.others && distinct > 1) {
        encoded.notes.push_back(distinct == 2
                                    ? absl::StrCat("Covariate ", Quoted(column.name), " is 1 for ",
                                                   Quoted(encoding.levels[1]), " and 0 for ",
                                                   Quoted(encoding.levels[0]), ".")
                                    : absl::StrCat("Covariate ", Quoted(column.name), ": ",
                                                   distinct, " texts have an indicator each."));
      }
      break;
    }
  }
  if (missing > 0) {
    encoded.notes.push_back(
        absl::StrCat("Covariate ", Quoted(column.name), ": ", CountText(missing),
                     missing == 1 ? " missing value is set to " : " missing values are set to ",
                     filled, "; an indicator tells where."));
  }
  return encoding;
}

std::vector<int> PartsOf(const ColumnEncoding& encoding) {
  std::vector<int> parts;
  if (encoding.type != CsvType::kText) {
    parts.push_back(Feature::kValue);
  } else {
    const int levels = static_cast<int>(encoding.levels.size()) + (encoding.others ? 1 : 0);
    for (int k = levels == 2 ? 1 : 0; k < levels; ++k) parts.push_back(k);
  }
  if (encoding.had_missing) parts.push_back(Feature::kMissing);
  return parts;
}

uint64_t HashOf(std::span<const double> values) {
  uint64_t hash = 14695981039346656037u;
  for (const double value : values) {
    uint64_t bits;
    const double positive = value == 0 ? 0 : value;  // -0 equals 0.
    std::memcpy(&bits, &positive, sizeof(bits));
    hash = (hash ^ bits) * 1099511628211u;
    hash ^= hash >> 29;
  }
  return hash;
}

// Of the feature `name` of a column: whether it is the treatment or the outcome, and a warning if
// it may be the outcome.
absl::Status CheckLeak(const std::string& name, const std::string& column,
                       std::span<const double> values, Encoded& encoded) {
  const Observations& observations = encoded.observations;
  const std::string leave_out = absl::StrCat("leave it out with ", FlagWithName("ignore", column));
  std::vector<double> of_arm(observations.arms);
  for (size_t i = values.size(); i-- > 0;) of_arm[observations.treatment[i]] = values[i];
  // Of fewer units each arm has one value by chance.
  bool is_arm = values.size() >= 2 * of_arm.size();
  for (size_t i = 0; is_arm && i < values.size(); ++i) {
    is_arm = values[i] == of_arm[observations.treatment[i]];
  }
  if (is_arm) {
    return Invalid("covariate", name,
                   absl::StrCat("has one value in each arm, so no units of the two can be "
                                "compared; ",
                                leave_out));
  }
  if (std::ranges::equal(values, observations.outcome)) {
    return Invalid("covariate", name, absl::StrCat("equals the outcome in every row; ", leave_out));
  }
  const OutcomeLink link = LinkToOutcome(values, observations);
  const std::string plus = link.intercept == 0
                               ? ""
                               : absl::StrCat(link.intercept < 0 ? " less " : " plus ",
                                              NumberText(std::abs(link.intercept)));
  const std::string if_outcome = absl::StrCat(
      ". If it was made from the outcome, or came after the treatment, ", leave_out, ".");
  switch (link.kind) {
    case OutcomeLink::Kind::kNone:
      break;
    case OutcomeLink::Kind::kCopy:
      return Invalid(
          "covariate", name,
          absl::StrCat("is the outcome in other units: the outcome is ", NumberText(link.slope),
                       " times it", plus, " in every row, up to rounding; ", leave_out));
    case OutcomeLink::Kind::kNear:
      encoded.warnings.push_back(absl::StrFormat(
          "Covariate %s may be the outcome: within arms their correlation is %.4f%s", Quoted(name),
          link.correlation, if_outcome));
      break;
    case OutcomeLink::Kind::kMonotone:
      encoded.warnings.push_back(absl::StrFormat(
          "Covariate %s may be the outcome: it %s with it almost without exception%s", Quoted(name),
          link.correlation > 0 ? "rises" : "falls", if_outcome));
      break;
  }
  return absl::OkStatus();
}

// A warning that a covariate tells an arm from control.
void AddSplit(const std::string& name, const std::string& column, const ArmSplit& split,
              absl::string_view where, Encoded& encoded) {
  encoded.warnings.push_back(
      absl::StrCat("Covariate ", Quoted(name), where, " tells arm ",
                   Quoted(encoded.schema.arms[split.arm]), " from ", Quoted(encoded.schema.arms[0]),
                   " in ", CountText(split.told), " of ", CountText(split.units),
                   " units: if it came with the treatment or after it, leave it out with ",
                   FlagWithName("ignore", column), "; else hardly any units can be compared."));
}

// Columns that are covariates, in the order of the table.
absl::StatusOr<std::vector<const CsvColumn*>> CovariatesOf(const CsvTable& table,
                                                           const EncodingOptions& options) {
  std::set<std::string> taken = {options.treatment, options.outcome};
  if (options.treatment == options.outcome) {
    return absl::InvalidArgumentError(absl::StrCat(
        "treatment and outcome are both ", Quoted(options.treatment), "; name two columns"));
  }
  if (!options.cluster.empty() && !taken.insert(options.cluster).second) {
    return absl::InvalidArgumentError(absl::StrCat("cluster ", Quoted(options.cluster),
                                                   " is the treatment or the outcome as well"));
  }
  for (const std::string& name : options.categorical) {
    PERENNIAL_ASSIGN_OR_RETURN(const CsvColumn* column, ColumnOfFlag(table, "categorical", name));
    if (column->type != CsvType::kText) {
      return Invalid("--categorical", name,
                     absl::StrCat("was read as a ", data::CsvTypeName(column->type),
                                  "; only a CSV's columns can be read as text"));
    }
  }
  std::vector<const CsvColumn*> columns;
  if (!options.covariates.empty()) {
    for (const std::string& name : options.covariates) {
      PERENNIAL_ASSIGN_OR_RETURN(const CsvColumn* column, ColumnOfFlag(table, "covariates", name));
      if (taken.contains(name)) {
        return Invalid("covariate", name,
                       "is the treatment, the outcome or the cluster, or stands twice");
      }
      taken.insert(name);
      columns.push_back(column);
    }
  }
  std::set<std::string> ignored;
  for (const std::string& name : options.ignore) {
    PERENNIAL_RETURN_IF_ERROR(ColumnOfFlag(table, "ignore", name).status());
    if (name == options.treatment || name == options.outcome) {
      return absl::InvalidArgumentError(
          absl::StrCat("--ignore ", name, ": it is the ",
                       name == options.treatment ? "treatment" : "outcome", " itself"));
    }
    ignored.insert(name);
  }
  if (options.covariates.empty()) {
    for (const CsvColumn& column : table.columns()) {
      if (!taken.contains(column.name)) columns.push_back(&column);
    }
  }
  std::erase_if(columns, [&](const CsvColumn* column) { return ignored.contains(column->name); });
  return columns;
}

absl::Status ReadClusters(const CsvColumn& column, const std::vector<int64_t>& rows,
                          const Arms& arms, const EncodingOptions& options, Encoded& encoded) {
  std::unordered_map<double, int32_t> places;
  for (const int64_t row : rows) {
    if (IsMissing(column, row)) {
      return Invalid("cluster", column.name, absl::StrCat("row ", row + 1, " has no value"));
    }
    const double key = column.type == CsvType::kNumber    ? column.numbers[row]
                       : column.type == CsvType::kBoolean ? column.booleans[row]
                                                          : column.codes[row];
    const auto place = places.emplace(key, static_cast<int32_t>(places.size())).first;
    encoded.observations.cluster.push_back(place->second);
  }
  if (places.size() < 2) return Invalid("cluster", column.name, "is the same in every row");
  std::vector<std::set<int32_t>> of_arm(arms.names.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    of_arm[arms.of_row[rows[i]]].insert(encoded.observations.cluster[i]);
  }
  for (size_t a = 0; a < of_arm.size(); ++a) {
    if (std::ssize(of_arm[a]) >= options.least_clusters_of_arm) continue;
    return Invalid(
        "treatment", options.treatment,
        absl::StrCat("the units of arm ", Quoted(arms.names[a]), " are in only ", of_arm[a].size(),
                     of_arm[a].size() == 1 ? " cluster" : " clusters", " of ", Quoted(column.name),
                     "; an arm needs ", options.least_clusters_of_arm,
                     ", since a cluster is fitted to or left out as a whole"));
  }
  encoded.notes.push_back(absl::StrCat("Units are dependent within the ",
                                       CountText(static_cast<int64_t>(places.size())),
                                       " clusters of ", Quoted(column.name), "."));
  return absl::OkStatus();
}

// The features that are kept, and the matrix of them.
absl::Status FillFeatures(const std::vector<const CsvColumn*>& columns,
                          const std::vector<int64_t>& rows, Encoded& encoded) {
  EncodingSchema& schema = encoded.schema;
  Observations& observations = encoded.observations;
  const size_t n = rows.size();
  std::vector<ColumnReader> readers;
  for (size_t c = 0; c < columns.size(); ++c) readers.emplace_back(*columns[c], schema.columns[c]);
  const auto fill = [&](const Feature& feature, std::vector<double>& values) {
    values.resize(n);
    for (size_t i = 0; i < n; ++i) {
      values[i] = readers[feature.column].Part(rows[i], feature.part);
    }
  };
  std::vector<double> values;
  std::vector<double> earlier;
  std::unordered_map<uint64_t, std::vector<Feature>> by_hash;
  for (size_t c = 0; c < columns.size(); ++c) {
    bool told = false;  // That the column tells an arm.
    for (const int part : PartsOf(schema.columns[c])) {
      const Feature feature = {static_cast<int>(c), part};
      const std::string name = schema.NameOf(feature);
      fill(feature, values);
      if (std::ranges::all_of(values, [&](double v) { return v == values[0]; })) {
        encoded.notes.push_back(absl::StrCat("Covariate ", Quoted(name), " is ",
                                             NumberText(values[0]),
                                             " in every row and is left out."));
        continue;
      }
      PERENNIAL_RETURN_IF_ERROR(CheckLeak(name, columns[c]->name, values, encoded));
      if (columns[c]->type != CsvType::kText && !told) {
        if (const std::optional<ArmSplit> split = SplitOfArms(values, observations)) {
          const bool indicator =
              std::ranges::all_of(values, [](double v) { return v == 0 || v == 1; });
          const std::string where = indicator
                                        ? ""
                                        : absl::StrCat(split->above ? " (above " : " (not above ",
                                                       NumberText(split->threshold), ")");
          AddSplit(name, columns[c]->name, *split, where, encoded);
          told = true;
        }
      }
      std::vector<Feature>& candidates = by_hash[HashOf(values)];
      const auto equal = std::ranges::find_if(candidates, [&](const Feature& candidate) {
        fill(candidate, earlier);
        return earlier == values;
      });
      if (equal != candidates.end()) {
        encoded.notes.push_back(absl::StrCat("Covariate ", Quoted(name), " equals ",
                                             Quoted(schema.NameOf(*equal)),
                                             " in every row and is left out."));
        continue;
      }
      candidates.push_back(feature);
      schema.features.push_back(feature);
    }
    if (columns[c]->type != CsvType::kText) continue;
    // All levels at once: a single clinic need not tell what all do.
    const auto others = static_cast<int32_t>(schema.columns[c].levels.size());
    std::vector<int32_t> levels;
    for (const int64_t row : rows) {
      levels.push_back(readers[c].Missing(row) ? others + 1 : readers[c].Level(row));
    }
    if (const std::optional<ArmSplit> split = SplitByCategory(levels, others + 2, observations)) {
      AddSplit(columns[c]->name, columns[c]->name, *split, "", encoded);
    }
  }
  if (schema.features.empty()) {
    return absl::InvalidArgumentError(
        "no covariate is left: give columns that vary, and not only treatment and outcome");
  }
  const size_t p = schema.features.size();
  observations.covariates.resize(n * p);
  std::set<std::string> names;
  for (size_t j = 0; j < p; ++j) {
    const Feature& feature = schema.features[j];
    observations.covariate_names.push_back(schema.NameOf(feature));
    if (const std::string& name = observations.covariate_names.back(); !names.insert(name).second) {
      encoded.warnings.push_back(absl::StrCat(
          "Two covariates are called ", Quoted(name),
          ", a column and what is made of another: rename the column to tell them apart."));
    }
    for (size_t i = 0; i < n; ++i) {
      observations.covariates[i * p + j] = readers[feature.column].Part(rows[i], feature.part);
    }
  }
  return absl::OkStatus();
}

// Members of JSON that is not trusted.
class JsonReader {
 public:
  explicit JsonReader(const nlohmann::json& json) : json_(json) {}

  template <typename T>
  T Get(const char* key) {
    const auto place = json_.is_object() ? json_.find(key) : json_.end();
    if constexpr (std::is_same_v<T, std::string>) {
      if (place != json_.end() && place->is_string()) return place->get<std::string>();
    } else if constexpr (std::is_same_v<T, bool>) {
      if (place != json_.end() && place->is_boolean()) return place->get<bool>();
    } else if constexpr (std::is_same_v<T, int>) {
      if (place != json_.end() && place->is_number_integer()) {
        const int64_t value = place->get<int64_t>();
        if (value >= -2 && value <= 1000000) return static_cast<int>(value);
      }
    } else {
      if (place != json_.end() && place->is_number()) return place->get<double>();
    }
    Fail(key);
    return T();
  }
  std::vector<std::string> Texts(const char* key) {
    std::vector<std::string> texts;
    for (const nlohmann::json& text : List(key)) {
      if (!text.is_string()) {
        Fail(key);
        return {};
      }
      texts.push_back(text.get<std::string>());
    }
    return texts;
  }
  const nlohmann::json& List(const char* key) {
    static const auto* const kEmpty = new nlohmann::json(nlohmann::json::array());
    const auto place = json_.is_object() ? json_.find(key) : json_.end();
    if (place != json_.end() && place->is_array()) return *place;
    Fail(key);
    return *kEmpty;
  }
  const absl::Status& status() const { return status_; }

 private:
  void Fail(const char* key) {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat("the encoding of columns: \"", key, "\" is missing or of another kind"));
  }

  const nlohmann::json& json_;
  absl::Status status_;
};

constexpr CsvType kTypes[] = {CsvType::kNumber, CsvType::kBoolean, CsvType::kText};

}  // namespace

std::string CountText(int64_t count) {
  const std::string digits = absl::StrCat(count);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text.push_back(',');
    text.push_back(digits[i]);
  }
  return text;
}

std::string NumberText(double value, int digits) { return absl::StrFormat("%.*g", digits, value); }

std::string EncodingSchema::NameOf(const Feature& feature) const {
  const ColumnEncoding& column = columns[feature.column];
  if (feature.part == Feature::kValue) return column.name;
  if (feature.part == Feature::kMissing) return absl::StrCat(column.name, " missing");
  return absl::StrCat(column.name, "=",
                      feature.part < static_cast<int>(column.levels.size())
                          ? column.levels[feature.part]
                          : "(others)");
}

std::map<std::string, CsvType> EncodingSchema::Types() const {
  std::map<std::string, CsvType> types;
  for (const Feature& feature : features) {
    types.emplace(columns[feature.column].name, columns[feature.column].type);
  }
  return types;
}

std::string EncodingSchema::Json() const {
  std::vector<std::string> of_columns;
  for (const ColumnEncoding& column : columns) {
    of_columns.push_back(base::JsonObject()
                             .Add("name", column.name)
                             .Add("type", data::CsvTypeName(column.type))
                             .Add("fill", column.fill)
                             .Add("had_missing", column.had_missing)
                             .Add("low", column.low)
                             .Add("high", column.high)
                             .AddRaw("levels", base::JsonArray(column.levels))
                             .Add("others", column.others)
                             .Text());
  }
  std::vector<std::string> of_features;
  for (const Feature& feature : features) {
    of_features.push_back(
        base::JsonObject().Add("column", feature.column).Add("part", feature.part).Text());
  }
  return base::JsonObject()
      .Add("treatment", treatment)
      .Add("outcome", outcome)
      .AddRaw("arms", base::JsonArray(arms))
      .Add("binary_outcome", binary_outcome)
      .AddRaw("columns", absl::StrCat("[", absl::StrJoin(of_columns, ","), "]"))
      .AddRaw("features", absl::StrCat("[", absl::StrJoin(of_features, ","), "]"))
      .Text();
}

absl::StatusOr<EncodingSchema> EncodingSchema::FromJson(absl::string_view json) {
  const nlohmann::json parsed =
      nlohmann::json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) {
    return absl::InvalidArgumentError("the encoding of columns is not a JSON object");
  }
  JsonReader reader(parsed);
  EncodingSchema schema = {.treatment = reader.Get<std::string>("treatment"),
                           .outcome = reader.Get<std::string>("outcome"),
                           .arms = reader.Texts("arms"),
                           .binary_outcome = reader.Get<bool>("binary_outcome")};
  for (const nlohmann::json& of_column : reader.List("columns")) {
    JsonReader column(of_column);
    ColumnEncoding encoding = {.name = column.Get<std::string>("name"),
                               .fill = column.Get<double>("fill"),
                               .had_missing = column.Get<bool>("had_missing"),
                               .low = column.Get<double>("low"),
                               .high = column.Get<double>("high"),
                               .levels = column.Texts("levels"),
                               .others = column.Get<bool>("others")};
    const auto type = column.Get<std::string>("type");
    PERENNIAL_RETURN_IF_ERROR(column.status());
    const auto known = std::ranges::find(kTypes, type, data::CsvTypeName);
    if (known == std::end(kTypes)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the encoding of columns: a type ", Quoted(type), " is not known"));
    }
    encoding.type = *known;
    if (encoding.type == CsvType::kText &&
        !(encoding.fill >= 0 &&
          encoding.fill <= static_cast<double>(std::max<size_t>(encoding.levels.size(), 1)) - 1)) {
      return absl::InvalidArgumentError("the encoding of columns: a fill is not a level");
    }
    schema.columns.push_back(std::move(encoding));
  }
  for (const nlohmann::json& of_feature : reader.List("features")) {
    JsonReader feature(of_feature);
    const int column = feature.Get<int>("column");
    const int part = feature.Get<int>("part");
    PERENNIAL_RETURN_IF_ERROR(feature.status());
    if (column < 0 || column >= static_cast<int>(schema.columns.size())) {
      return absl::InvalidArgumentError("the encoding of columns: a feature is of no column");
    }
    const ColumnEncoding& encoding = schema.columns[column];
    const bool text = encoding.type == CsvType::kText;
    if (part != Feature::kMissing &&
        (text ? part < 0 || part > static_cast<int>(encoding.levels.size())
              : part != Feature::kValue)) {
      return absl::InvalidArgumentError("the encoding of columns: a feature has no such part");
    }
    schema.features.push_back({column, part});
  }
  PERENNIAL_RETURN_IF_ERROR(reader.status());
  if (schema.arms.size() < 2 || schema.arms.size() > kMaxArms || schema.features.empty()) {
    return absl::InvalidArgumentError("the encoding of columns: too few arms or features");
  }
  return schema;
}

namespace {

// "a", "b" and 3 more
std::string NamesText(const std::vector<std::string>& names) {
  constexpr size_t kShown = 5;
  std::vector<std::string> shown;
  for (size_t k = 0; k < std::min(names.size(), kShown); ++k) shown.push_back(Quoted(names[k]));
  return absl::StrCat(
      absl::StrJoin(shown, ", "),
      names.size() > kShown ? absl::StrCat(" and ", names.size() - kShown, " more") : "");
}

// What the reader passed over, of all columns in one sentence each. `used` begins with treatment
// and outcome.
void AddReadingNotes(const CsvTable& table, const std::vector<const CsvColumn*>& used,
                     Encoded& encoded) {
  std::vector<std::string> trimmed;
  std::vector<std::string> with_words;
  std::vector<std::string> words;
  std::vector<std::string> booleans;
  std::vector<std::string> labelled;
  for (const CsvColumn* column : used) {
    if (column->labelled) labelled.push_back(column->name);
    const bool is_covariate = column != used[0] && column != used[1];
    if (column->trimmed > 0) trimmed.push_back(column->name);
    if (!column->missing_words.empty()) with_words.push_back(column->name);
    for (const std::string& word : column->missing_words) {
      if (std::ranges::find(words, word) == words.end()) words.push_back(word);
    }
    for (const auto* spellings : {&column->false_words, &column->true_words}) {
      if (spellings->size() < 2) continue;
      encoded.notes.push_back(absl::StrCat("Column ", Quoted(column->name), ": ",
                                           NamesText(*spellings), " are taken as one value."));
    }
    if (column->type == CsvType::kBoolean && is_covariate) {
      booleans.push_back(column->name);
    }
    if (column->leading_zeros > 0 && is_covariate) {
      encoded.warnings.push_back(
          absl::StrCat("Column ", Quoted(column->name), ": ", CountText(column->leading_zeros),
                       " of its numbers begin with 0, as codes do, and are read as numbers: ",
                       FlagWithName("categorical", column->name), " makes them categories."));
    }
    if (column->rounded_integers > 0) {
      encoded.warnings.push_back(absl::StrCat(
          "Column ", Quoted(column->name), ": ", CountText(column->rounded_integers),
          " of its whole numbers are beyond 2^53 and are rounded: if it is an identifier, leave it "
          "out with ",
          FlagWithName("ignore", column->name), "."));
    }
  }
  if (table.skipped_lines() > 0) {
    encoded.notes.push_back(absl::StrCat(
        CountText(table.skipped_lines()),
        table.skipped_lines() == 1 ? " empty line is" : " empty lines are", " passed over."));
  }
  if (!trimmed.empty()) {
    encoded.notes.push_back(
        absl::StrCat("Blanks around values or names are passed over in ", NamesText(trimmed), "."));
  }
  if (!words.empty()) {
    encoded.notes.push_back(absl::StrCat(NamesText(words), words.size() == 1 ? " is" : " are",
                                         " taken as a missing value in ", NamesText(with_words),
                                         "."));
  }
  if (!labelled.empty()) {
    encoded.notes.push_back(absl::StrCat(
        "Stata's value labels are not applied to ", NamesText(labelled),
        ": the numbers count. For the labels as categories, decode the column in Stata."));
  }
  if (!booleans.empty()) {
    encoded.notes.push_back(
        absl::StrCat("Yes and true are 1, no and false are 0 in ", NamesText(booleans), "."));
  }
}

}  // namespace

absl::StatusOr<Encoded> Encode(const CsvTable& table, const EncodingOptions& options) {
  if (options.max_levels < 2) return absl::InvalidArgumentError("max_levels: must be 2 or more");
  PERENNIAL_ASSIGN_OR_RETURN(const CsvColumn* treatment,
                             ColumnOfFlag(table, "treatment", options.treatment));
  PERENNIAL_ASSIGN_OR_RETURN(const CsvColumn* outcome,
                             ColumnOfFlag(table, "outcome", options.outcome));
  const CsvColumn* cluster = nullptr;
  if (!options.cluster.empty()) {
    PERENNIAL_ASSIGN_OR_RETURN(cluster, ColumnOfFlag(table, "cluster", options.cluster));
  }
  PERENNIAL_ASSIGN_OR_RETURN(std::vector<const CsvColumn*> columns, CovariatesOf(table, options));
  Encoded encoded;
  PERENNIAL_ASSIGN_OR_RETURN(const Arms arms, ReadTreatment(*treatment, options, encoded));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> y, ReadOutcome(*outcome, options, encoded));
  Observations& observations = encoded.observations;
  std::vector<int64_t> rows;
  int64_t without_outcome = 0;
  std::vector<int64_t> units(arms.names.size());
  for (int64_t row = 0; row < table.rows(); ++row) {
    if (arms.of_row[row] == kNoArm) continue;
    if (std::isnan(y[row])) {
      ++without_outcome;
      continue;
    }
    rows.push_back(row);
    encoded.rows.push_back(row + 1);
    observations.treatment.push_back(arms.of_row[row]);
    observations.outcome.push_back(y[row]);
    ++units[arms.of_row[row]];
  }
  for (const auto& [missing, role, name] :
       {std::tuple(arms.missing, "treatment", options.treatment),
        std::tuple(without_outcome, "outcome", options.outcome)}) {
    if (missing == 0) continue;
    encoded.notes.push_back(absl::StrCat(CountText(missing), " of ", CountText(table.rows()),
                                         " rows have no ", role, " (", Quoted(name),
                                         ") and are left out."));
  }
  for (size_t a = 0; a < units.size(); ++a) {
    if (units[a] > 0) continue;
    return Invalid(
        "treatment", options.treatment,
        absl::StrCat("arm ", Quoted(arms.names[a]), " has no units with a known outcome"));
  }
  observations.arms = static_cast<int>(arms.names.size());
  observations.binary_outcome =
      std::ranges::all_of(observations.outcome, [](double v) { return v == 0 || v == 1; });
  if (std::ranges::all_of(observations.outcome,
                          [&](double v) { return v == observations.outcome[0]; })) {
    return Invalid("outcome", options.outcome,
                   absl::StrCat("is ", NumberText(observations.outcome[0]),
                                " in every row; there is no effect to estimate"));
  }
  if (std::ssize(rows) < options.least_units) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there are only ", rows.size(), " rows with treatment and outcome; from fewer than ",
        options.least_units, " an effect cannot be told from chance"));
  }
  for (size_t a = 0; a < units.size(); ++a) {
    if (units[a] >= options.least_of_arm) continue;
    return Invalid("treatment", options.treatment,
                   absl::StrCat("arm ", Quoted(arms.names[a]), " has only ", units[a],
                                units[a] == 1 ? " unit" : " units",
                                " with a known outcome; an arm needs ", options.least_of_arm,
                                units.size() > 2 ? ": mend the value if it is a slip, or compare "
                                                   "two arms with --treated_value and "
                                                   "--control_value"
                                                 : ""));
  }
  if (cluster != nullptr) {
    PERENNIAL_RETURN_IF_ERROR(ReadClusters(*cluster, rows, arms, options, encoded));
  }
  std::vector<const CsvColumn*> used = columns;
  used.insert(used.begin(), {treatment, outcome});
  if (cluster != nullptr) used.push_back(cluster);
  AddReadingNotes(table, used, encoded);
  EncodingSchema& schema = encoded.schema;
  schema.treatment = options.treatment;
  schema.arms = arms.names;
  schema.binary_outcome = observations.binary_outcome;
  if (treatment->type == CsvType::kNumber && arms.names.size() > 2) {
    std::vector<double> numbers;
    for (const int64_t row : rows) numbers.push_back(treatment->numbers[row]);
    AddMissingCodes("Treatment", options.treatment, numbers, encoded);
  }
  if (outcome->type == CsvType::kNumber && options.outcome_value.empty()) {
    AddMissingCodes("Outcome", options.outcome, observations.outcome, encoded);
  }
  std::erase_if(columns, [&](const CsvColumn* column) {
    if (!std::ranges::all_of(rows, [&](int64_t row) { return IsMissing(*column, row); })) {
      return false;
    }
    encoded.notes.push_back(
        absl::StrCat("Covariate ", Quoted(column->name), " has no values and is left out."));
    return true;
  });
  for (const CsvColumn* column : columns) {
    PERENNIAL_ASSIGN_OR_RETURN(ColumnEncoding encoding,
                               EncodingOf(*column, options, rows, encoded));
    schema.columns.push_back(std::move(encoding));
  }
  PERENNIAL_RETURN_IF_ERROR(FillFeatures(columns, rows, encoded));
  PERENNIAL_RETURN_IF_ERROR(Validate(observations));
  return encoded;
}

absl::StatusOr<Applied> Apply(const EncodingSchema& schema, const CsvTable& table) {
  const int64_t n = table.rows();
  const auto p = static_cast<int64_t>(schema.features.size());
  Applied applied = {.covariates = std::vector<double>(n * p),
                     .outside = std::vector<std::string>(n)};
  const auto add = [&](int64_t row, const std::string& what) {
    std::string& text = applied.outside[row];
    absl::StrAppend(&text, text.empty() ? "" : "; ", what);
  };
  for (size_t c = 0; c < schema.columns.size(); ++c) {
    const ColumnEncoding& encoding = schema.columns[c];
    const bool used = std::ranges::any_of(
        schema.features, [c](const Feature& f) { return f.column == static_cast<int>(c); });
    if (!used) continue;
    PERENNIAL_ASSIGN_OR_RETURN(const CsvColumn* column, table.Column(encoding.name));
    if (column->type != encoding.type) {
      return Invalid(
          "covariate", encoding.name,
          absl::StrCat("is a ", data::CsvTypeName(column->type), ", the model was fitted to a ",
                       data::CsvTypeName(encoding.type)));
    }
    PERENNIAL_RETURN_IF_ERROR(CheckSize("covariate", *column));
    const ColumnReader reader(*column, encoding);
    for (int64_t j = 0; j < p; ++j) {
      const Feature& feature = schema.features[j];
      if (feature.column != static_cast<int>(c)) continue;
      for (int64_t i = 0; i < n; ++i) {
        applied.covariates[i * p + j] = reader.Part(i, feature.part);
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      if (reader.Missing(i)) {
        if (!encoding.had_missing) add(i, absl::StrCat(encoding.name, " is missing"));
      } else if (encoding.type == CsvType::kNumber) {
        const double value = column->numbers[i];
        if (value < encoding.low || value > encoding.high) {
          add(i, absl::StrCat(encoding.name, "=", NumberText(value, 6), " is ",
                              value < encoding.low ? "below " : "above ",
                              NumberText(value < encoding.low ? encoding.low : encoding.high, 6)));
        }
      } else if (encoding.type == CsvType::kText && !encoding.others &&
                 reader.Level(i) == static_cast<int32_t>(encoding.levels.size())) {
        add(i, absl::StrCat(encoding.name, "=",
                            base::Excerpt(column->categories[column->codes[i]], 40), " is new"));
      }
    }
  }
  return applied;
}

}  // namespace perennial::causal
