#include "causal/data/honest_generator.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "causal/data/check_range.h"
#include "causal/data/logit.h"
#include "causal/data/random_surface.h"
#include "causal/data/simulation.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/kernels/aligned.h"
#include "common/stats/normal.h"

namespace perennial::causal {
namespace {

constexpr int64_t kReferenceUnits = 16384;

// A covariate as a function of its N(0, 1) variable z.
struct Column {
  enum class Kind { kNormal, kBinary, kCategorical };
  Kind kind = Kind::kNormal;
  std::string name;
  bool hidden = false;
  double direction = 1;        // Of a shift.
  double share = 0;            // Binary: of ones, which are the z above the first cut.
  std::vector<double> cuts;    // Categorical: levels - 1.
  std::vector<double> scores;  // Categorical: by level.

  size_t Level(double z) const { return std::ranges::upper_bound(cuts, z) - cuts.begin(); }

  // What surfaces see.
  double Score(double z) const {
    switch (kind) {
      case Kind::kNormal:
        return z;
      case Kind::kBinary:
        return ((z > cuts[0] ? 1 : 0) - share) / std::sqrt(share * (1 - share));
      case Kind::kCategorical:
        return scores[Level(z)];
    }
    LOG(FATAL) << "no kind " << static_cast<int>(kind);
  }

  void AppendNames(std::vector<std::string>& names) const {
    if (kind != Kind::kCategorical) {
      names.push_back(name);
      return;
    }
    for (size_t level = 1; level <= scores.size(); ++level) {
      names.push_back(absl::StrCat(name, "=", level));
    }
  }

  void AppendValues(double z, std::vector<double>& values) const {
    switch (kind) {
      case Kind::kNormal:
        values.push_back(z);
        break;
      case Kind::kBinary:
        values.push_back(z > cuts[0] ? 1 : 0);
        break;
      case Kind::kCategorical: {
        const size_t level = Level(z);
        for (size_t l = 0; l < scores.size(); ++l) values.push_back(l == level ? 1 : 0);
        break;
      }
    }
  }
};

// Indices among all columns.
using Block = std::vector<int32_t>;

absl::Status CheckKnobs(const HonestConfig& c) {
  const auto width = [](absl::string_view what, int32_t value) {
    return CheckRange(what, value, 0, 10000);
  };
  PERENNIAL_RETURN_IF_ERROR(width("instruments", c.instruments));
  PERENNIAL_RETURN_IF_ERROR(width("confounders", c.confounders));
  PERENNIAL_RETURN_IF_ERROR(width("outcome_only", c.outcome_only));
  PERENNIAL_RETURN_IF_ERROR(width("effect_only", c.effect_only));
  PERENNIAL_RETURN_IF_ERROR(width("noise", c.noise));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("binary_share", c.binary_share, 0, 1));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("categorical_share", c.categorical_share, 0, 1));
  // 0.8 and 0.2 are 1 but for rounding.
  PERENNIAL_RETURN_IF_ERROR(CheckRange("binary_share and categorical_share together",
                                       c.binary_share + c.categorical_share, 0, 1 + 1e-9));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("levels", c.levels, 2, 100));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("hidden_share", c.hidden_share, 0, 1));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("arms", c.arms, 2, 10));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("treated_share", c.treated_share, 0, 1));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("kappa", c.kappa, 0, 50));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("instrument_share", c.instrument_share, 0, 1));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("overlap_floor", c.overlap_floor, 0, 1.0 / c.arms));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("nonlinearity", c.nonlinearity, 0, 1));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("alignment", c.alignment, -1, 1));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("outcome_mean", c.outcome_mean, -1e6, 1e6));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("outcome_sd", c.outcome_sd, 0, 1e6));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("effect_mean", c.effect_mean, -1e6, 1e6));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("effect_sd", c.effect_sd, 0, 1e6));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("effect_alignment", c.effect_alignment, -1, 1));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("noise_sd", c.noise_sd, 0, 1e6));
  return CheckRange("heteroskedasticity", c.heteroskedasticity, 0, 2);
}

