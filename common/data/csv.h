// Reader of tables in CSV (RFC 4180), as typed columns. A writer is common/report/csv.h.
//
// A record ends with LF or CRLF; a cell in double quotes may hold delimiters, line breaks and
// doubled quotes; a UTF-8 byte order mark is skipped. Quotes carry no meaning beyond that: "12" in
// quotes is a number too. Lines without any character are skipped, except that in a table of one
// column an empty line after the header is a missing value.
//
// Each column gets the first of these types that all its cells fit, missing ones aside:
//   number   decimal, as 12, -0.5, +.5, 1e-3; a double. Not a number: inf, 0x10, 1_000.
//   boolean  exactly true True TRUE yes Yes YES, false False FALSE no No NO
//   text     distinct texts in the order in which they appear, and a code for each row
// A column of missing values only is a number. Spaces and tabs around numbers, booleans, missing
// values and column names are ignored; text keeps them.
//
// Memory: 8 bytes a number, 4 a text, 1 a boolean, the distinct texts once, one column more while
// columns grow, and a buffer of read_bytes or four times the longest record; beyond the buffer
// never more than 64 times the size of the file. A file is read once, and a second time if a column
// turns out not to have the type of its first cells.
//
// Errors are one line, `file:line:column: what` (both from 1, the column in bytes),
// InvalidArgument; NotFound and the like if the file cannot be read. A name that is not there is
// NotFound, with the nearest one.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const data::CsvTable table, data::ReadCsv("trial.csv"));
//   PERENNIAL_ASSIGN_OR_RETURN(std::span<const double> age, table.Numbers("age"));
//   PERENNIAL_ASSIGN_OR_RETURN(const data::CsvColumn* site, table.Column("site"));
//   for (int64_t row = 0; row < table.rows(); ++row) {
//     if (site->codes[row] >= 0) Use(age[row], site->categories[site->codes[row]]);
//   }
#ifndef PERENNIAL_COMMON_DATA_CSV_H_
#define PERENNIAL_COMMON_DATA_CSV_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace perennial::data {

enum class CsvType { kNumber, kBoolean, kText };

// "number", "boolean", "text".
absl::string_view CsvTypeName(CsvType type);

struct CsvOptions {
  char delimiter = ',';     // Or ';', '\t', '|'. Not guessed: a wrong guess would be silent.
  char decimal_mark = '.';  // Or ',', where the delimiter is another.
  // Without a header the columns are named column1, column2, ...
  bool header = true;
  std::vector<std::string> missing = {"", "NA", "NaN", "nan", "null", "NULL"};
  // Types that are not inferred. A number column refuses what is no number, a boolean one takes 0
  // and 1 too, and text is everything.
  std::map<std::string, CsvType> types;
  int64_t max_bytes = int64_t{1} << 36;
  int64_t max_record_bytes = 1 << 20;  // So that a quote left open does not swallow the file.
  int64_t max_columns = 10000;
  int64_t read_bytes = 1 << 20;  // Of a file at a time, at least 16.
};

// The members of its type are filled, with one element a row.
struct CsvColumn {
  std::string name;
  CsvType type = CsvType::kNumber;
  int64_t missing = 0;
  // Whole numbers beyond 2^53 that a double holds rounded. Such identifiers are better read as
  // text.
  int64_t rounded_integers = 0;
  std::vector<double> numbers;          // NaN if missing, finite otherwise.
  std::vector<int8_t> booleans;         // 0 or 1; -1 if missing.
  std::vector<int32_t> codes;           // Index into `categories`; -1 if missing.
  std::vector<std::string> categories;  // Distinct, in the order of the rows.

  // What the reader passed over, for programs that say so.
  int64_t trimmed = 0;        // Numbers, booleans, missing values, the name: with blanks around.
  int64_t leading_zeros = 0;  // Numbers as 007, which may be codes.
  std::vector<std::string> missing_words = {};  // As "NA": each but the empty one, once.
  std::vector<std::string> false_words = {};    // As a boolean column spells them, each once.
  std::vector<std::string> true_words = {};
  bool labelled = false;  // In Stata: its numbers have value labels, which are passed over.
};

class CsvTable {
 public:
  // `name` stands for the table in messages.
  CsvTable(std::string name, int64_t rows, std::vector<CsvColumn> columns,
           int64_t skipped_lines = 0)
      : name_(std::move(name)),
        rows_(rows),
        columns_(std::move(columns)),
        skipped_lines_(skipped_lines) {}

  const std::string& name() const { return name_; }
  int64_t rows() const { return rows_; }
  // Without any character, before the last row.
  int64_t skipped_lines() const { return skipped_lines_; }
  const std::vector<CsvColumn>& columns() const { return columns_; }

  // Lives as long as the table.
  absl::StatusOr<const CsvColumn*> Column(absl::string_view name) const;

  // The numbers of a column; InvalidArgument if it has another type.
  absl::StatusOr<std::span<const double>> Numbers(absl::string_view name) const;

 private:
  std::string name_;
  int64_t rows_;
  std::vector<CsvColumn> columns_;
  int64_t skipped_lines_;
};

// `name` stands for the text in messages.
absl::StatusOr<CsvTable> ParseCsv(absl::string_view text, absl::string_view name,
                                  const CsvOptions& options = {});

// A regular file is read piece by piece; anything else (a pipe) is taken into memory first.
absl::StatusOr<CsvTable> ReadCsv(const std::string& path, const CsvOptions& options = {});

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_CSV_H_
