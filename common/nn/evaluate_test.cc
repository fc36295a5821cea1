#include "common/nn/evaluate.h"

#include <cmath>
#include <span>
#include <vector>

#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

// A linear classifier with hand-made weights: class c sees pixel c alone.
TEST(EvaluateTest, CountsCorrectImagesAndAveragesTheLossWhateverTheBatch) {
  const Network network = *Network::Create(MultilayerPerceptron(2, {}, 2));
  Rows<float> rows(1, network.layout().size());
  rows.row(0)[0] = 1;  // W[0, 0]
  rows.row(0)[3] = 1;  // W[1, 1]
  data::LabeledImages images;
  images.height = 1;
  images.width = 2;
  images.classes = 2;
  images.scale = 1;
  images.pixels = {3, 1, 0, 2, 5, 4, 1, 1, 0, 7};
  images.labels = {0, 1, 1, 1, 1};  // Correct, correct, wrong, tied (class 0 wins), correct.
  const double margins[] = {2, 2, -1, 0, 7};
  double loss = 0;
  for (const double margin : margins) loss += std::log1p(std::exp(-margin)) / 5;
  for (const int64_t batch : {1, 2, 5, 64}) {
    Workspace<float> workspace(network, batch);
    const Evaluation result = Evaluate(network, rows.row(0), images, workspace);
    EXPECT_DOUBLE_EQ(result.accuracy, 0.6) << batch;
    EXPECT_NEAR(result.loss, loss, 1e-6) << batch;
  }
}

// The same from batches of any parts: images in any order, of several sets, through a map.
TEST(EvaluationSumTest, AddsUpBatchesOfAnyKindAndSize) {
  const Network network = *Network::Create(MultilayerPerceptron(2, {}, 2));
  Rows<float> rows(1, network.layout().size());
  rows.row(0)[0] = 1;  // W[0, 0]
  rows.row(0)[3] = 1;  // W[1, 1]
  data::LabeledImages images;
  images.height = 1;
  images.width = 2;
  images.classes = 2;
  images.scale = 1;
  images.pixels = {3, 1, 0, 2, 5, 4};
  images.labels = {0, 1, 1};  // Margins 2, 2, -1.
  const std::vector<float> table = {0, 7, 1, 1, 6, 0};
  const std::vector<int32_t> swapped = {1, 0};  // (7, 0), (1, 1), (0, 6)
  const std::vector<int32_t> first = {2, 0}, second = {1}, third = {0, 2, 1};
  const data::InputTable floats = data::InputTable::Floats(table, 2);
  const data::BatchPart parts[] = {{&images, first}, {&images, second}, {floats, third, swapped}};
  const std::vector<int32_t> labels = {1, 0, 1, 0, 0, 1};
  // Wrong, correct, correct; correct by 7, wrong by 6, tied (class 0 wins).
  const double margins[] = {-1, 2, 2, 7, -6, 0};
  double loss = 0;
  for (const double margin : margins) loss += std::log1p(std::exp(-margin)) / 6;

  Workspace<float> workspace(network, 6);
  EvaluationSum whole;
  whole.Add(network, rows.row(0), data::Batch(parts), labels, workspace);
  EvaluationSum apart;
  const std::span<const int32_t> all = labels;
  apart.Add(network, rows.row(0), data::Batch(std::span(parts).subspan(1, 1)), all.subspan(2, 1),
            workspace);
  apart.Add(network, rows.row(0), data::Batch(std::span(parts).subspan(2, 1)), all.subspan(3, 3),
            workspace);
  apart.Add(network, rows.row(0), data::Batch(std::span(parts).first(1)), all.first(2), workspace);
  PackedRow<float> row(network);
  row.Pack(rows.row(0));
  EvaluationSum packed;
  packed.Add(network, row, data::Batch(parts), labels, workspace);
  for (const EvaluationSum& sum : {whole, apart, packed}) {
    EXPECT_DOUBLE_EQ(sum.mean().accuracy, 0.5);
    EXPECT_NEAR(sum.mean().loss, loss, 1e-6);
  }
}

TEST(EvaluationSumDeathTest, NeedsALabelForEachExampleAndAnExample) {
  const Network network = *Network::Create(MultilayerPerceptron(2, {}, 2));
  const Rows<float> rows(1, network.layout().size());
  const std::vector<float> table = {0, 7, 1, 1};
  const std::vector<int32_t> indices = {0, 1}, labels = {0};
  const data::BatchPart part = {data::InputTable::Floats(table, 2), indices};
  Workspace<float> workspace(network, 2);
  EvaluationSum sum;
  EXPECT_DEATH(sum.Add(network, rows.row(0), data::Batch({&part, 1}), labels, workspace), "labels");
  PackedRow<float> packed(network);
  packed.Pack(rows.row(0));
  EXPECT_DEATH(sum.Add(network, packed, data::Batch({&part, 1}), labels, workspace), "labels");
  EXPECT_DEATH(static_cast<void>(sum.mean()), "examples_");
}

}  // namespace
}  // namespace perennial::nn
