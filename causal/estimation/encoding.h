// A user's table as observations: what each column becomes, remembered for tables that come later.
//
//   treatment  two arms: 0/1, or 1/2 with 1 for control, no/yes or false/true in any spelling
//              (csv.h), or two texts or numbers of which `treated_value` or `control_value` names
//              one. Three to ten: control is `control_value`, else the smallest number or the first
//              text in the alphabet, with a warning unless it is 0; the others follow in that
//              order. With both values given, rows of other arms are left out.
//   outcome    numbers, 0/1 or no/yes or false/true (binary), or two words or numbers of which
//              `outcome_value` names the one that is 1.
//   covariates numbers as they are; false/true as 0/1; text, and columns named in `categorical`, as
//              an indicator for each level in the order of appearance (of two levels: the second
//              alone). Beyond max_levels the most frequent keep theirs and the others share one.
//   missing    numbers get the mean, others the most frequent value, each with an indicator more.
//
// Rows without treatment or outcome are left out, and so are covariates that are constant or equal
// to an earlier one. Every such repair is a sentence in `notes`, and so is what the reader of the
// file passed over: blanks, spellings, words that mean missing, value labels. What may be wrong is
// one in `warnings`: a control that nobody chose, codes that were read as numbers, numbers that may
// stand for a missing value (missing_codes.h), dates (date_text.h), covariates that may be the
// outcome or tell the arm (leaks.h).
//
//   PERENNIAL_ASSIGN_OR_RETURN(const data::CsvTable table, data::ReadCsv("trial.csv"));
//   PERENNIAL_ASSIGN_OR_RETURN(const Encoded encoded,
//                              Encode(table, {.treatment = "drug", .outcome = "days"}));
//   PERENNIAL_ASSIGN_OR_RETURN(const Applied later, Apply(encoded.schema, new_table));
#ifndef PERENNIAL_CAUSAL_ESTIMATION_ENCODING_H_
#define PERENNIAL_CAUSAL_ESTIMATION_ENCODING_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/data/observations.h"
#include "common/data/csv.h"

namespace perennial::causal {

struct EncodingOptions {
  std::string treatment;
  std::string outcome;
  std::vector<std::string> covariates = {};   // Empty: all other columns.
  std::vector<std::string> ignore = {};       // Of those.
  std::vector<std::string> categorical = {};  // Were read as text on purpose.
  std::string cluster = {};                   // Empty: units are independent.
  std::string treated_value = {};
  std::string control_value = {};
  std::string outcome_value = {};
  int64_t least_of_arm = 1;  // Units; fewer of an arm, or in all, are refused.
  int64_t least_units = 2;
  int64_t least_clusters_of_arm = 1;
  int max_levels = 50;      // 2 or more.
  char decimal_mark = '.';  // Of the table, as it was read (CsvOptions).
};

// What a column of the table becomes.
struct ColumnEncoding {
  std::string name;
  data::CsvType type = data::CsvType::kNumber;
  double fill = 0;  // For missing values: the mean, 0 or 1, or the index of a level.
  bool had_missing = false;
  double low = 0;  // Of a number, in the table that was encoded.
  double high = 0;
  std::vector<std::string> levels = {};  // Of a text, that have an indicator.
  bool others = false;                   // Further ones, that share one.
};

// One covariate that models see.
struct Feature {
  static constexpr int kValue = -1;
  static constexpr int kMissing = -2;

  int column;  // Index into EncodingSchema::columns.
  int part;    // kValue, kMissing, or the indicator of a level; levels.size(): of the others.
};

struct EncodingSchema {
  std::string treatment;
  std::string outcome;            // Its name; "status=died" of words and of a chosen value.
  std::vector<std::string> arms;  // Control first, as the table spells them.
  bool binary_outcome = false;
  std::vector<ColumnEncoding> columns;
  std::vector<Feature> features;

  // "age", "age missing", "site=Bern", "site=(others)"
  std::string NameOf(const Feature& feature) const;
  // As which the columns of a later table are to be read, those that features need.
  std::map<std::string, data::CsvType> Types() const;

  std::string Json() const;
  // Of text that is not trusted: InvalidArgument.
  static absl::StatusOr<EncodingSchema> FromJson(absl::string_view json);
};

struct Encoded {
  Observations observations;  // Valid.
  EncodingSchema schema;
  std::vector<int64_t> rows;  // [n], of the table, from 1.
  std::vector<std::string> notes;
  std::vector<std::string> warnings;
};

// InvalidArgument or NotFound, in one line, for columns that are not there or named twice, arms of
// too few units or spelled in two ways, a treatment or outcome of another form, of dates or
// constant, text
// among numbers, numbers beyond 1e100, texts that differ in every row (an identifier, or dates), a
// covariate that is the treatment or the outcome, in whatever units, no covariate left, and a row
// without a cluster. What is wrong with treatment and outcome is told before what is wrong with
// covariates.
absl::StatusOr<Encoded> Encode(const data::CsvTable& table, const EncodingOptions& options);

struct Applied {
  std::vector<double> covariates;  // [n, p], row by row.
  // [n], why a row is unlike all that were encoded: "age=91 is above 74; site=Rome is new". Empty:
  // it is not.
  std::vector<std::string> outside;
};

// The covariates of all rows of another table. Needs neither treatment nor outcome. Errors name
// the column that is missing, of another type, or beyond 1e100.
absl::StatusOr<Applied> Apply(const EncodingSchema& schema, const data::CsvTable& table);

// 1234567 -> "1,234,567", of counts; 2.54 with so many digits, no trailing zeros.
std::string CountText(int64_t count);
std::string NumberText(double value, int digits = 4);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_ENCODING_H_
