// A small stream for the tests of learners.
#ifndef PERENNIAL_CONTINUAL_LEARNERS_SMALL_STREAM_H_
#define PERENNIAL_CONTINUAL_LEARNERS_SMALL_STREAM_H_

#include <memory>

#include "common/data/fashion_mnist.h"
#include "continual/streams/stream.h"
#include "continual/training/learner.h"

namespace perennial::continual {

inline constexpr int kTasks = 4;

// 100 and 20 images of 16 pixels and four classes.
const data::ImageSplits& Splits();

// kTasks tasks of 60 training and 20 test images of them, with permuted pixels.
std::unique_ptr<TaskStream> MakeStream();

// The random numbers of a task. `stream` must outlive it.
TaskContext Context(const TaskStream& stream, int task);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_LEARNERS_SMALL_STREAM_H_
