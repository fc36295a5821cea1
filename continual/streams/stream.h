// A stream of tasks: labelled images that arrive one task after the other.
//
// Domain-incremental: every task has the same classes, and one head predicts them all. A stream is
// immutable and may be used from several threads; it is a pure function of its configuration, its
// data and its seed.
#ifndef PERENNIAL_CONTINUAL_STREAMS_STREAM_H_
#define PERENNIAL_CONTINUAL_STREAMS_STREAM_H_

#include <memory>
#include <string>

#include "continual/streams/image_view.h"

namespace perennial::continual {

class TaskStream {
 public:
  virtual ~TaskStream() = default;

  // "rotated": the group under which results stand.
  virtual std::string name() const = 0;
  virtual int tasks() const = 0;
  virtual int32_t features() const = 0;
  virtual int32_t classes() const = 0;
  virtual int32_t train_size(int task) const = 0;
  virtual int32_t test_size(int task) const = 0;

  // Tasks count from 0. What views hold is shared and lives as long as they do.
  virtual ImageView Train(int task) const = 0;
  virtual ImageView Test(int task) const = 0;
};

// A stream of the same sizes whose images have no pixels, and labels 0, 1, ..., classes - 1 in
// turn: for planning, which needs counts only.
std::unique_ptr<TaskStream> SizesOf(const TaskStream& stream);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_STREAMS_STREAM_H_
