// Naive: trains on each task as it comes. The lower end of every comparison.
//
// Stable SGD (Mirzadeh et al. 2020, arXiv:2006.06958) is the same in another training regime: a
// learning rate that decays from task to task, dropout, small batches.
#ifndef PERENNIAL_CONTINUAL_LEARNERS_NAIVE_H_
#define PERENNIAL_CONTINUAL_LEARNERS_NAIVE_H_

#include <memory>

#include "continual/continual.pb.h"
#include "continual/training/learner.h"

namespace perennial::continual {

// The phase that all learners begin with: SGD on the task's images, with the learning rate and the
// number of epochs of that task. Named "train".
Phase TrainPhase(const TrainingConfig& training, ImageView images, int task);

// A configuration out of its fields' ranges is a programmer's error here and for all learners; the
// harness validates what users write.
std::unique_ptr<Learner> MakeNaive(const NaiveConfig& config, const TrainingConfig& training);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_LEARNERS_NAIVE_H_
