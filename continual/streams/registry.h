// The streams that a configuration can name.
//
// To add one: write its file beside the others, add its message to the `kind` of StreamConfig, and
// a case to registry.cc.
#ifndef PERENNIAL_CONTINUAL_STREAMS_REGISTRY_H_
#define PERENNIAL_CONTINUAL_STREAMS_REGISTRY_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "common/data/fashion_mnist.h"
#include "continual/continual.pb.h"
#include "continual/streams/stream.h"

namespace perennial::continual {

// `splits` must outlive the stream and its views. InvalidArgument if the configuration asks for
// what there is not.
absl::StatusOr<std::shared_ptr<const TaskStream>> MakeStream(const StreamConfig& config,
                                                             const data::ImageSplits& splits,
                                                             uint64_t seed);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_STREAMS_REGISTRY_H_
