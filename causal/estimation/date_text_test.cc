#include "causal/estimation/date_text.h"

#include <cmath>

#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

TEST(DateTextTest, DatesInUsualOrdersWithAndWithoutATimeAreDates) {
  for (const char* text : {"2024-03-01",
                           "2024-3-1",
                           "2024/03/31",
                           "2024.03.31",
                           "01/03/2024",
                           "31/12/2024",
                           "12/31/2024",
                           "1.3.2024",
                           "01-03-2024",
                           "01/03/24",
                           "12-31-99",
                           " 2024-03-01 ",
                           "2024-03-01T14:05",
                           "2024-03-01 14:05:09",
                           "2024-03-01T14:05:09.25Z",
                           "2024-03-01T14:05:09+01:00",
                           "2024-03-01T14:05-0530",
                           "2024-03-01 14:05:09 +01",
                           "01/03/2024 2:05 PM",
                           "01/03/2024 02:05:09pm"}) {
    EXPECT_TRUE(IsDateText(text)) << text;
  }
}

TEST(DateTextTest, OtherTextsAreNone) {
  for (const char* text : {"",
                           "-",
                           "2024",
                           "2024-03",
                           "10-19",
                           "2024-13-32",
                           "2024-13-14",
                           "32/01/2024",
                           "13/13/2024",
                           "0/1/2024",
                           "2024-00-10",
                           "2024-03/01",
                           "2024-03-01x",
                           "2024-03-01T",
                           "2024-03-01 1405",
                           "2024-03-01 14:5",
                           "2024-03-01 14:05:",
                           "2024-03-01 14:05:09.",
                           "2024-03-01 2:05 XM",
                           "2024-03-01 14:05+1",
                           "1.2.10",
                           "1.2.3",
                           "192.168.1.10",
                           "078-05-1120",
                           "555-12-3456",
                           "12345-03-01",
                           "1/2/345",
                           "a2024-03-01",
                           "unit 7",
                           "1-2-3"}) {
    EXPECT_FALSE(IsDateText(text)) << text;
  }
}

TEST(DateTextTest, TimesOfADayAloneAreTimes) {
  for (const char* text : {"14:05", "0:00", " 9:30 ", "14:05:09", "14:05:09.25", "2:05 PM",
                           "02:05am", "14:05Z", "14:05:09+01:00", "24:00"}) {
    EXPECT_TRUE(IsTimeText(text)) << text;
    EXPECT_FALSE(IsDateText(text)) << text;
  }
  for (const char* text :
       {"", ":05", "14", "14:", "14:5", "14:60", "25:00", "114:05", "14-05", "14:05:", "14:05:9",
        "14:05 XM", "14:05 or so", "2024-03-01 14:05", "1:100"}) {
    EXPECT_FALSE(IsTimeText(text)) << text;
  }
}

TEST(DateTextTest, NumbersOfEightDigitsWithAMonthAndADayAreDates) {
  for (const double number : {20240301.0, 18000101.0, 21991231.0, 20240230.0}) {
    EXPECT_TRUE(IsDateNumber(number)) << number;
  }
  for (const double number : {20241301.0, 20240001.0, 20240300.0, 20240332.0, 20240301.5, 240301.0,
                              -20240301.0, 17991231.0, 22000101.0, 0.0, HUGE_VAL, std::nan("")}) {
    EXPECT_FALSE(IsDateNumber(number)) << number;
  }
}

}  // namespace
}  // namespace perennial::causal
