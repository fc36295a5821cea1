// Names and allowed values of config fields, as error messages and --help spell them.
//
//   UnknownNameMessage("field", "lr", FieldNames(*descriptor));
//   RangeText(field->options().GetExtension(range));  // "> 0 and <= 10"
#ifndef PERENNIAL_COMMON_CONFIG_FIELD_INFO_H_
#define PERENNIAL_COMMON_CONFIG_FIELD_INFO_H_

#include <string>
#include <vector>

#include "common/config/options.pb.h"
#include "google/protobuf/descriptor.h"

namespace perennial::config {

// In the order of declaration.
std::vector<std::string> FieldNames(const google::protobuf::Descriptor& descriptor);
std::vector<std::string> ValueNames(const google::protobuf::EnumDescriptor& descriptor);

// "int32", "string", or the short name of a message or enum; "repeated " before a list's.
std::string TypeName(const google::protobuf::FieldDescriptor& field);

// ">= 0", "> 0 and <= 10"; "any number" for a range without ends.
std::string RangeText(const Range& limits);

}  // namespace perennial::config

#endif  // PERENNIAL_COMMON_CONFIG_FIELD_INFO_H_
