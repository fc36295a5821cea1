// The CPU seconds that methods take to be fitted to a realisation, on one thread, and the errors of
// their effects; and the realisation as files, for others to be measured on.
//
//   tools/bazel run //causal:sample_times -- --config ihdp --seeds 0..9
//   tools/bazel run //causal:sample_times -- --config ihdp --seeds 0..9 --out DIR
//
// Takes an experiment's --config, --set, --seeds and --data. Prints one JSON object a method and
// seed: method, seed, sample (a text that tells it from others), steps, steps_cpu_s, fit_cpu_s (the
// steps and what comes before the first), predict_cpu_s, and where the truth is known sqrt_pehe_in,
// sqrt_pehe_out, ate_error and ate_error_out as experiments measure them. Average effects are those
// of the predictions: a method's `average` is not looked at.
//
// With --out each seed has a folder seed_<seed> there:
//   sample.json          sample, group, seed, units, features, arms, binary_outcome; truth, where
//                        it is known, over all units: ate, att, atc (over controls), effect_sd, and
//                        where propensities are known propensity_lowest and propensity_highest,
//                        outside_05_95, the share of units with one outside [0.05, 0.95], and
//                        confounding_r2, of the regression of mu0 on the logit of the propensity
//                        (null if one of them does not vary); of more arms than two a list, an
//                        object a treated arm
//   x.npy [n, p], t.npy [n], y.npy [n], mu<a>.npy [n], E[Y(a) | X] where it is known
//   e.npy [n], P(T = 1 | X) where it is known; e<a>.npy of more arms than two
//   ycf.npy [n]          the outcome in the other of two arms with the same noise, where outcomes
//                        are simulated as mean and noise: y - mu<t> + mu<1 - t>
//   in.npy, out.npy      rows that models are fitted to, and the others
//   <method>_effect.npy [arms - 1, n], <method>_outcome.npy [arms, n]   predictions, of all rows
//   <method>.<parameter>.npy   initial weights of a network, <method>.features.0.weight.npy; not
//                              of ensembles

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "causal/causal.pb.h"
#include "causal/data/acic2017.h"
#include "causal/data/logit.h"
#include "causal/data/sample_source.h"
#include "causal/data/split.h"
#include "causal/effect_unit.h"
#include "causal/estimators/metrics.h"
#include "causal/line.h"
#include "causal/models/model.h"
#include "causal/nets/effect_network.h"
#include "causal/registry.h"
#include "causal/sources.h"
#include "common/base/cpu_clock.h"
#include "common/base/file_io.h"
#include "common/base/json_text.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/data/npy_writer.h"
#include "common/experiment/command_line.h"
#include "common/experiment/configuration.h"
#include "common/experiment/surroundings.h"
#include "common/record/safetensors.h"
#include "common/stats/correlation.h"

