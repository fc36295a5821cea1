#include "common/data/stata.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/excerpt.h"
#include "common/base/json_text.h"
#include "common/base/status_macros.h"

namespace perennial::data {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr char kXmlMagic[] = "<stata_dta>";
constexpr int kOldDataLabelBytes = 81;
constexpr int kOldTimestampBytes = 18;

enum class Kind { kByte, kInt, kLong, kFloat, kDouble, kText };

struct Variable {
  std::string name;
  Kind kind = Kind::kByte;
  int64_t bytes = 1;
  bool labelled = false;
};

struct Layout {
  int version = 0;
  bool big_endian = false;
  int64_t rows = 0;
  std::vector<Variable> variables;
  absl::string_view records;
};

// Windows-1252 and Latin-1 agree but for 0x80 to 0x9f, which hardly occur.
std::string FromLatin1(absl::string_view text) {
  std::string utf8;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x80) {
      utf8 += c;
    } else {
      utf8 += static_cast<char>(0xc0 | (byte >> 6));
      utf8 += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return utf8;
}

// The text of a field of fixed width, which ends with a zero byte if it does not fill the field.
std::string Decoded(absl::string_view field, int version) {
  const absl::string_view text = field.substr(0, field.find('\0'));
  return version >= 118 && base::IsUtf8(text) ? std::string(text) : FromLatin1(text);
}

// Takes the file apart from its front; what is not there is an error.
class Reader {
 public:
  Reader(absl::string_view bytes, absl::string_view name) : all_(bytes), name_(name) {}

  bool big_endian = false;

  absl::Status Wrong(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": ", what));
  }

  size_t at() const { return at_; }

  absl::StatusOr<absl::string_view> Take(uint64_t count, absl::string_view what) {
    if (count > all_.size() - at_) {
      return Wrong(absl::StrCat("the file ends within its ", what, ": ", count, " bytes at byte ",
                                at_, ", and ", all_.size() - at_, " are left"));
    }
    const absl::string_view taken = all_.substr(at_, count);
    at_ += count;
    return taken;
  }

  absl::StatusOr<uint64_t> Number(int bytes, absl::string_view what) {
    PERENNIAL_ASSIGN_OR_RETURN(const absl::string_view taken, Take(bytes, what));
    uint64_t number = 0;
    for (int i = 0; i < bytes; ++i) {
      number = number << 8 | static_cast<uint8_t>(taken[big_endian ? i : bytes - 1 - i]);
    }
    return number;
  }

  absl::Status Tag(absl::string_view tag) {
    if (!absl::StartsWith(all_.substr(at_), tag)) {
      return Wrong(absl::StrCat(tag, " expected at byte ", at_, ", not ",
                                base::JsonString(all_.substr(at_, tag.size()))));
    }
    at_ += tag.size();
    return absl::OkStatus();
  }

  absl::Status GoTo(uint64_t at, absl::string_view what) {
    if (at > all_.size()) {
      return Wrong(
          absl::StrCat("the map puts the ", what, " at byte ", at, ", the file has ", all_.size()));
    }
    at_ = at;
    return absl::OkStatus();
  }

 private:
  const absl::string_view all_;
  const absl::string_view name_;
  size_t at_ = 0;
};

absl::Status CheckNames(const Reader& reader, const std::vector<Variable>& variables) {
  absl::flat_hash_set<absl::string_view> seen;
  for (size_t i = 0; i < variables.size(); ++i) {
    const std::string& name = variables[i].name;
    if (name.empty()) return reader.Wrong(absl::StrCat("variable ", i + 1, " has no name"));
    if (!seen.insert(name).second) {
      return reader.Wrong(absl::StrCat("two variables are called ", base::Excerpt(name)));
    }
  }
  return absl::OkStatus();
}

// The records must be there in full; the sizes come from the file.
absl::Status TakeRecords(Reader& reader, uint64_t rows, Layout& layout) {
  uint64_t width = 0;
  for (const Variable& variable : layout.variables) width += variable.bytes;
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(width, rows, &bytes) || bytes > INT64_MAX) {
    return reader.Wrong(absl::StrCat(rows, " observations of ", width, " bytes are absurd"));
  }
  if (width == 0 && rows > 0) {
    return reader.Wrong(absl::StrCat(rows, " observations of no variables"));
  }
  PERENNIAL_ASSIGN_OR_RETURN(layout.records, reader.Take(bytes, "observations"));
  layout.rows = static_cast<int64_t>(rows);
  return absl::OkStatus();
}

