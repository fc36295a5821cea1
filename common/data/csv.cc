#include "common/data/csv.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/file_io.h"
#include "common/base/json_text.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"

namespace perennial::data {
namespace {

constexpr size_t kShownBytes = 60;
constexpr size_t kShownNames = 20;
constexpr size_t kInPlace = std::numeric_limits<size_t>::max();
constexpr char kByteOrderMark[] = "\xef\xbb\xbf";
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr char kGiveLess[] = "give fewer rows, or only the columns that count";
// Beyond it a double no longer holds every whole number.
constexpr double kMaxExact = 9007199254740992.0;

// A cell or name for a message: quoted, without line breaks, of bounded length.
std::string Shown(absl::string_view text) {
  if (text.size() <= kShownBytes) return base::JsonString(text);
  size_t cut = kShownBytes;
  while (cut > 0 && (static_cast<uint8_t>(text[cut]) & 0xc0) == 0x80) --cut;
  return base::JsonString(absl::StrCat(text.substr(0, cut), "..."));
}

std::string ShownDelimiter(char delimiter) {
  return delimiter == '\t' ? "a tab" : absl::StrCat("'", std::string(1, delimiter), "'");
}

absl::string_view Trimmed(absl::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

enum ByteClass : uint8_t { kPlain, kDelimiter, kLineFeed, kReturn, kQuote, kNul, kHigh };

std::array<uint8_t, 256> ByteClasses(char delimiter) {
  std::array<uint8_t, 256> classes = {};
  for (int byte = 0x80; byte < 256; ++byte) classes[byte] = kHigh;
  classes[0] = kNul;
  classes['\n'] = kLineFeed;
  classes['\r'] = kReturn;
  classes['"'] = kQuote;
  classes[static_cast<uint8_t>(delimiter)] = kDelimiter;
  return classes;
}

// Files of other kinds, by their first bytes, which no column's name has.
struct OtherKind {
  absl::string_view start;
  const char* what;
};
constexpr OtherKind kOtherKinds[] = {
    {"\x1f\x8b", "is compressed by gzip; unpack it first, with gunzip"},
    {"\x28\xb5\x2f\xfd", "is compressed by zstd; unpack it first, with unzstd"},
    {"\xfd\x37zXZ", "is compressed by xz; unpack it first, with unxz"},
    {"PK\x03\x04", "is a ZIP archive, as .xlsx and .ods are; save the table as CSV"},
    {"\xd0\xcf\x11\xe0", "is an old Office file, as .xls; save the table as CSV"},
    {"[{", "is JSON; save the table as CSV"},
    {"{\"", "is JSON; save the table as CSV"},
    {"\xff\xfe", "is UTF-16; save it as UTF-8"},
    {"\xfe\xff", "is UTF-16; save it as UTF-8"},
};

// Splits the text into records, of a file piece by piece or of text in memory.
class RecordReader {
 public:
  struct Cell {
    const char* raw;  // Where it begins in the text, for messages.
    absl::string_view text;
  };

  RecordReader(absl::string_view name, const CsvOptions& options, absl::string_view text)
      : name_(name), options_(options), classes_(ByteClasses(options.delimiter)), all_(text) {}
  RecordReader(absl::string_view name, const CsvOptions& options, int file)
      : name_(name), options_(options), classes_(ByteClasses(options.delimiter)), file_(file) {}

  // Begins at the front, again if need be.
  absl::Status Start() {
    line_ = 1;
    next_line_ = 1;
    if (file_ < 0) {
      begin_ = next_ = all_.data();
      end_ = begin_ + all_.size();
      at_end_ = true;
    } else {
      if (lseek(file_, 0, SEEK_SET) != 0) return base::ErrnoError(errno, "cannot rewind", name_);
      read_ = 0;
      at_end_ = false;
      buffer_.resize(options_.read_bytes);
      begin_ = next_ = end_ = buffer_.data();
      PERENNIAL_RETURN_IF_ERROR(Refill());
    }
    const absl::string_view start(begin_, end_ - begin_);
    for (const OtherKind& other : kOtherKinds) {
      if (!absl::StartsWith(start, other.start)) continue;
      return absl::InvalidArgumentError(absl::StrCat(name_, ": ", other.what));
    }
    if (absl::StartsWith(start, kByteOrderMark)) next_ = begin_ += std::strlen(kByteOrderMark);
    return absl::OkStatus();
  }

  // Moves to the next record; false after the last one.
  absl::StatusOr<bool> Next() {
    while (true) {
      begin_ = next_;
      line_ = next_line_;
      if (begin_ == end_ && at_end_) return false;
      PERENNIAL_ASSIGN_OR_RETURN(const bool whole, Scan());
      if (!whole || next_ - begin_ > options_.max_record_bytes) {
        if (end_ - begin_ > options_.max_record_bytes) return TooLong();
        PERENNIAL_RETURN_IF_ERROR(Refill());
        continue;
      }
      return true;
    }
  }

  // Of the current record, valid until the next one.
  const std::vector<Cell>& cells() const { return cells_; }
  int64_t line() const { return line_; }
  bool blank() const { return cells_.size() == 1 && cells_[0].text.empty() && !quoted_; }

  // The message with the place of `where`, which lies in the current record.
  absl::Status ErrorAt(const char* where, absl::string_view message) const {
    int64_t line = line_;
    const char* line_begin = begin_;
    for (const char* c = begin_; c < where; ++c) {
      if (*c == '\n') {
        ++line;
        line_begin = c + 1;
      }
    }
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ":", line, ":", where - line_begin + 1, ": ", message));
  }
  absl::Status ErrorOfRecord(absl::string_view message) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ":", line_, ": ", message));
  }

 private:
  absl::Status TooLong() const {
    if (const char* quote = first_broken_quote_ != nullptr ? first_broken_quote_ : open_quote_;
        quote != nullptr) {
      return ErrorAt(quote,
                     absl::StrCat("the quote that begins here is probably never closed, since its "
                                  "row is longer than ",
                                  options_.max_record_bytes,
                                  " bytes; close or remove it, or shorten the cell"));
    }
    return ErrorOfRecord(
        absl::StrCat("the row is longer than ", options_.max_record_bytes,
                     " bytes; is this a table, a line a row? Shorten or leave out its long cells"));
  }

  // Takes more of the file behind what is not used yet.
  absl::Status Refill() {
    const size_t kept = end_ - begin_;
    if (kept > 0) std::memmove(buffer_.data(), begin_, kept);
    if (kept * 2 > buffer_.size()) buffer_.resize(buffer_.size() * 2);
    begin_ = next_ = buffer_.data();
    ssize_t got;
    do {
      got = read(file_, buffer_.data() + kept, buffer_.size() - kept);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return base::ErrnoError(errno, "cannot read", name_);
    end_ = begin_ + kept + got;
    read_ += got;
    at_end_ = got == 0;
    if (read_ > options_.max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(name_, ": has more than the ", options_.max_bytes,
                       " bytes that a table may have; ", kGiveLess));
    }
    return absl::OkStatus();
  }

  // Splits the record at begin_ into cells_ and sets next_ and next_line_ behind it; false if its
  // end is not in the buffer.
  absl::StatusOr<bool> Scan() {
    cells_.clear();
    scratch_.clear();
    in_scratch_.clear();
    open_quote_ = nullptr;
    first_broken_quote_ = nullptr;
    quoted_ = false;
    int64_t breaks = 0;
    const char* p = begin_;
    while (true) {
      const char* const raw = p;
      bool high = false;
      if (p != end_ && *p == '"') {
        PERENNIAL_ASSIGN_OR_RETURN(const bool whole, ScanQuoted(p, high, breaks));
        if (!whole) return false;
      } else {
        uint8_t kind = kPlain;
        while (p != end_) {
          kind = classes_[static_cast<uint8_t>(*p)];
          if (kind == kHigh) {
            high = true;
          } else if (kind != kPlain) {
            break;
          }
          ++p;
        }
        if (p == end_ && !at_end_) return false;
        cells_.push_back({raw, absl::string_view(raw, p - raw)});
        if (p != end_ && kind == kQuote) {
          return ErrorAt(p,
                         "a quote stands inside a cell without quotes; put the whole cell in "
                         "quotes, and double the quotes in it");
        }
      }
      if (high && !base::IsUtf8(absl::string_view(raw, p - raw))) return NotUtf8(raw);
      if (p == end_) {
        next_ = p;
        break;
      }
      if (*p == options_.delimiter) {
        ++p;
        continue;
      }
      if (*p == '\r') {
        if (p + 1 == end_ && !at_end_) return false;
        if (p + 1 != end_ && p[1] != '\n') {
          return ErrorAt(p, "a carriage return stands without a line feed; save with LF or CRLF");
        }
        ++p;
      } else if (*p == '\0') {
        return Nul(p);
      }
      next_ = p == end_ ? p : p + 1;
      ++breaks;
      break;
    }
    for (const auto& [index, offset] : in_scratch_) {
      cells_[index].text = absl::string_view(scratch_.data() + offset, cells_[index].text.size());
    }
    next_line_ = line_ + breaks;
    return true;
  }

  // Reads the quoted cell at p and moves p behind it.
  absl::StatusOr<bool> ScanQuoted(const char*& p, bool& high, int64_t& breaks) {
    const char* const raw = p++;
    open_quote_ = raw;
    quoted_ = true;
    const char* piece = p;
    size_t scratch = kInPlace;
    const int64_t breaks_before = breaks;
    while (true) {
      for (; p != end_ && *p != '"'; ++p) {
        const uint8_t kind = classes_[static_cast<uint8_t>(*p)];
        if (kind <= kDelimiter) continue;
        if (kind == kNul) return Nul(p);
        high |= kind == kHigh;
        breaks += kind == kLineFeed;
      }
      if (breaks > breaks_before && first_broken_quote_ == nullptr) first_broken_quote_ = raw;
      if (p == end_) {
        if (!at_end_) return false;
        return ErrorAt(raw, "the quote that begins here is never closed");
      }
      // The quote may be doubled, which the next byte tells.
      if (p + 1 == end_ && !at_end_) return false;
      if (p + 1 == end_ || p[1] != '"') break;
      if (scratch == kInPlace) scratch = scratch_.size();
      scratch_.append(piece, p + 1 - piece);
      p += 2;
      piece = p;
    }
    size_t size = p - piece;
    if (scratch != kInPlace) {
      scratch_.append(piece, size);
      size = scratch_.size() - scratch;
      in_scratch_.push_back({cells_.size(), scratch});
    }
    cells_.push_back({raw, absl::string_view(piece, size)});
    ++p;
    open_quote_ = nullptr;
    if (p != end_ && *p != options_.delimiter && *p != '\n' && *p != '\r') {
      return ErrorAt(p, "text follows a closing quote; a quote inside a cell is doubled");
    }
    return true;
  }

  absl::Status Nul(const char* where) const {
    return ErrorAt(where, "a zero byte; CSV is text (a UTF-16 file must be saved as UTF-8)");
  }
  absl::Status NotUtf8(const char* where) const {
    return ErrorAt(where, "the cell is not UTF-8; save the file as UTF-8");
  }

  const std::string name_;
  const CsvOptions& options_;
  const std::array<uint8_t, 256> classes_;
  const absl::string_view all_;
  const int file_ = -1;

  std::string buffer_;
  const char* begin_ = nullptr;  // Of the current record.
  const char* next_ = nullptr;   // Behind it.
  const char* end_ = nullptr;    // Of what is in memory.
  bool at_end_ = false;          // Nothing follows end_.
  int64_t read_ = 0;
  int64_t line_ = 1;
  int64_t next_line_ = 1;

  std::vector<Cell> cells_;
  std::string scratch_;  // Cells with doubled quotes, undone.
  std::vector<std::pair<size_t, size_t>> in_scratch_;
  const char* open_quote_ = nullptr;
  const char* first_broken_quote_ = nullptr;  // Of the first cell with a line break in it.
  bool quoted_ = false;
};

