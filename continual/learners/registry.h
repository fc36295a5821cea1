// The learners that a configuration can name.
//
// To add one: write its file beside the others, add its message to the `kind` of MethodConfig, and
// a line to the table in registry.cc.
#ifndef PERENNIAL_CONTINUAL_LEARNERS_REGISTRY_H_
#define PERENNIAL_CONTINUAL_LEARNERS_REGISTRY_H_

#include <string>

#include "continual/continual.pb.h"
#include "continual/training/learner.h"

namespace perennial::continual {

// "mc_sgd": the name under which a method's results stand.
std::string MethodName(const MethodConfig& method);

// `training`, but for what `overrides` say.
TrainingConfig Override(const TrainingConfig& training, const TrainingOverrides& overrides);
// How the method trains.
inline TrainingConfig TrainingOf(const MethodConfig& method, const TrainingConfig& training) {
  return Override(training, method.training());
}

// Makes the learner, which trains as TrainingOf says; the factory may be called several times. A
// kind must be set.
LearnerFactory MakeLearnerFactory(const MethodConfig& method, const TrainingConfig& training);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_LEARNERS_REGISTRY_H_
