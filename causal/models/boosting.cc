#include "causal/models/boosting.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "causal/data/held_out.h"
#include "causal/data/logit.h"
#include "causal/estimators/logistic.h"
#include "causal/estimators/ridge.h"
#include "common/base/crc32c.h"
#include "common/base/excerpt.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "third_party/lightgbm/c_api.h"

namespace perennial::causal {
namespace {

// Internal: what a user can get wrong is found before LightGBM is called.
absl::Status LightGbm(int returned, absl::string_view what) {
  if (returned == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("LightGBM, ", what, ": ", base::Excerpt(LGBM_GetLastError(), 300)));
}

struct FreeDataset {
  void operator()(void* handle) const { LGBM_DatasetFree(handle); }
};
struct FreeBooster {
  void operator()(void* handle) const { LGBM_BoosterFree(handle); }
};
using Dataset = std::unique_ptr<void, FreeDataset>;
using Booster = std::unique_ptr<void, FreeBooster>;

// Rows that go to LightGBM at once where they must be copied.
constexpr int64_t kChunk = 1 << 14;

// Serialised form: header, then body.
constexpr absl::string_view kMagic = "pnboost2";
constexpr size_t kHeaderBytes = 8 + 4 + 8;

template <typename T>
void Append(std::string& bytes, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes.append(raw, sizeof(T));
}

// Takes a value from the front, where there is one.
template <typename T>
bool Take(absl::string_view& bytes, T& value) {
  if (bytes.size() < sizeof(T)) return false;
  std::memcpy(&value, bytes.data(), sizeof(T));
  bytes.remove_prefix(sizeof(T));
  return true;
}

// What is stored. prediction = centre + scale * link(line(x) + trees(x)), with the logistic
// function as the link of a binary target, none for others; without trees the centre.
struct Model {
  int64_t features = 0;
  double centre = 0;
  double scale = 1;
  bool binary = false;
  std::optional<LinearFit> line;
  std::string trees;  // LightGBM's text; empty: none.
};

void AppendLine(std::string& bytes, const std::optional<LinearFit>& line) {
  Append(bytes, static_cast<uint8_t>(line.has_value()));
  if (!line) return;
  Append(bytes, line->mean);
  for (const double value : line->center) Append(bytes, value);
  for (const double value : line->coefficients) Append(bytes, value);
}

// False for bytes that are none, or have numbers that are not finite.
bool TakeLine(absl::string_view& bytes, int64_t features, std::optional<LinearFit>& line) {
  uint8_t has_line = 0;
  if (!Take(bytes, has_line) || has_line > 1) return false;
  if (has_line == 0) return true;
  if (features > static_cast<int64_t>(bytes.size())) return false;
  line.emplace();
  line->center.resize(features);
  line->coefficients.resize(features);
  if (!Take(bytes, line->mean) || !std::isfinite(line->mean)) return false;
  for (std::vector<double>* values : {&line->center, &line->coefficients}) {
    for (double& value : *values) {
      if (!Take(bytes, value) || !std::isfinite(value)) return false;
    }
  }
  return true;
}

class BoostedTrees : public Regression {
 public:
  static absl::StatusOr<std::unique_ptr<Regression>> Create(Model model) {
    Booster booster;
    if (!model.trees.empty()) {
      int iterations = 0;
      void* handle = nullptr;
      PERENNIAL_RETURN_IF_ERROR(
          LightGbm(LGBM_BoosterLoadModelFromString(model.trees.c_str(), &iterations, &handle),
                   "reading a model"));
      booster.reset(handle);
      int features = 0;
      int classes = 0;
      PERENNIAL_RETURN_IF_ERROR(
          LightGbm(LGBM_BoosterGetNumFeature(handle, &features), "reading a model"));
      PERENNIAL_RETURN_IF_ERROR(
          LightGbm(LGBM_BoosterGetNumClasses(handle, &classes), "reading a model"));
      if (features != model.features || classes != 1) {
        return absl::DataLossError(absl::StrCat("boosted trees: the trees are of ", features,
                                                " covariates and ", classes, " classes, expected ",
                                                model.features, " and 1"));
      }
    }
    return std::unique_ptr<Regression>(new BoostedTrees(std::move(model), std::move(booster)));
  }