std::optional<bool> ParseBoolean(absl::string_view text) {
  for (const char* word : {"true", "True", "TRUE", "yes", "Yes", "YES"}) {
    if (text == word) return true;
  }
  for (const char* word : {"false", "False", "FALSE", "no", "No", "NO"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

enum class NumberKind { kNone, kNumber, kTooLarge };

// Reads `text`, which has no spaces around it.
NumberKind ParseNumber(absl::string_view text, char decimal_mark, double& value) {
  const char* begin = text.data();
  const char* const end = begin + text.size();
  if (begin != end && *begin == '+') ++begin;
  const char* const digits =
      begin != text.data() || begin == end || *begin != '-' ? begin : begin + 1;
  // Neither inf nor nan, which from_chars knows, nor "+-1".
  if (digits == end || !((*digits >= '0' && *digits <= '9') || *digits == decimal_mark)) {
    return NumberKind::kNone;
  }
  char with_point[64];
  const char* last = end;
  if (decimal_mark != '.') {
    const size_t size = end - begin;
    if (size > sizeof(with_point) || std::memchr(begin, '.', size) != nullptr) {
      return NumberKind::kNone;
    }
    std::replace_copy(begin, end, with_point, decimal_mark, '.');
    begin = with_point;
    last = with_point + size;
  }
  const std::from_chars_result result = std::from_chars(begin, last, value);
  if (result.ptr != last || result.ec == std::errc::invalid_argument) return NumberKind::kNone;
  if (result.ec == std::errc()) return NumberKind::kNumber;
  // from_chars does not tell too large from too small; strtod gives the latter's rounding.
  value = std::strtod(std::string(begin, last).c_str(), nullptr);
  return std::isfinite(value) ? NumberKind::kNumber : NumberKind::kTooLarge;
}

// True for a whole number, as written, that `value` does not hold exactly.
bool IsRounded(absl::string_view text, double value) {
  if (std::abs(value) < kMaxExact) return false;
  if (text.front() == '-' || text.front() == '+') text.remove_prefix(1);
  while (!text.empty() && text.front() == '0') text.remove_prefix(1);
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return false;
  }
  return absl::StrFormat("%.0f", std::abs(value)) != text;
}

// A column while it is filled.
class ColumnBuilder {
 public:
  ColumnBuilder(std::string name, bool name_trimmed, std::optional<CsvType> forced,
                bool numeric_missing)
      : name_trimmed_(name_trimmed),
        type_(forced),
        forced_(forced.has_value()),
        numeric_missing_(numeric_missing) {
    column_.name = std::move(name);
    Clear();
  }

  const std::string& name() const { return column_.name; }

  // Appends a cell. A column whose cells so far have another type becomes text, and demoted()
  // true: its values are then incomplete. An empty message is success.
  std::string Add(absl::string_view cell, const CsvOptions& options) {
    if (type_ == CsvType::kNumber && !numeric_missing_) {
      double value;
      if (ParseNumber(cell, options.decimal_mark, value) == NumberKind::kNumber) {
        AddNumber(cell, value);
        return "";
      }
    }
    const absl::string_view trimmed = Trimmed(cell);
    for (const std::string& missing : options.missing) {
      if (trimmed == missing) {
        column_.trimmed += trimmed.size() < cell.size() ? 1 : 0;
        if (!missing.empty()) AddWord(trimmed, column_.missing_words);
        AddMissing();
        return "";
      }
    }
    if (type_ == CsvType::kText) {
      AddText(cell);
      return "";
    }
    double value = 0;
    const NumberKind number = ParseNumber(trimmed, options.decimal_mark, value);
    if (!type_ || type_ == CsvType::kNumber) {
      if (number == NumberKind::kTooLarge) {
        return absl::StrCat("the number ", Shown(trimmed), " in column ", Shown(column_.name),
                            " is beyond the range of a double");
      }
      if (number == NumberKind::kNumber) {
        if (!type_) Decide(CsvType::kNumber);
        column_.trimmed += trimmed.size() < cell.size() ? 1 : 0;
        AddNumber(trimmed, value);
        return "";
      }
    }
    if (!type_ || type_ == CsvType::kBoolean) {
      std::optional<bool> boolean = ParseBoolean(trimmed);
      if (!boolean && forced_ && number == NumberKind::kNumber && (value == 0 || value == 1)) {
        boolean = value == 1;
      }
      if (boolean) {
        if (!type_) Decide(CsvType::kBoolean);
        column_.trimmed += trimmed.size() < cell.size() ? 1 : 0;
        AddWord(trimmed, *boolean ? column_.true_words : column_.false_words);
        column_.booleans.push_back(*boolean);
        return "";
      }
    }
    if (forced_) {
      return absl::StrCat(Shown(cell), " in column ", Shown(column_.name), " is not a ",
                          CsvTypeName(*type_), " and not one of the missing values");
    }
    if (!type_) {
      Decide(CsvType::kText);
      AddText(cell);
      return "";
    }
    // What earlier cells said is gone; a second pass reads the column as text.
    Clear();
    type_ = CsvType::kText;
    demoted_ = true;
    return "";
  }

  bool demoted() const { return demoted_; }
  CsvType type() const { return type_.value_or(CsvType::kNumber); }

  // Begins anew with the type that was found.
  void Restart() {
    *this = ColumnBuilder(std::move(column_.name), name_trimmed_, type(), numeric_missing_);
  }

  // Keeps the type and drops the values: while the other columns' types are still to be found.
  void DropValues() {
    Clear();
    codes_.clear();
    texts_.clear();
  }

  CsvColumn Finish() {
    if (!type_) Decide(CsvType::kNumber);
    column_.type = *type_;
    column_.categories.assign(std::make_move_iterator(texts_.begin()),
                              std::make_move_iterator(texts_.end()));
    return std::move(column_);
  }

 private:
  void Clear() {
    column_ = CsvColumn{.name = std::move(column_.name), .trimmed = name_trimmed_ ? 1 : 0};
  }
  // There are few words.
  static void AddWord(absl::string_view word, std::vector<std::string>& words) {
    if (std::find(words.begin(), words.end(), word) == words.end()) words.emplace_back(word);
  }
  // The first cell that is not missing gives the type; missing ones before it follow.
  void Decide(CsvType type) {
    type_ = type;
    const size_t before = column_.missing;
    if (type == CsvType::kNumber) column_.numbers.resize(before, kNan);
    if (type == CsvType::kBoolean) column_.booleans.resize(before, -1);
    if (type == CsvType::kText) column_.codes.resize(before, -1);
  }
  void AddMissing() {
    ++column_.missing;
    if (type_ == CsvType::kNumber) column_.numbers.push_back(kNan);
    if (type_ == CsvType::kBoolean) column_.booleans.push_back(-1);
    if (type_ == CsvType::kText) column_.codes.push_back(-1);
  }
  void AddNumber(absl::string_view text, double value) {
    if (IsRounded(text, value)) ++column_.rounded_integers;
    if (text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9') {
      ++column_.leading_zeros;
    }
    column_.numbers.push_back(value);
  }
  void AddText(absl::string_view text) {
    const auto found = codes_.find(text);
    if (found != codes_.end()) {
      column_.codes.push_back(found->second);
      return;
    }
    const auto code = static_cast<int32_t>(texts_.size());
    texts_.emplace_back(text);
    codes_.emplace(texts_.back(), code);
    column_.codes.push_back(code);
  }

  CsvColumn column_;
  bool name_trimmed_;
  std::optional<CsvType> type_;  // None until a cell is not missing.
  bool forced_;
  bool numeric_missing_;
  bool demoted_ = false;
  std::deque<std::string> texts_;
  absl::flat_hash_map<absl::string_view, int32_t> codes_;  // Keys lie in texts_.
};

// "; is the delimiter ';'?" for a table of one column whose name holds another delimiter.
std::string DelimiterHint(const std::vector<std::string>& names) {
  if (names.size() != 1) return "";
  for (const char delimiter : {';', '\t', '|', ','}) {
    if (names[0].find(delimiter) != std::string::npos) {
      return absl::StrCat("; is the delimiter ", ShownDelimiter(delimiter), "?");
    }
  }
  return "";
}

// Names of a file may be many, long, and hold anything.
std::string UnknownColumn(absl::string_view name, const std::vector<std::string>& names) {
  std::string message = absl::StrCat("unknown column ", Shown(name));
  const std::string nearest =
      base::NearestName(name.substr(0, kShownBytes), absl::Span<const std::string>(names));
  if (!nearest.empty()) absl::StrAppend(&message, "; did you mean ", Shown(nearest), "?");
  std::vector<std::string> shown;
  for (size_t i = 0; i < std::min(names.size(), kShownNames); ++i) shown.push_back(Shown(names[i]));
  absl::StrAppend(&message,
                  nearest.empty() ? "; there are: " : " There are: ", absl::StrJoin(shown, ", "));
  if (names.size() > kShownNames) {
    absl::StrAppend(&message, " and ", names.size() - kShownNames, " more");
  }
  return absl::StrCat(message, DelimiterHint(names));
}

std::vector<std::string> Names(const std::vector<CsvColumn>& columns) {
  std::vector<std::string> names;
  for (const CsvColumn& column : columns) names.push_back(column.name);
  return names;
}

absl::Status CheckOptions(absl::string_view name, const CsvOptions& options) {
  const auto wrong = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", what));
  };
  if (absl::string_view(",;\t|").find(options.delimiter) == absl::string_view::npos ||
      options.delimiter == '\0') {
    return wrong("the delimiter must be ',', ';', a tab or '|'");
  }
  if (options.decimal_mark != '.' && options.decimal_mark != ',') {
    return wrong("the decimal mark must be '.' or ','");
  }
  if (options.decimal_mark == options.delimiter) {
    return wrong("the decimal mark and the delimiter are both ','");
  }
  if (options.max_record_bytes < 1 || options.max_record_bytes > (int64_t{1} << 40) ||
      options.max_columns < 1 || options.read_bytes < 16) {
    return wrong("max_record_bytes and max_columns must be at least 1, read_bytes 16");
  }
  return absl::OkStatus();
}

// The columns, from the header or counted in the first record, which is the current one.
absl::StatusOr<std::vector<ColumnBuilder>> MakeColumns(const RecordReader& reader,
                                                       const CsvOptions& options) {
  const auto& cells = reader.cells();
  if (static_cast<int64_t>(cells.size()) > options.max_columns) {
    return reader.ErrorOfRecord(
        absl::StrCat(cells.size(), " columns are more than the ", options.max_columns,
                     " that a table may have; give one of the columns that count, or turn it, if "
                     "its rows are columns"));
  }
  std::vector<std::string> names;
  absl::flat_hash_map<std::string, size_t> places;
  for (size_t i = 0; i < cells.size(); ++i) {
    names.push_back(options.header ? std::string(Trimmed(cells[i].text))
                                   : absl::StrCat("column", i + 1));
    if (names[i].empty()) {
      if (cells.size() == 1) {
        return reader.ErrorAt(cells[0].raw,
                              "the line is blank where the names of the columns should stand");
      }
      const bool none_after =
          std::all_of(cells.begin() + static_cast<int64_t>(i), cells.end(),
                      [](const auto& cell) { return Trimmed(cell.text).empty(); });
      return reader.ErrorAt(
          cells[i].raw,
          absl::StrCat("column ", i + 1, " of ", cells.size(), " has no name (",
                       i > 0 && none_after
                           ? "if it is empty: remove the delimiter at the end of each line; if "
                             "the line is a title: remove it"
                           : "if it is an index that pandas or R wrote: index=False, "
                             "row.names=FALSE",
                       ")"));
    }
    const auto [place, is_new] = places.emplace(names[i], i);
    if (!is_new) {
      return reader.ErrorAt(cells[i].raw,
                            absl::StrCat("the name ", Shown(names[i]), " stands twice, in columns ",
                                         place->second + 1, " and ", i + 1));
    }
  }
  for (const auto& [column, type] : options.types) {
    if (!places.contains(column)) {
      return reader.ErrorOfRecord(
          absl::StrCat("a type is given for an ", UnknownColumn(column, names)));
    }
  }
  double value;
  const bool numeric_missing =
      std::any_of(options.missing.begin(), options.missing.end(), [&](const std::string& missing) {
        return ParseNumber(missing, options.decimal_mark, value) != NumberKind::kNone;
      });
  std::vector<ColumnBuilder> columns;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto forced = options.types.find(names[i]);
    const bool trimmed = options.header && names[i].size() < cells[i].text.size();
    columns.emplace_back(
        std::move(names[i]), trimmed,
        forced == options.types.end() ? std::nullopt : std::optional<CsvType>(forced->second),
        numeric_missing);
  }
  return columns;
}

