#include "causal/data/ihdp.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "causal/data/covariate_columns.h"
#include "causal/data/logit.h"
#include "causal/data/simulation.h"
#include "common/base/logging.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/data/csv.h"

namespace perennial::causal {
namespace {

constexpr int kContinuous = 6;  // The first ones.
constexpr const char* kNames[] = {"bw",     "b.head",    "preterm",  "birth.o", "nnhealth",
                                  "momage", "sex",       "twin",     "b.marr",  "mom.lths",
                                  "mom.hs", "mom.scoll", "cig",      "first",   "booze",
                                  "drugs",  "work.dur",  "prenatal", "site1",   "site2",
                                  "site3",  "site4",     "site5",    "site6",   "site7"};
constexpr double kEffect = 4;
constexpr double kShift = 0.5;  // W of Hill's B.

struct Choice {
  double value, probability;
};
constexpr Choice kHillAValues[] = {{0, .5}, {1, .2}, {2, .15}, {3, .1}, {4, .05}};
constexpr Choice kHillBValues[] = {{0, .6}, {.1, .1}, {.2, .1}, {.3, .1}, {.4, .1}};
constexpr Choice kMainValues[] = {{0, .6}, {1, .3}, {2, .1}};
constexpr Choice kProductValues[] = {{0, .8}, {.5, .15}, {1, .05}};
// npci's C.
constexpr int kPropensityCovariates = 4;
constexpr int kPropensityProducts = 2;
constexpr double kPropensityShift = 1.35;

using Columns = std::vector<std::vector<double>>;
using Product = std::pair<int32_t, int32_t>;

double Draw(std::span<const Choice> choices, random::Stream& stream) {
  double u = stream.Uniform();
  for (const Choice& choice : choices) {
    if (u < choice.probability) return choice.value;
    u -= choice.probability;
  }
  return choices.back().value;  // By rounding only.
}

// Four partial sums, so that no addition waits for the one before it.
double Dot(std::span<const double> a, std::span<const double> b) {
  double sums[4] = {};
  size_t i = 0;
  for (; i + 4 <= a.size(); i += 4) {
    for (int k = 0; k < 4; ++k) sums[k] += a[i + k] * b[i + k];
  }
  for (; i < a.size(); ++i) sums[0] += a[i] * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Whether each column is no linear combination of those before it: Gram-Schmidt, twice for the
// sake of rounding. Here what is dependent leaves less than 1e-14 of its length, and what is not
// more than 0.01; R's glm draws the line at 1e-11.
std::vector<bool> Independent(const Columns& columns) {
  std::vector<bool> independent;
  Columns basis;
  for (const std::vector<double>& column : columns) {
    std::vector<double> rest = column;
    const double length = std::sqrt(Dot(column, column));
    for (int pass = 0; pass < 2; ++pass) {
      for (const std::vector<double>& direction : basis) {
        const double along = Dot(direction, rest);
        for (size_t i = 0; i < rest.size(); ++i) rest[i] -= along * direction[i];
      }
    }
    const double left = std::sqrt(Dot(rest, rest));
    independent.push_back(left > 1e-11 * length);
    if (!independent.back()) continue;
    for (double& value : rest) value /= left;
    basis.push_back(std::move(rest));
  }
  return independent;
}

// The covariates as the surfaces take them, column by column.
Columns SurfaceColumns(const Ihdp& ihdp) {
  const int64_t n = ihdp.size();
  const int64_t p = ihdp.features();
  Columns columns(p, std::vector<double>(n));
  for (int64_t c = 0; c < p; ++c) {
    for (int64_t i = 0; i < n; ++i) columns[c][i] = ihdp.covariates[i * p + c];
  }
  for (const int32_t c : ihdp.first) {
    for (double& value : columns[c]) value += 1;
  }
  return columns;
}

bool IsBinary(std::vector<double> column) {
  std::ranges::sort(column);
  return std::ranges::unique(column).begin() - column.begin() == 2;
}

// Squares of the columns that are not binary, then products of all pairs, as R orders them.
std::vector<Product> AllProducts(const Columns& all, std::span<const int32_t> columns) {
  std::vector<Product> products;
  for (const int32_t c : columns) {
    if (!IsBinary(all[c])) products.emplace_back(c, c);
  }
  for (size_t a = 0; a < columns.size(); ++a) {
    for (size_t b = a + 1; b < columns.size(); ++b) products.emplace_back(columns[a], columns[b]);
  }
  return products;
}

std::vector<double> Multiplied(const Columns& columns, const Product& product) {
  std::vector<double> values = columns[product.first];
  for (size_t i = 0; i < values.size(); ++i) values[i] *= columns[product.second][i];
  return values;
}

// The products that are no linear combination of the intercept, the columns, and the products
// before them.
std::vector<Product> IndependentProducts(const Columns& all, std::span<const int32_t> columns,
                                         const std::vector<Product>& products) {
  Columns design = {std::vector<double>(all[0].size(), 1.0)};
  for (const int32_t c : columns) design.push_back(all[c]);
  const size_t before = design.size();
  for (const Product& product : products) design.push_back(Multiplied(all, product));
  const std::vector<bool> independent = Independent(design);
  std::vector<Product> kept;
  for (size_t i = 0; i < products.size(); ++i) {
    if (independent[before + i]) kept.push_back(products[i]);
  }
  return kept;
}

void AddTo(std::vector<double>& sum, double factor, const std::vector<double>& column) {
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += factor * column[i];
}

// [n], the propensity of npci's C.
std::vector<double> DrawPropensity(const Ihdp& ihdp, const random::Stream& stream) {
  const Columns x = SurfaceColumns(ihdp);
  random::Stream terms = stream.Split("terms");
  const std::vector<int32_t> columns =
      terms.Sample(static_cast<int32_t>(x.size()), kPropensityCovariates);
  const std::vector<Product> candidates = AllProducts(x, columns);
  std::vector<int32_t> chosen =
      terms.Sample(static_cast<int32_t>(candidates.size()), kPropensityProducts);
  std::ranges::sort(chosen);
  std::vector<Product> products;
  for (const int32_t product : chosen) products.push_back(candidates[product]);
  products = IndependentProducts(x, columns, products);

  random::Stream gamma = stream.Split("gamma");
  std::vector<double> logit(ihdp.size(), 0.0);
  for (const int32_t c : columns) AddTo(logit, gamma.Uniform(-.5, .5), x[c]);
  for (const Product& product : products) {
    AddTo(logit, gamma.Uniform(-.5, .5), Multiplied(x, product));
  }
  std::vector<double> sorted = logit;
  std::ranges::sort(sorted);
  const size_t half = sorted.size() / 2;
  const double median =
      sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  for (double& value : logit) value = Sigmoid(value - median - kPropensityShift);
  return logit;
}

bool HasBothArms(const std::vector<int32_t>& treatment) {
  return std::ranges::count(treatment, 0) > 0 && std::ranges::count(treatment, 1) > 0;
}

}  // namespace

absl::StatusOr<Ihdp> LoadIhdp(const std::string& path) {
  std::string file = path;
  if (path.empty()) {
    PERENNIAL_ASSIGN_OR_RETURN(file, base::FindRunfile("econml/ihdp/sim.csv"));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const data::CsvTable table, data::ReadCsv(file));
  const absl::StatusOr<std::vector<int32_t>> arms = ReadArms(table, "treat");
  if (!arms.ok()) return base::WithContext(arms.status(), file);
  const absl::StatusOr<std::vector<int32_t>> white = ReadArms(table, "momwhite");
  if (!white.ok()) return base::WithContext(white.status(), file);
  std::vector<int64_t> rows;
  Ihdp ihdp;
  for (int64_t i = 0; i < table.rows(); ++i) {
    if ((*arms)[i] == 1 && (*white)[i] == 0) continue;
    rows.push_back(i);
    ihdp.treatment.push_back((*arms)[i]);
  }
  if (!HasBothArms(ihdp.treatment)) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": an arm has no children"));
  }
  const int64_t n = ihdp.size();
  const auto p = static_cast<int64_t>(std::size(kNames));
  ihdp.covariates.resize(n * p);
  for (int64_t c = 0; c < p; ++c) {
    ihdp.names.push_back(kNames[c]);
    if (ihdp.names.back() == "first") ihdp.first.push_back(static_cast<int32_t>(c));
    PERENNIAL_ASSIGN_OR_RETURN(const std::span<const double> all, table.Numbers(kNames[c]));
    std::vector<double> column;
    for (const int64_t row : rows) {
      const bool fits = c < kContinuous ? std::isfinite(all[row]) : all[row] == 0 || all[row] == 1;
      if (!fits) {
        return absl::InvalidArgumentError(absl::StrCat(file, ": column ", kNames[c], ": row ",
                                                       row + 1, " is ", all[row], ", must be ",
                                                       c < kContinuous ? "a number" : "0 or 1"));
      }
      column.push_back(all[row]);
    }
    if (c < kContinuous) {
      const double mean = std::accumulate(column.begin(), column.end(), 0.0) / n;
      double squares = 0;
      for (double& value : column) {
        value -= mean;
        squares += value * value;
      }
      const double deviation = std::sqrt(squares / (n - 1));
      if (!(deviation > 0)) {
        return absl::InvalidArgumentError(
            absl::StrCat(file, ": column ", kNames[c], " is constant"));
      }
      for (double& value : column) value /= deviation;
    }
    for (int64_t i = 0; i < n; ++i) ihdp.covariates[i * p + c] = column[i];
  }
  const Columns x = SurfaceColumns(ihdp);
  std::vector<int32_t> all(p);
  std::iota(all.begin(), all.end(), 0);
  ihdp.products = IndependentProducts(x, all, AllProducts(x, all));
  return ihdp;
}

