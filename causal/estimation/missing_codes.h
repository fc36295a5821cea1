// Numbers of a column that may be codes for a missing value: -9, 99, 999, -999.9 and their like.
//
// A code is a number of the digits 9 alone, of which the last may be 8 or 7 (998, 997), or of 8 or
// of 7 alone (88, -77), with either sign. It is suspected where it stands at an end of the column,
// in three rows at least, and is either
//   far        further from the other values than these are from each other, if they are two or
//              more; a code below 10 only if they are whole numbers without a gap, as answers are
//              (1, 2, 3, 4, and 9), so that steps of a dose (0, 1, 3, 9) are none
//   negative   below 0, and all others are not
// Up to three codes of an end count together, and so do both ends. An outlier, skewed numbers,
// counts, 0 and 1, and zeros among large numbers are no codes.
//
//   for (const MissingCodes& codes : MissingCodesOf(income)) Warn(codes.values, codes.rows);
#ifndef PERENNIAL_CAUSAL_ESTIMATION_MISSING_CODES_H_
#define PERENNIAL_CAUSAL_ESTIMATION_MISSING_CODES_H_

#include <cstdint>
#include <span>
#include <vector>

namespace perennial::causal {

// Of one end of a column.
struct MissingCodes {
  std::vector<double> values;  // Ascending, one to three.
  int64_t rows;                // That hold one of them.
  bool far;                    // Else: negative.
  double low;                  // Least and greatest of the other values.
  double high;
};

// Of the values that are not NaN; from the outermost codes to those that are found without these.
std::vector<MissingCodes> MissingCodesOf(std::span<const double> values);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_MISSING_CODES_H_
