#include "common/report/csv.h"

#include <cstddef>
#include <string>

#include "common/base/logging.h"

namespace perennial::report {
namespace {

void AppendCell(const std::string& cell, std::string* csv) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) {
    *csv += cell;
    return;
  }
  *csv += '"';
  for (const char c : cell) {
    if (c == '"') *csv += '"';
    *csv += c;
  }
  *csv += '"';
}

}  // namespace

std::string TableCsv(const Table& table) {
  std::string csv;
  const size_t width = table.columns.size();
  for (size_t c = 0; c < width; ++c) {
    if (c > 0) csv += ',';
    AppendCell(table.columns[c].name, &csv);
  }
  csv += "\r\n";
  for (const auto& row : table.rows) {
    CHECK_LE(row.size(), width);
    for (size_t c = 0; c < width; ++c) {
      if (c > 0) csv += ',';
      if (c < row.size()) AppendCell(row[c], &csv);
    }
    csv += "\r\n";
  }
  return csv;
}

}  // namespace perennial::report