IhdpCoefficients DrawIhdpCoefficients(const Ihdp& ihdp, IhdpSurface surface,
                                      random::Stream stream) {
  const int64_t mains = 1 + ihdp.features();
  IhdpCoefficients coefficients;
  switch (surface) {
    case IhdpSurface::kHillA:
      for (int64_t j = 0; j < mains; ++j) {
        coefficients.control.push_back(Draw(kHillAValues, stream));
      }
      break;
    case IhdpSurface::kHillB:
      coefficients.control.push_back(-1 + 0.25 * static_cast<double>(stream.Below(9)));
      for (int64_t j = 1; j < mains; ++j) {
        coefficients.control.push_back(Draw(kHillBValues, stream));
      }
      break;
    case IhdpSurface::kNpciB:
    case IhdpSurface::kNpciC:
      for (std::vector<double>* arm : {&coefficients.control, &coefficients.treated}) {
        for (int64_t j = 0; j < mains; ++j) arm->push_back(Draw(kMainValues, stream));
        for (size_t j = 0; j < ihdp.products.size(); ++j) {
          arm->push_back(Draw(kProductValues, stream));
        }
      }
  }
  return coefficients;
}

std::vector<std::vector<double>> IhdpMeanOutcomes(const Ihdp& ihdp, IhdpSurface surface,
                                                  const IhdpCoefficients& coefficients) {
  const Columns x = SurfaceColumns(ihdp);
  const auto linear = [&](const std::vector<double>& beta) {
    std::vector<double> sum(ihdp.size(), beta[0]);
    for (size_t c = 0; c < x.size(); ++c) {
      if (beta[1 + c] != 0) AddTo(sum, beta[1 + c], x[c]);
    }
    return sum;
  };
  const bool hill = surface == IhdpSurface::kHillA || surface == IhdpSurface::kHillB;
  const size_t length = 1 + x.size() + (hill ? 0 : ihdp.products.size());
  CHECK_EQ(coefficients.control.size(), length);
  if (!hill) CHECK_EQ(coefficients.treated.size(), length);

  std::vector<double> control = linear(coefficients.control);
  if (surface == IhdpSurface::kHillA) {
    std::vector<double> treated = control;
    for (double& value : treated) value += kEffect;
    return {std::move(control), std::move(treated)};
  }
  if (surface == IhdpSurface::kHillB) {
    std::vector<double> treated = control;
    const double shift =
        kShift * std::accumulate(coefficients.control.begin() + 1, coefficients.control.end(), 0.0);
    for (double& value : control) value = std::exp(value + shift);
    return {std::move(control), std::move(treated)};
  }
  std::vector<double> treated = linear(coefficients.treated);
  for (size_t q = 0; q < ihdp.products.size(); ++q) {
    const double beta0 = coefficients.control[1 + x.size() + q];
    const double beta1 = coefficients.treated[1 + x.size() + q];
    if (beta0 == 0 && beta1 == 0) continue;
    const std::vector<double> product = Multiplied(x, ihdp.products[q]);
    AddTo(control, beta0, product);
    AddTo(treated, beta1, product);
  }
  return {std::move(control), std::move(treated)};
}

