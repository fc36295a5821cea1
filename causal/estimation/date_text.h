// Whether a text is a date: 2024-03-01, 2024/3/1, 01/03/2024, 1.3.2024, 01-03-24, with or without a
// time behind it (T or a blank, 14:05, 14:05:09.25, 2:05 PM, Z, +01:00). Which of two numbers is
// the month is not asked; one of them must be able to be.
//
// And whether it is the time of a day alone, or a date as a whole number, 20240301.
//
//   IsDateText("2024-03-01T14:05:09Z")   // true
//   IsDateText("10-19")                  // false
//   IsTimeText("2:05 PM")                // true
//   IsDateNumber(20240230)               // true: a month may have 31 days
#ifndef PERENNIAL_CAUSAL_ESTIMATION_DATE_TEXT_H_
#define PERENNIAL_CAUSAL_ESTIMATION_DATE_TEXT_H_

#include "absl/strings/string_view.h"

namespace perennial::causal {

bool IsDateText(absl::string_view text);
bool IsTimeText(absl::string_view text);
// Of the years 1800 to 2199.
bool IsDateNumber(double number);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_DATE_TEXT_H_
