#include "common/config/textproto.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/excerpt.h"
#include "common/base/file_io.h"
#include "common/base/nearest_name.h"
#include "common/config/field_info.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/text_format.h"

namespace perennial::config {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::TextFormat;
using ::google::protobuf::io::ArrayInputStream;
using ::google::protobuf::io::ErrorCollector;
using ::google::protobuf::io::Tokenizer;

constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;
// Of an error.
constexpr size_t kMaxMessageBytes = 1000;
constexpr size_t kMaxPathBytes = 400;

// Keeps the first error; what follows from it only confuses.
class FirstError : public ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (!message_.empty()) return;
    line_ = line;
    column_ = column;
    message_ = message;
  }
  void AddWarning(int /*line*/, int /*column*/, const std::string& /*message*/) override {}

  int line() const { return line_; }
  int column() const { return column_; }
  const std::string& message() const { return message_; }

 private:
  int line_ = 0;
  int column_ = 0;
  std::string message_;
};

class IgnoreErrors : public ErrorCollector {
 public:
  void AddError(int /*line*/, int /*column*/, const std::string& /*message*/) override {}
};

// Where in the tree of fields a place of the text lies.
struct Place {
  std::string path;                        // of the enclosing message, "learners[1].replay"
  std::string field;                       // whose value is being read; empty between fields
  const Descriptor* descriptor = nullptr;  // its type; null inside something unknown
  int line = 0;                            // of `name`, see below
  int column = 0;
};

// Follows the tokens up to (line, column) and notes the enclosing messages. If `name` is not empty,
// the last token of that text before the place is where the error is said to be: the parser reports
// the token after an unknown name.
Place FindPlace(absl::string_view text, const Descriptor* root, int line, int column,
                const std::string& name) {
  struct Level {
    std::string path;
    const Descriptor* descriptor;
    std::map<std::string, int> seen;  // elements of repeated fields so far
    std::string field;                // whose value is being read
    bool in_list = false;
  };
  std::vector<Level> levels = {{"", root, {}, "", false}};
  Place place;
  place.descriptor = root;
  place.line = line;
  place.column = column;

  ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  IgnoreErrors ignore;
  Tokenizer tokenizer(&stream, &ignore);
  tokenizer.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
  tokenizer.set_allow_multiline_strings(false);
  bool value_expected = false;
  while (true) {
    const bool at_end = !tokenizer.Next();
    const Tokenizer::Token& token = tokenizer.current();
    if (token.line > line || (token.line == line && token.column > column)) break;
    Level& level = levels.back();
    place.path = level.path;
    place.field = value_expected ? level.field : "";
    place.descriptor = level.descriptor;
    if (at_end) break;
    if (!name.empty() && (token.text == name || token.text == "\"" + name + "\"")) {
      place.line = token.line;
      place.column = token.column;
    }
    if (token.text == "{" || token.text == "<") {
      const FieldDescriptor* field =
          level.descriptor == nullptr ? nullptr : level.descriptor->FindFieldByName(level.field);
      std::string path = absl::StrCat(level.path, level.path.empty() ? "" : ".", level.field);
      if (field != nullptr && field->is_repeated()) {
        absl::StrAppend(&path, "[", level.seen[level.field]++, "]");
      }
      const Descriptor* descriptor = field == nullptr ? nullptr : field->message_type();
      value_expected = false;
      levels.push_back({std::move(path), descriptor, {}, "", false});
    } else if (token.text == "}" || token.text == ">") {
      if (levels.size() > 1) levels.pop_back();
      value_expected = levels.back().in_list;
    } else if (token.text == "[") {
      level.in_list = true;
      value_expected = true;
    } else if (token.text == "]") {
      level.in_list = false;
      value_expected = false;
    } else if (token.text == ":") {
      value_expected = true;
    } else if (token.type == Tokenizer::TYPE_IDENTIFIER && !value_expected) {
      level.field = token.text;
    } else if (token.text != "," && token.text != ";" && token.text != "-") {
      value_expected = level.in_list;
    }
  }
  return place;
}

// The text between the n-th pair of double quotes.
std::string Quoted(const std::string& message, int n) {
  size_t at = 0;
  for (int i = 0; i < 2 * n; ++i) {
    at = message.find('"', at);
    if (at == std::string::npos) return "";
    ++at;
  }
  const size_t begin = message.find('"', at);
  if (begin == std::string::npos) return "";
  const size_t end = message.find('"', begin + 1);
  if (end == std::string::npos) return "";
  return message.substr(begin + 1, end - begin - 1);
}

