// LibTorch modules as networks on rows: for what is too big or too odd for nn::Network.
//
// The leaves of the module (its parameters and buffers) are set to views of a row, and the
// parameters' gradients to views of a gradient row, before each pass: the module computes on the
// caller's memory, nothing is copied, and autograd sees ordinary leaves (never slices of one big
// tensor, whose backward pass writes a whole row for each slice). All state is in the row:
// parameters first, then buffers (running statistics), which no optimizer trains. So a pass is a
// function of row and inputs, a row is a checkpoint, and rows may be bound in turn.
//
//   torch::nn::Sequential module(torch::nn::Linear(784, 64), torch::nn::ReLU(), ...);
//   PERENNIAL_ASSIGN_OR_RETURN(auto network, nn::ModuleNetwork<float>::FromModule(module));
//   nn::Rows<float> rows(2, network.layout().size());
//   network.Initialize(stream, rows.row(0));
//   const at::Tensor inputs = nn::GatherInputs<float>(batch, {784});
//   const auto loss = [&](const at::Tensor& y) { return at::cross_entropy_loss(y, labels); };
//   PERENNIAL_ASSIGN_OR_RETURN(const double value,
//                              network.LossAndGradient(rows.row(0), inputs, loss, rows.row(1)));
//
// A ModuleNetwork belongs to one thread at a time (a unit): make one a unit. The number of threads
// that LibTorch uses inside an operator is the process's affair and left alone; results are the
// same bits again only if it is, and one is right where units run in parallel (OMP_NUM_THREADS=1 or
// at::set_num_threads(1)). A module that draws random numbers (dropout) draws them from LibTorch's
// global generator: its results depend on what else draws.
#ifndef PERENNIAL_COMMON_NN_MODULE_NETWORK_H_
#define PERENNIAL_COMMON_NN_MODULE_NETWORK_H_

#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/data/batch.h"
#include "common/nn/layout.h"
#include "common/nn/rows.h"
#include "common/random/stream.h"

namespace perennial::nn {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

// A scalar from a module's outputs.
using OutputLoss = std::function<at::Tensor(const at::Tensor& outputs)>;

// T is float or double, the type of the module.
template <typename T>
class ModuleNetwork {
 public:
  using ForwardFunction = std::function<at::Tensor(const at::Tensor& inputs)>;
  using TrainingFunction = std::function<void(bool training)>;

  // From parameters and buffers as torch::nn::Module names them, the module's forward function, and
  // a function that puts it in training or evaluation mode.
  //
  // Integer and boolean buffers (counts of batches) lie in the row too, as T: they are set from it
  // before a pass and stored, rounded, after it. A parameter that must not be trained is passed
  // among the buffers.
  //
  // InvalidArgument names the tensor: undefined, without or with a second use of its name, given
  // twice, not on the CPU, of another type than T, a parameter that is no leaf or requires no
  // gradient, an integer that T cannot hold.
  static absl::StatusOr<ModuleNetwork> Create(const std::vector<NamedTensor>& parameters,
                                              const std::vector<NamedTensor>& buffers,
                                              ForwardFunction forward,
                                              TrainingFunction set_training);

  // The same from a module holder (torch::nn::Sequential, a TORCH_MODULE) whose forward takes and
  // gives a tensor; turns the module to type T. For sources that include torch/torch.h.
  template <typename Holder>
  static absl::StatusOr<ModuleNetwork> FromModule(Holder module);

  ModuleNetwork(ModuleNetwork&&) = default;
  ModuleNetwork& operator=(ModuleNetwork&&) = default;

  // Slices are named and shaped as the module's tensors. fan_in is 0 where there is none.
  const ParameterLayout& layout() const { return layout_; }

  // Weights of two dimensions and more (the last part of their name contains "weight") and their
  // biases ("bias" instead) uniform in +-1/sqrt(fan_in), LibTorch's default for linear and
  // convolution layers, fan_in being the numbers of weight[0]. All others (scales and shifts of
  // norms, buffers) get the values that the module had when it was given to Create; gaps are zero.
  // Float and double rows get the same numbers, rounded.
  void Initialize(const random::Stream& stream, Row<T> row) const;

  // loss(module(inputs)) in training mode; `gradient` becomes its gradient, with zeros in gaps, for
  // buffers, and for parameters that it does not depend on. The row's buffers change as the module
  // changes them. The module stays bound to both rows, which must not be used through it after they
  // are gone.
  //
  // InvalidArgument, with LibTorch's message on one line, if the module or the loss throws, or the
  // loss is not a scalar, is NaN, or depends on no parameter; buffers and gradient are undefined
  // then.
  absl::StatusOr<double> LossAndGradient(Row<T> row, const at::Tensor& inputs,
                                         const OutputLoss& loss, Row<T> gradient);

  // module(inputs) in evaluation mode, which must leave the buffers alone; without graph. The
  // module stays bound to the row.
  absl::StatusOr<at::Tensor> Forward(ConstRow<T> row, const at::Tensor& inputs);

  // product = H vector with H the second derivatives of LossAndGradient's loss by the parameters
  // (Pearlmutter 1994), by a second backward pass, to which the operators of the module and of the
  // loss must have a derivative. Zeros in gaps and for buffers. Leaves the row alone; the module
  // stays bound to it, as after Forward. Errors as in LossAndGradient.
  absl::Status HessianVectorProduct(ConstRow<T> row, const at::Tensor& inputs,
                                    const OutputLoss& loss, ConstRow<T> vector, Row<T> product);

 private:
  ModuleNetwork() = default;

  bool IsInteger(size_t leaf) const;
  // Leaf `index` in a row that begins with the parameters, or with the buffers.
  at::Tensor View(T* begin, size_t index) const;
  // Sets the leaves to views. `buffers`: where a row's buffers begin, which may be another row.
  void Bind(T* parameters, T* buffers);

  ParameterLayout layout_;
  // Handles of the module's own tensors, in the order of slices.
  std::vector<at::Tensor> leaves_;
  size_t parameters_ = 0;  // The first so many leaves.
  // Values at Create of slices that are not drawn, by slice; empty for others.
  std::vector<std::vector<T>> given_;
  ForwardFunction forward_;
  TrainingFunction set_training_;
};

// The inputs of a batch as a tensor [B, shape...]; the features of its parts must be as many as
// `shape` has (CHECK), and bytes or floats.
template <typename T>
at::Tensor GatherInputs(const data::Batch& batch, at::IntArrayRef shape);

// An OrderedDict of LibTorch, as named_parameters() and named_buffers() return it.
template <typename Dictionary>
std::vector<NamedTensor> NamedTensors(const Dictionary& tensors) {
  std::vector<NamedTensor> named;
  for (const auto& item : tensors) named.push_back({item.key(), item.value()});
  return named;
}

template <typename T>
template <typename Holder>
absl::StatusOr<ModuleNetwork<T>> ModuleNetwork<T>::FromModule(Holder module) {
  module->to(c10::CppTypeToScalarType<T>::value);
  return Create(
      NamedTensors(module->named_parameters()), NamedTensors(module->named_buffers()),
      [module](const at::Tensor& inputs) mutable { return module->forward(inputs); },
      [module](bool training) mutable { module->train(training); });
}

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_MODULE_NETWORK_H_
