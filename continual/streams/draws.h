// Which images of a data set the tasks of a stream show: drawn anew for each seed.
//
// A task's training images are a random choice of the data set's, another one for each task; the
// test images are one choice for all tasks. For tuning, images held out of the training set take
// the place of the test images, which then are never looked at.
#ifndef PERENNIAL_CONTINUAL_STREAMS_DRAWS_H_
#define PERENNIAL_CONTINUAL_STREAMS_DRAWS_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/data/fashion_mnist.h"
#include "common/random/stream.h"
#include "continual/continual.pb.h"
#include "continual/streams/image_view.h"
#include "continual/streams/stream.h"

namespace perennial::continual {

class TaskDraws {
 public:
  // `splits` must outlive the draws and all views. InvalidArgument if more images are asked for
  // than there are.
  static absl::StatusOr<TaskDraws> Create(const TaskImagesConfig& config,
                                          const data::ImageSplits& splits, uint64_t seed);

  int32_t train_size() const { return config_.train_per_task(); }
  int32_t test_size() const { return static_cast<int32_t>(test_rows_->size()); }
  int32_t height() const { return train_->height; }
  int32_t width() const { return train_->width; }
  int32_t classes() const { return train_->classes; }

  ImageView::Piece Train(int task) const;
  ImageView::Piece Test() const;

 private:
  using Images = std::shared_ptr<const data::LabeledImages>;

  TaskDraws(const TaskImagesConfig& config, const data::ImageSplits& splits,
            const random::Stream& stream);

  TaskImagesConfig config_;
  random::Stream stream_;
  Images train_;
  Images test_;
  int32_t trainable_;  // The first so many of train_ are trained on.
  std::shared_ptr<const std::vector<int32_t>> test_rows_;
};

// A stream of such draws: what is left to say is what a task does to them.
class DrawnStream : public TaskStream {
 public:
  int32_t features() const final { return draws_.height() * draws_.width(); }
  int32_t classes() const final { return draws_.classes(); }
  int32_t train_size(int) const final { return draws_.train_size(); }
  int32_t test_size(int) const final { return draws_.test_size(); }

 protected:
  explicit DrawnStream(TaskDraws draws) : draws_(std::move(draws)) {}
  const TaskDraws& draws() const { return draws_; }

 private:
  TaskDraws draws_;
};

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_STREAMS_DRAWS_H_
