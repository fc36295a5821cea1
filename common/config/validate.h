// Checks a config against what its fields say of themselves (options.proto): ranges, allowed texts,
// sizes, required fields and choices, distinct elements; every float and double must be finite.
//
// Fields that are absent are not checked (FillDefaults first), save required ones. All errors are
// reported, one a line, with path, value, and what is allowed:
//
//   optimizer.learning_rate = -0.1: must be > 0 and <= 10
//   learners[1].method = "mcsgd": unknown value "mcsgd"; did you mean "mc_sgd"? Allowed: ...
//
//   config::FillDefaults(&experiment);
//   PERENNIAL_RETURN_IF_ERROR(config::Validate(experiment));
#ifndef PERENNIAL_COMMON_CONFIG_VALIDATE_H_
#define PERENNIAL_COMMON_CONFIG_VALIDATE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace perennial::config {

// Every violation as a line of its own, in the order of the fields; empty if there is none.
std::vector<std::string> ListViolations(const google::protobuf::Message& message);

// OK, or InvalidArgument with all of ListViolations' lines joined by newlines.
absl::Status Validate(const google::protobuf::Message& message);

// For code that is handed a config by other code: a violation is a programmer's error (CHECK).
void CheckValid(const google::protobuf::Message& message);

}  // namespace perennial::config

#endif  // PERENNIAL_COMMON_CONFIG_VALIDATE_H_
