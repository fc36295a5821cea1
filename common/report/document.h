// A report: one HTML file that holds everything it shows (tables, plots, styles, Plotly), so that
// it opens without network, anywhere, for years.
//
// Tables, key-value lists and texts are plain HTML, readable without JavaScript; plots are drawn by
// Plotly as they come into view. Light or dark as the reader's system says, two columns of plots on
// a wide screen, one on a phone, printable. A series keeps its colour (from a palette for colour
// blindness) in all plots of a document, by its name in order of first appearance. All text given
// here is plain text and is escaped.
//
// Many series stay legible: colours come again with other dashes and marks, bands are left out,
// bars become a list of points, and a plot takes the whole width. A document stays small: plots
// hold six digits (plots() has all), and those beyond 0.8 MB are left out with a note.
//
//   Document document("MC-SGD on rotated Fashion-MNIST", "continual, smoke, 3f2a90c1b7de");
//   document.AddSection("Results", "Mean over three seeds.");
//   document.AddTable(table);
//   document.AddLinePlot({.title = "Average accuracy", .x_label = "task",
//                         .y_label = "accuracy", .series = {{"er", x, y}}});
//   PERENNIAL_ASSIGN_OR_RETURN(std::string plotly_js, LoadPlotly());
//   run->Write("report.html", document.Render(plotly_js));
#ifndef PERENNIAL_COMMON_REPORT_DOCUMENT_H_
#define PERENNIAL_COMMON_REPORT_DOCUMENT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/report/table.h"

namespace perennial::report {

// One curve. x and y are of equal length, low and high too unless they are empty (no band). A value
// that is not finite is a gap.
struct LineSeries {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
  std::vector<double> low;
  std::vector<double> high;
  std::vector<int64_t> n;  // Replicates behind each point, or empty; for the numbers alone.
  // What the others are held against, such as a diagonal: thin, dashed, in no colour of its own.
  bool reference = false;
};

struct LinePlot {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<LineSeries> series;
  bool log_x = false;
  bool log_y = false;
  bool markers = true;  // a dot at each point; leave out for long curves
  // Histograms: x are the middles of bins of equal width, two or more; y what they hold.
  bool steps = false;
};

// values[row][column], nullopt is an empty cell. Row 0 is drawn at the top.
struct Heatmap {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<std::string> columns;
  std::vector<std::string> rows;
  std::vector<std::vector<std::optional<double>>> values;
  std::string value_label;
  // Ends of the colour scale; from the values where absent.
  std::optional<double> min;
  std::optional<double> max;
};

struct Bar {
  std::string series;  // gives the colour
  std::string group;   // place on the axis
  double value;
  std::optional<double> low;  // interval, both or none
  std::optional<double> high;
};

struct BarPlot {
  std::string title;
  std::string y_label;
  std::vector<Bar> bars;
};

struct RowSeries {
  std::string name;
  std::vector<double> values;  // [rows]; one that is not finite has no mark
};

// A row an item, the first on top, with a mark of each series at its value. Long names are cut.
struct RowPlot {
  std::string title;
  std::string x_label;
  std::vector<std::string> rows;
  std::vector<RowSeries> series;
  std::optional<double> reference;  // a line across all rows
};

// What a plot shows, in full precision: RFC 4180, a header line, one line a point, bar or cell
// (series,x,y,low,high,n; series,group,value,low,high; series,row,value; row,column,value), empty
// where undefined.
struct PlotNumbers {
  std::string name;  // From the title, lower_snake_case, unique in a document; a file name.
  std::string csv;
};

using KeyValues = std::vector<std::pair<std::string, std::string>>;

class Document {
 public:
  // `subtitle` is a line under the title; may be empty.
  explicit Document(absl::string_view title, absl::string_view subtitle = "");

  // What is added from now on stands in this section. `intro` may be empty; blank lines part
  // paragraphs.
  void AddSection(absl::string_view title, absl::string_view intro = "");

  void AddParagraph(absl::string_view text);
  void AddTable(const Table& table);
  // Neighbouring plots share rows of two on wide screens.
  void AddLinePlot(const LinePlot& plot);
  void AddHeatmap(const Heatmap& heatmap);
  void AddBarPlot(const BarPlot& plot);
  void AddRowPlot(const RowPlot& plot);
  // Plots that follow, up to anything that is no plot, are folded away under this caption; they are
  // drawn when a reader opens it.
  void BeginFold(absl::string_view caption);
  void AddKeyValues(absl::string_view caption, const KeyValues& pairs);
  // Text in its own line breaks, folded away under its caption if it is long.
  void AddPreformatted(absl::string_view caption, absl::string_view text);

  // The whole file. With an empty `plotly_js` the plots are left out, with a note.
  std::string Render(absl::string_view plotly_js) const;

  // Of all plots, also of those left out, in order.
  const std::vector<PlotNumbers>& plots() const { return numbers_; }

 private:
  struct Section {
    std::string title;
    std::string html;
    int left_out = 0;  // Plots.
  };

  int ColorIndex(const std::string& series);
  void AddPlot(const std::string& title, const std::string& json, bool wide, const Table& numbers);
  void AddNumbers(const std::string& title, const Table& numbers);
  void Append(absl::string_view html);
  void CloseGrid();

  std::string title_;
  std::string subtitle_;
  std::vector<Section> sections_;
  std::map<std::string, int> colors_;
  std::vector<PlotNumbers> numbers_;
  std::set<std::string> names_;
  size_t plot_bytes_ = 0;
  int plots_ = 0;
  int tables_ = 0;  // With a caption.
  // What has to be closed before anything that is no plot.
  bool grid_open_ = false;
  bool fold_open_ = false;
};

}  // namespace perennial::report

#endif  // PERENNIAL_COMMON_REPORT_DOCUMENT_H_
