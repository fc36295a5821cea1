// Figures for a paper as static SVG: no script, no fonts but the reader's sans-serif, no date;
// equal input gives equal bytes. Colours are those of the report (for colour blindness; they also
// differ in grey), and every mark is told apart by its place, so that a print in black and white
// reads.
//
// A dot plot: one row an item, from top to bottom, values along the horizontal axis. A row shows
// its mean, its interval and, thin and below each other in ascending order, its replicates. The
// width grows with the longest label; nothing is cut.
//
//   const std::string svg = report::DotPlotSvg(
//       {.title = "rotated", .x_label = "average accuracy", .rows = {{.label = "er", .value = 0.6,
//        .low = 0.58, .high = 0.62, .points = {0.59, 0.6, 0.61}}}});
#ifndef PERENNIAL_COMMON_REPORT_SVG_H_
#define PERENNIAL_COMMON_REPORT_SVG_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace perennial::report {

struct DotRow {
  std::string label;
  double value = 0;           // finite, as are the others
  std::optional<double> low;  // interval, both or none; may be infinite: drawn to the edge
  std::optional<double> high;
  std::vector<double> points;  // replicates; may be empty
  int color = 0;               // index into the palette, which repeats
};

struct DotPlot {
  std::string title;  // may be empty
  std::string x_label;
  std::vector<DotRow> rows;
  std::optional<double> reference;  // a line across all rows, such as 0 of differences
  std::optional<double> margin;     // a band of this half-width (> 0) around the reference
};

// The whole file.
std::string DotPlotSvg(const DotPlot& plot);

// Round numbers (1, 2 or 5 times a power of ten apart), at most `most` (>= 2) of them, within
// [low, high]. low <= high; a single number where they are equal or nothing round lies between.
std::vector<double> RoundTicks(double low, double high, int most);

// Texts of ticks: all with the same digits, and a power of ten taken out where they are very large
// or very small ("×10⁹" in `factor`, else empty).
struct TickTexts {
  std::vector<std::string> texts;
  std::string factor;
};
TickTexts FormatTicks(absl::Span<const double> ticks);

// Plain text for SVG and XML: &, <, >, quotes escaped; control characters, which XML lacks, and
// bytes that are not UTF-8 become U+FFFD.
std::string XmlText(absl::string_view text);

}  // namespace perennial::report

#endif  // PERENNIAL_COMMON_REPORT_SVG_H_
