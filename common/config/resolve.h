// From a config as written to the config as run: defaults made explicit, one canonical text, a
// fingerprint, and the description that --help prints.
//
// A scalar field that has a `[default = ...]` is always explicit in a resolved config; one without
// a default is truly optional, so it stays absent. Singular sub-messages are created and filled;
// members of a oneof are filled only where chosen.
//
//   config::FillDefaults(&experiment);
//   record.WriteConfig(config::CanonicalText(experiment));
//   std::string id = config::Fingerprint(experiment, {data_digest});  // "3f2a90c1b7de"
#ifndef PERENNIAL_COMMON_CONFIG_RESOLVE_H_
#define PERENNIAL_COMMON_CONFIG_RESOLVE_H_

#include <string>

#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace perennial::config {

// Makes defaults explicit, in place, down through all sub-messages and elements of repeated fields.
// A message type that contains itself is not created inside itself.
void FillDefaults(google::protobuf::Message* message);

// Text format with two-space indents, fields by number, numbers as the shortest decimal that reads
// back to the same value: a function of the message alone, not of protobuf's version. Reads back
// by ParseTextproto.
std::string CanonicalText(const google::protobuf::Message& message);

// The first 12 hexadecimal digits of SHA-256 over the message's type, the canonical text of the
// message with its defaults filled in, and the extra strings (digests of data sets, say).
std::string Fingerprint(const google::protobuf::Message& message,
                        absl::Span<const std::string> extras = {});

// For --help: each field's path, type, default, allowed values and help, indented by level, within
// 80 columns where names allow it.
std::string DescribeFields(const google::protobuf::Descriptor* descriptor);

}  // namespace perennial::config

#endif  // PERENNIAL_COMMON_CONFIG_RESOLVE_H_