std::optional<Variable> OldVariable(uint8_t type) {
  switch (type) {
    case 251:
      return Variable{.kind = Kind::kByte, .bytes = 1};
    case 252:
      return Variable{.kind = Kind::kInt, .bytes = 2};
    case 253:
      return Variable{.kind = Kind::kLong, .bytes = 4};
    case 254:
      return Variable{.kind = Kind::kFloat, .bytes = 4};
    case 255:
      return Variable{.kind = Kind::kDouble, .bytes = 8};
    default:
      if (type == 0 || type > 244) return std::nullopt;
      return Variable{.kind = Kind::kText, .bytes = type};
  }
}

std::optional<Variable> NewVariable(uint64_t type) {
  switch (type) {
    case 65526:
      return Variable{.kind = Kind::kDouble, .bytes = 8};
    case 65527:
      return Variable{.kind = Kind::kFloat, .bytes = 4};
    case 65528:
      return Variable{.kind = Kind::kLong, .bytes = 4};
    case 65529:
      return Variable{.kind = Kind::kInt, .bytes = 2};
    case 65530:
      return Variable{.kind = Kind::kByte, .bytes = 1};
    default:
      if (type == 0 || type > 2045) return std::nullopt;
      return Variable{.kind = Kind::kText, .bytes = static_cast<int64_t>(type)};
  }
}

absl::Status UnknownType(const Reader& reader, size_t variable, uint64_t type) {
  return reader.Wrong(absl::StrCat("variable ", variable + 1, " has type ", type,
                                   type == 32768   ? ", strL, which is not read"
                                   : type == 65525 ? ", an alias, which is not read"
                                                   : ", which Stata does not know"));
}

// 113 to 115.
absl::StatusOr<Layout> OldLayout(Reader& reader) {
  Layout layout;
  PERENNIAL_ASSIGN_OR_RETURN(const absl::string_view start, reader.Take(4, "header"));
  layout.version = static_cast<uint8_t>(start[0]);
  if (layout.version < 113 || layout.version > 115) {
    return reader.Wrong(absl::StrCat(
        "not a .dta file of format 113 to 115 or 117 to 119: its first byte is ", layout.version));
  }
  if (start[1] != 1 && start[1] != 2) {
    return reader.Wrong(absl::StrCat("the byte order is ", static_cast<uint8_t>(start[1]),
                                     ", must be 1 (big-endian) or 2"));
  }
  layout.big_endian = reader.big_endian = start[1] == 1;
  PERENNIAL_ASSIGN_OR_RETURN(const uint64_t count, reader.Number(2, "header"));
  PERENNIAL_ASSIGN_OR_RETURN(const uint64_t rows, reader.Number(4, "header"));
  PERENNIAL_RETURN_IF_ERROR(
      reader.Take(kOldDataLabelBytes + kOldTimestampBytes, "header").status());

  PERENNIAL_ASSIGN_OR_RETURN(const absl::string_view types, reader.Take(count, "types"));
  PERENNIAL_ASSIGN_OR_RETURN(const absl::string_view names, reader.Take(33 * count, "names"));
  for (size_t i = 0; i < count; ++i) {
    std::optional<Variable> variable = OldVariable(static_cast<uint8_t>(types[i]));
    if (!variable) return UnknownType(reader, i, static_cast<uint8_t>(types[i]));
    variable->name = Decoded(names.substr(33 * i, 33), layout.version);
    layout.variables.push_back(*std::move(variable));
  }
  PERENNIAL_RETURN_IF_ERROR(reader.Take(2 * (count + 1), "sort order").status());
  const uint64_t format_bytes = layout.version == 113 ? 12 : 49;
  PERENNIAL_RETURN_IF_ERROR(reader.Take(format_bytes * count, "formats").status());
  PERENNIAL_ASSIGN_OR_RETURN(const absl::string_view labels,
                             reader.Take(33 * count, "names of value labels"));
  for (size_t i = 0; i < count; ++i) layout.variables[i].labelled = labels[33 * i] != '\0';
  PERENNIAL_RETURN_IF_ERROR(reader.Take(81 * count, "variable labels").status());
  while (true) {
    PERENNIAL_ASSIGN_OR_RETURN(const uint64_t type, reader.Number(1, "characteristics"));
    PERENNIAL_ASSIGN_OR_RETURN(const uint64_t length, reader.Number(4, "characteristics"));
    if (type == 0 && length == 0) break;
    PERENNIAL_RETURN_IF_ERROR(reader.Take(length, "characteristics").status());
  }
  PERENNIAL_RETURN_IF_ERROR(TakeRecords(reader, rows, layout));
  return layout;
}

