#include "common/nn/evaluate.h"

#include <cmath>

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

}  // namespace
}  // namespace perennial::nn
