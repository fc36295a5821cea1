// Joint (multitask): trains once on the images of all tasks together, when the last has arrived.
//
// What sequential learners are measured against: as many passes over the same images, without the
// order of tasks (a few steps fewer, since batches run across tasks). It predicts only after the
// last task.
#ifndef PERENNIAL_CONTINUAL_LEARNERS_JOINT_H_
#define PERENNIAL_CONTINUAL_LEARNERS_JOINT_H_

#include <memory>

#include "continual/continual.pb.h"
#include "continual/training/learner.h"

namespace perennial::continual {

std::unique_ptr<Learner> MakeJoint(const JointConfig& config, const TrainingConfig& training);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_LEARNERS_JOINT_H_
