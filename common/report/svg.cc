#include "common/report/svg.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "common/base/json_text.h"
#include "common/base/logging.h"

namespace perennial::report {
namespace {

// The report's palette on a light page (document_assets.h).
constexpr const char* kPalette[] = {"#0072b2", "#d55e00", "#00875f", "#b5528c",
                                    "#b87d00", "#2b93cf", "#4d4d4d", "#8a6d3b"};
constexpr char kInk[] = "#1c2430";
constexpr char kSoft[] = "#4a5563";
constexpr char kGrid[] = "#dfe3e9";

constexpr double kRowHeight = 34;
constexpr double kPlotWidth = 420;
constexpr double kEdge = 14;
constexpr double kLabelGap = 10;
constexpr int kFontSize = 13;
constexpr int kMostTicks = 7;
constexpr double kLeastHalf = 1e-290;
// Within a row: the mean and its interval above, the replicates below.
constexpr double kMeanRise = 5;
constexpr double kPointsFall = 7;
constexpr double kPointsSpread = 4;

// A coordinate: two digits, without the zero's sign.
std::string C(double value) {
  const std::string text = absl::StrFormat("%.2f", value);
  return text == "-0.00" ? "0.00" : text;
}

// Rather too wide than too narrow, as the reader's font is not known. Characters from U+1100 on
// (East Asian, symbols) count double.
double TextWidth(absl::string_view text, double size) {
  double em = 0;
  for (const char byte : text) {
    const uint8_t c = static_cast<uint8_t>(byte);
    if ((c & 0xc0) == 0x80) continue;
    em += c >= 0xe1 ? 1.1 : 0.61;
  }
  return em * size;
}

std::string Text(double x, double y, const char* anchor, absl::string_view text,
                 absl::string_view more = "") {
  return absl::StrCat("<text x=\"", C(x), "\" y=\"", C(y), "\" text-anchor=\"", anchor, "\"", more,
                      ">", XmlText(text), "</text>\n");
}

std::string Line(double x1, double y1, double x2, double y2, absl::string_view stroke,
                 absl::string_view more = "") {
  return absl::StrCat("<line x1=\"", C(x1), "\" y1=\"", C(y1), "\" x2=\"", C(x2), "\" y2=\"", C(y2),
                      "\" stroke=\"", stroke, "\"", more, "/>\n");
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void Cover(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

// All that is drawn, and a little room on both sides.
Range AxisRange(const DotPlot& plot) {
  Range range;
  for (const DotRow& row : plot.rows) {
    CHECK(std::isfinite(row.value)) << row.label;
    range.Cover(row.value);
    if (row.low) range.Cover(*row.low);
    if (row.high) range.Cover(*row.high);
    for (const double point : row.points) range.Cover(point);
  }
  if (plot.reference) {
    range.Cover(*plot.reference);
    // A margin far wider than the data would hide the data; its band then fills the figure.
    const double margin = plot.margin.value_or(0);
    if (margin / 2 <= range.high / 2 - range.low / 2) {
      range.Cover(*plot.reference - margin);
      range.Cover(*plot.reference + margin);
    }
  }
  if (range.low > range.high) range = {0, 1};
  // Halves, since the width of the whole range of doubles is not a double.
  const double middle = range.high / 2 + range.low / 2;
  double half = range.high / 2 - range.low / 2;
  if (half == 0) half = std::abs(middle) * 0.05;
  if (half == 0) half = 0.5;
  // Ticks need room between neighbouring doubles; there is no telling closer values apart.
  half = 1.1 * std::max({half, 1e-9 * std::abs(middle), kLeastHalf});
  range.low = std::max(middle - half, std::numeric_limits<double>::lowest() / 4);
  range.high = std::min(middle + half, std::numeric_limits<double>::max() / 4);
  return range;
}

std::string Superscript(int number) {
  static constexpr const char* kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text;
  for (const char c : absl::StrCat(number)) text += c == '-' ? "⁻" : kDigits[c - '0'];
  return text;
}

}  // namespace

std::string XmlText(absl::string_view text) {
  std::string clean;
  const std::string source = [&] {
    if (base::IsUtf8(text)) return std::string(text);
    std::string replaced;
    for (const char c : text) {
      if (static_cast<uint8_t>(c) < 0x80) {
        replaced += c;
      } else {
        replaced += "\uFFFD";
      }
    }
    return replaced;
  }();
  for (const char c : source) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) {
      clean += c == '\n' || c == '\t' ? " " : "\uFFFD";
    } else {
      clean += c;
    }
  }
  return absl::StrReplaceAll(clean, {{"&", "&amp;"},
                                     {"<", "&lt;"},
                                     {">", "&gt;"},
                                     {"\"", "&quot;"},
                                     {"\xEF\xBF\xBE", "\uFFFD"},
                                     {"\xEF\xBF\xBF", "\uFFFD"}});
}

std::vector<double> RoundTicks(double low, double high, int most) {
  CHECK_GE(most, 2);
  CHECK_LE(low, high);
  const double width = high / most - low / most;
  // Too close for round numbers in between.
  if (width < 1e-295 || width <= 1e-13 * std::max(std::abs(low), std::abs(high))) return {low};
  int exponent = static_cast<int>(std::floor(std::log10(width)));
  for (;; ++exponent) {
    for (const int digit : {1, 2, 5}) {
      // Multiples of step = digit * 10^exponent, divided rather than multiplied by a power of ten
      // below one: 3 / 10 is the double nearest to 0.3, 3 * 0.1 is not.
      const double power = std::pow(10.0, std::abs(exponent));
      const auto multiple = [&](double k) {
        return exponent < 0 ? k * digit / power : k * digit * power;
      };
      const double step = multiple(1);
      if (!std::isfinite(step)) return {low};
      const double first = std::ceil(low / step - 1e-9);
      const double last = std::floor(high / step + 1e-9);
      if (last - first + 1 > most) continue;
      std::vector<double> ticks;
      // Adding 0 takes the sign from a negative zero.
      for (double k = first; k <= last; ++k) ticks.push_back(multiple(k) + 0.0);
      if (ticks.empty()) ticks.push_back(low);
      return ticks;
    }
  }
}

TickTexts FormatTicks(absl::Span<const double> ticks) {
  TickTexts result;
  double largest = 0;
  double step = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < ticks.size(); ++i) {
    largest = std::max(largest, std::abs(ticks[i]));
    if (i > 0) step = std::min(step, std::abs(ticks[i] - ticks[i - 1]));
  }
  if (!std::isfinite(step)) step = largest / 100;
  if (largest == 0) {
    result.texts.assign(ticks.size(), "0");
    return result;
  }
  const int magnitude = static_cast<int>(std::floor(std::log10(largest) + 1e-9));
  int factor = 0;
  if (magnitude >= 5 || magnitude <= -4) factor = magnitude;
  // Of the step's first digit; round-off must not ask for one more.
  const int step_magnitude = static_cast<int>(std::floor(std::log10(step) + 1e-9));
  const int decimals = std::clamp(factor - step_magnitude, 0, 15);
  for (const double tick : ticks) {
    // Two steps, as 10^-factor alone may overflow.
    const double scaled =
        factor == 0 ? tick
                    : tick / std::pow(10.0, factor / 2) / std::pow(10.0, factor - factor / 2);
    std::string text = absl::StrFormat("%.*f", decimals, scaled);
    if (text.find_first_not_of("-0.") == std::string::npos && text[0] == '-') text.erase(0, 1);
    // The minus sign is as wide as a digit.
    if (text[0] == '-') text = absl::StrCat("−", text.substr(1));
    result.texts.push_back(std::move(text));
  }
  if (factor != 0) result.factor = absl::StrCat("×10", Superscript(factor));
  return result;
}

