// Mutation tests of parsers: valid inputs are damaged at random, and whatever comes out of it, the
// parser must answer with a value or with a clean error.
//
// Damage: bits, bytes and ranges changed, cut, doubled or removed; two inputs joined; numbers set
// to extremes, as digits in text or as 16, 32 or 64 bits in either byte order; tokens of the format
// put in; nesting that goes deep. Every trial is a function of its number alone.
//
// Checked by the engine: the error's message is one line of bounded length, and the parser holds no
// more memory than a bound that grows with the input (operator new is counted). What is accepted is
// the test's business: read it, write it, compare. When a trial ends the process, its number is
// printed, and the input lies in the test's outputs as mutation_failure.
//
//   RunMutations({.corpus = {"a,b\n1,2\n"}, .tokens = {"\"\"", "NA"}}, [](absl::string_view text) {
//     const absl::StatusOr<CsvTable> table = ParseCsv(text, "t");
//     return table.status();
//   });
//
// A run takes PERENNIAL_MUTATION_SECONDS (default 2); PERENNIAL_MUTATION_TRIAL repeats one trial.
#ifndef PERENNIAL_COMMON_TESTING_MUTATION_H_
#define PERENNIAL_COMMON_TESTING_MUTATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace perennial::testing {

struct MutationOptions {
  std::vector<std::string> corpus;  // At least one input, each accepted by the parser.
  std::vector<std::string> tokens;  // Pieces of the format that chance alone would not write.
  uint64_t seed = 1;
  size_t max_message_bytes = 2000;
  // The memory that one call may hold at once: base + factor * bytes of the input.
  int64_t memory_base = 1 << 20;
  int64_t memory_factor = 100;
  // Longer inputs are cut.
  size_t max_input_bytes = 1 << 16;
};

struct MutationCounts {
  int64_t trials = 0;
  int64_t accepted = 0;
};

// Input `trial` of these options. Trials below the corpus's size are the corpus itself.
std::string MutatedInput(const MutationOptions& options, int64_t trial);

// Calls `parse` with one input after the other until the time is over, and at least 100 times. A
// failure in `parse`, or of the engine's own checks, ends the run with a failure that names the
// trial and shows the input.
MutationCounts RunMutations(const MutationOptions& options,
                            absl::FunctionRef<absl::Status(absl::string_view)> parse);

// The most bytes that operator new had handed out at once during body(), beyond those before.
int64_t PeakAllocation(absl::FunctionRef<void()> body);

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_MUTATION_H_
