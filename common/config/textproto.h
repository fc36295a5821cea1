// Strict reading of a config in protobuf's text format.
//
// Everything unknown is an error: a field, an enum value, a second value for a single field, text
// after the end. An error is one line that begins `file:line:column: ` (both counted from 1, tabs
// as one column), and names the path of the field, the nearest valid name, and the allowed names:
//
//   smoke.textproto:3:5: optimizer: unknown field "learning_rat"; did you mean "learning_rate"?
//   Allowed: learning_rate, momentum        (one line)
//
//   PERENNIAL_ASSIGN_OR_RETURN(auto config, LoadTextproto<ExperimentConfig>("smoke.textproto"));
#ifndef PERENNIAL_COMMON_CONFIG_TEXTPROTO_H_
#define PERENNIAL_COMMON_CONFIG_TEXTPROTO_H_

#include <cstddef>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "google/protobuf/message.h"

namespace perennial::config {

// Messages within each other, at most: deeply nested text must not exhaust the stack, and no config
// is nested like that.
inline constexpr size_t kMaxNesting = 100;

// Where each field stands, by its path: "learners[1].replay.buffer" -> "smoke.textproto:3:5".
using FieldPlaces = std::map<std::string, std::string>;

// Clears `message` and reads it from `text`; InvalidArgument as above. `file_name` is for messages
// only. On error `message` holds no meaningful value. `places`, if given, receives those of all
// fields.
absl::Status ParseTextproto(absl::string_view text, absl::string_view file_name,
                            google::protobuf::Message* message, FieldPlaces* places = nullptr);

// The place of the field that an error begins with ("optimizer.rate = 3: must be ..."), or of the
// nearest one that holds it; empty if there is none.
std::string PlaceOf(absl::string_view error, const FieldPlaces& places);

// The same from a file of at most 16 MiB; errors of reading name the path.
absl::Status LoadTextprotoInto(absl::string_view path, google::protobuf::Message* message);

template <typename T>
absl::StatusOr<T> LoadTextproto(absl::string_view path) {
  T message;
  PERENNIAL_RETURN_IF_ERROR(LoadTextprotoInto(path, &message));
  return message;
}

}  // namespace perennial::config

#endif  // PERENNIAL_COMMON_CONFIG_TEXTPROTO_H_
