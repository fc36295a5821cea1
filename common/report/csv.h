// A table as CSV (RFC 4180): header line, CRLF, quotes where a cell holds a comma, quote or line
// break. The caption is left out.
//
//   run->Write("tables.csv", TableCsv(table));
#ifndef PERENNIAL_COMMON_REPORT_CSV_H_
#define PERENNIAL_COMMON_REPORT_CSV_H_

#include <string>

#include "common/report/table.h"

namespace perennial::report {

std::string TableCsv(const Table& table);

}  // namespace perennial::report

#endif  // PERENNIAL_COMMON_REPORT_CSV_H_
