#include "causal/models/cross_fit.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "causal/estimators/average_effect.h"
#include "causal/estimators/logistic.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

using Columns = std::vector<std::vector<double>>;

// The parts of predictions, under the names that they are saved by.
std::pair<const char*, Columns Predictions::*> const kParts[] = {
    {"effect", &Predictions::effect},
    {"outcome", &Predictions::outcome},
    {"propensity", &Predictions::propensity}};

}  // namespace

void ScatterFold(const Predictions& predictions, std::span<const int32_t> fold_of, int fold,
                 Predictions& all) {
  const std::vector<int32_t> rows = RowsOfFold(fold_of, fold, true);
  for (const auto& [name, part] : kParts) {
    const Columns& of_fold = predictions.*part;
    Columns& columns = all.*part;
    columns.resize(of_fold.size(), std::vector<double>(fold_of.size()));
    for (size_t c = 0; c < of_fold.size(); ++c) {
      for (size_t i = 0; i < rows.size(); ++i) columns[c][rows[i]] = of_fold[c][i];
    }
  }
}

absl::StatusOr<std::unique_ptr<CrossFit>> CrossFit::Create(ModelFactory model, FitData data,
                                                           int folds) {
  PERENNIAL_RETURN_IF_ERROR(Validate(data.observations));
  std::unique_ptr<CrossFit> cross_fit(new CrossFit(std::move(model), std::move(data), folds));
  const FitData& all = cross_fit->data_;
  PERENNIAL_ASSIGN_OR_RETURN(cross_fit->fold_of_,
                             Folds(all.observations.treatment, folds, all.observations.cluster,
                                   all.stream.Split("folds")));
  // Folds are of about as many units, so the others take as long; FitOf looks.
  PERENNIAL_ASSIGN_OR_RETURN(const auto fit, cross_fit->FitOf(0));
  cross_fit->steps_per_fold_ = fit->steps();
  cross_fit->training_flops_ = folds * fit->training_flops();
  return cross_fit;
}

absl::StatusOr<FitData> CrossFit::DataOf(int fold) const {
  return FitData{.observations = Select(data_.observations, RowsOfFold(fold_of_, fold, false)),
                 .unlabelled_covariates = data_.unlabelled_covariates,
                 .unlabelled_treatment = data_.unlabelled_treatment,
                 .stream = data_.stream.Split("fold").Split(static_cast<uint64_t>(fold))};
}

absl::StatusOr<std::unique_ptr<ModelFit>> CrossFit::FitOf(int fold) const {
  PERENNIAL_ASSIGN_OR_RETURN(FitData data, DataOf(fold));
  PERENNIAL_ASSIGN_OR_RETURN(std::unique_ptr<ModelFit> fit, model_(std::move(data)));
  if (fold > 0 && fit->steps() != steps_per_fold_) {
    return absl::InternalError("the model takes a different number of steps for each fold");
  }
  return fit;
}

int64_t CrossFit::steps_done() const {
  return fold_ * steps_per_fold_ + (fit_ == nullptr ? 0 : fit_->steps_done());
}

absl::Status CrossFit::Advance(int64_t steps) {
  while (steps > 0 && fold_ < folds_) {
    if (fit_ == nullptr) {
      PERENNIAL_ASSIGN_OR_RETURN(fit_, FitOf(fold_));
    }
    const int64_t before = fit_->steps_done();
    PERENNIAL_RETURN_IF_ERROR(fit_->Advance(steps));
    steps -= fit_->steps_done() - before;
    if (fit_->steps_done() < fit_->steps()) break;
    PERENNIAL_RETURN_IF_ERROR(TakeFold());
    fit_.reset();
    ++fold_;
  }
  return absl::OkStatus();
}

absl::Status CrossFit::TakeFold() {
  const std::vector<int32_t> rows = RowsOfFold(fold_of_, fold_, true);
  const Observations units = Select(data_.observations, rows);
  PERENNIAL_ASSIGN_OR_RETURN(Predictions predictions, fit_->Predict(units.x()));
  if (predictions.propensity.empty()) {
    const Observations others = Select(data_.observations, RowsOfFold(fold_of_, fold_, false));
    PERENNIAL_ASSIGN_OR_RETURN(const LogisticFit logistic,
                               FitLogistic(others.x(), others.treatment, others.arms, {}, {}));
    predictions.propensity.assign(units.arms, std::vector<double>(rows.size()));
    std::vector<double> p(units.arms);
    for (int64_t i = 0; i < units.size(); ++i) {
      logistic.Predict(units.x().row(i), p);
      for (int arm = 0; arm < units.arms; ++arm) predictions.propensity[arm][i] = p[arm];
    }
  }
  ScatterFold(predictions, fold_of_, fold_, out_of_fold_);
  return absl::OkStatus();
}

absl::Status CrossFit::Save(absl::string_view prefix, record::SafetensorsWriter& writer) const {
  const int64_t fold[] = {fold_, fit_ != nullptr};
  PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>(absl::StrCat(prefix, "fold"), {2}, fold));
  for (const auto& [name, part] : kParts) {
    const Columns& columns = out_of_fold_.*part;
    std::vector<double> values;
    for (const std::vector<double>& column : columns) {
      values.insert(values.end(), column.begin(), column.end());
    }
    PERENNIAL_RETURN_IF_ERROR(writer.Add<double>(
        absl::StrCat(prefix, name),
        {std::ssize(columns), columns.empty() ? 0 : std::ssize(columns[0])}, values));
  }
  if (fit_ == nullptr) return absl::OkStatus();
  return fit_->Save(absl::StrCat(prefix, "fit."), writer);
}

absl::Status CrossFit::Load(absl::string_view prefix, const record::SafetensorsFile& file) {
  PERENNIAL_ASSIGN_OR_RETURN(const auto fold, file.Read<int64_t>(absl::StrCat(prefix, "fold")));
  if (fold.size() != 2 || fold[0] < 0 || fold[0] > folds_ || (fold[1] != 0 && fold[0] == folds_)) {
    return absl::DataLossError("the state does not belong to this cross-fit");
  }
  Predictions read;
  for (const auto& [name, part] : kParts) {
    PERENNIAL_ASSIGN_OR_RETURN(const auto values, file.Read<double>(absl::StrCat(prefix, name)));
    const size_t n = fold_of_.size();
    if (values.size() % n != 0 ||
        !std::ranges::all_of(values, [](double v) { return std::isfinite(v); })) {
      return absl::DataLossError("the state does not belong to this cross-fit");
    }
    for (size_t begin = 0; begin < values.size(); begin += n) {
      (read.*part).emplace_back(values.begin() + begin, values.begin() + begin + n);
    }
  }
  const size_t arms = data_.observations.arms;
  const auto fits = [&](const Columns& columns, size_t expected) {
    return columns.empty() || columns.size() == expected;
  };
  if (!fits(read.effect, arms - 1) || !fits(read.outcome, arms) || !fits(read.propensity, arms)) {
    return absl::DataLossError("the state does not belong to this cross-fit");
  }
  fit_.reset();
  if (fold[1] != 0) {
    PERENNIAL_ASSIGN_OR_RETURN(std::unique_ptr<ModelFit> fit, FitOf(static_cast<int>(fold[0])));
    PERENNIAL_RETURN_IF_ERROR(fit->Load(absl::StrCat(prefix, "fit."), file));
    fit_ = std::move(fit);
  }
  fold_ = static_cast<int>(fold[0]);
  out_of_fold_ = std::move(read);
  return absl::OkStatus();
}

}  // namespace perennial::causal