bool Contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// The parser's message in our words, with the names that would have been right.
std::string Explain(const std::string& message, const Descriptor* descriptor) {
  if (Contains(message, "has no field named")) {
    const std::string name = Quoted(message, 1);
    if (descriptor != nullptr) {
      return base::UnknownNameMessage("field", name, FieldNames(*descriptor));
    }
  }
  if (Contains(message, "Unknown enumeration value of")) {
    const std::string value = Quoted(message, 0);
    const std::string field_name = Quoted(message, 1);
    const FieldDescriptor* field =
        descriptor == nullptr ? nullptr : descriptor->FindFieldByName(field_name);
    if (field != nullptr && field->enum_type() != nullptr) {
      return absl::StrCat(
          field_name, ": ",
          base::UnknownNameMessage("value", value, ValueNames(*field->enum_type())));
    }
  }
  if (Contains(message, "is specified multiple times") && Contains(message, "Non-repeated")) {
    return absl::StrCat("the field \"", base::Excerpt(Quoted(message, 0)),
                        "\" is given twice; it holds one value, keep one of them");
  }
  if (absl::EndsWith(message, "got: ") || Contains(message, "Reached end of input")) {
    return "the text ends too early; is a \"}\" or a value missing?";
  }
  return base::Excerpt(message, kMaxMessageBytes);
}

// The name that the error is about, where the parser reports the token after it.
std::string NameInError(const std::string& message) {
  if (Contains(message, "has no field named")) return Quoted(message, 1);
  if (Contains(message, "Unknown enumeration value of")) return Quoted(message, 0);
  if (Contains(message, "Non-repeated field")) return Quoted(message, 0);
  return "";
}

void AddPlaces(const Message& message, const TextFormat::ParseInfoTree& tree,
               const std::string& prefix, absl::string_view file_name, FieldPlaces& places) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int size = field->is_repeated() ? message.GetReflection()->FieldSize(message, field) : 1;
    for (int i = 0; i < size; ++i) {
      const int index = field->is_repeated() ? i : -1;
      const TextFormat::ParseLocation place = tree.GetLocation(field, index);
      const std::string path =
          absl::StrCat(prefix, field->name(), index < 0 ? "" : absl::StrCat("[", index, "]"));
      if (place.line >= 0) {
        places[path] = absl::StrCat(file_name, ":", place.line + 1, ":", place.column + 1);
      }
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      const TextFormat::ParseInfoTree* nested = tree.GetTreeForNested(field, index);
      if (nested == nullptr) continue;
      const Message& child =
          index < 0 ? message.GetReflection()->GetMessage(message, field)
                    : message.GetReflection()->GetRepeatedMessage(message, field, index);
      AddPlaces(child, *nested, absl::StrCat(path, "."), file_name, places);
    }
  }
}

}  // namespace

std::string PlaceOf(absl::string_view error, const FieldPlaces& places) {
  std::string path(error.substr(0, std::min(error.find(" = "), error.find(": "))));
  while (true) {
    const auto place = places.find(path);
    if (place != places.end()) return place->second;
    const size_t end = path.find_last_of(".[");
    if (end == std::string::npos) return "";
    path.resize(end);
  }
}

absl::Status ParseTextproto(absl::string_view text, absl::string_view file_name, Message* message,
                            FieldPlaces* places) {
  message->Clear();
  if (static_cast<int64_t>(text.size()) > kMaxConfigBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        file_name, ": ", text.size(), " bytes are more than the allowed ", kMaxConfigBytes));
  }
  TextFormat::Parser parser;
  FirstError error;
  parser.RecordErrorsTo(&error);
  parser.SetRecursionLimit(kMaxNesting);
  ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  TextFormat::ParseInfoTree tree;
  if (places != nullptr) parser.WriteLocationsTo(&tree);
  if (parser.Parse(&stream, message)) {
    if (places != nullptr) {
      places->clear();
      AddPlaces(*message, tree, "", file_name, *places);
    }
    return absl::OkStatus();
  }

  const Descriptor* root = message->GetDescriptor();
  const std::string name = NameInError(error.message());
  const Place place = FindPlace(text, root, error.line(), error.column(), name);
  std::string path = place.path;
  // An error about a name speaks of the field itself.
  if (name.empty() && !place.field.empty()) {
    absl::StrAppend(&path, path.empty() ? "" : ".", place.field);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      file_name, ":", std::max(place.line, 0) + 1, ":", std::max(place.column, 0) + 1, ": ",
      base::Excerpt(path, kMaxPathBytes), path.empty() ? "" : ": ",
      error.message().empty() ? "not a textproto" : Explain(error.message(), place.descriptor)));
}

absl::Status LoadTextprotoInto(absl::string_view path, Message* message) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path, kMaxConfigBytes));
  return ParseTextproto(text, path, message);
}

}  // namespace perennial::config
