#include "common/nn/module_network.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "common/kernels/elementwise.h"
#include "common/testing/row_slice.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kBatch = 6;

torch::nn::Sequential MakeModule() {
  return torch::nn::Sequential(torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 3, 3).stride(2)),
                               torch::nn::BatchNorm2d(3), torch::nn::Tanh(), torch::nn::Flatten(),
                               torch::nn::Linear(12, 4), torch::nn::PReLU());
}

template <typename T>
at::Tensor Inputs(uint64_t seed) {
  at::Tensor inputs = at::empty({kBatch, 2, 5, 5}, c10::CppTypeToScalarType<T>::value);
  random::Stream draws(seed);
  T* const data = inputs.mutable_data_ptr<T>();
  for (int64_t i = 0; i < inputs.numel(); ++i) data[i] = static_cast<T>(draws.Normal());
  return inputs;
}

at::Tensor CrossEntropy(const at::Tensor& outputs) {
  return at::cross_entropy_loss(outputs, at::tensor({0, 3, 1, 2, 2, 0}, at::kLong));
}

template <typename T>
std::vector<T> Copy(Row<T> row) {
  return {row.begin(), row.end()};
}

template <typename T>
class ModuleNetworkTest : public ::testing::Test {
 protected:
  ModuleNetworkTest()
      : module_(MakeModule()),
        network_(*ModuleNetwork<T>::FromModule(module_)),
        rows_(4, network_.layout().size()) {
    network_.Initialize(random::Stream(1), row());
  }
  Row<T> row() { return rows_.row(0); }
  Row<T> gradient() { return rows_.row(1); }
  at::Tensor Slice(Row<T> row, const std::string& name) {
    return testing::RowSlice<T>(network_.layout(), row, name);
  }

  torch::nn::Sequential module_;
  ModuleNetwork<T> network_;
  Rows<T> rows_;
};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ModuleNetworkTest, Scalars);

TYPED_TEST(ModuleNetworkTest, LossGradientAndBuffersAreThoseOfAnOrdinaryModule) {
  using T = TypeParam;
  torch::nn::Sequential ordinary = MakeModule();
  ordinary->to(c10::CppTypeToScalarType<T>::value);
  {
    const at::NoGradGuard guard;
    for (auto& item : ordinary->named_parameters()) {
      item.value().copy_(this->Slice(this->row(), item.key()));
    }
  }
  for (int step = 0; step < 3; ++step) {
    const at::Tensor inputs = Inputs<T>(step);
    ordinary->zero_grad();
    const at::Tensor expected = CrossEntropy(ordinary->forward(inputs));
    expected.backward();
    const auto loss =
        this->network_.LossAndGradient(this->row(), inputs, CrossEntropy, this->gradient());
    ASSERT_TRUE(loss.ok()) << loss.status();
    EXPECT_EQ(*loss, expected.item<double>());
    for (const auto& item : ordinary->named_parameters()) {
      EXPECT_TRUE(this->Slice(this->gradient(), item.key()).equal(item.value().grad()))
          << item.key();
    }
    for (const auto& item : ordinary->named_buffers()) {
      EXPECT_TRUE(this->Slice(this->row(), item.key())
                      .equal(item.value().to(c10::CppTypeToScalarType<T>::value)))
          << item.key();
    }
  }
  ordinary->eval();
  const at::Tensor inputs = Inputs<T>(7);
  const std::vector<T> before = Copy(this->row());
  const auto outputs = this->network_.Forward(this->row(), inputs);
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_TRUE(outputs->equal(ordinary->forward(inputs)));
  EXPECT_FALSE(outputs->requires_grad());
  EXPECT_EQ(Copy(this->row()), before);
}

TYPED_TEST(ModuleNetworkTest, TheModuleComputesInTheRowsOfTheCaller) {
  using T = TypeParam;
  for (int step = 0; step < 3; ++step) {
    ASSERT_TRUE(
        this->network_.LossAndGradient(this->row(), Inputs<T>(step), CrossEntropy, this->gradient())
            .ok());
    kernels::Axpy<T>(T(-0.1), this->gradient(), this->row());
    for (const auto& item : this->module_->named_parameters()) {
      EXPECT_EQ(item.value().data_ptr(), this->Slice(this->row(), item.key()).data_ptr());
      EXPECT_EQ(item.value().grad().data_ptr(),
                this->Slice(this->gradient(), item.key()).data_ptr());
      EXPECT_TRUE(item.value().is_leaf());
    }
  }
  const auto buffers = this->module_->named_buffers();
  EXPECT_EQ(buffers["1.running_mean"].data_ptr(),
            this->Slice(this->row(), "1.running_mean").data_ptr());
}

