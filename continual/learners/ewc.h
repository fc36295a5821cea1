// Elastic weight consolidation (EWC): parameters that mattered to past tasks are held back.
//
// Source: Kirkpatrick et al. 2017 (arXiv:1612.00796), eq. 3: the loss gains lambda / 2 times the
// sum over past tasks t of sum_i F_t[i] (w[i] - w_t[i])^2, with the diagonal F_t of the Fisher
// information at the solution w_t. All of it is one quadratic function of two rows, sum of F_t and
// sum of F_t w_t, so a step costs the same after any number of tasks. ONLINE (Schwarz et al. 2018,
// arXiv:1805.06370, section 4): F = decay F + F_t, about the last solution alone.
//
// The penalty acts by a proximal step, w = (w + s sum of F_t w_t) / (1 + s sum of F_t) with s =
// lambda times learning rate / (1 - momentum), which has the same points of rest as the gradient
// and does not diverge for any lambda.
#ifndef PERENNIAL_CONTINUAL_LEARNERS_EWC_H_
#define PERENNIAL_CONTINUAL_LEARNERS_EWC_H_

#include <memory>

#include "continual/continual.pb.h"
#include "continual/training/learner.h"

namespace perennial::continual {

std::unique_ptr<Learner> MakeEwc(const EwcConfig& config, const TrainingConfig& training);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_LEARNERS_EWC_H_