// 117 to 119.
absl::StatusOr<Layout> NewLayout(Reader& reader) {
  Layout layout;
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("<stata_dta><header><release>"));
  PERENNIAL_ASSIGN_OR_RETURN(const absl::string_view release, reader.Take(3, "header"));
  if (release != "117" && release != "118" && release != "119") {
    return reader.Wrong(absl::StrCat("the format ", base::JsonString(release),
                                     " is not read; 113 to 115 and 117 to 119 are"));
  }
  layout.version = 110 + (release[2] - '0');
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("</release><byteorder>"));
  PERENNIAL_ASSIGN_OR_RETURN(const absl::string_view order, reader.Take(3, "header"));
  if (order != "MSF" && order != "LSF") {
    return reader.Wrong(
        absl::StrCat("the byte order is ", base::JsonString(order), ", must be MSF or LSF"));
  }
  layout.big_endian = reader.big_endian = order == "MSF";
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("</byteorder><K>"));
  PERENNIAL_ASSIGN_OR_RETURN(const uint64_t count,
                             reader.Number(layout.version == 119 ? 4 : 2, "header"));
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("</K><N>"));
  PERENNIAL_ASSIGN_OR_RETURN(const uint64_t rows,
                             reader.Number(layout.version == 117 ? 4 : 8, "header"));
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("</N><label>"));
  PERENNIAL_ASSIGN_OR_RETURN(const uint64_t label,
                             reader.Number(layout.version == 117 ? 1 : 2, "header"));
  PERENNIAL_RETURN_IF_ERROR(reader.Take(label, "data label").status());
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("</label><timestamp>"));
  PERENNIAL_ASSIGN_OR_RETURN(const uint64_t timestamp, reader.Number(1, "header"));
  PERENNIAL_RETURN_IF_ERROR(reader.Take(timestamp, "timestamp").status());
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("</timestamp></header>"));

  // Places of the 14 parts of the file. Used are those of the types, the names, the names of value
  // labels and the data.
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("<map>"));
  uint64_t places[14];
  for (uint64_t& place : places) {
    PERENNIAL_ASSIGN_OR_RETURN(place, reader.Number(8, "map"));
  }
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("</map>"));

  PERENNIAL_RETURN_IF_ERROR(reader.GoTo(places[2], "types"));
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("<variable_types>"));
  PERENNIAL_RETURN_IF_ERROR(reader.Take(2 * count, "types").status());
  const size_t types_end = reader.at();
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("</variable_types>"));
  const uint64_t name_bytes = layout.version == 117 ? 33 : 129;
  PERENNIAL_RETURN_IF_ERROR(reader.GoTo(places[3], "names"));
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("<varnames>"));
  PERENNIAL_ASSIGN_OR_RETURN(const absl::string_view names,
                             reader.Take(name_bytes * count, "names"));
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("</varnames>"));
  PERENNIAL_RETURN_IF_ERROR(reader.GoTo(types_end - 2 * count, "types"));
  for (size_t i = 0; i < count; ++i) {
    PERENNIAL_ASSIGN_OR_RETURN(const uint64_t type, reader.Number(2, "types"));
    std::optional<Variable> variable = NewVariable(type);
    if (!variable) return UnknownType(reader, i, type);
    variable->name = Decoded(names.substr(name_bytes * i, name_bytes), layout.version);
    layout.variables.push_back(*std::move(variable));
  }

  // No more than a hint for the user: a file is read without them.
  if (reader.GoTo(places[6], "names of value labels").ok() &&
      reader.Tag("<value_label_names>").ok()) {
    const auto labels = reader.Take(name_bytes * count, "names of value labels");
    for (size_t i = 0; labels.ok() && i < count; ++i) {
      layout.variables[i].labelled = (*labels)[name_bytes * i] != '\0';
    }
  }

  PERENNIAL_RETURN_IF_ERROR(reader.GoTo(places[9], "data"));
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("<data>"));
  PERENNIAL_RETURN_IF_ERROR(TakeRecords(reader, rows, layout));
  PERENNIAL_RETURN_IF_ERROR(reader.Tag("</data>"));
  return layout;
}