absl::Status CheckConsistency(const HonestConfig& c) {
  const double treated = c.treated_share / (c.arms - 1);
  if (!(treated > c.overlap_floor && 1 - c.treated_share > c.overlap_floor)) {
    return absl::InvalidArgumentError(
        absl::StrCat("treated_share is ", c.treated_share, ": every one of the ", c.arms,
                     " arms needs a share above overlap_floor = ", c.overlap_floor));
  }
  const auto needs = [](absl::string_view block, absl::string_view knob, double value,
                        absl::string_view wanted) {
    return absl::InvalidArgumentError(absl::StrCat(block, " is 0: then ", knob, " = ", value,
                                                   " acts on nothing, it must be ", wanted));
  };
  if (c.instruments == 0 && c.instrument_share != 0) {
    return needs("instruments", "instrument_share", c.instrument_share, "0");
  }
  if (c.confounders == 0) {
    if (c.instrument_share != 1) {
      return needs("confounders", "instrument_share", c.instrument_share, "1");
    }
    if (c.alignment != 0) return needs("confounders", "alignment", c.alignment, "0");
    if (c.effect_sd != 0 && c.effect_alignment != 0) {
      return needs("confounders", "effect_alignment", c.effect_alignment, "0");
    }
  }
  if (c.outcome_only == 0 && std::abs(c.alignment) != 1) {
    return needs("outcome_only", "alignment", c.alignment, "1 or -1");
  }
  if (c.effect_only == 0 && c.effect_sd != 0 && std::abs(c.effect_alignment) != 1) {
    return needs("effect_only", "effect_alignment", c.effect_alignment, "1 or -1, or effect_sd 0");
  }
  if (c.binary_outcome && c.heteroskedasticity != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("heteroskedasticity is ", c.heteroskedasticity,
                     ": binary outcomes have no noise of their own, it must be 0"));
  }
  return absl::OkStatus();
}

Column MakeColumn(const HonestConfig& config, std::string name, Column::Kind kind,
                  random::Stream stream) {
  Column column = {.kind = kind, .name = std::move(name)};
  column.direction = stream.Split("direction").Below(2) == 0 ? -1 : 1;
  if (kind == Column::Kind::kBinary) {
    column.share = stream.Split("share").Uniform(0.2, 0.8);
    column.cuts = {stats::NormalQuantile(1 - column.share)};
  } else if (kind == Column::Kind::kCategorical) {
    // Equally likely levels, so equally spaced scores have mean 0 and this standard deviation.
    const double levels = config.levels;
    const double sd = std::sqrt((levels * levels - 1) / 12);
    for (int32_t level = 0; level < config.levels; ++level) {
      if (level > 0) column.cuts.push_back(stats::NormalQuantile(level / levels));
      column.scores.push_back((level - (levels - 1) / 2) / sd);
    }
    stream.Split("scores").Shuffle(std::span(column.scores));
  }
  return column;
}

// Zero where there is no block.
Surface MakeScore(const Block& block, double nonlinearity,
                  kernels::MatrixView<const double> reference, const random::Stream& stream) {
  if (block.empty()) return {};
  return RandomSurface(block, nonlinearity, reference, stream);
}

// Solves matrix x = b by Cholesky's decomposition, in place; false if the matrix is not positive
// definite, or hardly so.
bool SolvePositive(std::vector<double> matrix, std::vector<double>& b) {
  const size_t n = b.size();
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = matrix[i * n + j];
      for (size_t k = 0; k < j; ++k) sum -= matrix[i * n + k] * matrix[j * n + k];
      if (i != j) {
        matrix[i * n + j] = sum / matrix[j * n + j];
      } else if (sum > 1e-12 * matrix[i * n + i]) {
        matrix[i * n + i] = std::sqrt(sum);
      } else {
        return false;
      }
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) b[i] -= matrix[i * n + k] * b[k];
    b[i] /= matrix[i * n + i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) b[i] -= matrix[k * n + i] * b[k];
    b[i] /= matrix[i * n + i];
  }
  return true;
}

double OrthogonalPart(double cosine) { return std::sqrt(1 - cosine * cosine); }

}  // namespace

struct HonestGenerator::Design {
  HonestConfig config;
  std::vector<Column> columns;  // Of all blocks, in the order of the config.
  std::vector<std::string> hidden;
  size_t active = 0;                                    // The columns before it act on something.
  std::vector<Surface> instrument, confounder, effect;  // By treated arm.
  double sum_mean = 0, sum_sd = 1;                      // Of the sum of the confounder scores.
  Surface outcome, log_scale;
  double scale = 1;  // Of h.
  std::vector<double> intercepts;

  // f of a treated arm, and the confounders' part of it.
  struct Selection {
    double score, confounder;
  };
  Selection SelectionAt(size_t treated, std::span<const double> x) const {
    const double confounding = SurfaceAt(confounder[treated], x);
    return {.score = std::sqrt(1 - config.instrument_share) * confounding +
                     std::sqrt(config.instrument_share) * SurfaceAt(instrument[treated], x),
            .confounder = confounding};
  }

