// Reader of Stata's .dta files, formats 113 to 115 (Stata 8 to 12) and 117 to 119 (Stata 13 and
// later), in either byte order.
//
// Format (Stata's "help dta" of each release): a header, descriptors of the variables, and one
// record of fixed width for each observation. Columns come out as those of a CSV (csv.h):
//   byte, int, long, float, double   numbers; Stata's missing values, . and .a to .z, become NaN
//   str1 ... str2045                 text; the empty string, which is how Stata says missing, has
//                                    code -1
// Text of formats before 118 is Latin-1 and comes out as UTF-8; so does text of later ones that is
// not UTF-8, as converted files have it. Value labels, variable labels and formats are passed over:
// a labelled variable is its numbers, and CsvColumn::labelled says so. Refused by name: strL, and
// aliases of Stata 18.
//
// Files are untrusted: every length is checked against the bytes that are there before anything is
// allocated. Errors: InvalidArgument, one line, naming the file; NotFound and the like if it cannot
// be read.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const data::CsvTable table, data::ReadStata("nsw.dta"));
//   PERENNIAL_ASSIGN_OR_RETURN(std::span<const double> earnings, table.Numbers("re78"));
#ifndef PERENNIAL_COMMON_DATA_STATA_H_
#define PERENNIAL_COMMON_DATA_STATA_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/file_io.h"
#include "common/data/csv.h"

namespace perennial::data {

// `name` stands for the bytes in messages.
absl::StatusOr<CsvTable> ParseStata(absl::string_view bytes, absl::string_view name);

absl::StatusOr<CsvTable> ReadStata(const std::string& path,
                                   int64_t max_bytes = base::kDefaultMaxFileBytes);

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_STATA_H_
