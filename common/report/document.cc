#include "common/report/document.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/base/json_text.h"
#include "common/base/logging.h"
#include "common/report/csv.h"
#include "common/report/document_assets.h"

namespace perennial::report {
namespace {

// Longer texts are folded away.
constexpr int kUnfoldedLines = 12;
// Of the JSON of all plots; with Plotly's 4.8 MB this leaves room for tables in 6 MB.
constexpr size_t kMaxPlotBytes = 800000;
// Plots of more than these have the whole width.
constexpr size_t kNarrowSeries = 12;
constexpr size_t kMaxNameBytes = 100;
// Of what is drawn as a reference.
constexpr int kNoColor = -1;

std::string Escaped(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"},
                                    {"<", "&lt;"},
                                    {">", "&gt;"},
                                    {"\"", "&quot;"},
                                    {"'", "&#39;"},
                                    {absl::string_view("\0", 1), "\xef\xbf\xbd"}});
}

// JSON inside a script element: "<" could begin an end tag or a comment there.
std::string ScriptSafeJson(absl::string_view json) {
  return absl::StrReplaceAll(json, {{"<", "\\u003c"}});
}

// Program text inside a script element. Both sequences occur in texts and regular expressions only,
// where the backslash changes nothing.
std::string ScriptSafeCode(absl::string_view code) {
  return absl::StrReplaceAll(code, {{"</script", "<\\/script"}, {"<!--", "<\\!--"}});
}

std::string Paragraphs(absl::string_view text) {
  std::string html;
  for (const absl::string_view paragraph : absl::StrSplit(text, "\n\n", absl::SkipWhitespace())) {
    absl::StrAppend(&html, "<p>", Escaped(paragraph), "</p>\n");
  }
  return html;
}

// Enough for the eye; null for what JSON lacks.
std::string Shown(double value) {
  return std::isfinite(value) ? absl::StrFormat("%.6g", value) : "null";
}

std::string Shown(const std::optional<double>& value) { return value ? Shown(*value) : "null"; }

std::string ShownArray(const std::vector<double>& values) {
  return absl::StrCat(
      "[", absl::StrJoin(values, ",", [](std::string* out, double value) { *out += Shown(value); }),
      "]");
}

// In full; empty for what is not a finite number.
std::string Full(double value) { return std::isfinite(value) ? base::JsonNumber(value) : ""; }

std::string Full(const std::optional<double>& value) { return value ? Full(*value) : ""; }

std::string SnakeCase(absl::string_view text) {
  std::string name;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      name += absl::ascii_tolower(static_cast<unsigned char>(c));
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
    if (name.size() == kMaxNameBytes) break;
  }
  if (!name.empty() && name.back() == '_') name.pop_back();
  return name.empty() ? "plot" : name;
}

}  // namespace

Document::Document(absl::string_view title, absl::string_view subtitle)
    : title_(title), subtitle_(subtitle) {}

int Document::ColorIndex(const std::string& series) {
  return colors_.emplace(series, static_cast<int>(colors_.size())).first->second;
}

void Document::Append(absl::string_view html) {
  CloseGrid();
  if (sections_.empty()) sections_.push_back({"", ""});
  absl::StrAppend(&sections_.back().html, html);
}

void Document::CloseGrid() {
  if (grid_open_) sections_.back().html += "</div>\n";
  if (fold_open_) sections_.back().html += "</details>\n";
  grid_open_ = fold_open_ = false;
}

void Document::BeginFold(absl::string_view caption) {
  Append(absl::StrCat("<details class=\"plots\"><summary>", Escaped(caption), "</summary>\n"));
  fold_open_ = true;
}

void Document::AddSection(absl::string_view title, absl::string_view intro) {
  CloseGrid();
  sections_.push_back({std::string(title), Paragraphs(intro)});
}

void Document::AddParagraph(absl::string_view text) { Append(Paragraphs(text)); }

