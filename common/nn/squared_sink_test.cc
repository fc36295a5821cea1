#include "common/nn/squared_sink.h"

#include <vector>

#include "common/testing/networks.h"
#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

using testing::NetworkCase;

class SquaredGradientSinkTest : public ::testing::TestWithParam<const NetworkCase*> {};

// The gradient of one example is what the cotangents of its rows alone give.
TEST_P(SquaredGradientSinkTest, IsTheSumOfSquaresOfEachExamplesGradient) {
  const NetworkCase& network_case = *GetParam();
  const Network network = network_case.network();
  Rows<double> rows(4, network.layout().size());
  network.Initialize<double>(random::Stream(1), rows.row(0));
  const ForwardOptions options = {
      .mode = Mode::kTrain, .dropout = random::Stream(17), .rows = network_case.ranges()};
  const auto cotangents = testing::Cotangents(network_case);
  Workspace<double> workspace(network, 9);
  const auto backward = [&](const std::vector<std::vector<double>>& at,
                            WeightGradientSink<double>& sink) {
    network.Forward<double>(rows.row(0), network_case.batch(), workspace, options);
    testing::WriteCotangents(at, workspace);
    network.Backward<double>(rows.row(0), workspace, sink);
  };

  for (int64_t example = 0; example < network_case.rows(); ++example) {
    auto alone = cotangents;
    for (int b = 0; b < network.blocks(); ++b) {
      const int64_t columns = network.outputs(b);
      for (size_t i = 0; i < alone[b].size(); ++i) {
        const int64_t row = network_case.ranges()[b].begin + static_cast<int64_t>(i) / columns;
        if (row != example) alone[b][i] = 0;
      }
    }
    GradientSink<double> sink(rows.row(1), GradientSink<double>::Mode::kOverwrite);
    backward(alone, sink);
    for (int64_t i = 0; i < rows.size(); ++i) {
      rows.row(2)[i] += 0.5 * rows.row(1)[i] * rows.row(1)[i];
    }
  }
  SquaredGradientSink<double> sink(rows.row(3), 0.25);
  backward(cotangents, sink);
  backward(cotangents, sink);  // It is added to what is there.
  for (int64_t i = 0; i < rows.size(); ++i) {
    ASSERT_NEAR(rows.row(3)[i], rows.row(2)[i], 1e-11 * (1 + rows.row(2)[i])) << i;
  }
}

// A batch norm makes examples depend on each other.
INSTANTIATE_TEST_SUITE_P(Cases, SquaredGradientSinkTest,
                         ::testing::ValuesIn(testing::NetworkCasesWhere(
                             [](const NetworkCase& network) { return !network.has_batch_norm(); })),
                         [](const auto& instance) { return instance.param->name(); });

}  // namespace
}  // namespace perennial::nn
