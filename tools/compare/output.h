// A comparison as text, CSV, LaTeX and figures. All of it is a function of the comparison alone:
// equal input gives equal bytes.
#ifndef PERENNIAL_TOOLS_COMPARE_OUTPUT_H_
#define PERENNIAL_TOOLS_COMPARE_OUTPUT_H_

#include <string>
#include <utility>
#include <vector>

#include "tools/compare/comparison.h"

namespace perennial::compare {

// Tables of at most 80 columns: one for each group and metric, then what was used up; then how to
// read them, and the notes.
std::string TerminalText(const Comparison& comparison);

// Numbers in full precision, empty where undefined.
// results.csv: every entity and metric, compared or not.
std::string ResultsCsv(const Comparison& comparison);
// pairs.csv: every test; why there is none, too.
std::string PairsCsv(const Comparison& comparison);
// values.csv: every replicate.
std::string ValuesCsv(const Comparison& comparison);

// table.tex: methods by metrics, mean ± half the interval's width, the best mean in bold, a star
// where the Holm-adjusted test finds a difference to the baseline. `comments` stand above.
std::string LatexTable(const Comparison& comparison, const std::vector<std::string>& comments);

// File name and contents: for each group and metric the means, and the paired differences, best
// first, if there are any.
std::vector<std::pair<std::string, std::string>> Figures(const Comparison& comparison);

}  // namespace perennial::compare

#endif  // PERENNIAL_TOOLS_COMPARE_OUTPUT_H_
