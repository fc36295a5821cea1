#include "continual/streams/draws.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/config/validate.h"

namespace perennial::continual {
namespace {

absl::Status CheckSize(absl::string_view field, int32_t wanted, int32_t available,
                       absl::string_view what) {
  if (wanted <= available) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("stream.images.", field, " = ", wanted,
                                                 ": there are ", available, " ", what,
                                                 "; choose at most that many"));
}

// Not owned.
std::shared_ptr<const data::LabeledImages> Borrow(const data::LabeledImages& images) {
  return {std::shared_ptr<void>(), &images};
}

}  // namespace

absl::StatusOr<TaskDraws> TaskDraws::Create(const TaskImagesConfig& config,
                                            const data::ImageSplits& splits, uint64_t seed) {
  PERENNIAL_RETURN_IF_ERROR(config::Validate(config));
  const int32_t all = splits.train.size();
  const int32_t held_out = config.held_out();
  if (held_out >= all) {
    return CheckSize("held_out", held_out, all - 1, "training images to hold out");
  }
  absl::Status status =
      CheckSize("train_per_task", config.train_per_task(), all - held_out,
                held_out > 0 ? "training images besides those held out" : "training images");
  status.Update(
      held_out > 0
          ? CheckSize("test_per_task", config.test_per_task(), held_out, "images held out")
          : CheckSize("test_per_task", config.test_per_task(), splits.test.size(), "test images"));
  if (!status.ok()) return status;
  return TaskDraws(config, splits, random::Stream(seed).Split("stream"));
}

TaskDraws::TaskDraws(const TaskImagesConfig& config, const data::ImageSplits& splits,
                     const random::Stream& stream)
    : config_(config),
      stream_(stream),
      train_(Borrow(splits.train)),
      test_(config.held_out() > 0 ? train_ : Borrow(splits.test)),
      trainable_(splits.train.size() - config.held_out()) {
  const int32_t population = config.held_out() > 0 ? config.held_out() : test_->size();
  std::vector<int32_t> rows = stream_.Split("test").Sample(population, config.test_per_task());
  if (config.held_out() > 0) {
    for (int32_t& row : rows) row += trainable_;
  }
  test_rows_ = std::make_shared<const std::vector<int32_t>>(std::move(rows));
}

ImageView::Piece TaskDraws::Train(int task) const {
  return {.images = train_,
          .rows = std::make_shared<const std::vector<int32_t>>(
              stream_.Split("train").Split(task).Sample(trainable_, train_size()))};
}

ImageView::Piece TaskDraws::Test() const { return {.images = test_, .rows = test_rows_}; }

}  // namespace perennial::continual