TYPED_TEST(ModuleNetworkTest, TheLayoutHasParametersFirstAndTheModulesNames) {
  const std::vector<std::string> names = {
      "0.weight", "0.bias",   "1.weight",       "1.bias",        "4.weight",
      "4.bias",   "5.weight", "1.running_mean", "1.running_var", "1.num_batches_tracked"};
  const auto kWeight = ParameterRole::kWeight;
  const auto kBias = ParameterRole::kBias;
  const auto kScale = ParameterRole::kScale;
  const auto kBuffer = ParameterRole::kBuffer;
  const std::vector<ParameterRole> roles = {kWeight, kBias,  kScale, ParameterRole::kShift,
                                            kWeight, kBias,  kScale, kBuffer,
                                            kBuffer, kBuffer};
  const std::vector<int64_t> fan_ins = {18, 18, 0, 0, 12, 12, 0, 0, 0, 0};
  const auto& slices = this->network_.layout().slices();
  ASSERT_EQ(slices.size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(slices[i].name, names[i]);
    EXPECT_EQ(slices[i].role, roles[i]) << names[i];
    EXPECT_EQ(slices[i].fan_in, fan_ins[i]) << names[i];
  }
  EXPECT_EQ(slices[0].shape, (std::vector<int64_t>{3, 2, 3, 3}));
  EXPECT_EQ(slices[9].shape, std::vector<int64_t>{});
  EXPECT_EQ(this->network_.layout().trainable(), slices[7].offset);
}

TYPED_TEST(ModuleNetworkTest, InitialValuesComeFromTheStreamAndTheModuleAlone) {
  using T = TypeParam;
  torch::manual_seed(99);
  const auto other = ModuleNetwork<T>::FromModule(MakeModule());
  Rows<T> rows(2, other->layout().size());
  other->Initialize(random::Stream(1), rows.row(0));
  EXPECT_EQ(Copy(rows.row(0)), Copy(this->row()));
  other->Initialize(random::Stream(2), rows.row(1));
  EXPECT_NE(Copy(rows.row(1)), Copy(this->row()));

  for (const std::string name : {"0.weight", "0.bias", "4.weight", "4.bias"}) {
    const double bound = 1 / std::sqrt(name[0] == '0' ? 18.0 : 12.0);
    const at::Tensor values = this->Slice(this->row(), name);
    EXPECT_LE(values.abs().max().template item<double>(), bound) << name;
    if (values.numel() < 40) continue;
    EXPECT_NEAR(values.abs().mean().template item<double>(), bound / 2, 0.1 * bound) << name;
  }
  EXPECT_TRUE((this->Slice(this->row(), "1.weight") == 1).all().template item<bool>());
  EXPECT_TRUE((this->Slice(this->row(), "1.bias") == 0).all().template item<bool>());
  EXPECT_EQ(this->Slice(this->row(), "5.weight").template item<double>(), 0.25);
  EXPECT_TRUE((this->Slice(this->row(), "1.running_mean") == 0).all().template item<bool>());
  EXPECT_TRUE((this->Slice(this->row(), "1.running_var") == 1).all().template item<bool>());
}

TEST(ModuleNetworkInitializeTest, FloatAndDoubleRowsGetTheSameNumbersRounded) {
  const auto singles = ModuleNetwork<float>::FromModule(MakeModule());
  const auto doubles = ModuleNetwork<double>::FromModule(MakeModule());
  Rows<float> single(1, singles->layout().size());
  Rows<double> twice(1, doubles->layout().size());
  singles->Initialize(random::Stream(3), single.row(0));
  doubles->Initialize(random::Stream(3), twice.row(0));
  for (int64_t i = 0; i < single.size(); ++i) {
    EXPECT_EQ(single.row(0)[i], static_cast<float>(twice.row(0)[i]));
  }
}