namespace perennial::causal {
namespace {

struct Sample {
  uint64_t seed = 0;
  std::string text;
  Observations all;
  Split split;
  std::vector<int32_t> in, out;  // Rows of `all`.
};

// The rows of `more` behind those of `all`.
void Append(const Observations& more, Observations& all) {
  const auto append = [](const auto& from, auto& to) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(more.covariates, all.covariates);
  append(more.treatment, all.treatment);
  append(more.outcome, all.outcome);
  append(more.cluster, all.cluster);
  if (!more.truth.has_value()) all.truth.reset();
  if (!all.truth.has_value()) return;
  auto& propensity = all.truth->propensity;
  if (more.truth->propensity.empty()) propensity.clear();
  for (int arm = 0; arm < all.arms; ++arm) {
    append(more.truth->mean_outcome[arm], all.truth->mean_outcome[arm]);
    if (!propensity.empty()) append(more.truth->propensity[arm], propensity[arm]);
  }
}

// As EffectUnit draws it, so that the numbers are an experiment's.
absl::StatusOr<Sample> Draw(const CausalConfig& config, const SampleSource& source, uint64_t seed) {
  const double test_share = config.split().test_share();
  Sample sample = {.seed = seed};
  sample.text =
      absl::StrCat(config.data().ShortDebugString(), " test_share: ", test_share, " seed: ", seed);
  PERENNIAL_ASSIGN_OR_RETURN(Realisation drawn, source.Realise(seed));
  sample.all = drawn.units;
  if (drawn.test.has_value()) {
    Append(*drawn.test, sample.all);
    sample.in.resize(drawn.units.size());
    sample.out.resize(drawn.test->size());
    std::iota(sample.in.begin(), sample.in.end(), 0);
    std::iota(sample.out.begin(), sample.out.end(), static_cast<int32_t>(sample.in.size()));
    sample.split = {.in = std::move(drawn.units), .out = *std::move(drawn.test)};
    return sample;
  }
  const auto stream = SplitStream(seed);
  PERENNIAL_ASSIGN_OR_RETURN(sample.split, SplitUnits(sample.all, test_share, stream));
  // The same split of units whose only covariate is their row.
  Observations numbered = sample.all;
  numbered.covariate_names = {"row"};
  numbered.covariates.resize(numbered.size());
  std::iota(numbered.covariates.begin(), numbered.covariates.end(), 0.0);
  PERENNIAL_ASSIGN_OR_RETURN(const Split rows, SplitUnits(numbered, test_share, stream));
  sample.in.assign(rows.in.covariates.begin(), rows.in.covariates.end());
  sample.out.assign(rows.out.covariates.begin(), rows.out.covariates.end());
  return sample;
}

// [count][n] as one array; a row alone is [n].
absl::Status WriteRows(const std::string& path, const std::vector<std::vector<double>>& rows) {
  std::vector<double> values;
  for (const std::vector<double>& row : rows) {
    values.insert(values.end(), row.begin(), row.end());
  }
  return data::WriteNpy<double>(path, {std::ssize(rows), std::ssize(rows[0])}, values);
}

// Whether Y(a) is E[Y(a) | X] and the same noise for both arms.
bool SharesNoise(const DataConfig& data, const Observations& units) {
  if (units.arms != 2 || units.binary_outcome || !units.truth.has_value()) return false;
  switch (data.kind_case()) {
    case DataConfig::kIhdp:
    case DataConfig::kNieWager:
    case DataConfig::kKangSchafer:
    case DataConfig::kNews:
    case DataConfig::kHonest:
      return true;
    case DataConfig::kAcic2017:
      return Acic2017Setting(data.acic2017().setting()).error != Acic2017Error::kNonadditive;
    default:
      return false;
  }
}

// Of an arm against control.
absl::StatusOr<std::string> TruthText(const Observations& all, int arm) {
  const Truth& truth = *all.truth;
  double sum[3] = {};  // Over all units, those of the arm, controls.
  double count[3] = {};
  double squares = 0;
  const auto effect = [&](int64_t i) {
    return truth.mean_outcome[arm][i] - truth.mean_outcome[0][i];
  };
  for (int64_t i = 0; i < all.size(); ++i) {
    for (const int over : {0, all.treatment[i] == arm ? 1 : all.treatment[i] == 0 ? 2 : -1}) {
      if (over < 0) continue;
      sum[over] += effect(i);
      count[over] += 1;
    }
  }
  const double ate = sum[0] / count[0];
  for (int64_t i = 0; i < all.size(); ++i) squares += (effect(i) - ate) * (effect(i) - ate);
  base::JsonObject json;
  json.Add("ate", ate).Add("att", sum[1] / count[1]).Add("atc", sum[2] / count[2]);
  json.Add("effect_sd", std::sqrt(squares / count[0]));
  if (truth.propensity.empty()) return json.Text();
  const std::vector<double>& e = truth.propensity[arm];
  std::vector<double> logits;
  double outside = 0;
  for (const double p : e) {
    logits.push_back(Logit(p));
    outside += p < 0.05 || p > 0.95 ? 1 : 0;
  }
  std::optional<double> r;
  // Where selection is so strong that a propensity is 0 or 1 there is none.
  if (std::ranges::all_of(logits, [](double logit) { return std::isfinite(logit); })) {
    PERENNIAL_ASSIGN_OR_RETURN(const stats::Correlation correlation,
                               stats::PearsonCorrelation(logits, truth.mean_outcome[0]));
    r = correlation.coefficient;
  }
  return json.Add("propensity_lowest", std::ranges::min(e))
      .Add("propensity_highest", std::ranges::max(e))
      .Add("outside_05_95", outside / static_cast<double>(e.size()))
      .AddRaw("confounding_r2", r ? base::JsonNumber(*r * *r) : "null")
      .Text();
}

absl::Status WriteSample(const Sample& sample, const SampleSource& source, const DataConfig& data,
                         const std::string& folder) {
  PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(folder));
  const auto path = [&](absl::string_view name) {
    return base::JoinPath(folder, absl::StrCat(name, ".npy"));
  };
  const Observations& all = sample.all;
  const int64_t n = all.size();
  PERENNIAL_RETURN_IF_ERROR(data::WriteNpy<double>(path("x"), {n, all.features()}, all.covariates));
  PERENNIAL_RETURN_IF_ERROR(data::WriteNpy<int32_t>(path("t"), {n}, all.treatment));
  PERENNIAL_RETURN_IF_ERROR(data::WriteNpy<double>(path("y"), {n}, all.outcome));
  for (int arm = 0; all.truth.has_value() && arm < all.arms; ++arm) {
    PERENNIAL_RETURN_IF_ERROR(
        data::WriteNpy<double>(path(absl::StrCat("mu", arm)), {n}, all.truth->mean_outcome[arm]));
  }
  if (all.truth.has_value() && !all.truth->propensity.empty()) {
    for (int arm = all.arms == 2 ? 1 : 0; arm < all.arms; ++arm) {
      PERENNIAL_RETURN_IF_ERROR(data::WriteNpy<double>(
          path(all.arms == 2 ? "e" : absl::StrCat("e", arm)), {n}, all.truth->propensity[arm]));
    }
  }
  if (SharesNoise(data, all)) {
    const auto& mean = all.truth->mean_outcome;
    std::vector<double> counterfactual = all.outcome;
    for (int64_t i = 0; i < n; ++i) {
      const int32_t arm = all.treatment[i];
      counterfactual[i] += mean[1 - arm][i] - mean[arm][i];
    }
    PERENNIAL_RETURN_IF_ERROR(data::WriteNpy<double>(path("ycf"), {n}, counterfactual));
  }
  PERENNIAL_RETURN_IF_ERROR(
      data::WriteNpy<int32_t>(path("in"), {std::ssize(sample.in)}, sample.in));
  PERENNIAL_RETURN_IF_ERROR(
      data::WriteNpy<int32_t>(path("out"), {std::ssize(sample.out)}, sample.out));
  base::JsonObject json;
  json.Add("sample", sample.text)
      .Add("group", source.group())
      .Add("seed", sample.seed)
      .Add("units", n);
  json.Add("features", all.features()).Add("arms", int64_t{all.arms});
  json.Add("binary_outcome", all.binary_outcome);
  if (all.truth.has_value()) {
    std::vector<std::string> truths;
    for (int arm = 1; arm < all.arms; ++arm) {
      PERENNIAL_ASSIGN_OR_RETURN(truths.emplace_back(), TruthText(all, arm));
    }
    json.AddRaw("truth",
                all.arms == 2 ? truths[0] : absl::StrCat("[", absl::StrJoin(truths, ","), "]"));
  }
  return base::WriteFileAtomically(base::JoinPath(folder, "sample.json"), json.Text() + "\n");
}

// The weights that a network begins with, from the state of a fit before its first step.
absl::Status WriteWeights(const NetOptions& options, const Observations& units, const ModelFit& fit,
                          const std::string& prefix) {
  record::SafetensorsWriter writer;
  PERENNIAL_RETURN_IF_ERROR(fit.Save("", writer));
  PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, writer.Finish());
  PERENNIAL_ASSIGN_OR_RETURN(const auto state, record::SafetensorsFile::Parse(std::move(bytes)));
  if (!state.tensors().contains("rows")) return absl::OkStatus();  // Several networks.
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<float> rows, state.Read<float>("rows"));
  PERENNIAL_ASSIGN_OR_RETURN(const EffectNetwork network,
                             EffectNetwork::Create(options.network, units.features(), units.arms));
  for (const nn::ParameterSlice& slice : network.network.layout().slices()) {
    PERENNIAL_RETURN_IF_ERROR(
        data::WriteNpy<float>(absl::StrCat(prefix, ".", slice.name, ".npy"), slice.shape,
                              std::span(rows).subspan(slice.offset, slice.size)));
  }
  return absl::OkStatus();
}

