#include "common/nn/torch_boundary.h"

#include <cmath>
#include <exception>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "c10/util/Exception.h"

namespace perennial::nn {
namespace {

absl::Status OneLine(absl::string_view message) {
  return absl::InvalidArgumentError(
      absl::StrJoin(absl::StrSplit(message, '\n', absl::SkipWhitespace()), " "));
}

}  // namespace

absl::Status CatchTorchErrors(absl::FunctionRef<absl::Status()> body) {
  try {
    return body();
  } catch (const c10::Error& error) {
    return OneLine(error.what_without_backtrace());
  } catch (const std::exception& error) {  // oneDNN's, and the user's own.
    return OneLine(error.what());
  }
}

absl::StatusOr<double> LossValue(const at::Tensor& loss) {
  if (!loss.defined()) return absl::InvalidArgumentError("the loss is an undefined tensor");
  if (loss.numel() != 1 || !loss.is_floating_point()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the loss must be one floating-point number; it is ", c10::toString(loss.scalar_type()),
        " of shape [", absl::StrJoin(loss.sizes(), ", "), "]"));
  }
  const double value = loss.item<double>();
  if (std::isnan(value)) return absl::InvalidArgumentError("the loss is not a number (NaN)");
  if (!loss.requires_grad()) {
    return absl::InvalidArgumentError(
        "the loss depends on nothing that requires a gradient; was it detached?");
  }
  return value;
}

}  // namespace perennial::nn
