#include "common/data/npy.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <type_traits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/json_text.h"
#include "common/base/status_macros.h"

namespace perennial::data {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr char kMagic[] = "\x93NUMPY";
constexpr size_t kMagicBytes = 6;
constexpr size_t kMaxRank = 64;  // NumPy's own.
// NumPy refuses longer ones too (max_header_size); what is read here needs a fraction of it.
constexpr size_t kMaxHeaderBytes = 10000;

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("(", absl::StrJoin(shape, ", "), ")");
}

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<int64_t> shape;
};

// The dictionary {'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }: these three keys in
// any order, texts in either quote without escapes, and whole numbers.
class HeaderParser {
 public:
  explicit HeaderParser(absl::string_view text) : text_(text), whole_(text) {}

  absl::StatusOr<Header> Parse() {
    Header header;
    bool has_descr = false;
    bool has_order = false;
    bool has_shape = false;
    if (!Take('{')) return Expected("'{'");
    while (!Take('}')) {
      const std::optional<absl::string_view> key = Text();
      if (!key) return Expected("a key in quotes or '}'");
      if (!Take(':')) return Expected("':'");
      bool* has = *key == "descr"           ? &has_descr
                  : *key == "fortran_order" ? &has_order
                  : *key == "shape"         ? &has_shape
                                            : nullptr;
      if (has == nullptr) return Wrong(absl::StrCat("unknown key ", Shown(*key)));
      if (std::exchange(*has, true)) return Wrong(absl::StrCat(Shown(*key), " stands twice"));
      if (has == &has_descr) {
        if (Peek('[') || Peek('(')) {
          return Wrong("structured arrays (records with named fields) are not read");
        }
        const std::optional<absl::string_view> descr = Text();
        if (!descr) return Expected("a type in quotes");
        header.descr = std::string(*descr);
      } else if (has == &has_order) {
        header.fortran_order = TakeWord("True");
        if (!header.fortran_order && !TakeWord("False")) return Expected("True or False");
      } else {
        PERENNIAL_ASSIGN_OR_RETURN(header.shape, Shape());
      }
      if (!Take(',') && !Peek('}')) return Expected("',' or '}'");
    }
    SkipBlanks();
    if (!text_.empty()) return Wrong("text follows the dictionary");
    if (!has_descr || !has_order || !has_shape) {
      return Wrong("one of 'descr', 'fortran_order', 'shape' is missing");
    }
    return header;
  }

 private:
  static std::string Shown(absl::string_view text) { return base::JsonString(text.substr(0, 60)); }
  absl::Status Wrong(absl::string_view message) const {
    return absl::InvalidArgumentError(absl::StrCat("header: ", message));
  }
  absl::Status Expected(absl::string_view what) const {
    return Wrong(absl::StrCat(what, " expected at byte ", whole_.size() - text_.size(), ", not ",
                              text_.empty() ? "the end" : Shown(text_.substr(0, 20))));
  }

