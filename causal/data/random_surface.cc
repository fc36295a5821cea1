#include "causal/data/random_surface.h"

#include <algorithm>
#include <cmath>

#include "common/base/logging.h"

namespace perennial::causal {
namespace {

struct Moments {
  double mean, sd;
};

Moments MomentsOf(const std::vector<double>& values) {
  const double n = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  const double mean = sum / n;
  double scatter = 0;
  for (const double value : values) scatter += (value - mean) * (value - mean);
  return {.mean = mean, .sd = std::sqrt(scatter / n)};
}

double TermAt(const SurfaceTerm& term, const double* x) {
  const double value = x[term.column];
  switch (term.kind) {
    case SurfaceTerm::Kind::kLinear:
      return value;
    case SurfaceTerm::Kind::kSquare:
      return value * value;
    case SurfaceTerm::Kind::kProduct:
      return value * x[term.other];
    case SurfaceTerm::Kind::kSine:
      return std::sin(term.parameter * value);
    case SurfaceTerm::Kind::kStep:
      return value > term.parameter ? 1 : 0;
  }
  LOG(FATAL) << "no kind " << static_cast<int>(term.kind);
}

std::vector<double> ValuesOn(const SurfaceTerm& term, kernels::MatrixView<const double> reference) {
  std::vector<double> values(reference.rows);
  for (int64_t r = 0; r < reference.rows; ++r) values[r] = TermAt(term, reference.row(r));
  return values;
}

SurfaceTerm RandomTerm(std::span<const int32_t> columns, random::Stream& stream) {
  using Kind = SurfaceTerm::Kind;
  constexpr Kind kKinds[] = {Kind::kSquare, Kind::kSine, Kind::kStep, Kind::kProduct};
  SurfaceTerm term = {.kind = kKinds[stream.Below(columns.size() > 1 ? 4 : 3)]};
  const size_t first = stream.Below(columns.size());
  term.column = columns[first];
  if (term.kind == Kind::kProduct) {
    // Another column: one of the rest.
    const size_t second = stream.Below(columns.size() - 1);
    term.other = columns[second < first ? second : second + 1];
  } else if (term.kind == Kind::kSine) {
    term.parameter = stream.Uniform(1, 3);
  } else if (term.kind == Kind::kStep) {
    term.parameter = 0.5 * stream.Normal();
  }
  return term;
}

double RandomWeight(random::Stream& stream) {
  const double size = stream.Uniform(0.5, 1);
  return stream.Below(2) == 0 ? size : -size;
}

// Terms, and their sum on the reference.
struct Part {
  std::vector<SurfaceTerm> terms;
  std::vector<double> values;

  void Add(SurfaceTerm term, double weight, const std::vector<double>& on_reference, double sd) {
    term.weight = weight / sd;
    for (size_t r = 0; r < values.size(); ++r) values[r] += term.weight * on_reference[r];
    terms.push_back(term);
  }
  void Scale(double factor) {
    for (SurfaceTerm& term : terms) term.weight *= factor;
    for (double& value : values) value *= factor;
  }
};

}  // namespace

double SurfaceAt(const Surface& surface, std::span<const double> x) {
  double sum = surface.constant;
  for (const SurfaceTerm& term : surface.terms) {
    DCHECK_LT(static_cast<size_t>(std::max(term.column, term.other)), x.size());
    sum += term.weight * TermAt(term, x.data());
  }
  return sum;
}

Surface RandomSurface(std::span<const int32_t> columns, double nonlinearity,
                      kernels::MatrixView<const double> reference, random::Stream stream) {
  CHECK(!columns.empty());
  CHECK(nonlinearity >= 0 && nonlinearity <= 1) << nonlinearity;
  // What varies less is constant but for rounding.
  constexpr double kLeastSd = 1e-6;
  const auto part_of = [&] { return Part{.values = std::vector<double>(reference.rows)}; };
  Part linear = part_of();
  random::Stream linear_stream = stream.Split("linear");
  for (const int32_t column : columns) {
    const SurfaceTerm term = {.column = column};
    const std::vector<double> values = ValuesOn(term, reference);
    const double sd = MomentsOf(values).sd;
    CHECK_GT(sd, kLeastSd) << "column " << column << " is constant";
    linear.Add(term, RandomWeight(linear_stream), values, sd);
  }
  Part other = part_of();
  if (nonlinearity > 0) {
    random::Stream other_stream = stream.Split("other");
    const size_t wanted = std::max<size_t>(columns.size(), 2);
    // The square of a column of two values may be constant: another term then.
    for (size_t tries = 0; other.terms.size() < wanted && tries < 100 * wanted; ++tries) {
      const SurfaceTerm term = RandomTerm(columns, other_stream);
      const double weight = RandomWeight(other_stream);
      const std::vector<double> values = ValuesOn(term, reference);
      const double sd = MomentsOf(values).sd;
      if (sd > kLeastSd) other.Add(term, weight, values, sd);
    }
    const double sd = MomentsOf(other.values).sd;
    // Terms of one two-valued column can cancel each other, and the linear part.
    double common = 0;
    for (size_t r = 0; r < other.values.size(); ++r) common += linear.values[r] * other.values[r];
    const double sign = common < 0 ? -1 : 1;
    other.Scale(sd > kLeastSd ? sign * std::sqrt(nonlinearity) / sd : 0);
  }
  const double linear_sd = MomentsOf(linear.values).sd;
  CHECK_GT(linear_sd, kLeastSd);
  linear.Scale(std::sqrt(1 - nonlinearity) / linear_sd);
  Part sum = std::move(linear);
  for (size_t r = 0; r < sum.values.size(); ++r) sum.values[r] += other.values[r];
  sum.terms.insert(sum.terms.end(), other.terms.begin(), other.terms.end());
  const Moments moments = MomentsOf(sum.values);
  CHECK_GT(moments.sd, kLeastSd);
  sum.Scale(1 / moments.sd);
  return {.constant = -moments.mean / moments.sd, .terms = std::move(sum.terms)};
}

}  // namespace perennial::causal
