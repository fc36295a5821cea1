// Mode Connectivity SGD (MC-SGD).
//
// Source: Mirzadeh, Farajtabar, Gorur, Pascanu, Ghasemzadeh 2021, "Linear mode connectivity in
// multitask and continual learning" (arXiv:2010.04495).
//
// Two chains of solutions. The sequential solution w^_t is plain SGD on task t from w^_{t-1}. The
// connected solution w-_t, which predicts, starts between w-_{t-1} and w^_t and minimises the loss
// along two lines: of the stored images of tasks 1..t on the line from w-_{t-1}, and of a subset of
// task t's images on the line from w^_t:
//
//   mean over alpha of  L_memory(w-_{t-1} + alpha (w - w-_{t-1})) + L_t(w^_t + alpha (w - w^_t)).
//
// For t = 1 both solutions are the same. Switches (McSgdConfig), the first of each being what the
// above says: the gradient at alpha counts alpha times (chain rule), or once as in the published
// code; w^_t starts from w^_{t-1} or from w-_{t-1}; the points of a line are fixed or one random
// one a step. Connecting knows no dropout.
#ifndef PERENNIAL_CONTINUAL_LEARNERS_MC_SGD_H_
#define PERENNIAL_CONTINUAL_LEARNERS_MC_SGD_H_

#include <memory>

#include "continual/continual.pb.h"
#include "continual/training/learner.h"

namespace perennial::continual {

std::unique_ptr<Learner> MakeMcSgd(const McSgdConfig& config, const TrainingConfig& training);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_LEARNERS_MC_SGD_H_
