#include "common/base/json_text.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace perennial::base {
namespace {

TEST(JsonNumber, IsTheShortestThatReadsBack) {
  EXPECT_EQ(JsonNumber(0.1), "0.1");
  EXPECT_EQ(JsonNumber(1.0), "1");
  EXPECT_EQ(JsonNumber(-0.0), "-0.0");  // "-0" would be read as a whole number, without its sign.
  EXPECT_EQ(JsonNumber(-0.0f), "-0.0");
  EXPECT_EQ(JsonNumber(1e300), "1e+300");
  EXPECT_EQ(JsonNumber(5e-324), "5e-324");
  EXPECT_EQ(JsonNumber(0.1f), "0.1");
  EXPECT_EQ(JsonNumber(std::nan("")), "null");
  EXPECT_EQ(JsonNumber(std::numeric_limits<double>::infinity()), "null");
}

TEST(JsonNumber, RandomBitPatternsReadBackByAnIndependentParser) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    const uint64_t bits = random();
    double value;
    std::memcpy(&value, &bits, sizeof(value));
    if (!std::isfinite(value)) continue;
    EXPECT_EQ(nlohmann::json::parse(JsonNumber(value)).get<double>(), value);
  }
}

TEST(JsonString, EveryByteStringIsValidJsonText) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 5000; ++i) {
    std::string bytes;
    for (int n = random() % 12; n > 0; --n) bytes.push_back(static_cast<char>(random()));
    EXPECT_TRUE(nlohmann::json::accept(JsonString(bytes)));
  }
}

TEST(JsonString, TextReadsBack) {
  const std::string text = "a\"b\\c\n\t\x01\x7f é 漢 😀 </script>";
  EXPECT_EQ(nlohmann::json::parse(JsonString(text)).get<std::string>(), text);
}

TEST(JsonString, ForbiddenUtf8BecomesTheReplacementCharacter) {
  EXPECT_EQ(JsonString("\xc0\xaf"), "\"\\ufffd\\ufffd\"");             // overlong
  EXPECT_EQ(JsonString("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");  // surrogate
  EXPECT_EQ(JsonString("a\xe2\x82"), "\"a\\ufffd\\ufffd\"");           // cut off
}

TEST(IsUtf8, FollowsRfc3629) {
  EXPECT_TRUE(IsUtf8("a é 漢 😀 \x7f"));
  for (const char* bad :
       {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

TEST(JsonObject, KeepsTheOrderOfKeysAndTheTypes) {
  EXPECT_EQ(JsonObject()
                .Add("z", 1)
                .Add("a", 0.5)
                .Add("s", "x")
                .Add("b", true)
                .Add("big", std::numeric_limits<uint64_t>::max())
                .AddRaw("list", JsonArray({1.0, std::nan("")}))
                .Text(),
            R"({"z":1,"a":0.5,"s":"x","b":true,"big":18446744073709551615,"list":[1,null]})");
  EXPECT_EQ(JsonObject().Text(), "{}");
}

TEST(JsonArray, OfTexts) { EXPECT_EQ(JsonArray({"a", "b\""}), R"(["a","b\""])"); }

}  // namespace
}  // namespace perennial::base