TYPED_TEST(ModuleNetworkTest, RowsBoundInTurnDoNotInfluenceEachOther) {
  using T = TypeParam;
  // Two rows alone, each through a network of its own.
  std::vector<std::vector<T>> alone;
  for (uint64_t unit = 0; unit < 2; ++unit) {
    auto network = *ModuleNetwork<T>::FromModule(MakeModule());
    Rows<T> rows(2, network.layout().size());
    network.Initialize(random::Stream(unit), rows.row(0));
    for (uint64_t step = 0; step < 3; ++step) {
      ASSERT_TRUE(
          network
              .LossAndGradient(rows.row(0), Inputs<T>(10 * unit + step), CrossEntropy, rows.row(1))
              .ok());
      kernels::Axpy<T>(T(-0.1), rows.row(1), rows.row(0));
    }
    alone.push_back(Copy(rows.row(0)));
  }
  // In turn, with evaluations between, and gradients in rows of rubbish.
  for (uint64_t unit = 0; unit < 2; ++unit) {
    this->network_.Initialize(random::Stream(unit), this->rows_.row(2 * unit));
  }
  for (uint64_t step = 0; step < 3; ++step) {
    for (uint64_t unit = 0; unit < 2; ++unit) {
      const Row<T> row = this->rows_.row(2 * unit);
      const Row<T> gradient = this->rows_.row(2 * unit + 1);
      std::ranges::fill(gradient, std::numeric_limits<T>::quiet_NaN());
      ASSERT_TRUE(
          this->network_.LossAndGradient(row, Inputs<T>(10 * unit + step), CrossEntropy, gradient)
              .ok());
      ASSERT_TRUE(this->network_.Forward(this->rows_.row(2 - 2 * unit), Inputs<T>(77)).ok());
      kernels::Axpy<T>(T(-0.1), gradient, row);
    }
  }
  EXPECT_EQ(Copy(this->rows_.row(0)), alone[0]);
  EXPECT_EQ(Copy(this->rows_.row(2)), alone[1]);
}

TYPED_TEST(ModuleNetworkTest, CountsOfBatchesAreInTheRowToo) {
  using T = TypeParam;
  // Without momentum the running mean is the mean over all batches seen, for which the module keeps
  // a count: another row in between must not be counted.
  torch::nn::Sequential module(
      torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(2).momentum(std::nullopt)));
  auto network = *ModuleNetwork<T>::FromModule(module);
  Rows<T> rows(3, network.layout().size());
  const auto loss = [](const at::Tensor& outputs) { return outputs.square().sum(); };
  for (const int row : {0, 1}) network.Initialize(random::Stream(1), rows.row(row));
  at::Tensor mean = at::zeros({2}, c10::CppTypeToScalarType<T>::value);
  for (int step = 0; step < 3; ++step) {
    const at::Tensor inputs = Inputs<T>(step);
    mean += inputs.mean({0, 2, 3}) / 3;
    ASSERT_TRUE(network.LossAndGradient(rows.row(0), inputs, loss, rows.row(2)).ok());
    ASSERT_TRUE(network.LossAndGradient(rows.row(1), Inputs<T>(9), loss, rows.row(2)).ok());
  }
  const at::Tensor running = testing::RowSlice<T>(network.layout(), rows.row(0), "0.running_mean");
  EXPECT_TRUE(running.allclose(mean, 1e-5, 1e-6)) << running << mean;
  EXPECT_EQ(testing::RowSlice<T>(network.layout(), rows.row(0), "0.num_batches_tracked")
                .template item<double>(),
            3);
}

TYPED_TEST(ModuleNetworkTest, AParameterThatTheLossIgnoresHasGradientZero) {
  using T = TypeParam;
  torch::nn::Sequential module(torch::nn::Linear(3, 2));
  module->to(c10::CppTypeToScalarType<T>::value);
  auto network = *ModuleNetwork<T>::Create(
      NamedTensors(module->named_parameters()), {},
      [&](const at::Tensor& inputs) {
        return at::linear(inputs, module->named_parameters()["0.weight"]);
      },
      [](bool) {});
  Rows<T> rows(2, network.layout().size());
  network.Initialize(random::Stream(1), rows.row(0));
  std::ranges::fill(rows.row(1), T(5));
  const at::Tensor inputs = at::ones({4, 3}, c10::CppTypeToScalarType<T>::value);
  ASSERT_TRUE(network
                  .LossAndGradient(
                      rows.row(0), inputs, [](const at::Tensor& y) { return y.sum(); }, rows.row(1))
                  .ok());
  std::vector<T> expected(network.layout().size());
  std::fill_n(expected.begin(), 6, T(4));
  EXPECT_EQ(Copy(rows.row(1)), expected);
}