void Document::AddTable(const Table& table) {
  const auto open_tag = [&table](absl::string_view name, size_t column) {
    return absl::StrCat("<", name, column == 0 ? " scope=\"row\"" : "",
                        table.columns[column].align == Align::kRight ? " class=\"number\"" : "",
                        ">");
  };
  // Not a caption element, which would scroll away with a wide table.
  std::string html;
  std::string label;
  if (!table.caption.empty()) {
    label = absl::StrCat(" aria-labelledby=\"table", tables_, "\"");
    absl::StrAppend(&html, "<p class=\"caption\" id=\"table", tables_++, "\">",
                    Escaped(table.caption), "</p>\n");
  }
  absl::StrAppend(&html, "<div class=\"scroll\" tabindex=\"0\"><table", label, ">\n");
  html += "<thead><tr>";
  for (const Column& column : table.columns) {
    absl::StrAppend(&html, "<th scope=\"col\"",
                    column.align == Align::kRight ? " class=\"number\">" : ">",
                    Escaped(column.name), "</th>");
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const std::vector<std::string>& row : table.rows) {
    CHECK_LE(row.size(), table.columns.size());
    html += "<tr>";
    for (size_t c = 0; c < table.columns.size(); ++c) {
      const absl::string_view name = c == 0 ? "th" : "td";
      absl::StrAppend(&html, open_tag(name, c), c < row.size() ? Escaped(row[c]) : "", "</", name,
                      ">");
    }
    html += "</tr>\n";
  }
  html += "</tbody></table></div>\n";
  Append(html);
}

void Document::AddNumbers(const std::string& title, const Table& numbers) {
  const std::string name = SnakeCase(title);
  std::string unique = name;
  for (int i = 2; !names_.insert(unique).second; ++i) unique = absl::StrCat(name, "_", i);
  numbers_.push_back({.name = unique, .csv = TableCsv(numbers)});
}

void Document::AddPlot(const std::string& title, const std::string& json, bool wide,
                       const Table& numbers) {
  AddNumbers(title, numbers);
  if (sections_.empty()) sections_.push_back({"", ""});
  ++plots_;
  if (plot_bytes_ + json.size() > kMaxPlotBytes) {
    ++sections_.back().left_out;
    return;
  }
  plot_bytes_ += json.size();
  std::string& html = sections_.back().html;
  if (!grid_open_) html += "<div class=\"grid\">\n";
  grid_open_ = true;
  const std::string id = absl::StrCat("plot", plots_ - 1);
  absl::StrAppend(&html, wide ? "<figure class=\"wide\">" : "<figure>", "<figcaption>",
                  Escaped(title), "</figcaption>", "<div class=\"plot\" id=\"", id,
                  "\" role=\"img\" aria-label=\"", Escaped(title), "\"></div>",
                  "<script type=\"application/json\" id=\"", id, "-data\">", ScriptSafeJson(json),
                  "</script></figure>\n");
}

void Document::AddLinePlot(const LinePlot& plot) {
  Table numbers{.columns = {{"series"}, {"x"}, {"y"}, {"low"}, {"high"}, {"n"}}};
  std::string series;
  for (const LineSeries& line : plot.series) {
    CHECK_EQ(line.x.size(), line.y.size()) << line.name;
    CHECK_EQ(line.low.size(), line.high.size()) << line.name;
    CHECK(line.low.empty() || line.low.size() == line.x.size()) << line.name;
    CHECK(line.n.empty() || line.n.size() == line.x.size()) << line.name;
    base::JsonObject object;
    object.Add("name", line.name).Add("color", line.reference ? kNoColor : ColorIndex(line.name));
    object.AddRaw("x", base::JsonArray(line.x)).AddRaw("y", ShownArray(line.y));
    if (!line.low.empty()) {
      object.AddRaw("low", ShownArray(line.low)).AddRaw("high", ShownArray(line.high));
    }
    absl::StrAppend(&series, series.empty() ? "" : ",", object.Text());
    for (size_t i = 0; i < line.x.size(); ++i) {
      numbers.rows.push_back({line.name, Full(line.x[i]), Full(line.y[i]),
                              line.low.empty() ? "" : Full(line.low[i]),
                              line.low.empty() ? "" : Full(line.high[i]),
                              line.n.empty() ? "" : absl::StrCat(line.n[i])});
    }
  }
  AddPlot(plot.title,
          base::JsonObject()
              .Add("kind", "line")
              .Add("x_label", plot.x_label)
              .Add("y_label", plot.y_label)
              .Add("log_x", plot.log_x)
              .Add("log_y", plot.log_y)
              .Add("markers", plot.markers)
              .Add("steps", plot.steps)
              .AddRaw("series", absl::StrCat("[", series, "]"))
              .Text(),
          /*wide=*/plot.series.size() > kNarrowSeries, numbers);
}