  void Predict(kernels::MatrixView<const double> x, std::span<double> predicted) const override {
    CHECK_EQ(x.columns, model_.features);
    CHECK_EQ(x.rows, static_cast<int64_t>(predicted.size()));
    if (booster_ == nullptr) {
      std::ranges::fill(predicted, model_.centre);
      return;
    }
    std::vector<double> copy;
    for (int64_t begin = 0; begin < x.rows; begin += kChunk) {
      const int64_t rows = std::min(kChunk, x.rows - begin);
      const double* data = x.row(begin);
      if (x.stride != x.columns) {
        copy.resize(rows * x.columns);
        for (int64_t i = 0; i < rows; ++i) {
          std::copy_n(x.row(begin + i), x.columns, copy.data() + i * x.columns);
        }
        data = copy.data();
      }
      int64_t count = 0;
      const int returned = LGBM_BoosterPredictForMat(
          booster_.get(), data, kLgbmFloat64, static_cast<int32_t>(rows),
          static_cast<int32_t>(x.columns), /*row_major=*/1,
          model_.line ? kLgbmPredictRawScore : kLgbmPredictNormal, /*start=*/0, /*iterations=*/-1,
          "num_threads=1 verbosity=-1", &count, predicted.data() + begin);
      CHECK_EQ(returned, 0) << LGBM_GetLastError();
      CHECK_EQ(count, rows);
    }
    for (int64_t i = 0; i < x.rows; ++i) {
      double value = predicted[i];
      if (model_.line) {
        value += model_.line->Predict(x.row(i));
        if (model_.binary) value = Sigmoid(value);
      }
      predicted[i] = model_.centre + model_.scale * value;
    }
  }

  std::string Serialize() const override {
    std::string body;
    Append(body, model_.features);
    Append(body, model_.centre);
    Append(body, model_.scale);
    Append(body, static_cast<uint8_t>(model_.binary));
    AppendLine(body, model_.line);
    body += model_.trees;
    std::string bytes(kMagic);
    Append(bytes, base::MaskCrc32c(base::Crc32c(body)));
    Append(bytes, static_cast<uint64_t>(body.size()));
    return bytes + body;
  }

 private:
  BoostedTrees(Model model, Booster booster)
      : model_(std::move(model)), booster_(std::move(booster)) {}

