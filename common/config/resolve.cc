#include "common/config/resolve.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/json_text.h"
#include "common/base/sha256.h"
#include "common/base/wrapped_text.h"
#include "common/config/field_info.h"
#include "common/config/options.pb.h"

namespace perennial::config {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::OneofDescriptor;
using ::google::protobuf::Reflection;

void SetToDefault(const FieldDescriptor* field, Message* message) {
  const Reflection* reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection->SetInt32(message, field, field->default_value_int32());
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection->SetInt64(message, field, field->default_value_int64());
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->SetUInt32(message, field, field->default_value_uint32());
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection->SetUInt64(message, field, field->default_value_uint64());
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection->SetDouble(message, field, field->default_value_double());
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection->SetFloat(message, field, field->default_value_float());
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->SetBool(message, field, field->default_value_bool());
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection->SetEnum(message, field, field->default_value_enum());
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->SetString(message, field, field->default_value_string());
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return;
  }
}

// `above`: the types of the messages on the way down, which are not created again.
void Fill(Message* message, std::vector<const Descriptor*>* above) {
  const Descriptor* descriptor = message->GetDescriptor();
  const Reflection* reflection = message->GetReflection();
  above->push_back(descriptor);
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (field->is_map()) {
      // Entries are no messages of the config; what they map to is.
      if (field->message_type()->map_value()->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
        continue;
      }
      for (int k = 0; k < reflection->FieldSize(*message, field); ++k) {
        Message* entry = reflection->MutableRepeatedMessage(message, field, k);
        Fill(entry->GetReflection()->MutableMessage(entry, field->message_type()->map_value()),
             above);
      }
      continue;
    }
    if (field->is_repeated()) {
      if (!is_message) continue;
      for (int k = 0; k < reflection->FieldSize(*message, field); ++k) {
        Fill(reflection->MutableRepeatedMessage(message, field, k), above);
      }
      continue;
    }
    const bool present = reflection->HasField(*message, field);
    if (is_message) {
      const bool create =
          field->real_containing_oneof() == nullptr &&
          std::find(above->begin(), above->end(), field->message_type()) == above->end();
      if (present || create) Fill(reflection->MutableMessage(message, field), above);
    } else if (!present && field->has_default_value() &&
               field->real_containing_oneof() == nullptr) {
      SetToDefault(field, message);
    }
  }
  above->pop_back();
}

template <typename T>
std::string NumberText(T value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return base::JsonNumber(value);
}

