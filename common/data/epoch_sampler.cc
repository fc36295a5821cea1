#include "common/data/epoch_sampler.h"

#include <numeric>
#include <utility>

namespace perennial::data {

std::span<const int32_t> EpochSampler::Batch(int64_t step) {
  const int64_t epoch = step / batches_per_epoch();
  if (epoch != epoch_) {
    order_.resize(size_);
    std::iota(order_.begin(), order_.end(), 0);
    draws_ = stream_.Split(static_cast<uint64_t>(epoch));
    epoch_ = epoch;
    drawn_ = 0;
  }
  const int64_t begin = Begin(step);
  const int64_t end = begin + BatchSize(step);
  // Fisher-Yates from the front.
  for (; drawn_ < end; ++drawn_) {
    const auto other = static_cast<int64_t>(draws_.Below(static_cast<uint64_t>(size_ - drawn_)));
    std::swap(order_[drawn_], order_[drawn_ + other]);
  }
  return std::span<const int32_t>(order_).subspan(begin, end - begin);
}

}  // namespace perennial::data
