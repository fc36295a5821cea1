// Curvature of a loss at a row of parameters: along a direction, and at most.
//
// The loss is the mean softmax cross-entropy over the images of a view, in evaluation mode; its
// Hessian H is never formed, only multiplied (common/nn/hessian.h), image by image exactly.
// Mirzadeh et al. 2021 (arXiv:2010.04495) compare d^T H d at the first task's solution along the
// unit displacements to later solutions; random directions are the control. Networks of ReLUs are
// taken as they are between the kinks.
//
//   PERENNIAL_RETURN_IF_ERROR(nn::HessianPass<float>::Supports(network));
//   LossHessian<float> hessian(network, rows.row(0), images);
//   PERENNIAL_ASSIGN_OR_RETURN(const double along, CurvatureAlong<float>(hessian, displacement));
//   FillUnitGaussian<float>(network.layout(), stream.Split("direction"), direction);
//   const TopEigenvalue top = FindTopEigenvalue<float>(hessian, stream.Split("lanczos"));
#ifndef PERENNIAL_CONTINUAL_ANALYSIS_CURVATURE_H_
#define PERENNIAL_CONTINUAL_ANALYSIS_CURVATURE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/nn/hessian.h"
#include "common/nn/layout.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"
#include "common/random/stream.h"
#include "continual/streams/image_view.h"

namespace perennial::continual {

// H as a linear map. T is float or double; sums over batches are in double either way.
template <typename T>
class LossHessian {
 public:
  // All three must outlive it. There must be at least one image, and nn::HessianPass must support
  // the network (CHECK).
  LossHessian(const nn::Network& network, nn::ConstRow<T> row, const ImageView& images);
  LossHessian(const LossHessian&) = delete;
  LossHessian& operator=(const LossHessian&) = delete;

  const nn::Network& network() const { return network_; }

  // product = H vector. Both [layout().size()]; gaps of the vector are not read, those of the
  // product become zero.
  void Multiply(nn::ConstRow<T> vector, nn::Row<T> product);

  // Floating-point operations of the matrix products of one Multiply over `images` images, and
  // memory that one takes, about.
  static double Flops(const nn::Network& network, int64_t images);
  static int64_t Bytes(const nn::Network& network);

 private:
  const nn::Network& network_;
  nn::ConstRow<T> row_;
  const ImageView& images_;
  nn::HessianPass<T> pass_;
  nn::Rows<T> batch_product_;
  std::vector<double> sum_;
};

// d^T H d for the unit vector d along `direction` [layout().size()], whose gaps are zero and whose
// buffers do not count. InvalidArgument if its length is 0 or not finite. One product.
template <typename T>
absl::StatusOr<double> CurvatureAlong(LossHessian<T>& hessian, nn::ConstRow<T> direction);

// A direction uniform on the unit sphere of the trained parameters; gaps and buffers are zero.
template <typename T>
void FillUnitGaussian(const nn::ParameterLayout& layout, const random::Stream& stream,
                      nn::Row<T> direction);

struct LanczosOptions {
  int products = 30;  // With H: the same number whatever the Hessian, unless it is exhausted.
};

struct TopEigenvalue {
  double value = 0;
  // |H v - value v| for the unit vector v found, if T did not round: an eigenvalue lies as near.
  double residual = 0;
  int products = 0;
};

// The largest eigenvalue of H (not in size: the most positive) by Lanczos' method with full
// reorthogonalisation, from a random unit vector. Source: Golub and Van Loan, "Matrix
// Computations", chapter on Lanczos methods. What it finds is never above the largest eigenvalue,
// rounding apart.
template <typename T>
TopEigenvalue FindTopEigenvalue(LossHessian<T>& hessian, const random::Stream& stream,
                                const LanczosOptions& options = {});

// Memory that it takes in float, beside `hessian`.
int64_t LanczosBytes(const nn::Network& network, const LanczosOptions& options = {});

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_ANALYSIS_CURVATURE_H_
