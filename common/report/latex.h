// Tables for a paper: a tabular for LaTeX with the package booktabs and nothing else, made to be
// \input into a table environment of one's own.
//
//   LatexTabular tabular{.comments = {"made by ..."},
//                        .columns = {{"method"}, {"accuracy", Align::kRight}}};
//   tabular.sections.push_back({"", {{LatexText("mc_sgd"), LatexUncertain({.value = 0.59,
//                                     .half_width = 0.015, .decimals = 3, .bold = true})}}});
//   LatexTabularText(tabular);  // ... mc\_sgd & $\mathbf{0.590} \pm 0.015$ \\ ...
#ifndef PERENNIAL_COMMON_REPORT_LATEX_H_
#define PERENNIAL_COMMON_REPORT_LATEX_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/report/table.h"

namespace perennial::report {

// Plain text for LaTeX: \ { } $ & # % _ ~ ^ < > | [ * escaped; a line break or another control
// character becomes a blank. Other characters stay, as LaTeX reads UTF-8.
std::string LatexText(absl::string_view text);

struct LatexNumber {
  double value = 0;                  // finite
  std::optional<double> half_width;  // after \pm; finite
  int decimals = 3;
  int exponent = 0;   // both numbers are shown divided by 10^exponent, times it behind
  bool bold = false;  // the value
};

// A formula: $0.592 \pm 0.015$.
std::string LatexUncertain(const LatexNumber& number);

// Rows with a title above them if it is not empty. Cells are LaTeX.
struct LatexSection {
  std::string title;
  std::vector<std::vector<std::string>> rows;
};

struct LatexTabular {
  std::vector<std::string> comments;  // plain text; each stands on a line of its own
  std::vector<Column> columns;        // names are LaTeX
  std::vector<LatexSection> sections;
};

// A row with more cells than columns is a programmer's error; a shorter one is filled up.
std::string LatexTabularText(const LatexTabular& tabular);

}  // namespace perennial::report

#endif  // PERENNIAL_COMMON_REPORT_LATEX_H_
