#include "common/nn/small_cnn.h"

#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/optim/optimizer.h"
#include "common/random/stream.h"
#include "common/testing/images.h"
#include "common/testing/row_slice.h"
#include "common/testing/tensor_memory.h"
#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

TEST(SmallCnnTest, ComputesWhatTheHeaderSays) {
  // Extents that the pools do not divide.
  auto network = *SmallCnn<double>({.channels = 3, .height = 9, .width = 6, .outputs = 5});
  Rows<double> rows(2, network.layout().size());
  network.Initialize(random::Stream(1), rows.row(0));
  const at::Tensor inputs =
      at::linspace(-1, 1, 4 * 3 * 9 * 6, at::kDouble).sin().view({4, 3, 9, 6});
  const at::Tensor labels = at::tensor({0, 4, 2, 1}, at::kLong);

  std::vector<at::Tensor> leaves;
  std::vector<std::string> names;
  const auto leaf = [&](const std::string& name) {
    names.push_back(name);
    leaves.push_back(
        testing::RowSlice<double>(network.layout(), rows.row(0), name).clone().requires_grad_());
    return leaves.back();
  };
  at::Tensor x = at::conv2d(inputs, leaf("conv1.weight"), leaf("conv1.bias"), 1, 1);
  const at::Tensor mean = x.mean({0, 2, 3}, true);
  const at::Tensor variance = (x - mean).square().mean({0, 2, 3}, true);
  x = (x - mean) / (variance + 1e-5).sqrt();
  x = x * leaf("norm1.weight").view({1, 16, 1, 1}) + leaf("norm1.bias").view({1, 16, 1, 1});
  x = at::max_pool2d(x.clamp_min(0), 2);
  x = at::conv2d(x, leaf("conv2.weight"), leaf("conv2.bias"), 1, 1);
  x = at::max_pool2d(x.clamp_min(0), 2).flatten(1);
  EXPECT_EQ(x.size(1), 32 * 2 * 1);
  x = at::linear(x, leaf("linear.weight"), leaf("linear.bias"));
  const at::Tensor expected = at::cross_entropy_loss(x, labels);
  expected.backward();

  const auto loss = network.LossAndGradient(
      rows.row(0), inputs, [&](const at::Tensor& y) { return at::cross_entropy_loss(y, labels); },
      rows.row(1));
  ASSERT_TRUE(loss.ok()) << loss.status();
  EXPECT_NEAR(*loss, expected.item<double>(), 1e-12);
  for (size_t i = 0; i < leaves.size(); ++i) {
    const at::Tensor gradient = testing::RowSlice<double>(network.layout(), rows.row(1), names[i]);
    EXPECT_TRUE(gradient.allclose(leaves[i].grad(), 0, 1e-12)) << names[i];
  }
  // A tenth of the way from 0 and 1, the variance as an estimate of the population's.
  const double count = 4 * 9 * 6;
  EXPECT_TRUE(testing::RowSlice<double>(network.layout(), rows.row(0), "norm1.running_mean")
                  .allclose(0.1 * mean.flatten(), 0, 1e-12));
  EXPECT_TRUE(testing::RowSlice<double>(network.layout(), rows.row(0), "norm1.running_var")
                  .allclose(0.9 + 0.1 * variance.flatten() * count / (count - 1), 0, 1e-12));
}

TEST(SmallCnnTest, LearnsImagesAndKeepsNoMemoryBetweenSteps) {
  const data::LabeledImages images =
      testing::ClassImages(200, 8, 8, 4, 0.3, random::Stream(1), random::Stream(2));
  auto network = *SmallCnn<float>({.height = 8, .width = 8, .outputs = 4});
  Rows<float> rows(2, network.layout().size());
  network.Initialize(random::Stream(3), rows.row(0));
  const int64_t trained = network.layout().trainable();
  optim::Optimizer<float> optimizer({.learning_rate = 0.05, .momentum = 0.9}, trained);

  random::Stream order(4);
  double first = 0;
  double last = 0;
  int64_t live = -1;
  const testing::TensorMemory memory;
  for (int step = 0; step < 40; ++step) {
    const std::vector<int32_t> indices = order.Sample(images.size(), 32);
    std::vector<int64_t> labels;
    for (const int32_t index : indices) labels.push_back(images.labels[index]);
    const data::BatchPart part = {&images, indices};
    const auto loss = network.LossAndGradient(
        rows.row(0), GatherInputs<float>(data::Batch({&part, 1}), {1, 8, 8}),
        [&](const at::Tensor& outputs) {
          return at::cross_entropy_loss(outputs, at::tensor(labels, at::kLong));
        },
        rows.row(1));
    ASSERT_TRUE(loss.ok()) << loss.status();
    if (step == 0) first = *loss;
    last = *loss;
    optimizer.Step(rows.row(1).first(trained), rows.row(0).first(trained));
    if (step == 0) live = memory.live();
    EXPECT_EQ(memory.live(), live) << step;
  }
  EXPECT_GT(first, 1);
  EXPECT_LT(last, 0.2 * first);
  EXPECT_GT(memory.peak(), 32 * 16 * 8 * 8 * 4);  // The first convolution's outputs.
}

TEST(SmallCnnTest, RefusesExtentsOutOfRange) {
  EXPECT_EQ(SmallCnn<float>({.height = 3}).status().message(),
            "SmallCnn: height is 3; it must lie in 4 .. 65536");
  EXPECT_EQ(SmallCnn<float>({.outputs = 0}).status().message(),
            "SmallCnn: outputs is 0; it must lie in 1 .. 65536");
}

}  // namespace
}  // namespace perennial::nn
