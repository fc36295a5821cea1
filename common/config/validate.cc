#include "common/config/validate.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/json_text.h"
#include "common/base/logging.h"
#include "common/base/nearest_name.h"
#include "common/config/field_info.h"
#include "common/config/options.pb.h"
#include "google/protobuf/descriptor.h"

namespace perennial::config {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::FieldOptions;
using ::google::protobuf::Message;
using ::google::protobuf::OneofDescriptor;
using ::google::protobuf::Reflection;

// A scalar value as it is compared and as it is shown.
struct Value {
  std::string text;
  std::optional<double> number;
  std::optional<std::string> string;
};

// Element `index` of a repeated field, the value itself of a single one (index -1).
Value Get(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection* reflection = message.GetReflection();
#define PERENNIAL_GET_(Kind)                         \
  (index < 0 ? reflection->Get##Kind(message, field) \
             : reflection->GetRepeated##Kind(message, field, index))
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: {
      const int32_t value = PERENNIAL_GET_(Int32);
      return {absl::StrCat(value), value, {}};
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      const int64_t value = PERENNIAL_GET_(Int64);
      return {absl::StrCat(value), static_cast<double>(value), {}};
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      const uint32_t value = PERENNIAL_GET_(UInt32);
      return {absl::StrCat(value), value, {}};
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      const uint64_t value = PERENNIAL_GET_(UInt64);
      return {absl::StrCat(value), static_cast<double>(value), {}};
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const double value = PERENNIAL_GET_(Double);
      return {std::isfinite(value) ? base::JsonNumber(value) : absl::StrCat(value), value, {}};
    }
    case FieldDescriptor::CPPTYPE_FLOAT: {
      const float value = PERENNIAL_GET_(Float);
      return {std::isfinite(value) ? base::JsonNumber(value) : absl::StrCat(value), value, {}};
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return {PERENNIAL_GET_(Bool) ? "true" : "false", {}, {}};
    case FieldDescriptor::CPPTYPE_ENUM:
      return {PERENNIAL_GET_(Enum)->name(), {}, {}};
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string value = PERENNIAL_GET_(String);
      return {absl::StrCat("\"", absl::CEscape(value), "\""), {}, value};
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
#undef PERENNIAL_GET_
  return {};
}

bool IsInside(double value, const Range& limits) {
  const bool above = limits.exclusive_min() ? value > limits.min() : value >= limits.min();
  const bool below = limits.exclusive_max() ? value < limits.max() : value <= limits.max();
  return (above || !limits.has_min()) && (below || !limits.has_max());
}

class Walker {
 public:
  explicit Walker(std::vector<std::string>* violations) : violations_(violations) {}

  void Walk(const Message& message, const std::string& prefix) {
    const Descriptor* descriptor = message.GetDescriptor();
    const Reflection* reflection = message.GetReflection();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const FieldDescriptor* field = descriptor->field(i);
      const std::string path = absl::StrCat(prefix, field->name());
      if (field->is_map()) {
        WalkMap(message, field, path);
      } else if (field->is_repeated()) {
        WalkList(message, field, path);
      } else if (reflection->HasField(message, field)) {
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
          Walk(reflection->GetMessage(message, field), absl::StrCat(path, "."));
        } else {
          Check(Get(message, field, -1), field->options(), path);
        }
      } else if (field->options().GetExtension(required_field)) {
        Add(absl::StrCat(path, ": must be given (a ", TypeName(*field), ")"));
      }
    }
    for (int i = 0; i < descriptor->real_oneof_decl_count(); ++i) {
      const OneofDescriptor* oneof = descriptor->oneof_decl(i);
      if (!oneof->options().GetExtension(required_choice)) continue;
      if (reflection->HasOneof(message, oneof)) continue;
      std::vector<std::string> names;
      for (int m = 0; m < oneof->field_count(); ++m) names.push_back(oneof->field(m)->name());
      Add(absl::StrCat(prefix, oneof->name(),
                       ": one of these must be given: ", absl::StrJoin(names, ", ")));
    }
  }

 private:
  void Add(std::string violation) { violations_->push_back(std::move(violation)); }

  void Check(const Value& value, const FieldOptions& options, const std::string& path) {
    if (value.number && !std::isfinite(*value.number)) {
      Add(absl::StrCat(path, " = ", value.text, ": must be a finite number"));
      return;
    }
    if (value.number && options.HasExtension(range) &&
        !IsInside(*value.number, options.GetExtension(range))) {
      Add(absl::StrCat(path, " = ", value.text, ": must be ",
                       RangeText(options.GetExtension(range))));
    }
    if (value.string && options.ExtensionSize(one_of) > 0) {
      std::vector<std::string> allowed;
      for (int i = 0; i < options.ExtensionSize(one_of); ++i) {
        allowed.push_back(options.GetExtension(one_of, i));
      }
      for (const std::string& text : allowed) {
        if (text == *value.string) return;
      }
      Add(absl::StrCat(path, " = ", value.text, ": ",
                       base::UnknownNameMessage("value", absl::CEscape(*value.string), allowed)));
    }
  }

  void CheckSize(int size, const FieldOptions& options, const std::string& path) {
    if (size == 0 && options.GetExtension(required_field)) {
      Add(absl::StrCat(path, ": must have at least one element"));
      return;
    }
    if (options.HasExtension(list_size) && !IsInside(size, options.GetExtension(list_size))) {
      Add(absl::StrCat(path, ": has ", size, size == 1 ? " element" : " elements",
                       "; their number must be ", RangeText(options.GetExtension(list_size))));
    }
  }

  void WalkList(const Message& message, const FieldDescriptor* field, const std::string& path) {
    const Reflection* reflection = message.GetReflection();
    const int count = reflection->FieldSize(message, field);
    CheckSize(count, field->options(), path);
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const FieldDescriptor* name =
        is_message ? field->message_type()->FindFieldByName("name") : nullptr;
    std::map<std::string, int> seen;
    for (int i = 0; i < count; ++i) {
      const std::string element = absl::StrCat(path, "[", i, "]");
      std::string identity;
      if (is_message) {
        const Message& child = reflection->GetRepeatedMessage(message, field, i);
        Walk(child, absl::StrCat(element, "."));
        if (name != nullptr && child.GetReflection()->HasField(child, name)) {
          identity = Get(child, name, -1).text;
        }
      } else {
        const Value value = Get(message, field, i);
        Check(value, field->options(), element);
        identity = value.text;
      }
      if (identity.empty() || !field->options().GetExtension(distinct)) continue;
      const auto [first, is_new] = seen.emplace(identity, i);
      if (!is_new) {
        Add(absl::StrCat(element, is_message ? ".name" : "", " = ", identity,
                         ": must differ from that of ", path, "[", first->second, "]"));
      }
    }
  }

  void WalkMap(const Message& message, const FieldDescriptor* field, const std::string& path) {
    const Reflection* reflection = message.GetReflection();
    const int count = reflection->FieldSize(message, field);
    CheckSize(count, field->options(), path);
    const FieldDescriptor* key = field->message_type()->map_key();
    const FieldDescriptor* mapped = field->message_type()->map_value();
    std::map<std::string, const Message*> entries;  // a map's own order is arbitrary
    for (int i = 0; i < count; ++i) {
      const Message& entry = reflection->GetRepeatedMessage(message, field, i);
      entries.emplace(Get(entry, key, -1).text, &entry);
    }
    for (const auto& [text, entry] : entries) {
      const std::string element = absl::StrCat(path, "[", text, "]");
      if (mapped->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        Walk(entry->GetReflection()->GetMessage(*entry, mapped), absl::StrCat(element, "."));
      } else {
        Check(Get(*entry, mapped, -1), field->options(), element);
      }
    }
  }

  std::vector<std::string>* violations_;
};

}  // namespace

std::vector<std::string> ListViolations(const Message& message) {
  std::vector<std::string> violations;
  Walker(&violations).Walk(message, "");
  return violations;
}

absl::Status Validate(const Message& message) {
  const std::vector<std::string> violations = ListViolations(message);
  if (violations.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(violations, "\n"));
}

void CheckValid(const Message& message) {
  const absl::Status status = Validate(message);
  CHECK(status.ok()) << message.GetDescriptor()->name() << ": " << status.message();
}

}  // namespace perennial::config
