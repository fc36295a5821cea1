#include "common/report/latex.h"

#include <algorithm>
#include <string>

#include "gtest/gtest.h"

namespace perennial::report {
namespace {

TEST(LatexText, EscapesWhatLatexReadsAsCommands) {
  EXPECT_EQ(LatexText("mc_sgd"), "mc\\_sgd");
  EXPECT_EQ(LatexText("50% of $1 & #2 {x}"), "50\\% of \\$1 \\& \\#2 \\{x\\}");
  EXPECT_EQ(LatexText("\\^~<>|"),
            "\\textbackslash{}\\textasciicircum{}\\textasciitilde{}\\textless{}\\textgreater{}"
            "\\textbar{}");
  EXPECT_EQ(LatexText("a\nb\rc\td"), "a b c d");
  EXPECT_EQ(LatexText("naïve"), "naïve");
}

TEST(LatexText, ACellNeverReadsAsAnArgumentOfTheRowBefore) {
  EXPECT_EQ(LatexText("[2pt] *"), "{[}2pt] {*}");
}

TEST(LatexUncertain, ShowsValueAndHalfWidthWithTheSameDigits) {
  EXPECT_EQ(LatexUncertain({.value = 0.59162, .half_width = 0.0154, .decimals = 3}),
            "$0.592 \\pm 0.015$");
  EXPECT_EQ(LatexUncertain({.value = 0.59162, .half_width = 0.0154, .decimals = 2, .bold = true}),
            "$\\mathbf{0.59} \\pm 0.02$");
  EXPECT_EQ(LatexUncertain({.value = -1.25, .decimals = 1}), "$-1.2$");  // half to even
  EXPECT_EQ(LatexUncertain({.value = -0.0001, .decimals = 2}), "$0.00$");
}

TEST(LatexUncertain, PutsAPowerOfTenBehind) {
  EXPECT_EQ(LatexUncertain({.value = 1.25e12, .half_width = 3e10, .decimals = 2, .exponent = 12}),
            "$(1.25 \\pm 0.03) \\times 10^{12}$");
  EXPECT_EQ(LatexUncertain({.value = 2e-9, .decimals = 0, .exponent = -9}), "$2 \\times 10^{-9}$");
}

TEST(LatexTabularText, IsABooktabsTabularOfEqualRows) {
  const std::string text = LatexTabularText(
      {.comments = {"made by x\n\\input{y}"},
       .columns = {{"method"}, {"accuracy", Align::kRight}},
       .sections = {{"group_a", {{"er", "$1$"}, {"naive"}}}, {"", {{"joint", "$2$"}}}}});
  EXPECT_EQ(text,
            "% made by x \\input{y}\n"
            "\\begin{tabular}{lr}\n"
            "\\toprule\n"
            "method & accuracy \\\\\n"
            "\\midrule\n"
            "\\multicolumn{2}{l}{\\textit{group\\_a}} \\\\\n"
            "er & $1$ \\\\\n"
            "naive &  \\\\\n"
            "\\midrule\n"
            "joint & $2$ \\\\\n"
            "\\bottomrule\n"
            "\\end{tabular}\n");
}

}  // namespace
}  // namespace perennial::report
