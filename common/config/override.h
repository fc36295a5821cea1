// `--set path=value`: one field of a config changed from the command line.
//
// path := field ( "[" index or name "]" )? ( "." path )?. Indices count from 0; the index equal to
// the field's size appends an element. An element's name is what its field `name` says, or if it
// says nothing, the member that is chosen of its oneof. Sub-messages on the way are created;
// walking into a member of a oneof selects it if none is set, and is refused if another one is.
// value, by the field's kind:
//   number, bool     0.1  1e-3  5  true  false
//   enum             NAME
//   string           text as it stands, or "quoted" with C escapes
//   message          { text format }, replaces the whole message
//   repeated field   [1, 2, 3] replaces the whole list, [] empties it
//
//   ApplyOverride("optimizer.learning_rate=0.05", &config);
//   ApplyOverride("learners[2].er={buffer: 500}", &config);
//   ApplyOverride("learners[er].er.buffer=500", &config);
#ifndef PERENNIAL_COMMON_CONFIG_OVERRIDE_H_
#define PERENNIAL_COMMON_CONFIG_OVERRIDE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace perennial::config {

// InvalidArgument, one line, with the override, the path so far, the nearest and the allowed names;
// `message` is unchanged then. Ranges are Validate's business.
absl::Status ApplyOverride(absl::string_view override_text, google::protobuf::Message* message);

}  // namespace perennial::config

#endif  // PERENNIAL_COMMON_CONFIG_OVERRIDE_H_
