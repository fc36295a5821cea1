#include "causal/models/ensemble.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

// sum += columns.
void Add(const std::vector<std::vector<double>>& columns, std::vector<std::vector<double>>& sum) {
  if (sum.empty()) {
    sum = columns;
    return;
  }
  for (size_t c = 0; c < sum.size(); ++c) {
    for (size_t i = 0; i < sum[c].size(); ++i) sum[c][i] += columns[c][i];
  }
}

void Divide(std::vector<std::vector<double>>& columns, double divisor) {
  for (std::vector<double>& column : columns) {
    for (double& value : column) value /= divisor;
  }
}

class EnsembleFit final : public ModelFit {
 public:
  explicit EnsembleFit(std::vector<std::unique_ptr<ModelFit>> members)
      : members_(std::move(members)) {}

  int64_t steps() const override {
    return Sum([](const ModelFit& fit) { return fit.steps(); });
  }
  int64_t steps_done() const override {
    return Sum([](const ModelFit& fit) { return fit.steps_done(); });
  }
  double training_flops() const override {
    double flops = 0;
    for (const auto& member : members_) flops += member->training_flops();
    return flops;
  }

  absl::Status Advance(int64_t steps) override {
    for (const auto& member : members_) {
      if (steps <= 0) break;
      const int64_t before = member->steps_done();
      PERENNIAL_RETURN_IF_ERROR(member->Advance(steps));
      steps -= member->steps_done() - before;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Predictions> Predict(kernels::MatrixView<const double> x) const override {
    Predictions mean;
    for (const auto& member : members_) {
      PERENNIAL_ASSIGN_OR_RETURN(const Predictions predictions, member->Predict(x));
      Add(predictions.effect, mean.effect);
      Add(predictions.outcome, mean.outcome);
      Add(predictions.propensity, mean.propensity);
    }
    const auto count = static_cast<double>(members_.size());
    Divide(mean.effect, count);
    Divide(mean.outcome, count);
    Divide(mean.propensity, count);
    return mean;
  }

  absl::Status Save(absl::string_view prefix, record::SafetensorsWriter& writer) const override {
    for (size_t k = 0; k < members_.size(); ++k) {
      PERENNIAL_RETURN_IF_ERROR(members_[k]->Save(absl::StrCat(prefix, k, "."), writer));
    }
    return absl::OkStatus();
  }
  absl::Status Load(absl::string_view prefix, const record::SafetensorsFile& file) override {
    for (size_t k = 0; k < members_.size(); ++k) {
      PERENNIAL_RETURN_IF_ERROR(members_[k]->Load(absl::StrCat(prefix, k, "."), file));
    }
    return absl::OkStatus();
  }

 private:
  int64_t Sum(int64_t (*of)(const ModelFit&)) const {
    int64_t sum = 0;
    for (const auto& member : members_) sum += of(*member);
    return sum;
  }

  std::vector<std::unique_ptr<ModelFit>> members_;
};

}  // namespace

ModelFactory Ensemble(ModelFactory model, int members) {
  CHECK_GE(members, 1);
  return [model = std::move(model),
          members](FitData data) -> absl::StatusOr<std::unique_ptr<ModelFit>> {
    std::vector<std::unique_ptr<ModelFit>> fits;
    for (int k = 0; k < members; ++k) {
      FitData own = data;
      own.stream = data.stream.Split("member").Split(static_cast<uint64_t>(k));
      PERENNIAL_ASSIGN_OR_RETURN(fits.emplace_back(), model(std::move(own)));
    }
    return std::make_unique<EnsembleFit>(std::move(fits));
  };
}

}  // namespace perennial::causal
