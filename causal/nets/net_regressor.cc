#include "causal/nets/net_regressor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "causal/data/held_out.h"
#include "causal/data/logit.h"
#include "causal/estimators/ridge.h"
#include "causal/estimators/standardization.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/data/batch.h"
#include "common/data/epoch_sampler.h"
#include "common/data/input_table.h"
#include "common/nn/loss.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"
#include "common/optim/optimizer.h"
#include "common/optim/update_sink.h"
#include "common/record/safetensors.h"

namespace perennial::causal {
namespace {

using kernels::MatrixView;

constexpr int64_t kChunk = 256;
constexpr char kKind[] = "net_regressor";

nn::NetworkSpec Spec(const NetRegressorOptions& options, int64_t inputs) {
  return nn::MultilayerPerceptron(inputs, options.hidden, 1, options.activation);
}

optim::OptimizerConfig Adam(const NetRegressorOptions& options) {
  return {.kind = optim::OptimizerKind::kAdam,
          .learning_rate = options.learning_rate,
          .weight_decay = options.weight_decay};
}

// Standardised rows [begin, begin + rows) of x.
void Standardize(const Standardization& scale, MatrixView<const double> x, int64_t begin,
                 int64_t rows, float* to) {
  for (int64_t r = begin; r < begin + rows; ++r) {
    for (int64_t c = 0; c < x.columns; ++c) {
      *to++ = static_cast<float>((x(r, c) - scale.center[c]) * scale.inverse[c]);
    }
  }
}

class NetRegression final : public Regression {
 public:
  NetRegression(nn::Network network, kernels::AlignedVector<float> row, Standardization scale,
                double center, double deviation, bool binary)
      : network_(std::move(network)),
        row_(std::move(row)),
        scale_(std::move(scale)),
        center_(center),
        deviation_(deviation),
        binary_(binary) {}

  void Predict(MatrixView<const double> x, std::span<double> predicted) const override {
    CHECK_EQ(x.columns, network_.inputs());
    nn::Workspace<float> workspace(network_, kChunk);
    kernels::AlignedVector<float> chunk(kChunk * x.columns);
    for (int64_t begin = 0; begin < x.rows; begin += kChunk) {
      const int64_t rows = std::min(kChunk, x.rows - begin);
      Standardize(scale_, x, begin, rows, chunk.data());
      network_.Forward<float>(
          row_, MatrixView<const float>{chunk.data(), rows, x.columns, x.columns}, workspace);
      for (int64_t r = 0; r < rows; ++r) {
        const double output = workspace.output()(r, 0);
        predicted[begin + r] = binary_ ? Sigmoid(output) : center_ + deviation_ * output;
      }
    }
  }

  std::string Serialize() const override {
    record::SafetensorsWriter writer;
    const double of_target[] = {center_, deviation_, binary_ ? 1.0 : 0.0};
    const auto inputs = static_cast<int64_t>(scale_.center.size());
    const absl::Status added[] = {writer.Add<float>("row", {std::ssize(row_)}, row_),
                                  writer.Add<double>("center", {inputs}, scale_.center),
                                  writer.Add<double>("inverse", {inputs}, scale_.inverse),
                                  writer.Add<double>("target", {3}, of_target)};
    for (const absl::Status& status : added) CHECK(status.ok()) << status.message();
    writer.SetMetadata("kind", kKind);
    const absl::StatusOr<std::string> bytes = writer.Finish();
    CHECK(bytes.ok()) << bytes.status().message();
    return *bytes;
  }