std::string ValueText(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection* reflection = message.GetReflection();
#define PERENNIAL_GET_(Kind)                         \
  (index < 0 ? reflection->Get##Kind(message, field) \
             : reflection->GetRepeated##Kind(message, field, index))
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(PERENNIAL_GET_(Int32));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(PERENNIAL_GET_(Int64));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(PERENNIAL_GET_(UInt32));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(PERENNIAL_GET_(UInt64));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberText(PERENNIAL_GET_(Double));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return NumberText(PERENNIAL_GET_(Float));
    case FieldDescriptor::CPPTYPE_BOOL:
      return PERENNIAL_GET_(Bool) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return PERENNIAL_GET_(Enum)->name();
    case FieldDescriptor::CPPTYPE_STRING:
      return absl::StrCat("\"", absl::CEscape(PERENNIAL_GET_(String)), "\"");
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
#undef PERENNIAL_GET_
  return "";
}

void Print(const Message& message, const std::string& indent, std::string* text);

// One element of a message field. Blank messages stay on one line.
std::string MessageText(const Message& message, const std::string& name,
                        const std::string& indent) {
  std::string inside;
  Print(message, indent + "  ", &inside);
  if (inside.empty()) return absl::StrCat(indent, name, " {}\n");
  return absl::StrCat(indent, name, " {\n", inside, indent, "}\n");
}

void Print(const Message& message, const std::string& indent, std::string* text) {
  const Reflection* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  std::sort(fields.begin(), fields.end(), [](const FieldDescriptor* a, const FieldDescriptor* b) {
    return a->number() < b->number();
  });
  for (const FieldDescriptor* field : fields) {
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const int count = field->is_repeated() ? reflection->FieldSize(message, field) : -1;
    if (!is_message && count < 0) {
      absl::StrAppend(text, indent, field->name(), ": ", ValueText(message, field, -1), "\n");
    } else if (!is_message) {
      std::vector<std::string> values;
      for (int i = 0; i < count; ++i) values.push_back(ValueText(message, field, i));
      absl::StrAppend(text, indent, field->name(), ": [", absl::StrJoin(values, ", "), "]\n");
    } else if (count < 0) {
      *text += MessageText(reflection->GetMessage(message, field), field->name(), indent);
    } else {
      std::vector<std::string> elements;
      for (int i = 0; i < count; ++i) {
        elements.push_back(
            MessageText(reflection->GetRepeatedMessage(message, field, i), field->name(), indent));
      }
      // The order of a map's entries is arbitrary in memory.
      if (field->is_map()) std::sort(elements.begin(), elements.end());
      *text += absl::StrJoin(elements, "");
    }
  }
}

constexpr size_t kWidth = 80;

// Appends `text` wrapped to the width, every line indented.
void Wrap(absl::string_view text, absl::string_view indent, std::string* to) {
  *to += base::WrappedText(absl::StrSplit(text, ' ', absl::SkipEmpty()), kWidth, indent, indent);
}

std::string DefaultText(const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(field->default_value_int32());
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(field->default_value_int64());
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(field->default_value_uint32());
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(field->default_value_uint64());
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberText(field->default_value_double());
    case FieldDescriptor::CPPTYPE_FLOAT:
      return NumberText(field->default_value_float());
    case FieldDescriptor::CPPTYPE_BOOL:
      return field->default_value_bool() ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return field->default_value_enum()->name();
    case FieldDescriptor::CPPTYPE_STRING:
      return absl::StrCat("\"", absl::CEscape(field->default_value_string()), "\"");
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return "";
}

// What may be given: range, names, number of elements, whether it must be.
std::vector<std::string> Constraints(const FieldDescriptor* field) {
  const google::protobuf::FieldOptions& options = field->options();
  std::vector<std::string> parts;
  if (options.GetExtension(required_field)) parts.push_back("must be given");
  if (options.HasExtension(range)) parts.push_back(RangeText(options.GetExtension(range)));
  std::vector<std::string> names;
  for (int i = 0; i < options.ExtensionSize(one_of); ++i) {
    names.push_back(options.GetExtension(one_of, i));
  }
  if (field->enum_type() != nullptr) names = ValueNames(*field->enum_type());
  if (!names.empty()) parts.push_back(absl::StrCat("one of ", absl::StrJoin(names, ", ")));
  if (options.HasExtension(list_size)) {
    parts.push_back(absl::StrCat("elements ", RangeText(options.GetExtension(list_size))));
  }
  if (options.GetExtension(distinct)) parts.push_back("all different");
  if (const OneofDescriptor* oneof = field->real_containing_oneof(); oneof != nullptr) {
    parts.push_back(absl::StrCat("choice of ", oneof->name()));
  }
  return parts;
}

void Describe(const Descriptor* descriptor, const std::string& prefix,
              std::vector<const Descriptor*>* above, std::string* text) {
  above->push_back(descriptor);
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    const OneofDescriptor* oneof = field->real_containing_oneof();
    const std::string indent(2 * above->size(), ' ');
    if (oneof != nullptr && oneof->field(0) == field &&
        (oneof->options().HasExtension(oneof_help) ||
         oneof->options().GetExtension(required_choice))) {
      std::vector<std::string> names;
      for (int m = 0; m < oneof->field_count(); ++m) names.push_back(oneof->field(m)->name());
      Wrap(absl::StrCat(oneof->options().GetExtension(required_choice) ? "One" : "At most one",
                        " of ", absl::StrJoin(names, ", "), ". ",
                        oneof->options().GetExtension(oneof_help)),
           indent, text);
    }
    const std::string path =
        absl::StrCat(prefix, field->name(), field->is_repeated() && !field->is_map() ? "[i]" : "");
    std::string head = absl::StrCat(path, "  ", TypeName(*field));
    if (field->has_default_value()) absl::StrAppend(&head, " = ", DefaultText(field));
    const std::vector<std::string> constraints = Constraints(field);
    if (!constraints.empty()) {
      const std::string tail = absl::StrCat("  (", absl::StrJoin(constraints, "; "), ")");
      if (indent.size() + head.size() + tail.size() <= kWidth) {
        absl::StrAppend(text, indent, head, tail, "\n");
      } else {
        absl::StrAppend(text, indent, head, "\n");
        Wrap(tail, indent + "    ", text);
      }
    } else {
      absl::StrAppend(text, indent, head, "\n");
    }
    Wrap(field->options().GetExtension(help), indent + "    ", text);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_map() &&
        std::find(above->begin(), above->end(), field->message_type()) == above->end()) {
      Describe(field->message_type(), path + ".", above, text);
    }
  }
  above->pop_back();
}

}  // namespace

void FillDefaults(Message* message) {
  std::vector<const Descriptor*> above;
  Fill(message, &above);
}

std::string CanonicalText(const Message& message) {
  std::string text;
  Print(message, "", &text);
  return text;
}

std::string Fingerprint(const Message& message, absl::Span<const std::string> extras) {
  std::unique_ptr<Message> resolved(message.New());
  resolved->CopyFrom(message);
  FillDefaults(resolved.get());
  base::Sha256 hash;
  // Each part with its length, so that no two lists of parts read the same.
  const auto add = [&hash](const std::string& part) {
    hash.Update(absl::StrCat(part.size(), ":"));
    hash.Update(part);
  };
  add(message.GetDescriptor()->full_name());
  add(CanonicalText(*resolved));
  for (const std::string& extra : extras) add(extra);
  return hash.FinishHex().substr(0, 12);
}

std::string DescribeFields(const Descriptor* descriptor) {
  std::string text;
  std::vector<const Descriptor*> above;
  Describe(descriptor, "", &above, &text);
  return text;
}

}  // namespace perennial::config