  Model model_;
  Booster booster_;
};

// What the trees are fitted to: units of positive weight, scaled, as LightGBM keeps them.
struct Sample {
  std::vector<double> x;         // [n, p]
  std::vector<float> y;          // [n]
  std::vector<float> weight;     // [n]; empty: all 1.
  std::vector<double> start;     // [n], what trees are added to; empty: the mean.
  std::vector<int32_t> cluster;  // [n]; empty: each unit is its own.
  int64_t features = 0;
};

absl::StatusOr<Dataset> MakeDataset(const Sample& sample, const std::string& parameters,
                                    void* reference) {
  void* handle = nullptr;
  const int rows = static_cast<int>(sample.y.size());
  PERENNIAL_RETURN_IF_ERROR(
      LightGbm(LGBM_DatasetCreateFromMat(sample.x.data(), kLgbmFloat64, rows,
                                         static_cast<int32_t>(sample.features), /*row_major=*/1,
                                         parameters.c_str(), reference, &handle),
               "making a data set"));
  Dataset dataset(handle);
  PERENNIAL_RETURN_IF_ERROR(LightGbm(
      LGBM_DatasetSetField(handle, "label", sample.y.data(), rows, kLgbmFloat32), "targets"));
  if (!sample.weight.empty()) {
    PERENNIAL_RETURN_IF_ERROR(
        LightGbm(LGBM_DatasetSetField(handle, "weight", sample.weight.data(), rows, kLgbmFloat32),
                 "weights"));
  }
  if (!sample.start.empty()) {
    PERENNIAL_RETURN_IF_ERROR(LightGbm(
        LGBM_DatasetSetField(handle, "init_score", sample.start.data(), rows, kLgbmFloat64),
        "the linear fit"));
  }
  return dataset;
}

absl::StatusOr<std::string> TextOf(void* booster, int iterations) {
  int64_t length = 0;
  std::string text(1 << 16, '\0');
  // Once more where the buffer was too small.
  for (int trial = 0; trial < 2; ++trial) {
    PERENNIAL_RETURN_IF_ERROR(LightGbm(
        LGBM_BoosterSaveModelToString(booster, /*start=*/0, iterations, /*importance=*/0,
                                      static_cast<int64_t>(text.size()), &length, text.data()),
        "writing a model"));
    const bool fits = length <= static_cast<int64_t>(text.size());
    text.resize(length);
    if (fits) break;
  }
  CHECK(!text.empty() && text.back() == '\0');
  text.pop_back();
  return text;
}

std::string Parameters(const BoostingOptions& options, bool binary, random::Stream stream) {
  std::string text = absl::StrFormat(
      "objective=%s metric=%s num_leaves=%d min_data_in_leaf=%d learning_rate=%.17g "
      "feature_fraction=%.17g lambda_l2=%.17g seed=%d deterministic=true force_row_wise=true "
      "num_threads=1 verbosity=-1",
      binary ? "binary" : "regression", binary ? "binary_logloss" : "l2", options.leaves,
      options.min_data_in_leaf, options.learning_rate, options.feature_fraction, options.lambda,
      static_cast<int>(stream.Next32() >> 1));
  if (options.row_fraction < 1) {
    absl::StrAppendFormat(&text, " bagging_freq=1 bagging_fraction=%.17g", options.row_fraction);
  }
  return text;
}

// Which units are held out to stop.
std::vector<char> HeldOut(const BoostingOptions& options, const Sample& sample, bool binary,
                          random::Stream stream) {
  std::vector<char> held(sample.y.size());
  if (options.early_stopping_share == 0) return held;
  std::vector<int32_t> class_of(held.size());
  if (binary) std::ranges::copy(sample.y, class_of.begin());
  for (std::vector<int32_t>& units : UnitsByClass(class_of, binary ? 2 : 1, sample.cluster)) {
    stream.Shuffle(std::span<int32_t>(units));
    const auto count =
        static_cast<int64_t>(options.early_stopping_share * static_cast<double>(units.size()));
    for (const int32_t unit : FirstWholeClusters(units, sample.cluster, count)) held[unit] = 1;
  }
  return held;
}

Sample Part(const Sample& sample, const std::vector<char>& held, bool of) {
  Sample part{.features = sample.features};
  for (size_t i = 0; i < held.size(); ++i) {
    if ((held[i] != 0) != of) continue;
    const auto row = sample.x.begin() + static_cast<int64_t>(i) * sample.features;
    part.x.insert(part.x.end(), row, row + sample.features);
    part.y.push_back(sample.y[i]);
    if (!sample.weight.empty()) part.weight.push_back(sample.weight[i]);
    if (!sample.cluster.empty()) part.cluster.push_back(sample.cluster[i]);
  }
  return part;
}

struct Boosted {
  Dataset training;
  Dataset validation;
  Booster booster;  // After its data, so that it is freed before them.
  int best = -1;    // Trees to keep; -1: all.
  double loss = std::numeric_limits<double>::infinity();  // Least, of held-out units.
};

// `validation` may be null: no stopping.
absl::StatusOr<Boosted> Boost(const BoostingOptions& options, int rounds,
                              const std::string& parameters, const Sample& training,
                              const Sample* validation) {
  Boosted boosted;
  PERENNIAL_ASSIGN_OR_RETURN(boosted.training, MakeDataset(training, parameters, nullptr));
  void* handle = nullptr;
  PERENNIAL_RETURN_IF_ERROR(LightGbm(
      LGBM_BoosterCreate(boosted.training.get(), parameters.c_str(), &handle), "beginning"));
  boosted.booster.reset(handle);
  if (validation != nullptr) {
    PERENNIAL_ASSIGN_OR_RETURN(boosted.validation,
                               MakeDataset(*validation, parameters, boosted.training.get()));
    PERENNIAL_RETURN_IF_ERROR(
        LightGbm(LGBM_BoosterAddValidData(handle, boosted.validation.get()), "held-out units"));
  }
  // Without a draw, the next round would find no split either.
  const bool draws = options.feature_fraction < 1 || options.row_fraction < 1;
  int since = 0;
  for (int round = 0; round < rounds; ++round) {
    int finished = 0;
    PERENNIAL_RETURN_IF_ERROR(
        LightGbm(LGBM_BoosterUpdateOneIter(handle, &finished), "adding a tree"));
    if (finished != 0 && !draws) break;
    if (validation == nullptr) continue;
    int count = 0;
    double loss = 0;
    PERENNIAL_RETURN_IF_ERROR(
        LightGbm(LGBM_BoosterGetEval(handle, 1, &count, &loss), "the loss of held-out units"));
    CHECK_EQ(count, 1);
    if (loss < boosted.loss) {
      boosted.loss = loss;
      since = 0;
      PERENNIAL_RETURN_IF_ERROR(
          LightGbm(LGBM_BoosterGetCurrentIteration(handle, &boosted.best), "counting trees"));
    } else if (++since == options.patience) {
      break;
    }
  }
  return boosted;
}

// Penalties that held-out units choose from, and what is taken where there are none.
constexpr double kLogisticPenalties[] = {1e-4, 1e-3, 1e-2, 1e-1, 1};
constexpr double kLogisticPenalty = 1e-2;

// Fits a line to the sample: ridge regression that chooses its own penalty, or log odds with this.
absl::StatusOr<LinearFit> LineOf(const Sample& sample, bool binary, double penalty) {
  const kernels::MatrixView<const double> x = {sample.x.data(), std::ssize(sample.y),
                                               sample.features, sample.features};
  const std::vector<double> weights(sample.weight.begin(), sample.weight.end());
  if (!binary) {
    const std::vector<double> y(sample.y.begin(), sample.y.end());
    return FitRidge(x, y, weights, {.cross_validation = true}, sample.cluster);
  }
  std::vector<int32_t> class_of(sample.y.size());
  std::ranges::copy(sample.y, class_of.begin());
  PERENNIAL_ASSIGN_OR_RETURN(LogisticFit fit,
                             FitLogistic(x, class_of, 2, weights, {.penalty = penalty}));
  return LinearFit{.center = std::move(fit.center),
                   .coefficients = std::move(fit.coefficients),
                   .mean = fit.mean[0],
                   .penalty = penalty};
}

void SetStart(const LinearFit& line, Sample& sample) {
  sample.start.resize(sample.y.size());
  for (size_t i = 0; i < sample.y.size(); ++i) {
    sample.start[i] = line.Predict(sample.x.data() + static_cast<int64_t>(i) * sample.features);
  }
}

// Of held-out units, the loss of what trees are added to: their start, or the constant.
double LossWithoutTrees(const Sample& validation, bool binary, double constant) {
  double sum = 0;
  double weights = 0;
  for (size_t i = 0; i < validation.y.size(); ++i) {
    const double score = validation.start.empty() ? constant : validation.start[i];
    const double y = validation.y[i];
    const double weight = validation.weight.empty() ? 1 : validation.weight[i];
    sum += weight * (binary ? Softplus(score) - y * score : (y - score) * (y - score));
    weights += weight;
  }
  return sum / weights;
}

double MeanTarget(const Sample& sample) {
  double sum = 0;
  double weights = 0;
  for (size_t i = 0; i < sample.y.size(); ++i) {
    const double weight = sample.weight.empty() ? 1 : sample.weight[i];
    sum += weight * sample.y[i];
    weights += weight;
  }
  return sum / weights;
}

// The line of least logistic loss over the penalties.
absl::StatusOr<LinearFit> ChosenLogOdds(const Sample& training, Sample& validation) {
  LinearFit chosen;
  double least = std::numeric_limits<double>::infinity();
  for (const double penalty : kLogisticPenalties) {
    PERENNIAL_ASSIGN_OR_RETURN(LinearFit line, LineOf(training, true, penalty));
    SetStart(line, validation);
    const double loss = LossWithoutTrees(validation, /*binary=*/true, /*constant=*/0);
    if (loss < least || chosen.center.empty()) {
      least = loss;
      chosen = std::move(line);
    }
  }
  return chosen;
}

// What held-out units say: whether to start from a line, of which penalty, and how many trees to
// add.
struct Stopped {
  std::optional<LinearFit> line;  // Of the other units.
  Boosted boosted;
};

absl::StatusOr<Stopped> Stop(const BoostingOptions& options, const std::string& parameters,
                             bool binary, Sample training, Sample validation) {
  const double mean = MeanTarget(training);
  // Held-out clusters can take a rare class away.
  const bool has_line = !binary || (mean > 0 && mean < 1);
  const bool better = options.start == BoostingStart::kBetter && has_line &&
                      std::ssize(training.y) >= 2 * training.features;
  Stopped best;
  if (options.start != BoostingStart::kLinear || !has_line) {
    PERENNIAL_ASSIGN_OR_RETURN(best.boosted,
                               Boost(options, options.rounds, parameters, training, &validation));
    if (!better) return best;
    const double constant = binary ? Logit(mean) : mean;
    best.boosted.loss = std::min(best.boosted.loss, LossWithoutTrees(validation, binary, constant));
  }
  // A line of the training units alone: held-out ones shall be as new to it as to the trees.
  Stopped linear;
  PERENNIAL_ASSIGN_OR_RETURN(
      linear.line, binary ? ChosenLogOdds(training, validation) : LineOf(training, false, 0));
  SetStart(*linear.line, training);
  SetStart(*linear.line, validation);
  PERENNIAL_ASSIGN_OR_RETURN(linear.boosted,
                             Boost(options, options.rounds, parameters, training, &validation));
  linear.boosted.loss =
      std::min(linear.boosted.loss, LossWithoutTrees(validation, binary, /*constant=*/0));
  if (better && best.boosted.loss <= linear.boosted.loss) return best;
  return linear;
}

// Adds trees, and the line that they are added to, to the model.
absl::Status Grow(const BoostingOptions& options, Sample all, const random::Stream& stream,
                  Model& model) {
  const std::string parameters = Parameters(options, model.binary, stream.Split("trees"));
  const std::vector<char> held = HeldOut(options, all, model.binary, stream.Split("held out"));
  int rounds = options.rounds;
  bool from_line = options.start == BoostingStart::kLinear;
  double penalty = kLogisticPenalty;
  if (std::ranges::count(held, 1) > 0) {
    PERENNIAL_ASSIGN_OR_RETURN(
        Stopped stopped,
        Stop(options, parameters, model.binary, Part(all, held, false), Part(all, held, true)));
    if (!options.refit) {
      model.line = std::move(stopped.line);
      PERENNIAL_ASSIGN_OR_RETURN(model.trees,
                                 TextOf(stopped.boosted.booster.get(), stopped.boosted.best));
      return absl::OkStatus();
    }
    // No tree at all: no split was found, and one round says so again.
    rounds = std::max(stopped.boosted.best, 1);
    from_line = stopped.line.has_value();
    if (from_line) penalty = stopped.line->penalty;
  }
  if (from_line) {
    PERENNIAL_ASSIGN_OR_RETURN(model.line, LineOf(all, model.binary, penalty));
    SetStart(*model.line, all);
  }
  PERENNIAL_ASSIGN_OR_RETURN(const Boosted boosted,
                             Boost(options, rounds, parameters, all, nullptr));
  PERENNIAL_ASSIGN_OR_RETURN(model.trees, TextOf(boosted.booster.get(), boosted.best));
  return absl::OkStatus();
}

absl::Status CheckTargets(const RegressionData& data) {
  const auto number = [](int64_t i) { return absl::StrCat(" of unit ", i + 1, " is "); };
  for (int64_t i = 0; i < data.x.rows; ++i) {
    for (int64_t c = 0; c < data.x.columns; ++c) {
      if (!std::isfinite(data.x(i, c))) {
        return absl::InvalidArgumentError(
            absl::StrCat("covariate ", c + 1, number(i), data.x(i, c), ", not a finite number"));
      }
    }
    const double y = data.y[i];
    if (!std::isfinite(y) || (data.binary && y != 0 && y != 1)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "target", number(i), y, data.binary ? ", must be 0 or 1" : ", not a finite number"));
    }
    if (data.weights.empty()) continue;
    if (!(std::isfinite(data.weights[i]) && data.weights[i] >= 0)) {
      return absl::InvalidArgumentError(absl::StrCat("weight", number(i), data.weights[i],
                                                     ", must be a finite number, at least 0"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Boosting>> Boosting::Create(const BoostingOptions& options) {
  const auto wrong = [](absl::string_view name, double value, absl::string_view allowed) {
    return absl::InvalidArgumentError(
        absl::StrCat("boosting: ", name, " is ", value, ", must be ", allowed));
  };
  const auto share = [](double value) { return value > 0 && value <= 1; };
  if (options.rounds < 1 || options.rounds > 100'000) {
    return wrong("rounds", options.rounds, "1 to 100,000");
  }
  if (!share(options.learning_rate)) {
    return wrong("learning_rate", options.learning_rate, "above 0, at most 1");
  }
  if (options.leaves < 2 || options.leaves > 131'072) {
    return wrong("leaves", options.leaves, "2 to 131,072");
  }
  if (options.min_data_in_leaf < 1) {
    return wrong("min_data_in_leaf", options.min_data_in_leaf, "at least 1");
  }
  if (!share(options.feature_fraction)) {
    return wrong("feature_fraction", options.feature_fraction, "above 0, at most 1");
  }
  if (!share(options.row_fraction)) {
    return wrong("row_fraction", options.row_fraction, "above 0, at most 1");
  }
  if (!(options.lambda >= 0 && std::isfinite(options.lambda))) {
    return wrong("lambda", options.lambda, "a finite number, at least 0");
  }
  if (!(options.early_stopping_share >= 0 && options.early_stopping_share < 1)) {
    return wrong("early_stopping_share", options.early_stopping_share, "at least 0, below 1");
  }
  if (options.patience < 1) return wrong("patience", options.patience, "at least 1");
  return std::unique_ptr<Boosting>(new Boosting(options));
}

absl::StatusOr<std::unique_ptr<Regression>> Boosting::Fit(const RegressionData& data) const {
  const int64_t n = data.x.rows;
  const int64_t p = data.x.columns;
  CHECK_GE(n, 1);
  CHECK_EQ(n, static_cast<int64_t>(data.y.size()));
  CHECK(data.weights.empty() || n == static_cast<int64_t>(data.weights.size()));
  CHECK(data.cluster.empty() || n == static_cast<int64_t>(data.cluster.size()));
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  if (n > kMost || p > kMost) {
    return absl::InvalidArgumentError(
        absl::StrCat(n, " units of ", p, " covariates: boosting takes at most ", kMost));
  }
  PERENNIAL_RETURN_IF_ERROR(CheckTargets(data));

  std::vector<int32_t> units;
  for (int32_t i = 0; i < n; ++i) {
    if (data.weights.empty() || data.weights[i] > 0) units.push_back(i);
  }
  if (units.empty()) return absl::InvalidArgumentError("all weights are 0");
  // Relative to the greatest, so that no sum overflows.
  const double greatest = data.weights.empty() ? 1 : *std::ranges::max_element(data.weights);
  const auto weight = [&](int32_t unit) {
    return data.weights.empty() ? 1 : data.weights[unit] / greatest;
  };
  double sum_of_weights = 0;
  double sum = 0;
  double low = data.y[units[0]];
  double high = low;
  for (const int32_t unit : units) {
    sum_of_weights += weight(unit);
    sum += weight(unit) * data.y[unit];
    low = std::min(low, data.y[unit]);
    high = std::max(high, data.y[unit]);
  }
  Model model{
      .features = p, .centre = std::clamp(sum / sum_of_weights, low, high), .binary = data.binary};
  double squares = 0;
  for (const int32_t unit : units) {
    squares += weight(unit) * (data.y[unit] - model.centre) * (data.y[unit] - model.centre);
  }
  const double scale = std::sqrt(squares / sum_of_weights);
  if (!std::isfinite(sum) || !std::isfinite(scale)) {
    return absl::InvalidArgumentError(absl::StrCat("targets from ", low, " to ", high,
                                                   " are too large for their squares to be added"));
  }
  if (low == high || scale < std::numeric_limits<double>::min() || p == 0) {
    return BoostedTrees::Create(std::move(model));
  }
  if (data.binary) {
    model.centre = 0;
  } else {
    model.scale = scale;
  }

  Sample sample{.features = p};
  sample.x.reserve(units.size() * p);
  const double mean_weight = sum_of_weights / static_cast<double>(units.size());
  for (const int32_t unit : units) {
    sample.x.insert(sample.x.end(), data.x.row(unit), data.x.row(unit) + p);
    sample.y.push_back(static_cast<float>((data.y[unit] - model.centre) / model.scale));
    sample.weight.push_back(static_cast<float>(weight(unit) / mean_weight));
    if (!data.cluster.empty()) sample.cluster.push_back(data.cluster[unit]);
  }
  // Equal weights are none: LightGBM's sums for the two differ in rounding.
  if (std::ranges::all_of(units, [&](int32_t unit) { return weight(unit) == weight(units[0]); })) {
    sample.weight.clear();
  }
  PERENNIAL_RETURN_IF_ERROR(Grow(options_, std::move(sample), data.stream, model));
  // As Restore does it, so that a restored model predicts the same bits.
  return BoostedTrees::Create(std::move(model));
}

absl::StatusOr<std::unique_ptr<Regression>> Boosting::Restore(const std::string& bytes) const {
  absl::string_view rest = bytes;
  if (!absl::StartsWith(rest, kMagic)) {
    return absl::InvalidArgumentError(absl::StrCat("boosted trees: the bytes begin with \"",
                                                   base::Excerpt(rest.substr(0, kMagic.size())),
                                                   "\", expected \"", kMagic, "\""));
  }
  rest.remove_prefix(kMagic.size());
  uint32_t crc = 0;
  uint64_t length = 0;
  if (!Take(rest, crc) || !Take(rest, length) || length != rest.size()) {
    return absl::DataLossError(absl::StrCat("boosted trees: ", bytes.size(),
                                            " bytes are not as many as the header says (", length,
                                            " and ", kHeaderBytes, " of the header)"));
  }
  if (crc != base::MaskCrc32c(base::Crc32c(rest))) {
    return absl::DataLossError("boosted trees: the checksum does not fit: the bytes are damaged");
  }
  Model model;
  uint8_t binary = 0;
  if (!Take(rest, model.features) || !Take(rest, model.centre) || !Take(rest, model.scale) ||
      !Take(rest, binary) || model.features < 0 || binary > 1 || !std::isfinite(model.centre) ||
      !std::isfinite(model.scale) || !TakeLine(rest, model.features, model.line)) {
    return absl::DataLossError("boosted trees: the scaling or the linear fit is not valid");
  }
  model.binary = binary == 1;
  model.trees = std::string(rest);
  return BoostedTrees::Create(std::move(model));
}

}  // namespace perennial::causal
