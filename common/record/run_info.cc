#include "common/record/run_info.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/base/json_text.h"
#include "nlohmann/json.hpp"

namespace perennial::record {
namespace {

using Json = nlohmann::json;

std::string Text(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

double Number(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<double>() : 0;
}

// What a count or a size may be; a damaged file must not bring in others.
int64_t Count(const Json& json, const char* key) {
  return static_cast<int64_t>(std::clamp(Number(json, key), 0.0, 9e15));
}

}  // namespace

std::map<std::string, std::string> Machine(const Environment& environment) {
  std::map<std::string, std::string> machine = {{"version", environment.version},
                                                {"compiler", environment.compiler},
                                                {"build_mode", environment.build_mode}};
  const auto add = [&machine](const char* key, const std::optional<std::string>& value) {
    if (value.has_value()) machine[key] = *value;
  };
  add("git_revision", environment.git_revision);
  add("cpu", environment.cpu);
  add("libtorch", environment.libtorch);
  add("blas", environment.blas);
  return machine;
}

std::string RunInfoText(const RunInfo& info, const Environment& environment,
                        const EarlierSittings& earlier) {
  Environment total = environment;
  if (total.wall_seconds) *total.wall_seconds += earlier.wall_seconds;
  if (total.cpu_seconds) *total.cpu_seconds += earlier.cpu_seconds;
  if (total.peak_memory_bytes) {
    total.peak_memory_bytes = std::max(*total.peak_memory_bytes, earlier.peak_memory_bytes);
  }
  base::JsonObject unit_costs;
  std::map<std::string, double> by_method;
  for (const auto& [unit, seconds] : info.cpu_seconds) {
    unit_costs.Add(unit, seconds);
    // An id begins with the method, whose name holds no dot.
    by_method[unit.substr(0, unit.find('.'))] += seconds;
  }
  base::JsonObject costs;
  for (const auto& [method, seconds] : by_method) costs.Add(method, seconds);
  base::JsonObject json = EnvironmentJson(total);
  json.Add("sittings", earlier.count + 1)
      .Add("line", info.line)
      .Add("config", info.config)
      .Add("fingerprint", info.fingerprint)
      .Add("data_digest", info.data_digest)
      .Add("seeds", info.seeds)
      .Add("state", info.state)
      .Add("gemm_peak_flops", info.gemm_peak_flops)
      .Add("flops", info.flops)
      .Add("floor_seconds", info.gemm_peak_flops > 0 ? info.flops / info.gemm_peak_flops : 0)
      .AddRaw("costs", costs.Text())
      .AddRaw("unit_costs", unit_costs.Text());
  if (!info.failures.empty()) {
    base::JsonObject failures;
    for (const auto& [unit, message] : info.failures) failures.Add(unit, message);
    json.AddRaw("failed", failures.Text());
  }
  return absl::StrCat(json.Text(), "\n");
}

StoredRunInfo ParseRunInfo(absl::string_view text) {
  StoredRunInfo stored;
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return stored;
  stored.info = {.line = Text(json, "line"),
                 .config = Text(json, "config"),
                 .fingerprint = Text(json, "fingerprint"),
                 .data_digest = Text(json, "data_digest"),
                 .seeds = Text(json, "seeds"),
                 .state = Text(json, "state"),
                 .gemm_peak_flops = Number(json, "gemm_peak_flops"),
                 .flops = Number(json, "flops")};
  const auto costs = json.find("unit_costs");
  if (costs != json.end() && costs->is_object()) {
    for (const auto& [unit, seconds] : costs->items()) {
      if (seconds.is_number()) stored.info.cpu_seconds[unit] = seconds.get<double>();
    }
  }
  const auto failures = json.find("failed");
  if (failures != json.end() && failures->is_object()) {
    for (const auto& [unit, message] : failures->items()) {
      if (message.is_string()) stored.info.failures[unit] = message.get<std::string>();
    }
  }
  stored.sittings = {.count = std::max<int64_t>(Count(json, "sittings"), 1),
                     .wall_seconds = Number(json, "wall_seconds"),
                     .cpu_seconds = Number(json, "cpu_seconds"),
                     .peak_memory_bytes = Count(json, "peak_memory_bytes")};
  for (const char* key :
       {"version", "git_revision", "compiler", "build_mode", "cpu", "libtorch", "blas"}) {
    const std::string value = Text(json, key);
    if (!value.empty()) stored.machine[key] = value;
  }
  stored.device = Text(json, "device");
  stored.threads = Count(json, "threads");
  return stored;
}

}  // namespace perennial::record
