// The CPU seconds that a distance between two samples takes on one thread, in double, and its
// value: for tools/peers/causal.py, which has POT compute the same from the same files.
//
//   tools/bazel run //causal/balance:balance_times -- --x x.npy --y y.npy --distance w1
//   tools/bazel run //causal/balance:balance_times -- --x x.npy --y y.npy --distance sinkhorn
//       --epsilon 6.4 --iterations 100
//
// x [n] or [n, d] and y [m] or [m, d] are .npy files of doubles. Distances: w1, w2 (its square),
// both of d = 1; sinkhorn, entropic transport of squared Euclidean costs, and sinkhorn_divergence,
// less half of that of each sample to itself (discrepancy.h). Prints a JSON object: distance, n, m,
// d, value, cpu_s, the median of evaluations that take --seconds together, one at least, and
// gradient_cpu_s, the same with both gradients.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "causal/balance/discrepancy.h"
#include "causal/balance/wasserstein.h"
#include "common/base/cpu_clock.h"
#include "common/base/excerpt.h"
#include "common/base/flags.h"
#include "common/base/json_text.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"
#include "common/data/npy.h"
#include "common/kernels/aligned.h"

namespace perennial::causal {
namespace {

const char* const kDistances[] = {"w1", "w2", "sinkhorn", "sinkhorn_divergence"};

struct Options {
  std::string x, y, distance;
  DiscrepancyConfig sinkhorn = {
      .kind = DiscrepancyKind::kSinkhorn, .epsilon = 1, .relative_epsilon = false};
  double seconds = 0.2;
  bool help = false;
};

const base::FlagSet<Options>& Flags() {
  const auto text = [](std::string Options::*field) {
    return [field](const std::string& value, Options& options) {
      options.*field = value;
      return absl::OkStatus();
    };
  };
  static const auto* const flags = new base::FlagSet<Options>({
      {"x", "FILE", "One sample, .npy.", text(&Options::x)},
      {"y", "FILE", "The other one.", text(&Options::y)},
      {"distance", "NAME", "w1, w2, sinkhorn or sinkhorn_divergence.", text(&Options::distance)},
      {"epsilon", "E", "Of Sinkhorn, in the unit of costs; 1 if not given.",
       [](const std::string& value, Options& options) -> absl::Status {
         if (absl::SimpleAtod(value, &options.sinkhorn.epsilon)) return absl::OkStatus();
         return absl::InvalidArgumentError(
             absl::StrCat("--epsilon ", base::Excerpt(value), ": must be a number"));
       }},
      {"iterations", "N", "Of Sinkhorn; 20 if not given.",
       [](const std::string& value, Options& options) -> absl::Status {
         if (absl::SimpleAtoi(value, &options.sinkhorn.iterations)) return absl::OkStatus();
         return absl::InvalidArgumentError(
             absl::StrCat("--iterations ", base::Excerpt(value), ": must be a whole number"));
       }},
      {"seconds", "S", "Of CPU time, of all evaluations; 0.2 if not given.",
       [](const std::string& value, Options& options) -> absl::Status {
         double& seconds = options.seconds;
         if (absl::SimpleAtod(value, &seconds) && seconds >= 0 && seconds <= 3600) {
           return absl::OkStatus();
         }
         return absl::InvalidArgumentError(
             absl::StrCat("--seconds ", base::Excerpt(value), ": must be from 0 to 3600"));
       }},
      {"help", nullptr, "Prints this.",
       [](const std::string&, Options& options) {
         options.help = true;
         return absl::OkStatus();
       }},
  });
  return *flags;
}

struct Points {
  std::vector<double> values;
  int64_t rows = 0;
  int64_t columns = 0;

