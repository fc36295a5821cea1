#include "common/report/latex.h"

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/logging.h"

namespace perennial::report {
namespace {

// A line break would end a comment.
std::string OneLine(absl::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

std::string Fixed(double value, const LatexNumber& number) {
  const double scaled = value / std::pow(10.0, number.exponent);
  std::string text = absl::StrFormat("%.*f", number.decimals, scaled);
  if (text[0] == '-' && text.find_first_not_of("-0.") == std::string::npos) text.erase(0, 1);
  return text;
}

std::string Row(const std::vector<std::string>& cells, size_t columns) {
  CHECK_LE(cells.size(), columns);
  std::vector<std::string> all = cells;
  all.resize(columns);
  return absl::StrCat(absl::StrJoin(all, " & "), " \\\\\n");
}

}  // namespace

std::string LatexText(absl::string_view text) {
  std::string latex;
  for (const char c : OneLine(text)) {
    switch (c) {
      case '{':
      case '}':
      case '$':
      case '&':
      case '#':
      case '%':
      case '_':
        latex += '\\';
        latex += c;
        break;
      case '\\':
        latex += "\\textbackslash{}";
        break;
      case '~':
        latex += "\\textasciitilde{}";
        break;
      case '^':
        latex += "\\textasciicircum{}";
        break;
      // The default font encoding shows other characters in these places.
      case '<':
        latex += "\\textless{}";
        break;
      case '>':
        latex += "\\textgreater{}";
        break;
      case '|':
        latex += "\\textbar{}";
        break;
      // Read as arguments of the \\ that ends the row before, if they begin one.
      case '[':
      case '*':
        absl::StrAppend(&latex, "{", std::string(1, c), "}");
        break;
      default:
        latex += c;
    }
  }
  return latex;
}

std::string LatexUncertain(const LatexNumber& number) {
  CHECK(std::isfinite(number.value));
  CHECK(!number.half_width || std::isfinite(*number.half_width));
  const std::string value = Fixed(number.value, number);
  std::string text = number.bold ? absl::StrCat("\\mathbf{", value, "}") : value;
  if (number.half_width) absl::StrAppend(&text, " \\pm ", Fixed(*number.half_width, number));
  if (number.exponent != 0) {
    if (number.half_width) text = absl::StrCat("(", text, ")");
    absl::StrAppend(&text, " \\times 10^{", number.exponent, "}");
  }
  return absl::StrCat("$", text, "$");
}

std::string LatexTabularText(const LatexTabular& tabular) {
  const size_t count = tabular.columns.size();
  std::string text;
  for (const std::string& comment : tabular.comments) {
    absl::StrAppend(&text, "% ", OneLine(comment), "\n");
  }
  std::string alignment;
  std::vector<std::string> names;
  for (const Column& column : tabular.columns) {
    alignment += column.align == Align::kRight ? 'r' : 'l';
    names.push_back(column.name);
  }
  absl::StrAppend(&text, "\\begin{tabular}{", alignment, "}\n\\toprule\n", Row(names, count));
  for (const LatexSection& section : tabular.sections) {
    absl::StrAppend(&text, "\\midrule\n");
    if (!section.title.empty()) {
      absl::StrAppend(&text, "\\multicolumn{", count, "}{l}{\\textit{", LatexText(section.title),
                      "}} \\\\\n");
    }
    for (const auto& row : section.rows) absl::StrAppend(&text, Row(row, count));
  }
  absl::StrAppend(&text, "\\bottomrule\n\\end{tabular}\n");
  return text;
}

}  // namespace perennial::report
