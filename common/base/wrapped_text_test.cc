#include "common/base/wrapped_text.h"

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace perennial::base {
namespace {

TEST(WrappedTextTest, LinesAreAsFullAsTheWidthAllows) {
  const std::vector<absl::string_view> words = {"ab", "cde", "f", "gh"};
  EXPECT_EQ(WrappedText(words, 11), "ab cde f gh\n");
  EXPECT_EQ(WrappedText(words, 10), "ab cde f\ngh\n");
  EXPECT_EQ(WrappedText(words, 8), "ab cde f\ngh\n");
  EXPECT_EQ(WrappedText(words, 7), "ab cde\nf gh\n");
}

TEST(WrappedTextTest, WhatLinesBeginWithCounts) {
  const std::vector<absl::string_view> words = {"ab", "cde", "f", "gh"};
  EXPECT_EQ(WrappedText(words, 8, "- ", "  "), "- ab cde\n  f gh\n");
  EXPECT_EQ(WrappedText(words, 8, "", "    "), "ab cde f\n    gh\n");
}

TEST(WrappedTextTest, AWordThatIsTooLongHasALineOfItsOwn) {
  EXPECT_EQ(WrappedText({"abcdef", "g", "hijklmn"}, 4, "- ", "  "), "- abcdef\n  g\n  hijklmn\n");
}

TEST(WrappedTextTest, CharactersCountNotBytes) {
  EXPECT_EQ(ColumnsOf("\u00e4\u2026x"), 3u);
  EXPECT_EQ(WrappedText({"\u00e4\u00e4", "\u00e4"}, 4), "\u00e4\u00e4 \u00e4\n");
}

TEST(WrappedTextTest, EmptyWordsKeepTheirBlanksAndNoWordsAreNoLine) {
  EXPECT_EQ(WrappedText(absl::StrSplit("a  b", ' '), 80), "a  b\n");
  EXPECT_EQ(WrappedText({}, 80, "- "), "");
}

}  // namespace
}  // namespace perennial::base