absl::StatusOr<CsvTable> Parse(RecordReader& reader, absl::string_view name,
                               const CsvOptions& options) {
  std::vector<ColumnBuilder> columns;
  int64_t rows = 0;
  int64_t skipped = 0;
  for (bool first_pass = true;; first_pass = false) {
    PERENNIAL_RETURN_IF_ERROR(reader.Start());
    bool header = options.header;
    bool in_rows = false;
    bool demoted = false;
    rows = 0;
    skipped = 0;
    int64_t blank = 0;
    while (true) {
      PERENNIAL_ASSIGN_OR_RETURN(const bool more, reader.Next());
      if (!more) break;
      if (reader.blank() && (!in_rows || columns.size() != 1)) {
        ++blank;
        continue;
      }
      skipped += std::exchange(blank, 0);
      in_rows = true;
      if (columns.empty()) {
        PERENNIAL_ASSIGN_OR_RETURN(columns, MakeColumns(reader, options));
      }
      if (std::exchange(header, false)) continue;
      const auto& cells = reader.cells();
      if (cells.size() != columns.size()) {
        return reader.ErrorOfRecord(absl::StrCat(
            cells.size(), cells.size() == 1 ? " cell" : " cells", " where the ",
            options.header ? "header" : "first record", " has ", columns.size(),
            columns.size() == 1 ? absl::StrCat(DelimiterHint({columns[0].name()})) : "",
            options.header && rows == 0 && cells.size() > columns.size()
                ? "; the first line must name all columns"
                : ""));
      }
      ++rows;
      bool drop = false;
      for (size_t i = 0; i < cells.size(); ++i) {
        const bool was_demoted = columns[i].demoted();
        if (const std::string error = columns[i].Add(cells[i].text, options); !error.empty()) {
          return reader.ErrorAt(cells[i].raw, error);
        }
        drop |= columns[i].demoted() && !was_demoted;
      }
      demoted |= drop;
      // The values will be read again: only the types matter from here on.
      if (demoted && (drop || rows % 4096 == 0)) {
        for (ColumnBuilder& column : columns) column.DropValues();
      }
    }
    if (!demoted) break;
    if (!first_pass) return absl::InvalidArgumentError(absl::StrCat(name, ": changed meanwhile"));
    for (ColumnBuilder& column : columns) column.Restart();
  }
  if (columns.empty()) return absl::InvalidArgumentError(absl::StrCat(name, ": is empty"));
  if (rows == 0) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": has a header and no rows"));
  }
  std::vector<CsvColumn> finished;
  for (ColumnBuilder& column : columns) finished.push_back(column.Finish());
  return CsvTable(std::string(name), rows, std::move(finished), skipped);
}

}  // namespace