void Document::AddHeatmap(const Heatmap& heatmap) {
  CHECK_EQ(heatmap.values.size(), heatmap.rows.size()) << heatmap.title;
  Table numbers{.columns = {{"row"}, {"column"}, {"value"}}};
  std::string rows;
  for (size_t r = 0; r < heatmap.rows.size(); ++r) {
    const std::vector<std::optional<double>>& row = heatmap.values[r];
    CHECK_EQ(row.size(), heatmap.columns.size()) << heatmap.title;
    std::string cells;
    for (size_t c = 0; c < row.size(); ++c) {
      absl::StrAppend(&cells, cells.empty() ? "" : ",", Shown(row[c]));
      numbers.rows.push_back({heatmap.rows[r], heatmap.columns[c], Full(row[c])});
    }
    absl::StrAppend(&rows, rows.empty() ? "" : ",", "[", cells, "]");
  }
  AddPlot(heatmap.title,
          base::JsonObject()
              .Add("kind", "heatmap")
              .Add("x_label", heatmap.x_label)
              .Add("y_label", heatmap.y_label)
              .Add("value_label", heatmap.value_label)
              .AddRaw("columns", base::JsonArray(heatmap.columns))
              .AddRaw("rows", base::JsonArray(heatmap.rows))
              .AddRaw("min", Shown(heatmap.min))
              .AddRaw("max", Shown(heatmap.max))
              .AddRaw("values", absl::StrCat("[", rows, "]"))
              .Text(),
          /*wide=*/false, numbers);
}

void Document::AddBarPlot(const BarPlot& plot) {
  // One trace a series, in order of first appearance; groups likewise.
  std::vector<std::string> names;
  std::map<std::string, std::vector<const Bar*>> bars;
  std::vector<std::string> groups;
  std::set<std::string> known_groups;
  Table numbers{.columns = {{"series"}, {"group"}, {"value"}, {"low"}, {"high"}}};
  for (const Bar& bar : plot.bars) {
    CHECK_EQ(bar.low.has_value(), bar.high.has_value()) << bar.series;
    std::vector<const Bar*>& of_series = bars[bar.series];
    if (of_series.empty()) names.push_back(bar.series);
    of_series.push_back(&bar);
    if (known_groups.insert(bar.group).second) groups.push_back(bar.group);
    numbers.rows.push_back({bar.series, bar.group, Full(bar.value), Full(bar.low), Full(bar.high)});
  }
  std::string series;
  for (const std::string& name : names) {
    std::vector<std::string> x;
    std::vector<double> y;
    std::string up;
    std::string down;
    for (const Bar* bar : bars[name]) {
      const absl::string_view comma = x.empty() ? "" : ",";
      absl::StrAppend(&up, comma, bar->high ? Shown(*bar->high - bar->value) : "null");
      absl::StrAppend(&down, comma, bar->low ? Shown(bar->value - *bar->low) : "null");
      x.push_back(bar->group);
      y.push_back(bar->value);
    }
    absl::StrAppend(&series, series.empty() ? "" : ",",
                    base::JsonObject()
                        .Add("name", name)
                        .Add("color", ColorIndex(name))
                        .AddRaw("x", base::JsonArray(x))
                        .AddRaw("y", ShownArray(y))
                        .AddRaw("up", absl::StrCat("[", up, "]"))
                        .AddRaw("down", absl::StrCat("[", down, "]"))
                        .Text());
  }
  AddPlot(plot.title,
          base::JsonObject()
              .Add("kind", "bar")
              .Add("y_label", plot.y_label)
              .AddRaw("groups", base::JsonArray(groups))
              .AddRaw("series", absl::StrCat("[", series, "]"))
              .Text(),
          /*wide=*/false, numbers);
}

