// Small labelled images made for tests.
#ifndef PERENNIAL_COMMON_TESTING_IMAGES_H_
#define PERENNIAL_COMMON_TESTING_IMAGES_H_

#include <cstdint>

#include "common/data/labeled_images.h"
#include "common/random/stream.h"

namespace perennial::testing {

// Every class has a random template; an image is its class's template with `noise` (a fraction) of
// its pixels replaced at random. Labels go round: 0, 1, ..., classes - 1, 0, ... noise = 1 leaves
// nothing to learn. The templates depend on `templates` only, the noise on `stream`.
data::LabeledImages ClassImages(int32_t size, int32_t height, int32_t width, int32_t classes,
                                double noise, const random::Stream& templates,
                                random::Stream stream);

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_IMAGES_H_
