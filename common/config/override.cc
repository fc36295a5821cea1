#include "common/config/override.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/excerpt.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"
#include "common/config/field_info.h"
#include "common/config/textproto.h"
#include "google/protobuf/descriptor.h"

namespace perennial::config {
namespace {

using ::google::protobuf::EnumValueDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

absl::Status BadValue(absl::string_view path, absl::string_view value, absl::string_view wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat(base::Excerpt(path), ": \"", base::Excerpt(value), "\" is not ", wanted));
}

// Assigns one value, or appends it to a repeated field; the pairs of calls differ in name only.
#define PERENNIAL_PUT_(Kind, value)                                      \
  (field->is_repeated() ? reflection->Add##Kind(message, field, (value)) \
                        : reflection->Set##Kind(message, field, (value)))

// What follows parses `text` as one value of `field` and puts it into `message`.
absl::Status PutValue(const FieldDescriptor* field, absl::string_view path, absl::string_view text,
                      Message* message) {
  const Reflection* reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: {
      int32_t value;
      if (!absl::SimpleAtoi(text, &value)) return BadValue(path, text, "an int32");
      PERENNIAL_PUT_(Int32, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      int64_t value;
      if (!absl::SimpleAtoi(text, &value)) return BadValue(path, text, "an int64");
      PERENNIAL_PUT_(Int64, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      uint32_t value;
      if (!absl::SimpleAtoi(text, &value)) return BadValue(path, text, "a uint32");
      PERENNIAL_PUT_(UInt32, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      uint64_t value;
      if (!absl::SimpleAtoi(text, &value)) return BadValue(path, text, "a uint64");
      PERENNIAL_PUT_(UInt64, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double value;
      if (!absl::SimpleAtod(text, &value)) return BadValue(path, text, "a number");
      PERENNIAL_PUT_(Double, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_FLOAT: {
      float value;
      if (!absl::SimpleAtof(text, &value)) return BadValue(path, text, "a number");
      PERENNIAL_PUT_(Float, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_BOOL: {
      if (text != "true" && text != "false") return BadValue(path, text, "true or false");
      PERENNIAL_PUT_(Bool, text == "true");
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const EnumValueDescriptor* value = field->enum_type()->FindValueByName(std::string(text));
      if (value == nullptr) {
        return absl::InvalidArgumentError(absl::StrCat(
            path, ": ", base::UnknownNameMessage("value", text, ValueNames(*field->enum_type()))));
      }
      PERENNIAL_PUT_(Enum, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string value(text);
      if (!text.empty() && (text.front() == '"' || text.front() == '\'')) {
        std::string error;
        if (text.size() < 2 || text.back() != text.front() ||
            !absl::CUnescape(text.substr(1, text.size() - 2), &value, &error)) {
          return BadValue(path, text, "a text in closed quotes with valid escapes");
        }
      }
      PERENNIAL_PUT_(String, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      if (text.size() < 2 || text.front() != '{' || text.back() != '}') {
        return BadValue(path, text,
                        absl::StrCat("a message; write {...} in text format, or set one of its "
                                     "fields: ",
                                     path, ".",
                                     field->message_type()->field_count() > 0
                                         ? field->message_type()->field(0)->name()
                                         : "field"));
      }
      Message* child = field->is_repeated() ? reflection->AddMessage(message, field)
                                            : reflection->MutableMessage(message, field);
      return ParseTextproto(text.substr(1, text.size() - 2), path, child);
    }
  }
  return absl::InternalError(absl::StrCat(path, ": a field of an unknown kind"));
}

#undef PERENNIAL_PUT_

// Splits the inside of [...] at the commas that are not within quotes or braces.
absl::StatusOr<std::vector<std::string>> SplitList(absl::string_view path,
                                                   absl::string_view inside) {
  std::vector<std::string> parts;
  std::string part;
  char quote = '\0';
  int depth = 0;
  for (size_t i = 0; i < inside.size(); ++i) {
    const char c = inside[i];
    if (quote != '\0') {
      if (c == '\\' && i + 1 < inside.size()) part += inside[i++];
      if (c == quote) quote = '\0';
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    } else if (c == ',' && depth == 0) {
      parts.push_back(std::string(absl::StripAsciiWhitespace(part)));
      part.clear();
      continue;
    }
    part += inside[i];
  }
  if (quote != '\0' || depth != 0) {
    return BadValue(path, absl::StrCat("[", inside, "]"),
                    "a list whose quotes and brackets are closed");
  }
  const std::string last(absl::StripAsciiWhitespace(part));
  if (!last.empty() || !parts.empty()) parts.push_back(last);
  for (const std::string& element : parts) {
    if (element.empty()) {
      return BadValue(path, absl::StrCat("[", inside, "]"),
                      "a list: it has an empty element (an empty text is written \"\")");
    }
  }
  return parts;
}

struct Step {
  std::string field;
  std::string element = {};  // What stands in brackets, an index or a name; empty: no brackets.
  int index = -1;            // -1: none, or a name.
};

bool IsName(absl::string_view text) {
  return !text.empty() && absl::ascii_isalpha(static_cast<unsigned char>(text[0])) &&
         std::ranges::all_of(
             text, [](unsigned char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; });
}

absl::StatusOr<std::vector<Step>> ParsePath(absl::string_view path) {
  std::vector<Step> steps;
  absl::string_view rest = path;
  while (true) {
    size_t length = 0;
    while (length < rest.size() &&
           (std::isalnum(static_cast<unsigned char>(rest[length])) != 0 || rest[length] == '_')) {
      ++length;
    }
    Step step = {.field = std::string(rest.substr(0, length))};
    rest.remove_prefix(length);
    bool sound = length > 0;
    if (sound && absl::StartsWith(rest, "[")) {
      const size_t close = rest.find(']');
      sound = close != absl::string_view::npos;
      if (sound) {
        step.element = std::string(rest.substr(1, close - 1));
        sound = IsName(step.element) ||
                (absl::SimpleAtoi(step.element, &step.index) && step.index >= 0);
        rest.remove_prefix(close + 1);
      }
    }
    if (!sound || (!rest.empty() && rest.front() != '.')) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", base::Excerpt(path), "\" is not a path of fields; write a.b[2].c"));
    }
    // As deep as ParseTextproto reads; steps are walked by recursion.
    if (steps.size() == kMaxNesting) {
      return absl::InvalidArgumentError(absl::StrCat("the path has over ", kMaxNesting, " fields"));
    }
    steps.push_back(std::move(step));
    if (rest.empty()) return steps;
    rest.remove_prefix(1);
  }
}

// As the header says; empty for one without a name.
std::string NameOf(const Message& element) {
  const auto* descriptor = element.GetDescriptor();
  const Reflection* reflection = element.GetReflection();
  const FieldDescriptor* name = descriptor->FindFieldByName("name");
  if (name != nullptr && !name->is_repeated() &&
      name->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    std::string given = reflection->GetString(element, name);
    if (!given.empty()) return given;
  }
  if (descriptor->real_oneof_decl_count() != 1) return "";
  const auto* chosen = reflection->GetOneofFieldDescriptor(element, descriptor->oneof_decl(0));
  return chosen == nullptr ? "" : chosen->name();
}

// The index of the element that is called `name`.
absl::StatusOr<int> FindElement(const Message& message, const FieldDescriptor* field,
                                absl::string_view path, absl::string_view name) {
  const Reflection* reflection = message.GetReflection();
  std::vector<std::string> names;
  int found = -1;
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      const std::string other = NameOf(reflection->GetRepeatedMessage(message, field, i));
      if (other.empty()) continue;
      if (other == name && found >= 0) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, ": elements ", found, " and ", i, " are called \"", name,
                         "\"; write the number of one, as ", path, "[", found, "]"));
      }
      if (other == name) found = i;
      names.push_back(other);
    }
  }
  if (found >= 0) return found;
  if (names.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": has no element with a name such as \"",
                                                   base::Excerpt(name), "\"; write a number, as ",
                                                   path, "[0]"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": ", base::UnknownNameMessage("element", name, names)));
}

// `path` as read so far, for messages.
absl::Status Apply(const std::vector<Step>& steps, size_t at, const std::string& parent,
                   absl::string_view value, Message* message) {
  const Step& step = steps[at];
  const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(step.field);
  if (field == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        parent, parent.empty() ? "" : ": ",
        base::UnknownNameMessage("field", step.field, FieldNames(*message->GetDescriptor()))));
  }
  const Reflection* reflection = message->GetReflection();
  std::string path = absl::StrCat(parent, parent.empty() ? "" : ".", step.field);
  const bool last = at + 1 == steps.size();
  if (const auto* choice = field->containing_oneof(); choice != nullptr && !last) {
    // A field of another member would replace the one that is set, with all it holds.
    const FieldDescriptor* chosen = reflection->GetOneofFieldDescriptor(*message, choice);
    if (chosen != nullptr && chosen != field) {
      return absl::InvalidArgumentError(
          absl::StrCat(parent.empty() ? choice->name() : parent, " is \"", chosen->name(),
                       "\", which ", path, " would replace; write ", path, "={...} for that"));
    }
  }
  const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  if (!last && !is_message) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": a field of type ", TypeName(*field),
                                                   " has no field \"", steps[at + 1].field, "\""));
  }
  if (step.element.empty() && field->is_repeated()) {
    if (!last) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": is a list of ", reflection->FieldSize(*message, field),
                       "; say which element, as ", path, "[0].", steps[at + 1].field));
    }
    if (value.size() < 2 || value.front() != '[' || value.back() != ']') {
      return BadValue(path, value,
                      absl::StrCat("a list; write [a, b], or set one element as ", path, "[0]"));
    }
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> elements,
                               SplitList(path, value.substr(1, value.size() - 2)));
    reflection->ClearField(message, field);
    for (size_t i = 0; i < elements.size(); ++i) {
      PERENNIAL_RETURN_IF_ERROR(
          PutValue(field, absl::StrCat(path, "[", i, "]"), elements[i], message));
    }
    return absl::OkStatus();
  }
  if (step.element.empty()) {
    if (last) return PutValue(field, path, value, message);
    return Apply(steps, at + 1, path, value, reflection->MutableMessage(message, field));
  }

  if (!field->is_repeated()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is a single ", TypeName(*field),
                                                   ", not a list; leave out [",
                                                   base::Excerpt(step.element), "]"));
  }
  int index = step.index;
  if (index < 0) {
    PERENNIAL_ASSIGN_OR_RETURN(index, FindElement(*message, field, path, step.element));
  }
  absl::StrAppend(&path, "[", step.element, "]");
  const int size = reflection->FieldSize(*message, field);
  if (index > size) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": the list has ", size, size == 1 ? " element" : " elements",
                     "; allowed are 0 to ", size, ", of which ", size, " appends"));
  }
  if (!last) {
    Message* element = index < size ? reflection->MutableRepeatedMessage(message, field, index)
                                    : reflection->AddMessage(message, field);
    return Apply(steps, at + 1, path, value, element);
  }
  // The new value is appended, swapped into its place, and the old one dropped from the end.
  PERENNIAL_RETURN_IF_ERROR(PutValue(field, path, value, message));
  if (index < size) {
    reflection->SwapElements(message, field, index, size);
    reflection->RemoveLast(message, field);
  }
  return absl::OkStatus();
}

