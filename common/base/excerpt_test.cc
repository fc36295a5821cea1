#include "common/base/excerpt.h"

#include "gtest/gtest.h"

namespace perennial::base {
namespace {

TEST(ExcerptTest, LeavesOrdinaryTextAlone) {
  EXPECT_EQ(Excerpt(""), "");
  EXPECT_EQ(Excerpt("a \"quoted\" text, naïve – 7"), "a \"quoted\" text, naïve – 7");
}

TEST(ExcerptTest, IsOneLineWhateverTheTextHolds) {
  EXPECT_EQ(Excerpt("a\nb\r\tc"), "a\\nb\\r\\tc");
  EXPECT_EQ(Excerpt("\x1b[31mred\x7f"), "\\x1b[31mred\\x7f");
  EXPECT_EQ(Excerpt("\xff\x41"), "\\xffA");
}

TEST(ExcerptTest, CutsBetweenCharactersAndSaysSo) {
  EXPECT_EQ(Excerpt("abcdef", 6), "abcdef");
  EXPECT_EQ(Excerpt("abcdefg", 6), "abcdef...");
  EXPECT_EQ(Excerpt("abcdé", 5), "abcd...");
  EXPECT_EQ(Excerpt(std::string(1 << 20, 'x')).size(), 123u);
}

}  // namespace
}  // namespace perennial::base