template <typename Bits>
Bits Load(const char* at, bool big_endian) {
  Bits bits;
  std::memcpy(&bits, at, sizeof(bits));
  if (big_endian) {
    if constexpr (sizeof(Bits) == 2) bits = __builtin_bswap16(bits);
    if constexpr (sizeof(Bits) == 4) bits = __builtin_bswap32(bits);
    if constexpr (sizeof(Bits) == 8) bits = __builtin_bswap64(bits);
  }
  return bits;
}

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// From 8.0 on the largest values of each type stand for . and .a to .z.
double Value(const char* at, Kind kind, bool big_endian) {
  switch (kind) {
    case Kind::kByte: {
      const auto value = static_cast<int8_t>(*at);
      return value > 100 ? kMissing : value;
    }
    case Kind::kInt: {
      const auto value = static_cast<int16_t>(Load<uint16_t>(at, big_endian));
      return value > 32740 ? kMissing : value;
    }
    case Kind::kLong: {
      const auto value = static_cast<int32_t>(Load<uint32_t>(at, big_endian));
      return value > 2147483620 ? kMissing : value;
    }
    case Kind::kFloat: {
      const auto value = std::bit_cast<float>(Load<uint32_t>(at, big_endian));
      return value < 0x1p127f ? value : kMissing;
    }
    case Kind::kDouble: {
      const auto value = std::bit_cast<double>(Load<uint64_t>(at, big_endian));
      return value < 0x1p1023 ? value : kMissing;
    }
    case Kind::kText:
      break;
  }
  return kMissing;
}

}  // namespace

absl::StatusOr<CsvTable> ParseStata(absl::string_view bytes, absl::string_view name) {
  Reader reader(bytes, name);
  PERENNIAL_ASSIGN_OR_RETURN(const Layout layout, absl::StartsWith(bytes, kXmlMagic)
                                                      ? NewLayout(reader)
                                                      : OldLayout(reader));
  PERENNIAL_RETURN_IF_ERROR(CheckNames(reader, layout.variables));

  int64_t width = 0;
  for (const Variable& variable : layout.variables) width += variable.bytes;
  std::vector<CsvColumn> columns;
  const char* first = layout.records.data();
  for (const Variable& variable : layout.variables) {
    CsvColumn column = {.name = variable.name};
    if (variable.kind == Kind::kText) {
      column.type = CsvType::kText;
      column.codes.reserve(layout.rows);
      absl::flat_hash_map<std::string, int32_t> codes;
      for (int64_t row = 0; row < layout.rows; ++row) {
        std::string text =
            Decoded(absl::string_view(first + row * width, variable.bytes), layout.version);
        if (text.empty()) {
          ++column.missing;
          column.codes.push_back(-1);
          continue;
        }
        const auto [code, is_new] =
            codes.try_emplace(text, static_cast<int32_t>(column.categories.size()));
        if (is_new) column.categories.push_back(std::move(text));
        column.codes.push_back(code->second);
      }
    } else {
      column.labelled = variable.labelled;
      column.numbers.reserve(layout.rows);
      for (int64_t row = 0; row < layout.rows; ++row) {
        const double value = Value(first + row * width, variable.kind, layout.big_endian);
        if (value == -std::numeric_limits<double>::infinity()) {
          return reader.Wrong(absl::StrCat("variable ", base::Excerpt(variable.name),
                                           " of observation ", row + 1, " is -infinity"));
        }
        column.missing += std::isnan(value);
        column.numbers.push_back(value);
      }
    }
    columns.push_back(std::move(column));
    first += variable.bytes;
  }
  return CsvTable(std::string(name), layout.rows, std::move(columns));
}

absl::StatusOr<CsvTable> ReadStata(const std::string& path, int64_t max_bytes) {
  const absl::StatusOr<std::string> bytes = base::ReadFile(path, max_bytes);
  if (absl::IsResourceExhausted(bytes.status())) {
    return absl::ResourceExhaustedError(
        absl::StrCat(bytes.status().message(),
                     "; keep only the variables that count, or export it as CSV, which may be "
                     "larger"));
  }
  PERENNIAL_RETURN_IF_ERROR(bytes.status());
  return ParseStata(*bytes, path);
}

}  // namespace perennial::data