// `folder` is empty where nothing is to be written.
absl::Status Time(const CausalConfig& config, const MethodConfig& method, const Sample& sample,
                  const std::string& folder) {
  PERENNIAL_ASSIGN_OR_RETURN(const ModelFactory model, MakeModel(method, config.net()));
  const std::string name = MethodName(method);
  const std::string prefix = base::JoinPath(folder, name);
  const Split& split = sample.split;
  FitData data = {.observations = split.in,
                  .unlabelled_covariates = split.out.covariates,
                  .unlabelled_treatment = split.out.treatment,
                  .stream = FitStream(sample.seed)};
  data.observations.truth.reset();

  double before = base::ThreadCpuSeconds();
  const auto lap = [&] {
    const double now = base::ThreadCpuSeconds();
    return now - std::exchange(before, now);
  };
  PERENNIAL_ASSIGN_OR_RETURN(const std::unique_ptr<ModelFit> fit, model(std::move(data)));
  const double prepare = lap();
  if (!folder.empty() && method.has_net()) {
    PERENNIAL_RETURN_IF_ERROR(
        WriteWeights(NetOptionsOf(Override(config.net(), method.net())), split.in, *fit, prefix));
    lap();
  }
  while (fit->steps_done() < fit->steps()) {
    PERENNIAL_RETURN_IF_ERROR(fit->Advance(fit->steps()));
  }
  const double steps = lap();
  PERENNIAL_ASSIGN_OR_RETURN(const Predictions in, fit->Predict(split.in.x()));
  Predictions out;
  if (split.out.size() > 0) {
    PERENNIAL_ASSIGN_OR_RETURN(out, fit->Predict(split.out.x()));
  }
  const double predict = lap();
  if (!folder.empty()) {
    PERENNIAL_ASSIGN_OR_RETURN(const Predictions all, fit->Predict(sample.all.x()));
    PERENNIAL_RETURN_IF_ERROR(WriteRows(prefix + "_effect.npy", all.effect));
    if (!all.outcome.empty()) {
      PERENNIAL_RETURN_IF_ERROR(WriteRows(prefix + "_outcome.npy", all.outcome));
    }
  }

  base::JsonObject json;
  json.Add("method", name).Add("seed", sample.seed).Add("sample", sample.text);
  json.Add("steps", fit->steps()).Add("steps_cpu_s", steps).Add("fit_cpu_s", prepare + steps);
  json.Add("predict_cpu_s", predict);
  if (split.in.truth.has_value()) {
    PERENNIAL_ASSIGN_OR_RETURN(const auto errors, EffectErrorsOf(split.in, *split.in.truth, in));
    std::vector<EffectErrors> errors_out;
    if (split.out.size() > 0 && split.out.truth.has_value()) {
      PERENNIAL_ASSIGN_OR_RETURN(errors_out, EffectErrorsOf(split.out, *split.out.truth, out));
    }
    for (size_t a = 0; a < errors.size(); ++a) {
      const std::string suffix = a == 0 ? "" : absl::StrCat("_", a + 1);
      json.Add("sqrt_pehe_in" + suffix, errors[a].sqrt_pehe);
      json.Add("ate_error" + suffix, errors[a].ate_error());
      if (errors_out.empty()) continue;
      json.Add("sqrt_pehe_out" + suffix, errors_out[a].sqrt_pehe);
      json.Add("ate_error_out" + suffix, errors_out[a].ate_error());
    }
  }
  std::cout << json.Text() << std::endl;
  return absl::OkStatus();
}

