// Bias and variance of an estimator from replicates, and where the variance comes from.
//
// A replicate is a sample, drawn anew. To it an estimator is fitted once, or four times: with two
// splits into what is trained on and held out, by two initialisations. The error of a fit at a
// point (an average effect is one point; effects of single units are many) is
//
//   e_rsi = b + A_r + S_rs + I_ri + E_rsi
//
// with the bias b and independent parts of mean 0: of the sample, of the split, of the
// initialisation, and of both together. Of the four fits of a replicate come their mean m_r and
// three contrasts
//
//   D_S = (e_00 + e_01 - e_10 - e_11) / 2      E D_S^2 = 2 var S + var E
//   D_I = (e_00 - e_01 + e_10 - e_11) / 2      E D_I^2 = 2 var I + var E
//   D_E = (e_00 - e_01 - e_10 + e_11) / 2      E D_E^2 = var E
//
// and var m = var A + var S / 2 + var I / 2 + var E / 4, so that all four are estimated without
// bias by moments (the analysis of variance of a 2 x 2 design). Of R replicates, s^2 the variance
// of the m_r over R - 1:
//
//   bias^2 = mean(m)^2 - s^2 / R,   variance = var A + var S + var I + var E = that of one fit,
//   mse = bias^2 + variance, which is the mean of all squared errors.
//
// These have no bias themselves, so what is 0 or small may be estimated below 0. All are means over
// points.
//
// Intervals are percentiles of a bootstrap of whole replicates. In a resample the mean moves once
// more by s^2 / R, so there bias^2 is mean(m)^2 - 2 s^2 / R, and s^2 is divided by R - 1 twice:
// resamples then lie about the estimates.
//
//   std::vector<ReplicateErrors> replicates;  // errors_of_fits [4][points]
//   for (...) replicates.push_back(ReplicateErrorsOf(errors_of_fits));
//   PERENNIAL_ASSIGN_OR_RETURN(const BiasVariance parts,
//                              DecomposeErrors(replicates, 1000, stream));
#ifndef PERENNIAL_CAUSAL_STUDIES_BIAS_VARIANCE_H_
#define PERENNIAL_CAUSAL_STUDIES_BIAS_VARIANCE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "common/random/stream.h"
#include "common/stats/summary.h"

namespace perennial::causal {

// Means over points of D_S^2, D_I^2 and D_E^2.
struct SquaredContrasts {
  double split = 0;
  double initialisation = 0;
  double interaction = 0;
};

struct ReplicateErrors {
  std::vector<double> mean;                        // [points], m_r
  std::optional<SquaredContrasts> contrasts = {};  // Of four fits.
};

// Of one fit, or of four in the order 00, 01, 10, 11 (split, initialisation); [fits][points].
ReplicateErrors ReplicateErrorsOf(std::span<const std::vector<double>> errors);

struct PartEstimate {
  double value = 0;
  stats::Interval interval = {0, 0};  // 95 %
};

struct VarianceParts {
  PartEstimate sampling, split, initialisation, interaction;
};

struct BiasVariance {
  int64_t replicates = 0;
  PartEstimate bias_squared, variance, mse;
  std::optional<VarianceParts> parts = {};  // If there are contrasts.
};

// Resample r draws from stream.Split(r). InvalidArgument for fewer than two replicates, other
// numbers of points, contrasts in some only, or an error that is not finite.
absl::StatusOr<BiasVariance> DecomposeErrors(std::span<const ReplicateErrors> replicates,
                                             int64_t resamples, const random::Stream& stream);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_STUDIES_BIAS_VARIANCE_H_