class ModuleHessianTest : public ModuleNetworkTest<double> {};

TEST_F(ModuleHessianTest, HessianVectorProductIsTheDerivativeOfTheGradient) {
  const at::Tensor inputs = Inputs<double>(1);
  Rows<double> rows(3, network_.layout().size());
  const Row<double> vector = rows.row(0);
  random::Stream draws(8);
  for (const ParameterSlice& slice : network_.layout().slices()) {
    if (slice.role == ParameterRole::kBuffer) continue;
    for (double& v : vector.subspan(slice.offset, slice.size)) v = draws.Normal();
  }
  const std::vector<double> before = Copy(row());
  const Row<double> product = rows.row(1);
  std::ranges::fill(product, 3.0);
  ASSERT_TRUE(network_.HessianVectorProduct(row(), inputs, CrossEntropy, vector, product).ok());
  EXPECT_EQ(Copy(row()), before);

  constexpr double kStep = 1e-6;
  const auto gradient_at = [&](double step) {
    std::vector<double> moved = before;
    kernels::Axpy<double>(step, vector, moved);
    EXPECT_TRUE(network_.LossAndGradient(moved, inputs, CrossEntropy, gradient()).ok());
    return Copy(gradient());
  };
  const std::vector<double> above = gradient_at(kStep);
  const std::vector<double> below = gradient_at(-kStep);
  double largest = 0;
  for (int64_t i = 0; i < std::ssize(product); ++i) {
    EXPECT_NEAR(product[i], (above[i] - below[i]) / (2 * kStep), 1e-8) << i;
    largest = std::max(largest, std::abs(product[i]));
  }
  EXPECT_GT(largest, 0.1);
}

TEST_F(ModuleHessianTest, IsZeroWhereTheLossIsLinear) {
  torch::nn::Sequential module(torch::nn::Linear(3, 2));
  auto network = *ModuleNetwork<double>::FromModule(module);
  Rows<double> rows(3, network.layout().size());
  std::ranges::fill(rows.row(1), 1.0);
  std::ranges::fill(rows.row(2), 1.0);
  const absl::Status status = network.HessianVectorProduct(
      rows.row(0), at::ones({4, 3}, at::kDouble), [](const at::Tensor& y) { return y.sum(); },
      rows.row(1), rows.row(2));
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Copy(rows.row(2)), std::vector<double>(rows.size()));
}

TEST_F(ModuleHessianTest, TheModuleStaysBoundToTheRowAlsoAfterAnError) {
  const auto fails = [](const at::Tensor& y) { return y; };
  for (const bool good : {true, false}) {
    const absl::Status status = network_.HessianVectorProduct(
        row(), Inputs<double>(1), good ? OutputLoss(CrossEntropy) : fails, rows_.row(2),
        rows_.row(3));
    EXPECT_EQ(status.ok(), good) << status;
    for (const auto& tensors : {module_->named_parameters(), module_->named_buffers()}) {
      for (const auto& item : tensors) {
        const at::Tensor slice = Slice(row(), item.key());
        if (item.value().is_floating_point()) {
          EXPECT_EQ(item.value().const_data_ptr(), slice.const_data_ptr()) << item.key();
        } else {  // A count, which is copied.
          EXPECT_TRUE(item.value().equal(slice.to(item.value().scalar_type()))) << item.key();
        }
      }
    }
  }
}

class ModuleErrorTest : public ModuleNetworkTest<double> {
 protected:
  std::string LossError(const at::Tensor& inputs, const OutputLoss& loss) {
    const auto value = network_.LossAndGradient(row(), inputs, loss, gradient());
    EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(value.status().message());
  }
};