  // softmax of 0 and kappa f_a + c_a: [arms].
  void Softmax(std::span<const double> f, std::span<double> shares) const {
    double largest = 0;
    shares[0] = 0;
    for (size_t a = 0; a < f.size(); ++a) {
      shares[a + 1] = config.kappa * f[a] + intercepts[a];
      largest = std::max(largest, shares[a + 1]);
    }
    double sum = 0;
    for (double& share : shares) sum += share = std::exp(share - largest);
    for (double& share : shares) share /= sum;
  }

  // What SolveIntercepts needs to know at the present intercepts, over the rows of f.
  struct Balance {
    std::vector<double> means;    // [arms], of the softmax
    std::vector<double> hessian;  // [treated, treated], derivatives of the treated arms' means
    double error = 0;             // Largest relative distance of the means from the targets.
  };
  Balance BalanceOf(const std::vector<double>& f, const std::vector<double>& targets) const {
    const size_t arms = targets.size();
    const size_t treated = arms - 1;
    Balance balance = {.means = std::vector<double>(arms),
                       .hessian = std::vector<double>(treated * treated)};
    std::vector<double> shares(arms);
    const double weight = 1 / static_cast<double>(f.size() / treated);
    for (size_t r = 0; r < f.size(); r += treated) {
      Softmax(std::span(f).subspan(r, treated), shares);
      for (size_t a = 0; a < arms; ++a) balance.means[a] += weight * shares[a];
      for (size_t a = 0; a < treated; ++a) {
        balance.hessian[a * treated + a] += weight * shares[a + 1];
        for (size_t b = 0; b < treated; ++b) {
          balance.hessian[a * treated + b] -= weight * shares[a + 1] * shares[b + 1];
        }
      }
    }
    for (size_t a = 0; a < arms; ++a) {
      balance.error = std::max(balance.error, std::abs(balance.means[a] / targets[a] - 1));
    }
    return balance;
  }

  // c such that the softmax's means over the rows of f [rows, arms - 1] are the targets [arms]: a
  // multinomial regression on intercepts, whose likelihood is concave. Newton's step where it
  // brings the means nearer, else the scaling that raises the intercept of an arm by the logarithm
  // of what it lacks, which is slow but always goes up.
  absl::Status SolveIntercepts(const std::vector<double>& f, const std::vector<double>& targets) {
    const size_t treated = targets.size() - 1;
    intercepts.resize(treated);
    for (size_t a = 0; a < treated; ++a) intercepts[a] = std::log(targets[a + 1] / targets[0]);
    Balance balance = BalanceOf(f, targets);
    for (int step = 0; step < 2000 && balance.error >= 1e-9; ++step) {
      const std::vector<double> before = intercepts;
      std::vector<double> direction(treated);
      for (size_t a = 0; a < treated; ++a) direction[a] = targets[a + 1] - balance.means[a + 1];
      if (SolvePositive(balance.hessian, direction)) {
        for (size_t a = 0; a < treated; ++a) intercepts[a] += direction[a];
        if (Balance next = BalanceOf(f, targets); next.error < balance.error) {
          balance = std::move(next);
          continue;
        }
      }
      const double control = std::log(targets[0] / balance.means[0]);
      for (size_t a = 0; a < treated; ++a) {
        intercepts[a] = before[a] + std::log(targets[a + 1] / balance.means[a + 1]) - control;
      }
      balance = BalanceOf(f, targets);
    }
    if (balance.error < 1e-9) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "no intercepts give treated_share = ", config.treated_share, " with kappa = ", config.kappa,
        " and overlap_floor = ", config.overlap_floor, "; ask for a weaker selection"));
  }
};

