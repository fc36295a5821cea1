#include "causal/models/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "causal/models/cluster_draw.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

using Columns = std::vector<std::vector<double>>;

absl::Status Foreign() {
  return absl::DataLossError("the state does not belong to this bootstrap");
}

// [arms]
std::vector<std::vector<int32_t>> UnitsOfArms(const Observations& observations) {
  std::vector<std::vector<int32_t>> units(observations.arms);
  for (int32_t i = 0; i < observations.size(); ++i) units[observations.treatment[i]].push_back(i);
  return units;
}

int64_t HalfOf(int64_t groups) { return (groups + 1) / 2; }

std::vector<double> Joined(const Columns& columns) {
  std::vector<double> values;
  for (const auto& column : columns) values.insert(values.end(), column.begin(), column.end());
  return values;
}

absl::Status Part(std::span<const double> values, Columns& columns) {
  size_t begin = 0;
  for (std::vector<double>& column : columns) {
    if (begin + column.size() > values.size()) return Foreign();
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(begin), column.size(), column.begin());
    begin += column.size();
  }
  const auto finite = [](double value) { return std::isfinite(value); };
  return begin == values.size() && std::ranges::all_of(values, finite) ? absl::OkStatus()
                                                                       : Foreign();
}

}  // namespace

Observations HalfSample(const Observations& observations, random::Stream stream) {
  if (!observations.cluster.empty()) {
    return Select(observations, HalfOfClusters(observations, stream));
  }
  std::vector<int32_t> rows;
  for (const std::vector<int32_t>& units : UnitsOfArms(observations)) {
    const auto count = static_cast<int32_t>(units.size());
    for (const int32_t place : stream.Sample(count, static_cast<int32_t>(HalfOf(count)))) {
      rows.push_back(units[place]);
    }
  }
  std::ranges::sort(rows);
  return Select(observations, rows);
}

double HalfSampleFactor(const Observations& observations) {
  int64_t all = observations.size();
  int64_t drawn = 0;
  if (observations.cluster.empty()) {
    for (const auto& units : UnitsOfArms(observations)) drawn += HalfOf(std::ssize(units));
  } else {
    all = ClusterCount(observations);
    drawn = HalfOf(all);
  }
  CHECK_GT(all, drawn);
  return std::sqrt(static_cast<double>(drawn) / static_cast<double>(all - drawn));
}

void EffectSpread::Take(int replicate, Columns effect) {
  waiting_.emplace(replicate, std::move(effect));
  for (auto first = waiting_.begin(); first != waiting_.end() && first->first == next_;
       first = waiting_.erase(first), ++next_) {
    if (first->second.empty()) continue;
    ++count_;
    for (size_t a = 0; a < mean_.size(); ++a) {
      for (size_t i = 0; i < mean_[a].size(); ++i) {
        const double distance = first->second[a][i] - mean_[a][i];
        mean_[a][i] += distance / static_cast<double>(count_);
        squares_[a][i] += distance * (first->second[a][i] - mean_[a][i]);
      }
    }
  }
}

Columns EffectSpread::Errors(double factor) const {
  Columns deviations = squares_;
  for (std::vector<double>& of_arm : deviations) {
    for (double& value : of_arm)
      value = factor * std::sqrt(value / static_cast<double>(count_ - 1));
  }
  return deviations;
}

absl::Status EffectSpread::Save(absl::string_view prefix, record::SafetensorsWriter& writer) const {
  CHECK(waiting_.empty());
  const int64_t counts[] = {next_, count_};
  PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>(absl::StrCat(prefix, "counts"), {2}, counts));
  for (const auto& [name, columns] : {std::pair("mean", &mean_), std::pair("squares", &squares_)}) {
    const std::vector<double> values = Joined(*columns);
    PERENNIAL_RETURN_IF_ERROR(
        writer.Add<double>(absl::StrCat(prefix, name), {std::ssize(values)}, values));
  }
  return absl::OkStatus();
}

absl::Status EffectSpread::Load(absl::string_view prefix, const record::SafetensorsFile& file,
                                int taken) {
  PERENNIAL_ASSIGN_OR_RETURN(const auto counts, file.Read<int64_t>(absl::StrCat(prefix, "counts")));
  if (counts.size() != 2 || counts[0] != taken || counts[1] < 0 || counts[1] > taken) {
    return Foreign();
  }
  EffectSpread read = *this;
  for (const auto& [name, columns] :
       {std::pair("mean", &read.mean_), std::pair("squares", &read.squares_)}) {
    PERENNIAL_ASSIGN_OR_RETURN(const auto values, file.Read<double>(absl::StrCat(prefix, name)));
    PERENNIAL_RETURN_IF_ERROR(Part(values, *columns));
  }
  for (const std::vector<double>& squares : read.squares_) {
    if (std::ranges::any_of(squares, [](double square) { return square < 0; })) return Foreign();
  }
  read.waiting_.clear();
  read.next_ = taken;
  read.count_ = static_cast<int>(counts[1]);
  *this = std::move(read);
  return absl::OkStatus();
}

