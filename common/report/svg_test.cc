#include "common/report/svg.h"

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/report/document_assets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Element {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;

  double Number(const std::string& attribute) const {
    const auto found = attributes.find(attribute);
    double value = std::nan("");
    EXPECT_TRUE(found != attributes.end() && absl::SimpleAtod(found->second, &value))
        << name << " " << attribute;
    return value;
  }
};

// A strict reader of the XML that figures need (elements, quoted attributes, the five entities):
// fails the test where the text is not well-formed.
class XmlReader {
 public:
  explicit XmlReader(const std::string& text) : text_(text) {}

  std::vector<Element> Read() {
    while (at_ < text_.size() && !failed_) {
      if (text_[at_] == '<') {
        ReadTag();
      } else {
        ReadText();
      }
    }
    if (!open_.empty()) Fail("an element is not closed");
    if (roots_ != 1) Fail("there must be one root");
    return elements_;
  }

 private:
  void Fail(const std::string& why) {
    failed_ = true;
    ADD_FAILURE() << why << " at " << at_ << ": " << text_.substr(at_ < 20 ? 0 : at_ - 20, 60);
    at_ = text_.size();
  }
  bool Take(const std::string& what) {
    if (text_.compare(at_, what.size(), what) != 0) return false;
    at_ += what.size();
    return true;
  }
  std::string Name() {
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(text_[at_]) || text_[at_] == '-')) ++at_;
    if (at_ == begin) Fail("a name is expected");
    return text_.substr(begin, at_ - begin);
  }
  std::string Decoded(const std::string& end) {
    static const std::map<std::string, std::string>& entities =
        *new std::map<std::string, std::string>{
            {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}};
    std::string decoded;
    while (at_ < text_.size() && text_.compare(at_, end.size(), end) != 0) {
      if (text_[at_] == '<') Fail("a bare <");
      if (text_[at_] == '&') {
        bool known = false;
        for (const auto& [entity, meaning] : entities) {
          if (!known && Take(entity)) {
            decoded += meaning;
            known = true;
          }
        }
        if (!known) Fail("a bare &");
      } else if (at_ < text_.size()) {
        decoded += text_[at_++];
      }
    }
    return decoded;
  }
  void ReadText() {
    const std::string text = Decoded("<");
    if (open_.empty()) {
      if (text.find_first_not_of(" \n") != std::string::npos) Fail("text outside the root");
      return;
    }
    elements_[open_.back()].text += text;
  }
  void ReadTag() {
    if (Take("</")) {
      const std::string name = Name();
      if (open_.empty() || elements_[open_.back()].name != name || !Take(">")) {
        return Fail("a closing tag without its opening one");
      }
      open_.pop_back();
      return;
    }
    Take("<");
    Element element = {.name = Name()};
    while (Take(" ")) {
      const std::string name = Name();
      if (!Take("=\"")) return Fail("an attribute without a value");
      if (!element.attributes.emplace(name, Decoded("\"")).second) {
        return Fail("an attribute stands twice");
      }
      Take("\"");
    }
    if (open_.empty()) ++roots_;
    elements_.push_back(element);
    if (Take("/>")) return;
    if (!Take(">")) return Fail("a tag without its end");
    open_.push_back(elements_.size() - 1);
  }

  const std::string text_;
  size_t at_ = 0;
  bool failed_ = false;
  int roots_ = 0;
  std::vector<Element> elements_;
  std::vector<size_t> open_;
};

std::vector<Element> OfClass(const std::vector<Element>& elements, const std::string& name) {
  std::vector<Element> found;
  for (const Element& element : elements) {
    const auto attribute = element.attributes.find("class");
    if (attribute != element.attributes.end() && attribute->second == name) {
      found.push_back(element);
    }
  }
  return found;
}

std::vector<Element> Texts(const std::vector<Element>& elements) {
  std::vector<Element> found;
  for (const Element& element : elements) {
    if (element.name == "text") found.push_back(element);
  }
  return found;
}

DotPlot Example() {
  return {.title = "a < b & \"c\"",
          .x_label = "accuracy",
          .rows = {{.label = "er", .value = 0.5, .low = 0.4, .high = 0.6, .points = {0.7, 0.3}},
                   {.label = "naive", .value = 1, .points = {1}, .color = 1},
                   {.label = "joint", .value = 0, .color = 9}},
          .reference = 0.2,
          .margin = 0.1};
}

TEST(RoundTicks, AreRoundAndWithinTheRange) {
  EXPECT_THAT(RoundTicks(0, 1, 7), ElementsAre(0, 0.2, 0.4, 0.6, 0.8, 1));
  EXPECT_THAT(RoundTicks(-0.12, 0.31, 6), ElementsAre(-0.1, 0, 0.1, 0.2, 0.3));
  EXPECT_THAT(RoundTicks(0.2655, 0.7512, 7), ElementsAre(0.3, 0.4, 0.5, 0.6, 0.7));
  EXPECT_THAT(RoundTicks(3, 3, 7), ElementsAre(3));
  EXPECT_THAT(RoundTicks(1e12, 3.2e12, 6), ElementsAre(1e12, 1.5e12, 2e12, 2.5e12, 3e12));
}