absl::string_view CsvTypeName(CsvType type) {
  switch (type) {
    case CsvType::kNumber:
      return "number";
    case CsvType::kBoolean:
      return "boolean";
    case CsvType::kText:
      return "text";
  }
  return "";
}

absl::StatusOr<const CsvColumn*> CsvTable::Column(absl::string_view name) const {
  for (const CsvColumn& column : columns_) {
    if (column.name == name) return &column;
  }
  return absl::NotFoundError(absl::StrCat(name_, ": ", UnknownColumn(name, Names(columns_))));
}

absl::StatusOr<std::span<const double>> CsvTable::Numbers(absl::string_view name) const {
  PERENNIAL_ASSIGN_OR_RETURN(const CsvColumn* column, Column(name));
  if (column->type != CsvType::kNumber) {
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ": column ", Shown(name), " holds ", CsvTypeName(column->type),
                     " values, not numbers; force its type to see the first cell that is none"));
  }
  return std::span<const double>(column->numbers);
}

absl::StatusOr<CsvTable> ParseCsv(absl::string_view text, absl::string_view name,
                                  const CsvOptions& options) {
  PERENNIAL_RETURN_IF_ERROR(CheckOptions(name, options));
  RecordReader reader(name, options, text);
  return Parse(reader, name, options);
}

absl::StatusOr<CsvTable> ReadCsv(const std::string& path, const CsvOptions& options) {
  PERENNIAL_RETURN_IF_ERROR(CheckOptions(path, options));
  const int file = base::OpenFile(path, O_RDONLY);
  if (file < 0) return base::ErrnoError(errno, "cannot open", path);
  absl::Cleanup closer = [file] { close(file); };
  struct stat info;
  if (fstat(file, &info) != 0) return base::ErrnoError(errno, "cannot inspect", path);
  if (!S_ISREG(info.st_mode)) {
    const absl::StatusOr<std::string> text = base::ReadFile(path, options.max_bytes);
    if (absl::IsResourceExhausted(text.status())) {
      return absl::ResourceExhaustedError(absl::StrCat(text.status().message(), "; ", kGiveLess));
    }
    PERENNIAL_RETURN_IF_ERROR(text.status());
    return ParseCsv(*text, path, options);
  }
  RecordReader reader(path, options, file);
  return Parse(reader, path, options);
}

}  // namespace perennial::data
