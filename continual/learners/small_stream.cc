#include "continual/learners/small_stream.h"

#include "common/random/stream.h"
#include "common/testing/images.h"
#include "continual/continual.pb.h"
#include "continual/streams/permuted.h"

namespace perennial::continual {

const data::ImageSplits& Splits() {
  static const auto* const splits = [] {
    const random::Stream stream(1);
    auto* made = new data::ImageSplits;
    made->train = testing::ClassImages(100, 4, 4, 4, 0.3, stream, stream.Split("train"));
    made->test = testing::ClassImages(20, 4, 4, 4, 0.3, stream, stream.Split("test"));
    return made;
  }();
  return *splits;
}

std::unique_ptr<TaskStream> MakeStream() {
  PermutedStreamConfig config;
  config.set_tasks(kTasks);
  TaskImagesConfig images;
  images.set_train_per_task(60);
  images.set_test_per_task(20);
  return *PermutedStream::Create(config, images, Splits(), 0);
}

TaskContext Context(const TaskStream& stream, int task) {
  return {stream, task, random::Stream(5).Split(task)};
}

}  // namespace perennial::continual