std::string DotPlotSvg(const DotPlot& plot) {
  const Range range = AxisRange(plot);
  const std::vector<double> ticks = RoundTicks(range.low, range.high, kMostTicks);
  const TickTexts tick_texts = FormatTicks(ticks);
  const std::string x_label = tick_texts.factor.empty()
                                  ? plot.x_label
                                  : absl::StrCat(plot.x_label, " (", tick_texts.factor, ")");

  double label_width = 0;
  for (const DotRow& row : plot.rows) {
    label_width = std::max(label_width, TextWidth(row.label, kFontSize));
  }
  // Room for half a tick's text on the right.
  double tick_width = 0;
  for (const std::string& text : tick_texts.texts) {
    tick_width = std::max(tick_width, TextWidth(text, kFontSize - 1));
  }
  const double left = kEdge + label_width + kLabelGap;
  const double title_height = plot.title.empty() ? 0 : 26;
  const double top = kEdge + title_height;
  const double bottom = top + kRowHeight * std::max<size_t>(plot.rows.size(), 1);
  // The axis' label stands in the middle of the plot, the title begins at its left edge.
  const double plot_width =
      std::max({kPlotWidth, TextWidth(x_label, kFontSize), TextWidth(plot.title, kFontSize + 1)});
  const double width = left + plot_width + std::max(kEdge, tick_width / 2 + 2);
  const double height = bottom + 50;
  const double scale = plot_width / (range.high - range.low);
  const auto x_of = [&](double value) {
    return left + std::clamp((value - range.low) * scale, 0.0, plot_width);
  };

  std::string svg = absl::StrCat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", C(width), "\" height=\"", C(height),
      "\" viewBox=\"0 0 ", C(width), " ", C(height), "\" font-family=\"sans-serif\" font-size=\"",
      kFontSize, "\" fill=\"", kInk, "\" role=\"img\">\n<title>",
      XmlText(plot.title.empty() ? plot.x_label : plot.title),
      "</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
  if (!plot.title.empty()) {
    absl::StrAppend(
        &svg, Text(left, kEdge + 12, "start", plot.title,
                   absl::StrCat(" font-size=\"", kFontSize + 1, "\"", " font-weight=\"bold\"")));
  }
  if (plot.reference && plot.margin) {
    const double from = x_of(*plot.reference - *plot.margin);
    const double to = x_of(*plot.reference + *plot.margin);
    absl::StrAppend(&svg, "<rect class=\"margin\" x=\"", C(from), "\" y=\"", C(top), "\" width=\"",
                    C(to - from), "\" height=\"", C(bottom - top), "\" fill=\"#eef1f5\"/>\n");
  }
  for (size_t i = 0; i < ticks.size(); ++i) {
    const double x = x_of(ticks[i]);
    absl::StrAppend(&svg, Line(x, top, x, bottom, kGrid), Line(x, bottom, x, bottom + 5, kSoft),
                    Text(x, bottom + 19, "middle", tick_texts.texts[i],
                         absl::StrCat(" font-size=\"", kFontSize - 1, "\" fill=\"", kSoft, "\"")));
  }
  if (plot.reference) {
    const double x = x_of(*plot.reference);
    absl::StrAppend(&svg,
                    Line(x, top, x, bottom, kInk, " class=\"reference\" stroke-dasharray=\"5 3\""));
  }
  absl::StrAppend(&svg, Line(left, bottom, left + plot_width, bottom, kSoft),
                  Text(left + plot_width / 2, bottom + 40, "middle", x_label));

  for (size_t i = 0; i < plot.rows.size(); ++i) {
    const DotRow& row = plot.rows[i];
    const double y = top + kRowHeight * (static_cast<double>(i) + 0.5);
    const char* const color = kPalette[static_cast<size_t>(row.color) % std::size(kPalette)];
    absl::StrAppend(&svg, "<g class=\"row\">\n",
                    Text(left - kLabelGap, y + kFontSize * 0.35, "end", row.label));
    const double mean_y = row.points.empty() ? y : y - kMeanRise;
    std::vector<double> points = row.points;
    std::ranges::sort(points);
    for (size_t p = 0; p < points.size(); ++p) {
      // The smallest lowest: each is seen, however close they are.
      const double rise = points.size() == 1 ? 0 : 1 - 2.0 * p / (points.size() - 1);
      absl::StrAppend(&svg, "<circle class=\"point\" cx=\"", C(x_of(points[p])), "\" cy=\"",
                      C(y + kPointsFall + kPointsSpread * rise), "\" r=\"2.20\" fill=\"", color,
                      "\" fill-opacity=\"0.55\"/>\n");
    }
    if (row.low && row.high) {
      const double from = x_of(*row.low);
      const double to = x_of(*row.high);
      absl::StrAppend(
          &svg, Line(from, mean_y, to, mean_y, color, " class=\"interval\" stroke-width=\"2\""));
      for (const auto& [x, end] : {std::pair(from, *row.low), std::pair(to, *row.high)}) {
        if (std::isfinite(end)) {
          absl::StrAppend(&svg, Line(x, mean_y - 5, x, mean_y + 5, color, " stroke-width=\"2\""));
        }
      }
    }
    absl::StrAppend(&svg, "<circle class=\"mean\" cx=\"", C(x_of(row.value)), "\" cy=\"", C(mean_y),
                    "\" r=\"4.20\" fill=\"", color, "\"/>\n</g>\n");
  }
  absl::StrAppend(&svg, "</svg>\n");
  return svg;
}

}  // namespace perennial::report