Columns Bootstrap::Errors() const { return spread_.Errors(HalfSampleFactor(data_.observations)); }

Bootstrap::Bootstrap(ModelFactory model, FitData data, int replicates, std::vector<double> points)
    : model_(std::move(model)),
      data_(std::move(data)),
      replicates_(replicates),
      points_(std::move(points)),
      spread_(data_.observations.arms - 1,
              static_cast<int64_t>(points_.size()) / data_.observations.features()) {}

absl::StatusOr<std::unique_ptr<Bootstrap>> Bootstrap::Create(ModelFactory model, FitData data,
                                                             int replicates,
                                                             std::vector<double> points) {
  CHECK_GE(replicates, 2);
  PERENNIAL_RETURN_IF_ERROR(Validate(data.observations));
  const int64_t features = data.observations.features();
  CHECK(features > 0 && static_cast<int64_t>(points.size()) % features == 0);
  std::unique_ptr<Bootstrap> bootstrap(
      new Bootstrap(std::move(model), std::move(data), replicates, std::move(points)));
  // The others are of as many units, so of as many steps; Advance looks.
  PERENNIAL_ASSIGN_OR_RETURN(const auto fit, bootstrap->FitOf(0));
  bootstrap->steps_per_replicate_ = fit->steps();
  bootstrap->training_flops_ = replicates * fit->training_flops();
  return bootstrap;
}

absl::StatusOr<std::unique_ptr<ModelFit>> Bootstrap::FitOf(int replicate) const {
  const random::Stream stream = data_.stream.Split(static_cast<uint64_t>(replicate));
  return model_({.observations = HalfSample(data_.observations, stream.Split("draw")),
                 .unlabelled_covariates = data_.unlabelled_covariates,
                 .unlabelled_treatment = data_.unlabelled_treatment,
                 .stream = stream.Split("model")});
}

int64_t Bootstrap::steps_done() const {
  return replicate_ * steps_per_replicate_ + (fit_ == nullptr ? 0 : fit_->steps_done());
}

absl::Status Bootstrap::Advance(int64_t steps) {
  const int64_t features = data_.observations.features();
  const kernels::MatrixView<const double> points = {
      points_.data(), static_cast<int64_t>(points_.size()) / features, features, features};
  const auto in_context = [this](const absl::Status& status) {
    return base::WithContext(status, absl::StrCat("bootstrap replicate ", replicate_ + 1));
  };
  while (steps > 0 && replicate_ < replicates_) {
    if (fit_ == nullptr) {
      absl::StatusOr<std::unique_ptr<ModelFit>> fit = FitOf(replicate_);
      if (!fit.ok()) return in_context(fit.status());
      if ((*fit)->steps() != steps_per_replicate_) {
        return in_context(absl::InternalError("takes another number of steps than the first"));
      }
      fit_ = *std::move(fit);
    }
    const int64_t before = fit_->steps_done();
    PERENNIAL_RETURN_IF_ERROR(in_context(fit_->Advance(steps)));
    steps -= fit_->steps_done() - before;
    if (fit_->steps_done() < fit_->steps()) break;
    absl::StatusOr<Predictions> predictions = fit_->Predict(points);
    if (!predictions.ok()) return in_context(predictions.status());
    spread_.Take(replicate_, std::move(predictions->effect));
    fit_.reset();
    ++replicate_;
  }
  return absl::OkStatus();
}

absl::Status Bootstrap::Save(absl::string_view prefix, record::SafetensorsWriter& writer) const {
  const int64_t replicate[] = {replicate_, fit_ != nullptr};
  PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>(absl::StrCat(prefix, "replicate"), {2}, replicate));
  PERENNIAL_RETURN_IF_ERROR(spread_.Save(absl::StrCat(prefix, "spread."), writer));
  if (fit_ == nullptr) return absl::OkStatus();
  return fit_->Save(absl::StrCat(prefix, "fit."), writer);
}

absl::Status Bootstrap::Load(absl::string_view prefix, const record::SafetensorsFile& file) {
  PERENNIAL_ASSIGN_OR_RETURN(const auto replicate,
                             file.Read<int64_t>(absl::StrCat(prefix, "replicate")));
  if (replicate.size() != 2 || replicate[0] < 0 || replicate[0] > replicates_ ||
      (replicate[1] != 0 && replicate[0] == replicates_)) {
    return Foreign();
  }
  const auto number = static_cast<int>(replicate[0]);
  EffectSpread spread = spread_;
  PERENNIAL_RETURN_IF_ERROR(spread.Load(absl::StrCat(prefix, "spread."), file, number));
  std::unique_ptr<ModelFit> fit;
  if (replicate[1] != 0) {
    PERENNIAL_ASSIGN_OR_RETURN(fit, FitOf(number));
    PERENNIAL_RETURN_IF_ERROR(fit->Load(absl::StrCat(prefix, "fit."), file));
  }
  spread_ = std::move(spread);
  replicate_ = number;
  fit_ = std::move(fit);
  return absl::OkStatus();
}

}  // namespace perennial::causal
