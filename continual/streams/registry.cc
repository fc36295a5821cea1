#include "continual/streams/registry.h"

#include "absl/status/status.h"
#include "continual/streams/permuted.h"
#include "continual/streams/rotated.h"

namespace perennial::continual {

absl::StatusOr<std::shared_ptr<const TaskStream>> MakeStream(const StreamConfig& config,
                                                             const data::ImageSplits& splits,
                                                             uint64_t seed) {
  switch (config.kind_case()) {
    case StreamConfig::kRotated:
      return RotatedStream::Create(config.rotated(), config.images(), splits, seed);
    case StreamConfig::kPermuted:
      return PermutedStream::Create(config.permuted(), config.images(), splits, seed);
    case StreamConfig::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("stream: no kind is set");
}

}  // namespace perennial::continual
