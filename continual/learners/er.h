// Experience replay: every step trains on a batch of the task and one of stored images.
//
// Source: Chaudhry et al. 2019, "On tiny episodic memories in continual learning"
// (arXiv:1902.10486). There the memory takes images as they come; here it takes a task's images
// when the task ends, so that a task does not replay itself. Which it keeps: see memory.h.
#ifndef PERENNIAL_CONTINUAL_LEARNERS_ER_H_
#define PERENNIAL_CONTINUAL_LEARNERS_ER_H_

#include <memory>

#include "continual/continual.pb.h"
#include "continual/training/learner.h"

namespace perennial::continual {

std::unique_ptr<Learner> MakeExperienceReplay(const ExperienceReplayConfig& config,
                                              const TrainingConfig& training);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_LEARNERS_ER_H_