TEST(RoundTicks, OfAnyRangeAreFiniteAscendingAndFew) {
  const double max = std::numeric_limits<double>::max() / 4;
  const double tiny = std::numeric_limits<double>::denorm_min();
  const std::vector<std::pair<double, double>> ranges = {
      {-max, max},  {0, tiny}, {0, 1e-300},     {1, std::nextafter(1.0, 2.0)},
      {-1e-8, 1e8}, {-7, -7},  {1e15, 1e15 + 1}};
  for (const auto& [low, high] : ranges) {
    for (const int most : {2, 7}) {
      const std::vector<double> ticks = RoundTicks(low, high, most);
      ASSERT_FALSE(ticks.empty()) << low << " " << high;
      EXPECT_LE(ticks.size(), most);
      for (size_t i = 0; i < ticks.size(); ++i) {
        EXPECT_TRUE(std::isfinite(ticks[i]));
        if (i > 0) {
          EXPECT_LE(ticks[i - 1], ticks[i]);
        }
      }
    }
  }
}

TEST(FormatTicks, HaveTheSameDigitsAndAFactorWhereTheyAreLarge) {
  EXPECT_THAT(FormatTicks({0, 0.5, 1}).texts, ElementsAre("0.0", "0.5", "1.0"));
  EXPECT_THAT(FormatTicks({-0.1, 0, 0.1}).texts, ElementsAre("−0.1", "0.0", "0.1"));
  EXPECT_THAT(FormatTicks({200, 400}).texts, ElementsAre("200", "400"));
  EXPECT_THAT(FormatTicks({0}).texts, ElementsAre("0"));
  EXPECT_THAT(FormatTicks({0.26, 0.28}).texts, ElementsAre("0.26", "0.28"));
  const TickTexts large = FormatTicks({1e12, 1.5e12});
  EXPECT_THAT(large.texts, ElementsAre("1.0", "1.5"));
  EXPECT_EQ(large.factor, "×10¹²");
  const TickTexts small = FormatTicks({0, 2e-5, 4e-5});
  EXPECT_THAT(small.texts, ElementsAre("0", "2", "4"));
  EXPECT_EQ(small.factor, "×10⁻⁵");
}

