// Batches by epochs: each epoch shows every example once, in a new random order.
//
// The order of an epoch is a function of the stream and the epoch's number, so any step can be
// asked for at any time, as after a run was interrupted. It is drawn as far as it is asked for: ten
// steps on a large data set cost ten batches of draws.
//
//   data::EpochSampler sampler(stream.Split("order"), /*size=*/60000, /*batch_size=*/64);
//   for (int64_t step = 0; step < 5 * sampler.batches_per_epoch(); ++step) {
//     Train(sampler.Batch(step));
//   }
#ifndef PERENNIAL_COMMON_DATA_EPOCH_SAMPLER_H_
#define PERENNIAL_COMMON_DATA_EPOCH_SAMPLER_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "common/random/stream.h"

namespace perennial::data {

class EpochSampler {
 public:
  // `size` and `batch_size` are at least 1.
  EpochSampler(const random::Stream& stream, int32_t size, int32_t batch_size)
      : stream_(stream), draws_(stream), size_(size), batch_size_(batch_size) {}

  int64_t batches_per_epoch() const { return (int64_t{size_} + batch_size_ - 1) / batch_size_; }

  // Examples of a step: batch_size, but for the rest at the end of an epoch.
  int64_t BatchSize(int64_t step) const {
    return std::min<int64_t>(batch_size_, size_ - Begin(step));
  }

  // Indices in [0, size), good until the next call.
  std::span<const int32_t> Batch(int64_t step);

 private:
  int64_t Begin(int64_t step) const { return step % batches_per_epoch() * batch_size_; }

  random::Stream stream_;
  random::Stream draws_;
  int32_t size_;
  int32_t batch_size_;
  int64_t epoch_ = -1;
  int64_t drawn_ = 0;  // Places of the order that are final.
  std::vector<int32_t> order_;
};

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_EPOCH_SAMPLER_H_
