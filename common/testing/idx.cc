#include "common/testing/idx.h"

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace perennial::testing {
namespace {

std::string BigEndian(int32_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

}  // namespace

std::string IdxImages(const data::LabeledImages& images) {
  return absl::StrCat(BigEndian(0x803), BigEndian(images.size()), BigEndian(images.height),
                      BigEndian(images.width),
                      std::string(images.pixels.begin(), images.pixels.end()));
}

std::string IdxLabels(const data::LabeledImages& images) {
  return absl::StrCat(BigEndian(0x801), BigEndian(images.size()),
                      std::string(images.labels.begin(), images.labels.end()));
}

}  // namespace perennial::testing
