// Where the units of a study come from.
#ifndef PERENNIAL_CAUSAL_DATA_SAMPLE_SOURCE_H_
#define PERENNIAL_CAUSAL_DATA_SAMPLE_SOURCE_H_

#include <string>

#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "common/random/stream.h"

namespace perennial::causal {

// Draws realisations. Thread-safe.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  virtual std::string group() const = 0;   // "ihdp_hill_b", lower_snake_case.
  virtual std::string digest() const = 0;  // Of the files that it reads; "none" if it reads none.
  // All that is random comes from below the stream; a valid sample.
  virtual absl::StatusOr<Observations> Draw(const random::Stream& stream) const = 0;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_SAMPLE_SOURCE_H_
