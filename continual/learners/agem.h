// Averaged gradient episodic memory (A-GEM): no step may, to first order, increase the loss on a
// batch of stored images.
//
// Source: Chaudhry, Ranzato, Rohrbach, Elhoseiny 2019, "Efficient lifelong learning with A-GEM"
// (arXiv:1812.00420), eq. 11. With g the gradient on the task's batch and r that on the stored one:
// if <g, r> < 0, the step takes g - <g, r> / <r, r> r; else g as it is. Both batches share a
// forward and a backward pass. The memory takes a task's images when the task ends.
#ifndef PERENNIAL_CONTINUAL_LEARNERS_AGEM_H_
#define PERENNIAL_CONTINUAL_LEARNERS_AGEM_H_

#include <memory>

#include "continual/continual.pb.h"
#include "continual/training/learner.h"

namespace perennial::continual {

std::unique_ptr<Learner> MakeAgem(const AgemConfig& config, const TrainingConfig& training);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_LEARNERS_AGEM_H_
