// Where the units of a study come from.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Realisation third, source.Realise(/*seed=*/3));
//   third.units;  // For models; third.test, where it is there, to test them.
#ifndef PERENNIAL_CAUSAL_DATA_SAMPLE_SOURCE_H_
#define PERENNIAL_CAUSAL_DATA_SAMPLE_SOURCE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "common/base/status_macros.h"
#include "common/random/stream.h"

namespace perennial::causal {

// The average effect on the treated as an experiment found it, which itself has an error.
struct ExperimentalEffect {
  double effect = 0;
  double standard_error = 0;
};

struct Realisation {
  Observations units = {};
  // Test units of their own: of another file, of another population. Otherwise a share of `units`
  // may be held out.
  std::optional<Observations> test = {};
  // What stands in for the truth where effects are not known, but one of the two.
  std::optional<ExperimentalEffect> att = {};
  // Further units of an experiment, marked as randomised, that no model is fitted to, to tell the
  // value of policies.
  std::optional<Observations> experiment = {};
};

// Draws realisations. Thread-safe.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  virtual std::string group() const = 0;   // "ihdp_hill_b", lower_snake_case.
  virtual std::string digest() const = 0;  // Of the files that it reads; "none" if it reads none.
  // Units alone. All that is random comes from below the stream; a valid sample.
  virtual absl::StatusOr<Observations> Draw(const random::Stream& stream) const = 0;
  // The realisation of a seed: that of its number where a data set counts them, otherwise Draw
  // from the seed's stream "realisation".
  virtual absl::StatusOr<Realisation> Realise(uint64_t seed) const {
    Realisation realisation;
    PERENNIAL_ASSIGN_OR_RETURN(realisation.units, Draw(random::Stream(seed).Split("realisation")));
    return realisation;
  }
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_SAMPLE_SOURCE_H_
