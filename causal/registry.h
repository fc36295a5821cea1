// From a method of the configuration to the model that it fits.
#ifndef PERENNIAL_CAUSAL_REGISTRY_H_
#define PERENNIAL_CAUSAL_REGISTRY_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "causal/causal.pb.h"
#include "causal/effect_unit.h"
#include "causal/models/model.h"
#include "causal/nets/net_fit.h"

namespace perennial::causal {

// "cfr_rbf": the name under which a method's results stand.
std::string MethodName(const MethodConfig& method);

// `net` with what a method says on top, and with the defaults of what neither says.
NetConfig Override(const NetConfig& net, const NetConfig& own);

// What a complete configuration of a network means.
NetOptions NetOptionsOf(const NetConfig& config);

// How the method estimates average effects, if not by its predictions.
std::optional<AverageOptions> AverageOf(const MethodConfig& method);

// The intervals for effects of single units, if it has some. InvalidArgument where its kind has no
// formula for them and too few replicates are asked for.
absl::StatusOr<std::optional<IntervalOptions>> IntervalsOf(const MethodConfig& method);

// The kind must be set. Errors name the field.
absl::StatusOr<ModelFactory> MakeModel(const MethodConfig& method, const NetConfig& net);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_REGISTRY_H_
