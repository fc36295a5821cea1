#include "common/config/field_info.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/json_text.h"

namespace perennial::config {

using ::google::protobuf::Descriptor;
using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::FieldDescriptor;

std::vector<std::string> FieldNames(const Descriptor& descriptor) {
  std::vector<std::string> names;
  for (int i = 0; i < descriptor.field_count(); ++i) names.push_back(descriptor.field(i)->name());
  return names;
}

std::vector<std::string> ValueNames(const EnumDescriptor& descriptor) {
  std::vector<std::string> names;
  for (int i = 0; i < descriptor.value_count(); ++i) names.push_back(descriptor.value(i)->name());
  return names;
}

std::string TypeName(const FieldDescriptor& field) {
  if (field.is_map()) {
    return absl::StrCat("map<", TypeName(*field.message_type()->map_key()), ", ",
                        TypeName(*field.message_type()->map_value()), ">");
  }
  std::string name = field.type_name();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) name = field.message_type()->name();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) name = field.enum_type()->name();
  return field.is_repeated() ? absl::StrCat("repeated ", name) : name;
}

std::string RangeText(const Range& limits) {
  std::string text;
  if (limits.has_min()) {
    text = absl::StrCat(limits.exclusive_min() ? "> " : ">= ", base::JsonNumber(limits.min()));
  }
  if (limits.has_max()) {
    absl::StrAppend(&text, text.empty() ? "" : " and ",
                    limits.exclusive_max() ? "< " : "<= ", base::JsonNumber(limits.max()));
  }
  return text.empty() ? "any number" : text;
}

}  // namespace perennial::config
