#include "common/nn/sink.h"

#include <algorithm>
#include <vector>

#include "common/nn/network.h"
#include "common/testing/networks.h"
#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

using testing::NetworkCase;

// Networks whose blocks see all rows, without batch norms, which make examples depend on each
// other.
bool SeesAllRows(const NetworkCase& network_case) {
  return !network_case.has_batch_norm() &&
         std::ranges::all_of(network_case.ranges(), [&](const RowRange& range) {
           return range.begin == 0 && range.end == network_case.rows();
         });
}

class SplitSinkTest : public ::testing::TestWithParam<const NetworkCase*> {
 protected:
  SplitSinkTest()
      : network_(GetParam()->network()),
        workspace_(network_, GetParam()->rows()),
        row_(1, network_.layout().size()) {
    network_.Initialize<double>(random::Stream(1), row_.row(0));
  }

  void Backward(const std::vector<std::vector<double>>& cotangents,
                WeightGradientSink<double>& sink) {
    network_.Forward<double>(row_.row(0), GetParam()->batch(), workspace_,
                             {.mode = Mode::kTrain, .dropout = random::Stream(17)});
    testing::WriteCotangents(cotangents, workspace_);
    network_.Backward<double>(row_.row(0), workspace_, sink);
  }

  // The gradient of the examples [begin, end) alone.
  Rows<double> GradientOf(int64_t begin, int64_t end) {
    auto cotangents = testing::Cotangents(*GetParam());
    for (int b = 0; b < network_.blocks(); ++b) {
      const int64_t columns = network_.outputs(b);
      for (size_t i = 0; i < cotangents[b].size(); ++i) {
        const int64_t example = static_cast<int64_t>(i) / columns;
        if (example < begin || example >= end) cotangents[b][i] = 0;
      }
    }
    Rows<double> gradient(1, row_.size());
    GradientSink<double> sink(gradient.row(0), GradientSink<double>::Mode::kOverwrite);
    Backward(cotangents, sink);
    return gradient;
  }

  Network network_;
  Workspace<double> workspace_;
  Rows<double> row_;
};

TEST_P(SplitSinkTest, GivesEachSinkTheGradientOfItsExamples) {
  const int64_t rows = GetParam()->rows();
  for (const int64_t split : {int64_t{0}, int64_t{1}, int64_t{4}, rows}) {
    const Rows<double> first = GradientOf(0, split);
    const Rows<double> second = GradientOf(split, rows);
    Rows<double> gradients(2, row_.size());
    // What is there is overwritten, or added to.
    for (const ParameterSlice& slice : network_.layout().slices()) {
      for (int k = 0; k < 2; ++k) {
        std::ranges::fill(gradients.row(k).subspan(slice.offset, slice.size), 3.0);
      }
    }
    GradientSink<double> now(gradients.row(0), GradientSink<double>::Mode::kOverwrite);
    GradientSink<double> past(gradients.row(1), GradientSink<double>::Mode::kAccumulate, 0.5);
    SplitSink<double> both(split, now, past);
    Backward(testing::Cotangents(*GetParam()), both);
    for (const ParameterSlice& slice : network_.layout().slices()) {
      for (int64_t i = slice.offset; i < slice.offset + slice.size; ++i) {
        ASSERT_NEAR(gradients.row(0)[i], first.row(0)[i], 1e-12) << split << ": " << i;
        ASSERT_NEAR(gradients.row(1)[i], 3 + 0.5 * second.row(0)[i], 1e-12) << split << ": " << i;
      }
    }
  }
}

// Of a block that no gradient reaches both sinks learn that it is zero.
TEST_P(SplitSinkTest, ABlockWithoutGradientIsZeroForBoth) {
  const int last = network_.blocks() - 1;
  if (last == 0) GTEST_SKIP() << "one block";
  const auto cotangents = testing::Cotangents(*GetParam(), /*without=*/last);
  Rows<double> gradients(3, row_.size());
  std::ranges::fill(gradients.all(), 3.0);
  GradientSink<double> whole(gradients.row(0), GradientSink<double>::Mode::kOverwrite);
  Backward(cotangents, whole);
  GradientSink<double> first(gradients.row(1), GradientSink<double>::Mode::kOverwrite);
  GradientSink<double> second(gradients.row(2), GradientSink<double>::Mode::kOverwrite);
  SplitSink<double> both(4, first, second);
  Backward(cotangents, both);
  int zeros = 0;
  for (const ParameterSlice& slice : network_.layout().slices()) {
    for (int64_t i = slice.offset; i < slice.offset + slice.size; ++i) {
      ASSERT_NEAR(gradients.row(1)[i] + gradients.row(2)[i], gradients.row(0)[i], 1e-12);
      if (gradients.row(0)[i] != 0) continue;
      ++zeros;
      ASSERT_EQ(gradients.row(1)[i], 0);
      ASSERT_EQ(gradients.row(2)[i], 0);
    }
  }
  EXPECT_GT(zeros, 0);
}

INSTANTIATE_TEST_SUITE_P(Cases, SplitSinkTest,
                         ::testing::ValuesIn(testing::NetworkCasesWhere(SeesAllRows)),
                         [](const auto& instance) { return instance.param->name(); });

}  // namespace
}  // namespace perennial::nn