TEST(XmlText, EscapesAndReplacesWhatXmlForbids) {
  EXPECT_EQ(XmlText("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
  EXPECT_EQ(XmlText(std::string("a\x01"
                                "b\xff")),
            "a\uFFFDb\uFFFD");
  EXPECT_EQ(XmlText("naïve\nx"), "naïve x");
}

TEST(DotPlotSvg, IsWellFormedStaticAndTheSameAgain) {
  const std::string svg = DotPlotSvg(Example());
  const std::vector<Element> elements = XmlReader(svg).Read();
  ASSERT_FALSE(elements.empty());
  EXPECT_EQ(elements[0].name, "svg");
  EXPECT_EQ(elements[1].text, "a < b & \"c\"");
  EXPECT_THAT(svg, Not(HasSubstr("script")));
  EXPECT_THAT(svg, Not(HasSubstr("href")));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_EQ(svg, DotPlotSvg(Example()));
}

// The axis is linear: two means fix it, every other mark must lie on it.
TEST(DotPlotSvg, MarksStandAtTheirValues) {
  const std::vector<Element> elements = XmlReader(DotPlotSvg(Example())).Read();
  const std::vector<Element> means = OfClass(elements, "mean");
  ASSERT_EQ(means.size(), 3);
  const double zero = means[2].Number("cx");
  const double one = means[1].Number("cx");
  EXPECT_GT(one, zero + 300);
  const auto at = [&](double value) { return zero + value * (one - zero); };
  constexpr double kRounding = 0.02;  // two decimals
  EXPECT_NEAR(means[0].Number("cx"), at(0.5), kRounding);

  const std::vector<Element> intervals = OfClass(elements, "interval");
  ASSERT_EQ(intervals.size(), 1);
  EXPECT_NEAR(intervals[0].Number("x1"), at(0.4), kRounding);
  EXPECT_NEAR(intervals[0].Number("x2"), at(0.6), kRounding);
  EXPECT_EQ(intervals[0].Number("y1"), means[0].Number("cy"));

  const std::vector<Element> points = OfClass(elements, "point");
  ASSERT_EQ(points.size(), 3);
  EXPECT_NEAR(points[0].Number("cx"), at(0.3), kRounding) << "replicates ascend";
  EXPECT_NEAR(points[1].Number("cx"), at(0.7), kRounding);
  EXPECT_GT(points[0].Number("cy"), points[1].Number("cy"));
  for (const Element& point : points) {
    const double y = point.Number("cy");
    EXPECT_TRUE(y > means[0].Number("cy") + 6 && y != means[1].Number("cy")) << "none is hidden";
  }

  const std::vector<Element> reference = OfClass(elements, "reference");
  ASSERT_EQ(reference.size(), 1);
  EXPECT_NEAR(reference[0].Number("x1"), at(0.2), kRounding);
  const std::vector<Element> margin = OfClass(elements, "margin");
  ASSERT_EQ(margin.size(), 1);
  EXPECT_NEAR(margin[0].Number("x"), at(0.1), kRounding);
  EXPECT_NEAR(margin[0].Number("width"), 0.2 * (one - zero), kRounding);

  // Ticks stand where their texts say.
  int ticks = 0;
  for (const Element& text : Texts(elements)) {
    double value;
    if (!absl::SimpleAtod(text.text, &value)) continue;
    ++ticks;
    EXPECT_NEAR(text.Number("x"), at(value), kRounding) << text.text;
  }
  EXPECT_GE(ticks, 3);
}

TEST(DotPlotSvg, AMarginFarWiderThanTheDataDoesNotHideThem) {
  const std::string svg =
      DotPlotSvg({.rows = {{.label = "x", .value = 1e-6}, {.label = "y", .value = -1e-6}},
                  .reference = 0,
                  .margin = 0.03});
  const std::vector<Element> elements = XmlReader(svg).Read();
  const std::vector<Element> means = OfClass(elements, "mean");
  ASSERT_EQ(means.size(), 2);
  EXPECT_GT(means[0].Number("cx") - means[1].Number("cx"), 300);
  const Element margin = OfClass(elements, "margin")[0];
  EXPECT_LT(margin.Number("x"), means[1].Number("cx"));
  EXPECT_GT(margin.Number("x") + margin.Number("width"), means[0].Number("cx"));
}

TEST(DotPlotSvg, EverythingLiesInsideTheFigure) {
  DotPlot plot = Example();
  plot.rows.push_back({.label = std::string(80, 'W'), .value = 0.5});
  plot.rows.push_back({.label = "wide",
                       .value = 0.5,
                       .low = -std::numeric_limits<double>::infinity(),
                       .high = std::numeric_limits<double>::infinity()});
  const std::vector<Element> elements = XmlReader(DotPlotSvg(plot)).Read();
  const double width = elements[0].Number("width");
  const double height = elements[0].Number("height");
  for (const Element& element : elements) {
    for (const char* name : {"x", "x1", "x2", "cx"}) {
      if (!element.attributes.contains(name)) continue;
      EXPECT_GE(element.Number(name), 0);
      EXPECT_LE(element.Number(name), width);
    }
    for (const char* name : {"y", "y1", "y2", "cy"}) {
      if (!element.attributes.contains(name)) continue;
      EXPECT_GE(element.Number(name), 0);
      EXPECT_LE(element.Number(name), height);
    }
  }
  // The long label ends at its anchor; a letter takes 0.6 em or so.
  for (const Element& text : Texts(elements)) {
    if (text.text == std::string(80, 'W')) {
      EXPECT_GT(text.Number("x"), 80 * 13 * 0.6);
    }
  }
}

TEST(DotPlotSvg, RowsStandInTheirOrderWithColoursOfTheReport) {
  const std::vector<Element> elements = XmlReader(DotPlotSvg(Example())).Read();
  const std::vector<Element> means = OfClass(elements, "mean");
  ASSERT_EQ(means.size(), 3);
  EXPECT_LT(means[0].Number("cy"), means[1].Number("cy"));
  EXPECT_LT(means[1].Number("cy"), means[2].Number("cy"));
  EXPECT_EQ(means[1].attributes.at("fill"), means[2].attributes.at("fill")) << "1 and 9 of 8";
  for (int color = 0; color < 8; ++color) {
    const std::string svg = DotPlotSvg({.rows = {{.label = "x", .value = 1, .color = color}}});
    const std::string fill = OfClass(XmlReader(svg).Read(), "mean")[0].attributes.at("fill");
    EXPECT_THAT(kReportScript, HasSubstr(absl::StrCat("\"", fill, "\"")));
  }
}

TEST(DotPlotSvg, DegenerateValuesStillMakeAFigure) {
  for (const double value : {0.0, -3.5, 1e300, 5e-324, -1e-300}) {
    const std::string svg = DotPlotSvg({.rows = {{.label = "x", .value = value}}});
    XmlReader(svg).Read();
    EXPECT_FALSE(absl::StrContains(svg, "nan") || absl::StrContains(svg, "inf")) << svg;
  }
  XmlReader(DotPlotSvg({})).Read();
  const double max = std::numeric_limits<double>::max();
  const std::string svg =
      DotPlotSvg({.rows = {{.label = "x", .value = max}, {.label = "y", .value = -max}}});
  EXPECT_FALSE(absl::StrContains(svg, "nan") || absl::StrContains(svg, "inf")) << svg;
}

}  // namespace
}  // namespace perennial::report
