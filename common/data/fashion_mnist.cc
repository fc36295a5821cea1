#include "common/data/fashion_mnist.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "common/data/idx.h"

namespace perennial::data {
namespace {

constexpr int32_t kClasses = 10;

absl::StatusOr<std::string> Locate(const std::string& folder, const std::string& name) {
  if (folder.empty()) return base::FindRunfile(absl::StrCat("fashion_mnist/", name, ".gz"));
  for (const char* suffix : {".gz", ""}) {
    std::string path = base::JoinPath(folder, absl::StrCat(name, suffix));
    if (base::FileExists(path)) return path;
  }
  return absl::NotFoundError(
      absl::StrCat("--data ", folder, ": no file ", name, " or ", name,
                   ".gz; the folder must hold train-images-idx3-ubyte, train-labels-idx1-ubyte, "
                   "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each plain or .gz"));
}

absl::StatusOr<LabeledImages> LoadSplit(const std::string& folder, const std::string& prefix) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::string images,
                             Locate(folder, absl::StrCat(prefix, "-images-idx3-ubyte")));
  PERENNIAL_ASSIGN_OR_RETURN(const std::string labels,
                             Locate(folder, absl::StrCat(prefix, "-labels-idx1-ubyte")));
  return LoadIdxImages(images, labels, kClasses);
}

void Update(const LabeledImages& images, base::Sha256& digest) {
  digest.Update(absl::StrCat(images.size(), "x", images.height, "x", images.width, ";"));
  digest.Update(
      absl::string_view(reinterpret_cast<const char*>(images.pixels.data()), images.pixels.size()));
  for (const int32_t label : images.labels) digest.Update(absl::StrCat(label, ","));
}

}  // namespace

absl::StatusOr<ImageSplits> LoadFashionMnist(const std::string& folder) {
  ImageSplits splits;
  PERENNIAL_ASSIGN_OR_RETURN(splits.train, LoadSplit(folder, "train"));
  PERENNIAL_ASSIGN_OR_RETURN(splits.test, LoadSplit(folder, "t10k"));
  if (splits.train.height != splits.test.height || splits.train.width != splits.test.width) {
    return absl::InvalidArgumentError(
        absl::StrCat("--data ", folder, ": training images are ", splits.train.height, "x",
                     splits.train.width, ", test images ", splits.test.height, "x",
                     splits.test.width, "; both must have one shape"));
  }
  base::Sha256 digest;
  Update(splits.train, digest);
  Update(splits.test, digest);
  splits.digest = digest.FinishHex();
  return splits;
}

}  // namespace perennial::data
