// A table as the report, the terminal and CSV show it.
//
//   Table table{.caption = "Mean and 95 % interval over seeds",
//               .columns = {{"method"}, {"average accuracy", Align::kRight}}};
//   table.rows.push_back({"mc_sgd", "0.631 ± 0.020"});
#ifndef PERENNIAL_COMMON_REPORT_TABLE_H_
#define PERENNIAL_COMMON_REPORT_TABLE_H_

#include <string>
#include <vector>

namespace perennial::report {

enum class Align { kLeft, kRight };

struct Column {
  std::string name;
  Align align = Align::kLeft;  // right for numbers
};

// Texts are UTF-8, one line each. Rows shorter than the columns are filled up with empty cells; a
// longer row is a programmer error.
struct Table {
  std::string caption;
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};

}  // namespace perennial::report

#endif  // PERENNIAL_COMMON_REPORT_TABLE_H_
