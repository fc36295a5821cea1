#include "continual/learners/registry.h"

#include <memory>

#include "common/base/logging.h"
#include "continual/learners/agem.h"
#include "continual/learners/er.h"
#include "continual/learners/ewc.h"
#include "continual/learners/joint.h"
#include "continual/learners/mc_sgd.h"
#include "continual/learners/naive.h"

namespace perennial::continual {
namespace {

using MakeLearner = std::unique_ptr<Learner> (*)(const MethodConfig&, const TrainingConfig&);

struct Entry {
  MethodConfig::KindCase kind;
  MakeLearner make;
};

constexpr Entry kLearners[] = {
    {MethodConfig::kNaive, [](const auto& m, const auto& t) { return MakeNaive(m.naive(), t); }},
    {MethodConfig::kStable, [](const auto&, const auto& t) { return MakeNaive(NaiveConfig(), t); }},
    {MethodConfig::kJoint, [](const auto& m, const auto& t) { return MakeJoint(m.joint(), t); }},
    {MethodConfig::kEr,
     [](const auto& m, const auto& t) { return MakeExperienceReplay(m.er(), t); }},
    {MethodConfig::kAgem, [](const auto& m, const auto& t) { return MakeAgem(m.agem(), t); }},
    {MethodConfig::kEwc, [](const auto& m, const auto& t) { return MakeEwc(m.ewc(), t); }},
    {MethodConfig::kMcSgd, [](const auto& m, const auto& t) { return MakeMcSgd(m.mc_sgd(), t); }},
};

}  // namespace

std::string MethodName(const MethodConfig& method) {
  if (!method.name().empty()) return method.name();
  const auto* field = MethodConfig::descriptor()->FindFieldByNumber(method.kind_case());
  CHECK(field != nullptr) << "a method without a kind";
  return field->name();
}

TrainingConfig Override(const TrainingConfig& training, const TrainingOverrides& overrides) {
  // Fields of equal meaning have equal numbers; those that are absent stay as they are.
  TrainingConfig result = training;
  CHECK(result.MergeFromString(overrides.SerializeAsString()));
  return result;
}

LearnerFactory MakeLearnerFactory(const MethodConfig& method, const TrainingConfig& training) {
  for (const Entry& entry : kLearners) {
    if (entry.kind == method.kind_case()) {
      return [make = entry.make, method, own = TrainingOf(method, training)] {
        return make(method, own);
      };
    }
  }
  LOG(FATAL) << "learner " << MethodName(method) << " is not in the table of registry.cc";
}

}  // namespace perennial::continual