// Messages within messages, the outermost included.
int Nesting(const Message& message) {
  const Reflection* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  int deepest = 0;
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      deepest = std::max(deepest, Nesting(reflection->GetMessage(message, field)));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      deepest = std::max(deepest, Nesting(reflection->GetRepeatedMessage(message, field, i)));
    }
  }
  return 1 + deepest;
}

}  // namespace

absl::Status ApplyOverride(absl::string_view override_text, Message* message) {
  const std::string context = absl::StrCat("--set ", base::Excerpt(override_text));
  const size_t equals = override_text.find('=');
  if (equals == absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(context, ": there is no \"=\"; write path=value"));
  }
  const absl::string_view path = absl::StripAsciiWhitespace(override_text.substr(0, equals));
  const absl::string_view value = absl::StripAsciiWhitespace(override_text.substr(equals + 1));
  absl::StatusOr<std::vector<Step>> steps = ParsePath(path);
  if (!steps.ok()) return base::WithContext(steps.status(), context);
  std::unique_ptr<Message> changed(message->New());
  changed->CopyFrom(*message);
  PERENNIAL_RETURN_IF_ERROR(base::WithContext(Apply(*steps, 0, "", value, changed.get()), context));
  if (Nesting(*changed) > static_cast<int>(kMaxNesting)) {
    return absl::InvalidArgumentError(
        absl::StrCat(context, ": more than ", kMaxNesting, " messages within each other"));
  }
  message->GetReflection()->Swap(message, changed.get());
  return absl::OkStatus();
}

}  // namespace perennial::config
