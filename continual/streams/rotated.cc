#include "continual/streams/rotated.h"

#include <span>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/config/validate.h"
#include "common/data/rotation.h"
#include "common/random/stream.h"

namespace perennial::continual {
namespace {

absl::Status CheckSize(absl::string_view field, int32_t wanted, int32_t available) {
  if (wanted <= available) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("stream.rotated.", field, " = ", wanted,
                                                 ": the data set has ", available,
                                                 " images; choose at most that many"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RotatedStream>> RotatedStream::Create(
    const RotatedStreamConfig& config, const data::ImageSplits& splits, uint64_t seed) {
  PERENNIAL_RETURN_IF_ERROR(config::Validate(config));
  absl::Status status = CheckSize("train_per_task", config.train_per_task(), splits.train.size());
  status.Update(CheckSize("test_per_task", config.test_per_task(), splits.test.size()));
  if (!status.ok()) return status;
  return absl::WrapUnique(new RotatedStream(config, splits, seed));
}

RotatedStream::RotatedStream(const RotatedStreamConfig& config, const data::ImageSplits& splits,
                             uint64_t seed)
    : config_(config),
      splits_(splits),
      seed_(seed),
      offset_(config.offset_degrees()),
      train_(config.tasks()),
      test_(config.tasks()) {
  const random::Stream stream = random::Stream(seed).Split("stream");
  offset_ += stream.Split("offset").Uniform(0, config.offset_range_degrees());
  test_indices_ = stream.Split("test").Sample(splits.test.size(), config.test_per_task());
}

std::shared_ptr<const data::LabeledImages> RotatedStream::Train(int task) const {
  const std::vector<int32_t> indices =
      random::Stream(seed_).Split("stream").Split("train").Split(task).Sample(
          splits_.train.size(), config_.train_per_task());
  return Get(train_[task], splits_.train, indices, degrees(task));
}

std::shared_ptr<const data::LabeledImages> RotatedStream::Test(int task) const {
  return Get(test_[task], splits_.test, test_indices_, degrees(task));
}

std::shared_ptr<const data::LabeledImages> RotatedStream::Get(Slot& slot,
                                                              const data::LabeledImages& source,
                                                              const std::vector<int32_t>& indices,
                                                              double angle) const {
  const std::lock_guard<std::mutex> lock(slot.mutex);
  if (auto images = slot.shared.lock()) return images;
  const data::Rotation rotation(source.height, source.width, angle);
  auto images = std::make_shared<data::LabeledImages>(source.Empty());
  images->pixels.resize(indices.size() * source.features());
  images->labels.reserve(indices.size());
  std::span<uint8_t> rest(images->pixels);
  for (const int32_t index : indices) {
    rotation.Apply(source.image(index), rest.first(source.features()));
    rest = rest.subspan(source.features());
    images->labels.push_back(source.labels[index]);
  }
  slot.shared = images;
  return images;
}

}  // namespace perennial::continual
