// What the command lines of //causal:estimate and //causal:predict share: values of flags, names of
// files, items of text.
#ifndef PERENNIAL_CAUSAL_ESTIMATION_PROGRAM_FLAGS_H_
#define PERENNIAL_CAUSAL_ESTIMATION_PROGRAM_FLAGS_H_

#include <cstddef>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/data/csv.h"

namespace perennial::causal {

inline constexpr size_t kTerminalWidth = 80;
inline constexpr int kUsageColumns = 22;
inline constexpr char kMarkFile[] = "estimate.json";
inline constexpr char kModelFile[] = "model.safetensors";

// Values of --`flag`; InvalidArgument names it, the value and what is allowed.
absl::Status SetText(absl::string_view flag, const std::string& value, std::string& text);
absl::Status SetDelimiter(const std::string& value, data::CsvOptions& csv);
absl::Status SetDecimalMark(const std::string& value, data::CsvOptions& csv);

// InvalidArgument if no --`flag` was given; `what` it should be.
absl::Status Required(absl::string_view flag, const std::string& value, absl::string_view what);
// InvalidArgument if the delimiter is the decimal mark.
absl::Status CheckCsv(const data::CsvOptions& csv);

// "my" of "a/my.csv"; what is no letter, digit, "_" or "-" becomes "_".
std::string StemOf(const std::string& path);

// An error that names a file as the user did.
absl::Status AsTyped(const absl::Status& status, const std::string& path, const std::string& typed);

// "- text", continued under the text.
void PrintItem(absl::string_view text, std::ostream& out);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_PROGRAM_FLAGS_H_