  void SkipBlanks() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\n')) text_.remove_prefix(1);
  }
  bool Peek(char c) {
    SkipBlanks();
    return !text_.empty() && text_[0] == c;
  }
  bool Take(char c) {
    if (!Peek(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool TakeWord(absl::string_view word) {
    SkipBlanks();
    if (!absl::StartsWith(text_, word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  std::optional<absl::string_view> Text() {
    if (!Peek('\'') && !Peek('"')) return std::nullopt;
    const size_t end = text_.find(text_[0], 1);
    if (end == absl::string_view::npos) return std::nullopt;
    const absl::string_view text = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return text;
  }
  absl::StatusOr<std::vector<int64_t>> Shape() {
    std::vector<int64_t> shape;
    if (!Take('(')) return Expected("'('");
    while (!Take(')')) {
      SkipBlanks();
      size_t digits = 0;
      while (digits < text_.size() && absl::ascii_isdigit(text_[digits])) ++digits;
      if (digits == 0) return Expected("a dimension or ')'");
      int64_t dimension;
      if (!absl::SimpleAtoi(text_.substr(0, digits), &dimension)) {
        return Wrong(absl::StrCat("the dimension ", Shown(text_.substr(0, digits)),
                                  " is beyond the range of 64 bits"));
      }
      text_.remove_prefix(digits);
      (void)TakeWord("L");  // Python 2 writes 3L.
      if (shape.size() == kMaxRank) return Wrong("more than 64 dimensions");
      shape.push_back(dimension);
      // A tuple of one needs its comma, as in Python; otherwise it is just a number.
      if (!Take(',') && (!Peek(')') || shape.size() == 1)) return Expected("','");
    }
    return shape;
  }

  absl::string_view text_;
  const absl::string_view whole_;
};

// Bytes of an array, if they fit an int64. A zero anywhere makes the product zero, but the others
// must still not be absurd.
std::optional<int64_t> ByteSize(int64_t item_bytes, const std::vector<int64_t>& shape) {
  int64_t size = item_bytes;
  bool empty = false;
  for (const int64_t dimension : shape) {
    if (dimension == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(size, dimension, &size)) {
      return std::nullopt;
    }
  }
  return empty ? 0 : size;
}

std::string WhyNotRead(absl::string_view descr) {
  const char kind = descr.size() < 2 ? '\0' : descr[1];
  switch (kind) {
    case 'O':
      return "objects are Python pickles, which run code when they are read";
    case 'V':
      return "raw and structured records are not read";
    case 'U':
    case 'S':
    case 'a':
      return "texts are not read; store codes, or a CSV";
    case 'M':
    case 'm':
      return "dates and times are not read; store numbers";
    case 'c':
      return "complex numbers are not read; store the real and imaginary part";
    default:
      return "read are b1, i1 i2 i4 i8, u1 u2 u4 u8, f2 f4 f8";
  }
}

// IEEE 754 binary16.
float HalfToFloat(uint16_t half) {
  const int exponent = (half >> 10) & 0x1f;
  const int fraction = half & 0x3ff;
  float value;
  if (exponent == 0x1f) {
    value = fraction == 0 ? std::numeric_limits<float>::infinity()
                          : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    value = std::ldexp(static_cast<float>(fraction + 0x400), exponent - 25);
  }
  return (half & 0x8000) != 0 ? -value : value;
}

template <size_t kBytes>
struct UnsignedOf;
template <>
struct UnsignedOf<1> {
  using Type = uint8_t;
};
template <>
struct UnsignedOf<2> {
  using Type = uint16_t;
};
template <>
struct UnsignedOf<4> {
  using Type = uint32_t;
};
template <>
struct UnsignedOf<8> {
  using Type = uint64_t;
};

template <typename From>
From Load(const char* at, bool swapped) {
  using Bits = typename UnsignedOf<sizeof(From)>::Type;
  Bits bits;
  std::memcpy(&bits, at, sizeof(bits));
  if (swapped) {
    if constexpr (sizeof(Bits) == 2) bits = __builtin_bswap16(bits);
    if constexpr (sizeof(Bits) == 4) bits = __builtin_bswap32(bits);
    if constexpr (sizeof(Bits) == 8) bits = __builtin_bswap64(bits);
  }
  return std::bit_cast<From>(bits);
}

// False if To does not hold the value exactly.
template <typename To, typename From>
bool Convert(From from, To& to) {
  if constexpr (std::is_same_v<To, bool>) {
    if (from != From{0} && from != From{1}) return false;
    to = from == From{1};
    return true;
  } else if constexpr (std::is_floating_point_v<From> && std::is_floating_point_v<To>) {
    if (std::isfinite(from) && std::abs(from) > std::numeric_limits<To>::max()) return false;
    to = static_cast<To>(from);
    return static_cast<From>(to) == from || std::isnan(from);
  } else if constexpr (std::is_floating_point_v<From>) {
    // Compared as floating point first: a cast of a value out of range is undefined. Both bounds
    // are powers of two, hence exact.
    const From low = static_cast<From>(std::numeric_limits<To>::min());
    const From beyond = std::ldexp(From{1}, std::numeric_limits<To>::digits);
    if (!(from >= low && from < beyond) || from != std::trunc(from)) return false;
    to = static_cast<To>(from);
    return true;
  } else if constexpr (std::is_floating_point_v<To>) {
    to = static_cast<To>(from);
    From back;
    return Convert<From, To>(to, back) && back == from;
  } else {
    if (!std::in_range<To>(from)) return false;
    to = static_cast<To>(from);
    return true;
  }
}

}  // namespace

absl::StatusOr<NpyArray> ParseNpy(std::string bytes, absl::string_view name) {
  const auto wrong = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", what));
  };
  const absl::string_view all = bytes;
  if (!absl::StartsWith(all, kMagic)) {
    return wrong("not a .npy file: it does not begin with \\x93NUMPY");
  }
  if (all.size() < kMagicBytes + 4) return wrong("the file ends within its header");
  const int major = static_cast<uint8_t>(all[kMagicBytes]);
  const int minor = static_cast<uint8_t>(all[kMagicBytes + 1]);
  if (major < 1 || major > 3 || minor != 0) {
    return wrong(absl::StrCat("version ", major, ".", minor, " is not read; 1.0, 2.0, 3.0 are"));
  }
  const size_t length_bytes = major == 1 ? 2 : 4;
  const size_t header_at = kMagicBytes + 2 + length_bytes;
  if (all.size() < header_at) return wrong("the file ends within its header");
  size_t length = 0;
  for (size_t i = 0; i < length_bytes; ++i) {
    length |= size_t{static_cast<uint8_t>(all[kMagicBytes + 2 + i])} << (8 * i);
  }
  if (length > kMaxHeaderBytes) {
    return wrong(absl::StrCat("the header of ", length, " bytes is longer than the ",
                              kMaxHeaderBytes, " allowed"));
  }
  if (length > all.size() - header_at) return wrong("the file ends within its header");
  absl::StatusOr<Header> header = HeaderParser(all.substr(header_at, length)).Parse();
  if (!header.ok()) return base::WithContext(header.status(), name);

  NpyArray array;
  array.name_ = std::string(name);
  const std::string& descr = header->descr;
  const absl::string_view type = absl::string_view(descr).substr(descr.empty() ? 0 : 1);
  const absl::string_view order = absl::string_view(descr).substr(0, 1);
  bool known = false;
  for (const char* candidate :
       {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}) {
    known |= type == candidate;
  }
  if (!known || absl::string_view("<>|=").find(order) == absl::string_view::npos) {
    return wrong(
        absl::StrCat("the type ", base::JsonString(descr.substr(0, 40)), ": ", WhyNotRead(descr)));
  }
  array.kind_ = type[0];
  array.item_bytes_ = type[1] - '0';
  array.swapped_ = order == ">";
  if (order == "|" && array.item_bytes_ > 1) {
    return wrong(absl::StrCat("the type \"", descr, "\" lacks its byte order, '<' or '>'"));
  }
  array.values_at_ = header_at + length;
  const int64_t present = static_cast<int64_t>(all.size() - array.values_at_);
  const std::optional<int64_t> needed = ByteSize(array.item_bytes_, header->shape);
  if (!needed || *needed != present) {
    return wrong(absl::StrCat(
        "shape ", ShapeText(header->shape), " of \"", descr, "\" needs ",
        needed ? absl::StrCat(*needed) : "more than 2^63", " bytes, the file holds ", present,
        !needed || present < *needed ? "; it is truncated" : "; bytes follow the array"));
  }
  array.size_ = *needed / array.item_bytes_;
  array.dtype_ = descr;
  array.fortran_order_ = header->fortran_order;
  array.shape_ = std::move(header->shape);
  array.bytes_ = std::move(bytes);
  return array;
}

absl::StatusOr<NpyArray> ReadNpy(const std::string& path, int64_t max_bytes) {
  PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, base::ReadFile(path, max_bytes));
  return ParseNpy(std::move(bytes), path);
}

template <typename T>
absl::StatusOr<std::vector<T>> NpyArray::Read() const {
  std::vector<T> values(size_);
  const char* const from = bytes_.data() + values_at_;
  const size_t rank = shape_.size();
  // Where the file holds the element of C order, counted along: strides of the file, and the index.
  std::vector<int64_t> stride(rank);
  std::vector<int64_t> index(rank, 0);
  int64_t product = 1;
  for (size_t d = 0; d < rank; ++d) {
    const size_t dimension = fortran_order_ ? d : rank - 1 - d;
    stride[dimension] = product;
    // An empty array may have dimensions whose product does not fit; it has no elements either.
    product = size_ == 0 ? 0 : product * shape_[dimension];
  }
  int64_t at = 0;
  const auto convert_all = [&](auto load) -> absl::Status {
    for (int64_t i = 0; i < size_; ++i) {
      const auto value = load(from + at * item_bytes_);
      T converted{};
      if (!Convert<T>(value, converted)) {
        return absl::InvalidArgumentError(absl::StrCat(
            name_, ": the value ", +value, " at index ", ShapeText(index), " of \"", dtype_,
            "\" is not exact in the type that is asked for; read double, or a wider type"));
      }
      values[i] = converted;
      for (size_t d = rank; d-- > 0;) {
        at += stride[d];
        if (++index[d] < shape_[d]) break;
        at -= stride[d] * shape_[d];
        index[d] = 0;
      }
    }
    return absl::OkStatus();
  };
  const auto as = [&]<typename From>(From) {
    return convert_all([this](const char* p) { return Load<From>(p, swapped_); });
  };
  absl::Status status;
  if (kind_ == 'b') {
    for (int64_t i = 0; i < size_; ++i) {
      if (static_cast<uint8_t>(from[i]) > 1) {
        return absl::InvalidArgumentError(absl::StrCat(name_, ": byte ", i, " of the booleans is ",
                                                       static_cast<uint8_t>(from[i]),
                                                       ", not 0 or 1"));
      }
    }
    status = as(uint8_t{});
  } else if (kind_ == 'f') {
    status = item_bytes_ == 8   ? as(double{})
             : item_bytes_ == 4 ? as(float{})
                                : convert_all([this](const char* p) {
                                    return HalfToFloat(Load<uint16_t>(p, swapped_));
                                  });
  } else if (kind_ == 'i') {
    status = item_bytes_ == 8   ? as(int64_t{})
             : item_bytes_ == 4 ? as(int32_t{})
             : item_bytes_ == 2 ? as(int16_t{})
                                : as(int8_t{});
  } else {
    status = item_bytes_ == 8   ? as(uint64_t{})
             : item_bytes_ == 4 ? as(uint32_t{})
             : item_bytes_ == 2 ? as(uint16_t{})
                                : as(uint8_t{});
  }
  if (!status.ok()) return status;
  return values;
}

template absl::StatusOr<std::vector<bool>> NpyArray::Read() const;
template absl::StatusOr<std::vector<int8_t>> NpyArray::Read() const;
template absl::StatusOr<std::vector<int16_t>> NpyArray::Read() const;
template absl::StatusOr<std::vector<int32_t>> NpyArray::Read() const;
template absl::StatusOr<std::vector<int64_t>> NpyArray::Read() const;
template absl::StatusOr<std::vector<uint8_t>> NpyArray::Read() const;
template absl::StatusOr<std::vector<uint16_t>> NpyArray::Read() const;
template absl::StatusOr<std::vector<uint32_t>> NpyArray::Read() const;
template absl::StatusOr<std::vector<uint64_t>> NpyArray::Read() const;
template absl::StatusOr<std::vector<float>> NpyArray::Read() const;
template absl::StatusOr<std::vector<double>> NpyArray::Read() const;

}  // namespace perennial::data