absl::StatusOr<HonestGenerator> HonestGenerator::Create(const HonestConfig& config,
                                                        const random::Stream& stream) {
  PERENNIAL_RETURN_IF_ERROR(CheckKnobs(config));
  PERENNIAL_RETURN_IF_ERROR(CheckConsistency(config));
  auto design = std::make_shared<Design>();
  design->config = config;

  const auto add_block = [&](absl::string_view name, int32_t width) {
    Block block;
    const auto categorical = static_cast<int32_t>(std::lround(config.categorical_share * width));
    const auto binary = static_cast<int32_t>(
        std::min<int64_t>(std::lround(config.binary_share * width), width - categorical));
    for (int32_t i = 0; i < width; ++i) {
      const Column::Kind kind = i >= width - categorical            ? Column::Kind::kCategorical
                                : i >= width - categorical - binary ? Column::Kind::kBinary
                                                                    : Column::Kind::kNormal;
      block.push_back(static_cast<int32_t>(design->columns.size()));
      design->columns.push_back(
          MakeColumn(config, absl::StrCat(name, "_", i + 1), kind,
                     stream.Split("columns").Split(name).Split(static_cast<uint64_t>(i))));
    }
    return block;
  };
  const Block instruments = add_block("instrument", config.instruments);
  const Block confounders = add_block("confounder", config.confounders);
  const Block outcome_only = add_block("outcome", config.outcome_only);
  const Block effect_only = add_block("effect", config.effect_only);
  design->active = design->columns.size();
  add_block("noise", config.noise);

  std::vector<int32_t> order = confounders;
  stream.Split("hidden").Shuffle(std::span(order));
  order.resize(std::lround(config.hidden_share * config.confounders));
  std::ranges::sort(order);
  for (const int32_t column : order) {
    design->columns[column].hidden = true;
    design->hidden.push_back(design->columns[column].name);
  }
  if (order.size() == design->columns.size()) {
    return absl::InvalidArgumentError("no covariate is left: all blocks are empty or hidden");
  }

  // The population, as far as it acts on something.
  const int64_t active = static_cast<int64_t>(design->active);
  PERENNIAL_RETURN_IF_ERROR(CheckSize(kReferenceUnits, active));
  random::Stream reference_stream = stream.Split("reference");
  std::vector<double> scores(kReferenceUnits * active);
  for (size_t i = 0; i < scores.size(); ++i) {
    scores[i] = design->columns[i % active].Score(reference_stream.Normal());
  }
  const kernels::MatrixView<const double> reference = {scores.data(), kReferenceUnits, active,
                                                       active};
  const auto unit = [&](int64_t r) { return std::span(scores).subspan(r * active, active); };
  const size_t treated = config.arms - 1;
  const auto make_scores = [&](absl::string_view name, const Block& block) {
    std::vector<Surface> of_arms;
    for (size_t a = 0; a < treated; ++a) {
      of_arms.push_back(MakeScore(block, config.nonlinearity, reference,
                                  stream.Split(name).Split(static_cast<uint64_t>(a))));
    }
    return of_arms;
  };
  design->instrument = make_scores("instrument", instruments);
  design->confounder = make_scores("confounder", confounders);
  design->effect = make_scores("effect", effect_only);
  design->outcome =
      MakeScore(outcome_only, config.nonlinearity, reference, stream.Split("outcome"));

  std::vector<double> f(kReferenceUnits * treated);
  std::vector<double> sums(kReferenceUnits);
  for (int64_t r = 0; r < kReferenceUnits; ++r) {
    for (size_t a = 0; a < treated; ++a) {
      const Design::Selection selection = design->SelectionAt(a, unit(r));
      f[r * treated + a] = selection.score;
      sums[r] += selection.confounder;
    }
  }
  if (treated > 1 && config.confounders > 0) {
    double mean = 0;
    for (const double sum : sums) mean += sum / kReferenceUnits;
    double variance = 0;
    for (const double sum : sums) variance += (sum - mean) * (sum - mean) / kReferenceUnits;
    design->sum_mean = mean;
    design->sum_sd = std::sqrt(variance);
    // One binary confounder and two scores of it, say, of opposite signs.
    if (!(design->sum_sd > 1e-3)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the arms' scores of ", config.confounders,
                       " confounders cancel each other; ask for more confounders or another seed"));
    }
  }

  std::vector<double> targets(config.arms);
  const double squeezed = 1 - config.arms * config.overlap_floor;
  for (int32_t a = 0; a < config.arms; ++a) {
    const double share =
        a == 0 ? 1 - config.treated_share : config.treated_share / static_cast<double>(treated);
    targets[a] = (share - config.overlap_floor) / squeezed;
  }
  PERENNIAL_RETURN_IF_ERROR(design->SolveIntercepts(f, targets));

  if (config.heteroskedasticity > 0) {
    Block acting;
    for (const Block* block : {&confounders, &outcome_only, &effect_only}) {
      acting.insert(acting.end(), block->begin(), block->end());
    }
    if (acting.empty()) {
      return absl::InvalidArgumentError(
          "heteroskedasticity needs confounders, outcome_only or effect_only");
    }
    design->log_scale =
        MakeScore(acting, /*nonlinearity=*/0, reference, stream.Split("noise scale"));
    double square = 0;
    for (int64_t r = 0; r < kReferenceUnits; ++r) {
      square += std::exp(2 * config.heteroskedasticity * SurfaceAt(design->log_scale, unit(r)));
    }
    design->scale = 1 / std::sqrt(square / kReferenceUnits);
  }
  return HonestGenerator(std::move(design));
}

