#include "causal/estimation/program_flags.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/base/excerpt.h"
#include "common/base/wrapped_text.h"

namespace perennial::causal {
namespace {

absl::Status SetCharacter(absl::string_view flag, const std::string& value,
                          absl::string_view allowed, char& character) {
  const std::string text = value == "tab" || value == "\\t" ? "\t" : value;
  if (text.size() == 1 && allowed.find(text[0]) != absl::string_view::npos) {
    character = text[0];
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, " ", base::Excerpt(value), ": must be one of ",
                   allowed.find('\t') == absl::string_view::npos ? "\".\" and \",\""
                                                                 : "\",\", \";\", \"|\" and tab"));
}

}  // namespace

absl::Status SetText(absl::string_view flag, const std::string& value, std::string& text) {
  if (value.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag, ": the value is empty"));
  }
  text = value;
  return absl::OkStatus();
}

absl::Status SetDelimiter(const std::string& value, data::CsvOptions& csv) {
  return SetCharacter("delimiter", value, ",;|\t", csv.delimiter);
}

absl::Status SetDecimalMark(const std::string& value, data::CsvOptions& csv) {
  return SetCharacter("decimal_mark", value, ".,", csv.decimal_mark);
}

absl::Status Required(absl::string_view flag, const std::string& value, absl::string_view what) {
  if (!value.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, " is missing: ", what, "; --help shows all flags"));
}

absl::Status CheckCsv(const data::CsvOptions& csv) {
  if (csv.delimiter != csv.decimal_mark) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--delimiter and --decimal_mark are both \",\": give another --delimiter, as \";\", and save "
      "the table with it if it has commas between cells");
}

std::string StemOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const size_t dot = name.rfind('.');
  if (dot != std::string::npos && dot > 0) name.resize(dot);
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') c = '_';
  }
  return name;
}

absl::Status AsTyped(const absl::Status& status, const std::string& path,
                     const std::string& typed) {
  return absl::Status(status.code(), absl::StrReplaceAll(status.message(), {{path, typed}}));
}

void PrintItem(absl::string_view text, std::ostream& out) {
  // Names of columns may hold line breaks.
  const std::string shown = base::Excerpt(text, text.size());
  out << base::WrappedText(absl::StrSplit(shown, ' '), kTerminalWidth, "- ", "  ");
}

}  // namespace perennial::causal
