// The bootstrap by half-samples: what is fitted to half of the units, drawn without replacement,
// predicts for the same points. With m of n units drawn, the spread of these predictions times
// sqrt(m / (n - m)) is the standard error at n units, for whatever has an error of the order
// n^-1/2 (Politis and Romano, Annals of Statistics 22, 1994; with the factor, a jackknife: Shao and
// Wu, ibid. 17, 1989). Not Efron's draws with replacement: a learner that chooses how long to fit,
// or how flexibly, takes copies of a unit for evidence, and its errors come out several times too
// large.
//
// It tells how a fit varies with its sample, not how far it is off on average: where a learner
// smooths or shrinks, intervals from it hold the truth less often than they say. A learner that
// gains from more units faster than n^-1/2 looks worse by half of them: its errors are on the safe
// side.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const auto bootstrap,
//                              Bootstrap::Create(factory, data, /*replicates=*/50, points));
//   while (bootstrap->steps_done() < bootstrap->steps()) bootstrap->Advance(100);
//   bootstrap->Errors()[0][i];                               // Of the effect of arm 1 at point i.
#ifndef PERENNIAL_CAUSAL_MODELS_BOOTSTRAP_H_
#define PERENNIAL_CAUSAL_MODELS_BOOTSTRAP_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/data/observations.h"
#include "causal/models/model.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"

namespace perennial::causal {

// Half of each arm's units, rounded up; where there are clusters, half of these, rounded up, alike
// in the arms that they hold (cluster_draw.h). In the order of the rows.
Observations HalfSample(const Observations& observations, random::Stream stream);

// sqrt(m / (n - m)) where m of n units, or clusters, are drawn: 1, but for odd numbers. Needs an
// arm of two units, or two clusters (CHECK). How many units are in an arm is the same in all draws,
// and how many clusters are of a kind hardly varies, so that their chance has no part in the
// errors.
double HalfSampleFactor(const Observations& observations);

// Means and squares of effects [arms - 1][n] over replicates, taken in the order of their numbers,
// whichever comes first.
class EffectSpread {
 public:
  EffectSpread(int contrasts, int64_t units)
      : mean_(contrasts, std::vector<double>(units)), squares_(mean_) {}

  // Replicate 0, 1, .. once each; empty for one that failed.
  void Take(int replicate, std::vector<std::vector<double>> effect);
  // [arms - 1][n], standard deviations (over their number less 1) times the factor; of at least two
  // replicates.
  std::vector<std::vector<double>> Errors(double factor) const;

  // Between two replicates, none of which waits for an earlier one.
  absl::Status Save(absl::string_view prefix, record::SafetensorsWriter& writer) const;
  // DataLoss for what is of other sizes or holds `taken` replicates not.
  absl::Status Load(absl::string_view prefix, const record::SafetensorsFile& file, int taken);

 private:
  std::vector<std::vector<double>> mean_;
  std::vector<std::vector<double>> squares_;
  std::map<int, std::vector<std::vector<double>>> waiting_;
  int next_ = 0;
  int count_ = 0;
};

// In steps, as a model is fitted. Replicate r draws its units from the stream below r, "draw", and
// is fitted from r, "model".
class Bootstrap {
 public:
  // points [m, p]; replicates at least 2 (CHECK). Errors as the model's.
  static absl::StatusOr<std::unique_ptr<Bootstrap>> Create(ModelFactory model, FitData data,
                                                           int replicates,
                                                           std::vector<double> points);

  int64_t steps() const { return replicates_ * steps_per_replicate_; }
  int64_t steps_done() const;
  double training_flops() const { return training_flops_; }
  // Up to `steps` steps more. Errors name the replicate.
  absl::Status Advance(int64_t steps);

  // Standard errors [arms - 1][m], after the last step.
  std::vector<std::vector<double>> Errors() const;

  // As ModelFit's.
  absl::Status Save(absl::string_view prefix, record::SafetensorsWriter& writer) const;
  absl::Status Load(absl::string_view prefix, const record::SafetensorsFile& file);

 private:
  Bootstrap(ModelFactory model, FitData data, int replicates, std::vector<double> points);
  absl::StatusOr<std::unique_ptr<ModelFit>> FitOf(int replicate) const;

  ModelFactory model_;
  FitData data_;
  int replicates_;
  std::vector<double> points_;
  int64_t steps_per_replicate_ = 0;
  double training_flops_ = 0;
  int replicate_ = 0;  // That is being fitted; replicates_ at the end.
  std::unique_ptr<ModelFit> fit_;
  EffectSpread spread_;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_MODELS_BOOTSTRAP_H_