void Document::AddRowPlot(const RowPlot& plot) {
  Table numbers{.columns = {{"series"}, {"row"}, {"value"}}};
  std::string series;
  for (const RowSeries& one : plot.series) {
    CHECK_EQ(one.values.size(), plot.rows.size()) << one.name;
    absl::StrAppend(&series, series.empty() ? "" : ",",
                    base::JsonObject()
                        .Add("name", one.name)
                        .Add("color", ColorIndex(one.name))
                        .AddRaw("x", ShownArray(one.values))
                        .Text());
    for (size_t r = 0; r < plot.rows.size(); ++r) {
      numbers.rows.push_back({one.name, plot.rows[r], Full(one.values[r])});
    }
  }
  AddPlot(plot.title,
          base::JsonObject()
              .Add("kind", "rows")
              .Add("x_label", plot.x_label)
              .AddRaw("reference", Shown(plot.reference))
              .AddRaw("rows", base::JsonArray(plot.rows))
              .AddRaw("series", absl::StrCat("[", series, "]"))
              .Text(),
          /*wide=*/true, numbers);
}

void Document::AddKeyValues(absl::string_view caption, const KeyValues& pairs) {
  std::string html;
  if (!caption.empty()) absl::StrAppend(&html, "<h3>", Escaped(caption), "</h3>\n");
  html += "<dl>\n";
  for (const auto& [key, value] : pairs) {
    absl::StrAppend(&html, "<div><dt>", Escaped(key), "</dt><dd>", Escaped(value), "</dd></div>\n");
  }
  Append(html + "</dl>\n");
}

void Document::AddPreformatted(absl::string_view caption, absl::string_view text) {
  const bool folded = std::count(text.begin(), text.end(), '\n') > kUnfoldedLines;
  Append(absl::StrCat("<details", folded ? "" : " open", "><summary>", Escaped(caption),
                      "</summary><pre>", Escaped(text), "</pre></details>\n"));
}

std::string Document::Render(absl::string_view plotly_js) const {
  std::string html = absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      // Nothing is ever loaded from elsewhere, whatever text a report shows.
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>",
      Escaped(title_), "</title>\n<style>", kReportStyle, "</style>\n</head>\n<body>\n<header><h1>",
      Escaped(title_), "</h1>\n");
  if (!subtitle_.empty()) {
    absl::StrAppend(&html, "<p class=\"subtitle\">", Escaped(subtitle_), "</p>\n");
  }
  std::string links;
  for (size_t s = 0; s < sections_.size(); ++s) {
    if (sections_[s].title.empty()) continue;
    absl::StrAppend(&links, "<a href=\"#section", s, "\">", Escaped(sections_[s].title), "</a>\n");
  }
  if (sections_.size() > 1 && !links.empty()) absl::StrAppend(&html, "<nav>\n", links, "</nav>\n");
  html += "</header>\n<main>\n";
  if (plots_ > 0) {
    html += plotly_js.empty()
                ? "<p class=\"note\">The plots are left out of this copy.</p>\n"
                : "<noscript><p class=\"note\">The plots need JavaScript; the tables do not.</p>"
                  "</noscript>\n";
  }
  for (size_t s = 0; s < sections_.size(); ++s) {
    absl::StrAppend(&html, "<section id=\"section", s, "\">\n");
    if (!sections_[s].title.empty()) {
      absl::StrAppend(&html, "<h2>", Escaped(sections_[s].title), "</h2>\n");
    }
    const bool last = s + 1 == sections_.size();
    absl::StrAppend(&html, sections_[s].html, last && grid_open_ ? "</div>\n" : "",
                    last && fold_open_ ? "</details>\n" : "");
    if (sections_[s].left_out > 0) {
      absl::StrAppend(
          &html, "<p class=\"note\">", sections_[s].left_out,
          sections_[s].left_out == 1 ? " plot is" : " plots are",
          " left out here to keep this file small; their numbers stand in the CSV files "
          "beside it.</p>\n");
    }
    html += "</section>\n";
  }
  html += "</main>\n";
  if (plots_ > 0 && !plotly_js.empty()) {
    absl::StrAppend(&html, "<script>", ScriptSafeCode(plotly_js), "</script>\n<script>",
                    ScriptSafeCode(kReportScript), "</script>\n");
  }
  return html + "</body>\n</html>\n";
}

}  // namespace perennial::report
