// A table as aligned plain text.
//
// A table wider than the terminal is cut into several below each other, each beginning with the
// first column and texts that follow it, as far as they leave half of the width; nothing is cut off
// (a single cell wider than the terminal stays as it is).
//
//   std::cout << TerminalTable(table);
#ifndef PERENNIAL_COMMON_REPORT_TERMINAL_TABLE_H_
#define PERENNIAL_COMMON_REPORT_TERMINAL_TABLE_H_

#include <string>

#include "common/report/table.h"

namespace perennial::report {

// Widths count UTF-8 characters.
std::string TerminalTable(const Table& table, int width = 80);

}  // namespace perennial::report

#endif  // PERENNIAL_COMMON_REPORT_TERMINAL_TABLE_H_