 private:
  nn::Network network_;
  kernels::AlignedVector<float> row_;
  Standardization scale_;
  double center_;
  double deviation_;
  bool binary_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<NetRegressor>> NetRegressor::Create(
    const NetRegressorOptions& options) {
  PERENNIAL_RETURN_IF_ERROR(optim::Validate(Adam(options)));
  PERENNIAL_RETURN_IF_ERROR(nn::Network::Create(Spec(options, 1)).status());
  const auto refuse = [](absl::string_view name, double value, absl::string_view range) {
    return absl::InvalidArgumentError(absl::StrCat(name, " = ", value, ": must be ", range));
  };
  if (options.batch_size < 1) return refuse("batch_size", options.batch_size, "at least 1");
  if (options.steps < 1) {
    return refuse("steps", static_cast<double>(options.steps), "at least 1");
  }
  if (!(options.validation_share >= 0 && options.validation_share <= 0.9)) {
    return refuse("validation_share", options.validation_share, "between 0 and 0.9");
  }
  if (options.evaluate_every < 1) {
    return refuse("evaluate_every", static_cast<double>(options.evaluate_every), "at least 1");
  }
  return std::unique_ptr<NetRegressor>(new NetRegressor(options));
}

absl::StatusOr<std::unique_ptr<Regression>> NetRegressor::Fit(const RegressionData& data) const {
  PERENNIAL_RETURN_IF_ERROR(CheckRegressionData(data.x, data.y, data.weights));
  const int64_t inputs = data.x.columns;
  if (inputs == 0) return absl::InvalidArgumentError("a network needs at least one covariate");
  PERENNIAL_ASSIGN_OR_RETURN(nn::Network network, nn::Network::Create(Spec(options_, inputs)));

  // The units that are fitted to first, then those held out; those of weight 0 are neither.
  std::vector<int32_t> units;
  for (int32_t i = 0; i < data.x.rows; ++i) {
    if (data.weights.empty() || data.weights[i] > 0) units.push_back(i);
  }
  data.stream.Split("validation").Shuffle(std::span<int32_t>(units));
  std::vector<bool> is_held_out(data.x.rows);
  {
    const std::vector<int32_t> from_the_end(units.rbegin(), units.rend());
    const auto count =
        static_cast<int64_t>(options_.validation_share * static_cast<double>(units.size()));
    for (const int32_t unit : FirstWholeClusters(from_the_end, data.cluster, count)) {
      is_held_out[unit] = true;
    }
  }
  const int64_t trained =
      std::ranges::stable_partition(units, [&](int32_t unit) { return !is_held_out[unit]; })
          .begin() -
      units.begin();
  const int64_t held_out = std::ssize(units) - trained;

  const Standardization scale = StandardizationOf(data.x, data.weights);
  double center = 0;
  double deviation = 1;
  double weight_sum = 0;
  const auto weight_of = [&](int32_t i) { return data.weights.empty() ? 1.0 : data.weights[i]; };
  for (const int32_t i : units) weight_sum += weight_of(i);
  if (!data.binary) {
    for (const int32_t i : units) center += weight_of(i) / weight_sum * data.y[i];
    double squares = 0;
    for (const int32_t i : units) {
      squares += weight_of(i) / weight_sum * (data.y[i] - center) * (data.y[i] - center);
    }
    if (squares > 0) deviation = std::sqrt(squares);
  }
  kernels::AlignedVector<float> covariates(std::ssize(units) * inputs);
  std::vector<float> target, weight;
  for (size_t place = 0; place < units.size(); ++place) {
    const int32_t i = units[place];
    Standardize(scale, data.x, i, 1, &covariates[place * inputs]);
    target.push_back(static_cast<float>((data.y[i] - center) / deviation));
    // Of mean 1, so that a batch's loss is its mean.
    weight.push_back(
        static_cast<float>(weight_of(i) * static_cast<double>(units.size()) / weight_sum));
  }

  nn::Rows<float> rows(2, network.layout().size());  // The weights, and the best so far.
  network.Initialize<float>(data.stream.Split("init"), rows.row(0));
  optim::Optimizer<float> optimizer(Adam(options_), network.layout().trainable());
  optim::UpdateSink<float> update(optimizer, rows.row(0));
  nn::Workspace<float> workspace(network, std::max<int64_t>(options_.batch_size, kChunk));
  data::EpochSampler sampler(data.stream.Split("order"), static_cast<int32_t>(trained),
                             options_.batch_size);
  const data::InputTable table = data::InputTable::Floats(covariates, inputs);
  std::vector<float> batch_target, batch_weight;
  // Of a batch of indices, with the gradient at the outputs.
  const auto loss_of = [&](std::span<const int32_t> indices, double mean) {
    const data::BatchPart part = {table, indices};
    network.Forward<float>(rows.row(0), data::Batch({&part, 1}), workspace,
                           {.mode = nn::Mode::kTrain});
    batch_target.clear();
    batch_weight.clear();
    for (const int32_t i : indices) {
      batch_target.push_back(target[i]);
      batch_weight.push_back(static_cast<float>(weight[i] * mean));
    }
    const MatrixView<const float> targets = {batch_target.data(), std::ssize(indices), 1, 1};
    return data.binary ? nn::LogisticLoss<float>(workspace.output(), targets, batch_weight,
                                                 workspace.output_gradient())
                       : nn::SquaredError<float>(workspace.output(), targets, batch_weight,
                                                 workspace.output_gradient());
  };
  std::vector<int32_t> looked_at(kChunk);
  double best = std::numeric_limits<double>::infinity();
  for (int64_t step = 0; step < options_.steps; ++step) {
    const std::span<const int32_t> batch = sampler.Batch(step);
    const double loss = loss_of(batch, 1 / static_cast<double>(batch.size()));
    if (!std::isfinite(loss)) {
      return absl::FailedPreconditionError(absl::StrCat("the loss is ", loss, " in step ", step + 1,
                                                        "; choose a learning rate below ",
                                                        options_.learning_rate));
    }
    update.BeginStep();
    network.Backward<float>(rows.row(0), workspace, update);
    update.EndStep();
    if (held_out == 0 ||
        ((step + 1) % options_.evaluate_every != 0 && step + 1 != options_.steps)) {
      continue;
    }
    double validation = 0;
    for (int64_t begin = trained; begin < std::ssize(units); begin += kChunk) {
      looked_at.clear();
      for (int64_t i = begin; i < std::min(begin + kChunk, std::ssize(units)); ++i) {
        looked_at.push_back(static_cast<int32_t>(i));
      }
      validation += loss_of(looked_at, 1);
    }
    if (validation < best) {
      best = validation;
      rows.CopyRow(0, 1);
    }
  }
  const nn::ConstRow<float> kept = rows.row(std::isfinite(best) ? 1 : 0);
  return std::make_unique<NetRegression>(std::move(network),
                                         kernels::AlignedVector<float>(kept.begin(), kept.end()),
                                         scale, center, deviation, data.binary);
}

absl::StatusOr<std::unique_ptr<Regression>> NetRegressor::Restore(const std::string& bytes) const {
  PERENNIAL_ASSIGN_OR_RETURN(const auto file, record::SafetensorsFile::Parse(bytes));
  const auto kind = file.metadata().find("kind");
  if (kind == file.metadata().end() || kind->second != kKind) {
    return absl::InvalidArgumentError("these are not the bytes of a network's regression");
  }
  PERENNIAL_ASSIGN_OR_RETURN(const auto row, file.Read<float>("row"));
  PERENNIAL_ASSIGN_OR_RETURN(auto center, file.Read<double>("center"));
  PERENNIAL_ASSIGN_OR_RETURN(auto inverse, file.Read<double>("inverse"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto target, file.Read<double>("target"));
  const auto all_finite = [](const auto& values) {
    return std::ranges::all_of(values, [](auto value) { return std::isfinite(value); });
  };
  if (center.empty() || inverse.size() != center.size() || target.size() != 3 || !all_finite(row) ||
      !all_finite(center) || !all_finite(inverse) || !all_finite(target)) {
    return absl::DataLossError("a network's regression has tensors that do not fit each other");
  }
  PERENNIAL_ASSIGN_OR_RETURN(nn::Network network,
                             nn::Network::Create(Spec(options_, std::ssize(center))));
  if (std::ssize(row) != network.layout().size()) {
    return absl::InvalidArgumentError(absl::StrCat("the regression has ", row.size(),
                                                   " weights, a network of these options ",
                                                   network.layout().size()));
  }
  return std::make_unique<NetRegression>(
      std::move(network), kernels::AlignedVector<float>(row.begin(), row.end()),
      Standardization{std::move(center), std::move(inverse)}, target[0], target[1], target[2] != 0);
}

}  // namespace perennial::causal
