// Whether a text is a date: 2024-03-01, 2024/3/1, 01/03/2024, 1.3.2024, 01-03-24, with or without a
// time behind it (T or a blank, 14:05, 14:05:09.25, 2:05 PM, Z, +01:00). Which of two numbers is
// the month is not asked; one of them must be able to be.
//
//   IsDateText("2024-03-01T14:05:09Z")   // true
//   IsDateText("10-19")                  // false
#ifndef PERENNIAL_CAUSAL_ESTIMATION_DATE_TEXT_H_
#define PERENNIAL_CAUSAL_ESTIMATION_DATE_TEXT_H_

#include "absl/strings/string_view.h"

namespace perennial::causal {

bool IsDateText(absl::string_view text);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_DATE_TEXT_H_