  kernels::MatrixView<const double> view() const { return {values.data(), rows, columns, columns}; }
};

absl::StatusOr<Points> ReadPoints(const char* flag, const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError(absl::StrCat("--", flag, " must be given"));
  PERENNIAL_ASSIGN_OR_RETURN(const data::NpyArray array, data::ReadNpy(path));
  const std::vector<int64_t>& shape = array.shape();
  if ((shape.size() != 1 && shape.size() != 2) || array.size() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": must be [rows] or [rows, columns] and not empty"));
  }
  Points points = {.rows = shape[0], .columns = shape.size() == 2 ? shape[1] : 1};
  PERENNIAL_ASSIGN_OR_RETURN(points.values, array.Read<double>());
  return points;
}

// Median CPU seconds of a call.
double Seconds(double budget, const std::function<void()>& call) {
  std::vector<double> times;
  double sum = 0;
  call();
  while (times.empty() || sum < budget) {
    const double begin = base::ThreadCpuSeconds();
    call();
    times.push_back(base::ThreadCpuSeconds() - begin);
    sum += times.back();
  }
  std::ranges::nth_element(times, times.begin() + std::ssize(times) / 2);
  return times[times.size() / 2];
}

template <typename Distance>
std::string Measure(const Options& options, const Points& x, const Points& y, Distance distance) {
  std::vector<double> gradient_x(x.values.size()), gradient_y(y.values.size());
  const kernels::MatrixView<double> to_x = {gradient_x.data(), x.rows, x.columns, x.columns};
  const kernels::MatrixView<double> to_y = {gradient_y.data(), y.rows, y.columns, y.columns};
  double value = 0;
  const double seconds =
      Seconds(options.seconds, [&] { value = distance.Evaluate(x.view(), y.view(), 1, {}, {}); });
  // So small that gradients that are added up stay finite.
  const double gradient_seconds =
      Seconds(options.seconds, [&] { distance.Evaluate(x.view(), y.view(), 1e-9, to_x, to_y); });
  base::JsonObject json;
  json.Add("distance", options.distance).Add("n", x.rows).Add("m", y.rows).Add("d", x.columns);
  json.Add("value", value).Add("cpu_s", seconds).Add("gradient_cpu_s", gradient_seconds);
  return json.Text();
}

absl::Status Run(const std::vector<std::string>& arguments) {
  Options options;
  PERENNIAL_RETURN_IF_ERROR(Flags().Parse(arguments, options));
  if (options.help) {
    std::cout << "The time and the value of a distance between two samples.\n\n"
              << Flags().Help(20);
    return absl::OkStatus();
  }
  const std::vector<std::string> names(std::begin(kDistances), std::end(kDistances));
  if (std::ranges::find(names, options.distance) == names.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--distance: ",
                     base::UnknownNameMessage("distance", base::Excerpt(options.distance), names)));
  }
  PERENNIAL_RETURN_IF_ERROR(Validate(options.sinkhorn));
  PERENNIAL_ASSIGN_OR_RETURN(const Points x, ReadPoints("x", options.x));
  PERENNIAL_ASSIGN_OR_RETURN(const Points y, ReadPoints("y", options.y));
  const bool line = options.distance == "w1" || options.distance == "w2";
  if (x.columns != y.columns || (line && x.columns != 1)) {
    return absl::InvalidArgumentError(absl::StrCat("x has ", x.columns, " columns, y ", y.columns,
                                                   line ? ": w1 and w2 are of 1" : ""));
  }
  if (line) {
    const WassersteinKind kind =
        options.distance == "w1" ? WassersteinKind::kW1 : WassersteinKind::kW2Squared;
    std::cout << Measure(options, x, y, Wasserstein1d<double>(kind, x.rows, y.rows)) << "\n";
    return absl::OkStatus();
  }
  options.sinkhorn.debiased = options.distance == "sinkhorn_divergence";
  std::cout << Measure(options, x, y,
                       Discrepancy<double>(options.sinkhorn, x.rows, y.rows, x.columns))
            << "\n";
  return absl::OkStatus();
}

}  // namespace
}  // namespace perennial::causal

int main(int argc, char** argv) {
  const absl::Status status =
      perennial::causal::Run(std::vector<std::string>(argv + 1, argv + argc));
  if (status.ok()) return 0;
  std::cerr << "error: " << status.message() << "\n";
  return 1;
}