Observations IhdpRealisation(const Ihdp& ihdp, const IhdpConfig& config,
                             const random::Stream& stream) {
  const int64_t n = ihdp.size();
  const int64_t p = ihdp.features();
  Observations observations = {.covariate_names = ihdp.names,
                               .covariates = ihdp.covariates,
                               .treatment = ihdp.treatment,
                               .arms = 2};
  if (config.first_from_one) {
    for (const int32_t c : ihdp.first) {
      for (int64_t i = 0; i < n; ++i) observations.covariates[i * p + c] += 1;
    }
  }
  Truth truth;
  truth.mean_outcome =
      IhdpMeanOutcomes(ihdp, config.surface,
                       DrawIhdpCoefficients(ihdp, config.surface, stream.Split("coefficients")));
  if (config.surface == IhdpSurface::kNpciC) {
    const random::Stream treatment = stream.Split("treatment");
    const std::vector<double> treated = DrawPropensity(ihdp, treatment);
    std::vector<double> control;
    for (const double propensity : treated) control.push_back(1 - propensity);
    truth.propensity = {std::move(control), treated};
    // npci stops where an arm stays empty; here the arms are drawn again.
    int attempt = 0;
    do {
      observations.treatment =
          DrawArms(truth.propensity, treatment.Split("arms").Split(static_cast<uint64_t>(attempt)));
    } while (!HasBothArms(observations.treatment) && ++attempt < 1000);
  }

  std::vector<double>& mu0 = truth.mean_outcome[0];
  std::vector<double>& mu1 = truth.mean_outcome[1];
  if (config.surface != IhdpSurface::kHillA) {
    const int32_t anchor = config.anchor == IhdpAnchor::kTreated ? 1 : 0;
    double sum = 0;
    int64_t units = 0;
    for (int64_t i = 0; i < n; ++i) {
      if (observations.treatment[i] != anchor) continue;
      sum += mu1[i] - mu0[i];
      ++units;
    }
    const double omega = sum / static_cast<double>(units) - kEffect;
    for (double& value : mu1) value -= omega;
  }

  // Both outcomes have noise, so that a unit's outcome does not depend on the others' arms.
  random::Stream noise = stream.Split("noise");
  observations.outcome.reserve(n);
  for (int64_t i = 0; i < n; ++i) {
    const std::array<double, 2> outcome = {mu0[i] + noise.Normal(), mu1[i] + noise.Normal()};
    observations.outcome.push_back(outcome[observations.treatment[i]]);
  }
  observations.truth = std::move(truth);
  return observations;
}

}  // namespace perennial::causal