constexpr char kHelp[] =
    "CPU seconds that an experiment's methods take to be fitted to a realisation on\n"
    "one thread, and the errors of their effects: one JSON object a method and seed.\n\n"
    "tools/bazel run //causal:sample_times -- [flags]\n\n"
    "  --config FILE, --set PATH=VALUE, --seeds A..B, --data DIR\n"
    "                      As //causal:experiment takes them; see its --help.\n"
    "  --out DIR           Writes each realisation and what was predicted for it\n"
    "                      there as well, as npy files.\n";

absl::Status Run(const std::vector<std::string>& arguments) {
  PERENNIAL_ASSIGN_OR_RETURN(const experiment::CommandLine command,
                             experiment::ParseCommandLine(arguments));
  if (command.help) {
    std::cout << kHelp;
    return absl::OkStatus();
  }
  const experiment::Surroundings surroundings = {
      .out = std::cout, .log = std::cerr, .working_folder = base::WorkingFolder()};
  const CausalLine line;
  PERENNIAL_ASSIGN_OR_RETURN(const experiment::Configuration loaded,
                             experiment::LoadConfiguration(line, command, surroundings));
  const auto& config =
      *google::protobuf::DynamicCastToGenerated<CausalConfig>(loaded.message.get());
  if (config.methods().empty()) {
    return absl::InvalidArgumentError("methods: must name at least one");
  }
  if (config.split().selection_share() > 0) {
    return absl::InvalidArgumentError(
        "split.selection_share: must be 0 here, where nothing is selected");
  }
  const std::vector<uint64_t> seeds = command.seeds.empty() ? line.default_seeds() : command.seeds;
  const std::string data =
      command.data.empty() ? "" : base::JoinPath(surroundings.working_folder, command.data);
  PERENNIAL_ASSIGN_OR_RETURN(const std::shared_ptr<const SampleSource> source,
                             MakeSampleSource(config.data(), data));
  for (const uint64_t seed : seeds) {
    PERENNIAL_ASSIGN_OR_RETURN(const Sample sample, Draw(config, *source, seed));
    std::string folder;
    if (!command.out.empty()) {
      folder = base::JoinPath(base::JoinPath(surroundings.working_folder, command.out),
                              absl::StrCat("seed_", seed));
      PERENNIAL_RETURN_IF_ERROR(WriteSample(sample, *source, config.data(), folder));
    }
    for (const MethodConfig& method : config.methods()) {
      PERENNIAL_RETURN_IF_ERROR(Time(config, method, sample, folder));
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace perennial::causal

int main(int argc, char** argv) {
  const absl::Status status = perennial::causal::Run({argv + 1, argv + argc});
  if (status.ok()) return 0;
  std::cerr << "sample_times: " << status.message() << "\n";
  return 1;
}
