// IDX files made for tests, as data::LoadFashionMnist reads them.
#ifndef PERENNIAL_COMMON_TESTING_IDX_H_
#define PERENNIAL_COMMON_TESTING_IDX_H_

#include <string>

#include "common/data/labeled_images.h"

namespace perennial::testing {

// The bytes of a file of images, and of their labels.
std::string IdxImages(const data::LabeledImages& images);
std::string IdxLabels(const data::LabeledImages& images);

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_IDX_H_
