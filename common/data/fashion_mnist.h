// Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017): 60,000 training and 10,000 test images of clothing,
// 28 x 28 grey pixels, ten classes. MIT licence.
//
// By default the four files come from the third-party repository that the build fetched by hash; a
// folder given by the user (MNIST and its other relatives in the same four files work too) replaces
// it. Files may be gzip-compressed (name ends in .gz) or not.
//
//   PERENNIAL_ASSIGN_OR_RETURN(data::ImageSplits splits, data::LoadFashionMnist(""));
#ifndef PERENNIAL_COMMON_DATA_FASHION_MNIST_H_
#define PERENNIAL_COMMON_DATA_FASHION_MNIST_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/data/labeled_images.h"

namespace perennial::data {

struct ImageSplits {
  LabeledImages train;
  LabeledImages test;
  // SHA-256 over pixels, labels and shapes of both splits: what an experiment's fingerprint covers.
  std::string digest;
};

// `folder` empty: the data that came with the build. Errors name the file and what is wrong with
// it.
absl::StatusOr<ImageSplits> LoadFashionMnist(const std::string& folder);

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_FASHION_MNIST_H_