TEST_F(ModuleErrorTest, WhatLibTorchThrowsIsOneLine) {
  const auto one_line = AllOf(Not(HasSubstr("\n")), Not(HasSubstr("Exception raised")));
  const at::Tensor three = at::zeros({kBatch, 3, 5, 5}, at::kDouble);
  EXPECT_THAT(LossError(three, CrossEntropy),
              AllOf(HasSubstr("to have 2 channels, but got 3 channels"), one_line));
  EXPECT_THAT(LossError(at::zeros({kBatch, 2, 5, 7}, at::kDouble), CrossEntropy),
              AllOf(HasSubstr("shapes cannot be multiplied (6x18 and 12x4)"), one_line));
  EXPECT_THAT(std::string(network_.Forward(row(), three).status().message()),
              AllOf(HasSubstr("to have 2 channels, but got 3 channels"), one_line));
  EXPECT_THAT(
      std::string(
          network_.HessianVectorProduct(row(), three, CrossEntropy, rows_.row(2), rows_.row(3))
              .message()),
      AllOf(HasSubstr("to have 2 channels, but got 3 channels"), one_line));
  EXPECT_EQ(LossError(Inputs<double>(1), [](const at::Tensor& y) { return y.sum(1); }),
            "the loss must be one floating-point number; it is Double of shape [6]");
  EXPECT_EQ(LossError(Inputs<double>(1), [](const at::Tensor& y) { return y.detach().sum(); }),
            "the loss depends on nothing that requires a gradient; was it detached?");
  // The network is as good as before.
  EXPECT_TRUE(network_.LossAndGradient(row(), Inputs<double>(1), CrossEntropy, gradient()).ok());
}

std::string CreateError(const std::vector<NamedTensor>& parameters,
                        const std::vector<NamedTensor>& buffers = {}) {
  const auto network = ModuleNetwork<float>::Create(
      parameters, buffers, [](const at::Tensor& inputs) { return inputs; }, [](bool) {});
  EXPECT_EQ(network.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(network.status().message());
}

TEST(ModuleNetworkCreateTest, RefusesTensorsThatARowCannotHold) {
  const at::Tensor good = at::zeros({2, 3}).requires_grad_();
  EXPECT_EQ(CreateError({{"a.weight", good}, {"b.weight", at::Tensor()}}),
            "\"b.weight\" of the module is an undefined tensor");
  EXPECT_EQ(CreateError({{"a", good}, {"b", at::zeros({2}, at::kDouble).requires_grad_()}}),
            "\"b\" of the module is Double; this network is Float");
  EXPECT_EQ(CreateError({{"a", good * 2}}),
            "\"a\" of the module is computed from other tensors; a parameter must be a leaf");
  EXPECT_EQ(CreateError({{"a", at::zeros({2})}}),
            "\"a\" of the module requires no gradient; pass it among the buffers");
  EXPECT_EQ(CreateError({{"a", good}, {"b", good}}),
            "\"b\" of the module is the same tensor as \"a\"");
  EXPECT_EQ(CreateError({{"a", good}}, {{"a", at::zeros({2})}}),
            "\"a\" of the module is the name of two tensors");
  EXPECT_EQ(CreateError({{"a", good}}, {{"b", at::full({2}, 16777217, at::kLong)}}),
            "\"b\" of the module holds integers that Float cannot");
  EXPECT_EQ(CreateError({{"a", good}}, {{"b", at::zeros({2}).to_sparse()}}),
            "\"b\" of the module must be a dense tensor on the CPU");
}

TYPED_TEST(ModuleNetworkTest, GatherInputsNormalisesTheImagesOfAllParts) {
  using T = TypeParam;
  data::LabeledImages images;
  images.height = 2;
  images.width = 3;
  images.classes = 2;
  images.labels = {0, 1};
  images.pixels = {0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 255};
  images.scale = 0.5f;
  images.shift = -1;
  const std::vector<float> table = {7, 8, 9, 10, 11, 12};
  const std::vector<int32_t> first = {1, 0};
  const std::vector<int32_t> second = {0};
  const std::vector<int32_t> map = {5, 4, 3, 2, 1, 0};
  const data::BatchPart parts[] = {{&images, first},
                                   {data::InputTable::Floats(table, 6), second},
                                   {&images, second, map},
                                   {data::InputTable::Floats(table, 6), second, map}};
  const at::Tensor inputs = GatherInputs<T>(data::Batch(parts), {1, 2, 3});
  const at::Tensor expected =
      at::tensor({4.,  4.5, 5.,  5.5, 6., 126.5, -1., -0.5, 0.,  0.5, 1.,  1.5, 7., 8., 9.,
                  10., 11., 12., 1.5, 1., 0.5,   0.,  -0.5, -1., 12., 11., 10., 9., 8., 7.},
                 c10::CppTypeToScalarType<T>::value)
          .view({5, 1, 2, 3});
  EXPECT_TRUE(inputs.equal(expected)) << inputs;
}

}  // namespace
}  // namespace perennial::nn