absl::StatusOr<Observations> HonestGenerator::Sample(int64_t n, const HonestStreams& streams,
                                                     double shift) const {
  const Design& design = *design_;
  const HonestConfig& config = design.config;
  PERENNIAL_RETURN_IF_ERROR(CheckRange("n", static_cast<double>(n), 2, 1e7));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("shift", shift, -10, 10));
  Observations sample = {.arms = config.arms, .binary_outcome = config.binary_outcome};
  for (const Column& column : design.columns) {
    if (!column.hidden) column.AppendNames(sample.covariate_names);
  }
  PERENNIAL_RETURN_IF_ERROR(CheckSize(n, sample.features()));
  sample.covariates.reserve(n * sample.features());
  Truth& truth = sample.truth.emplace();
  truth.mean_outcome.assign(config.arms, std::vector<double>(n));
  truth.propensity.assign(config.arms, std::vector<double>(n));
  std::vector<double> noise_sd(n, config.noise_sd);

  const size_t treated = config.arms - 1;
  std::vector<double> x(design.active);
  std::vector<double> f(treated);
  std::vector<double> shares(config.arms);
  random::Stream covariates = streams.covariates;
  for (int64_t i = 0; i < n; ++i) {
    for (size_t c = 0; c < design.columns.size(); ++c) {
      const Column& column = design.columns[c];
      const double z = covariates.Normal() + shift * column.direction;
      if (c < design.active) x[c] = column.Score(z);
      if (!column.hidden) column.AppendValues(z, sample.covariates);
    }
    double sum = 0;
    for (size_t a = 0; a < treated; ++a) {
      const Design::Selection selection = design.SelectionAt(a, x);
      f[a] = selection.score;
      sum += selection.confounder;
    }
    const double confounding = (sum - design.sum_mean) / design.sum_sd;
    design.Softmax(f, shares);
    for (int32_t a = 0; a < config.arms; ++a) {
      const double e = config.overlap_floor + (1 - config.arms * config.overlap_floor) * shares[a];
      if (!(e > 0 && e < 1)) {
        return absl::InvalidArgumentError(absl::StrCat(
            "the propensity of arm ", a, " of unit ", i + 1, " is ", e,
            " with kappa = ", config.kappa, " and overlap_floor = ", config.overlap_floor,
            "; raise overlap_floor or lower kappa"));
      }
      truth.propensity[a][i] = e;
    }
    const double control =
        config.outcome_mean +
        config.outcome_sd * (config.alignment * confounding +
                             OrthogonalPart(config.alignment) * SurfaceAt(design.outcome, x));
    for (int32_t a = 0; a < config.arms; ++a) {
      double mean = control;
      if (a > 0) {
        mean += config.effect_mean + config.effect_sd * (config.effect_alignment * confounding +
                                                         OrthogonalPart(config.effect_alignment) *
                                                             SurfaceAt(design.effect[a - 1], x));
      }
      truth.mean_outcome[a][i] = config.binary_outcome ? Sigmoid(mean) : mean;
    }
    if (config.heteroskedasticity > 0) {
      noise_sd[i] *=
          design.scale * std::exp(config.heteroskedasticity * SurfaceAt(design.log_scale, x));
    }
  }

  sample.treatment = DrawArms(truth.propensity, streams.treatment);
  random::Stream outcome = streams.outcome;
  sample.outcome.resize(n);
  for (int64_t i = 0; i < n; ++i) {
    const double mean = truth.mean_outcome[sample.treatment[i]][i];
    sample.outcome[i] = config.binary_outcome ? (outcome.Uniform() < mean ? 1 : 0)
                                              : mean + noise_sd[i] * outcome.Normal();
  }
  return Validated(std::move(sample));
}

const HonestConfig& HonestGenerator::config() const { return design_->config; }

const std::vector<double>& HonestGenerator::intercepts() const { return design_->intercepts; }

const std::vector<std::string>& HonestGenerator::hidden() const { return design_->hidden; }

absl::StatusOr<Observations> HonestSample(const HonestConfig& config, int64_t n,
                                          const random::Stream& stream) {
  PERENNIAL_ASSIGN_OR_RETURN(const HonestGenerator generator,
                             HonestGenerator::Create(config, stream.Split("surfaces")));
  return generator.Sample(n, HonestStreams(stream.Split("sample")));
}

}  // namespace perennial::causal
