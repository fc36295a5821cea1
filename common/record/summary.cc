#include "common/record/summary.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/excerpt.h"
#include "common/base/json_text.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace perennial::record {
namespace {

using Json = nlohmann::json;

constexpr int kSchema = 1;

const std::vector<std::string>& OverNames() {
  static const auto& names =
      *new std::vector<std::string>{"seed", "realisation", "setting", "task"};
  return names;
}

const std::vector<std::string>& IntervalNames() {
  static const auto& names = *new std::vector<std::string>{"t", "bootstrap"};
  return names;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

absl::Status CheckName(absl::string_view where, absl::string_view what, absl::string_view name) {
  if (base::IsLowerSnakeCase(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": ", what, " \"", base::Excerpt(name),
                   "\" must be lower_snake_case: a letter, then letters, digits and underscores"));
}

absl::Status CheckChoice(absl::string_view where, absl::string_view what, const std::string& value,
                         const std::vector<std::string>& allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": ", base::UnknownNameMessage(what, value, allowed)));
}

std::string Where(const SummaryResult& result) {
  return absl::StrCat("result ", base::Excerpt(result.method), "/", base::Excerpt(result.group),
                      "/", base::Excerpt(result.metric));
}

absl::Status CheckResult(const SummaryResult& result) {
  const std::string where = Where(result);
  PERENNIAL_RETURN_IF_ERROR(CheckName(where, "method", result.method));
  PERENNIAL_RETURN_IF_ERROR(CheckName(where, "metric", result.metric));
  PERENNIAL_RETURN_IF_ERROR(CheckChoice(where, "over", result.over, OverNames()));
  PERENNIAL_RETURN_IF_ERROR(CheckChoice(where, "interval", result.interval, IntervalNames()));
  if (result.ci95.has_value()) {
    if (result.interval == "t") {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": a t-interval is made from the values, not given"));
    }
    if (!(std::isfinite(result.ci95->low) && std::isfinite(result.ci95->high) &&
          result.ci95->low <= result.ci95->high)) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": ci95 [", result.ci95->low, ", ",
                                                     result.ci95->high, "] is no interval"));
    }
  }
  if (result.values.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": has no values; leave out a metric that is undefined"));
  }
  for (const auto& [key, value] : result.values) {
    if (!std::isfinite(value)) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": the value of ", result.over, " ",
                                                     base::Excerpt(key), " is ", value,
                                                     ", not a finite number"));
    }
  }
  return absl::OkStatus();
}

// Member `key` of `object` if it has the kind that `is` tests.
absl::StatusOr<const Json*> Member(const Json& object, const std::string& where, const char* key,
                                   bool (Json::*is)() const noexcept, const char* kind) {
  const auto found = object.find(key);
  if (found == object.end()) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": \"", key, "\" is missing"));
  }
  if (!((*found).*is)()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": \"", key, "\" must be ", kind, ", not ", found->type_name()));
  }
  return &*found;
}

absl::StatusOr<std::string> Text(const Json& object, const std::string& where, const char* key) {
  PERENNIAL_ASSIGN_OR_RETURN(const Json* value,
                             Member(object, where, key, &Json::is_string, "a text"));
  return value->get<std::string>();
}

absl::StatusOr<SummaryResult> ParseResult(const Json& json, const std::string& where) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": must be an object"));
  }
  SummaryResult result;
  PERENNIAL_ASSIGN_OR_RETURN(result.method, Text(json, where, "method"));
  PERENNIAL_ASSIGN_OR_RETURN(result.group, Text(json, where, "group"));
  PERENNIAL_ASSIGN_OR_RETURN(result.metric, Text(json, where, "metric"));
  PERENNIAL_ASSIGN_OR_RETURN(result.unit, Text(json, where, "unit"));
  PERENNIAL_ASSIGN_OR_RETURN(result.over, Text(json, where, "over"));
  PERENNIAL_ASSIGN_OR_RETURN(result.interval, Text(json, where, "interval"));
  PERENNIAL_ASSIGN_OR_RETURN(const Json* values,
                             Member(json, where, "values", &Json::is_object, "an object"));
  for (const auto& [key, value] : values->items()) {
    if (!value.is_number()) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, ": value \"", base::Excerpt(key), "\" must be a number, not ", value.type_name()));
    }
    result.values.emplace(key, value.get<double>());
  }
  if (result.interval == "bootstrap" && json.contains("ci95") && !json["ci95"].is_null()) {
    const Json& ci95 = json["ci95"];
    if (!ci95.is_array() || ci95.size() != 2 || !ci95[0].is_number() || !ci95[1].is_number()) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": ci95 must be two numbers or null"));
    }
    result.ci95 = {ci95[0].get<double>(), ci95[1].get<double>()};
  }
  PERENNIAL_RETURN_IF_ERROR(CheckResult(result));
  return result;
}

}  // namespace

bool NaturalLess::operator()(absl::string_view a, absl::string_view b) const {
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (IsDigit(a[i]) && IsDigit(b[j])) {
      size_t i_end = i;
      size_t j_end = j;
      while (i_end < a.size() && IsDigit(a[i_end])) ++i_end;
      while (j_end < b.size() && IsDigit(b[j_end])) ++j_end;
      while (i + 1 < i_end && a[i] == '0') ++i;
      while (j + 1 < j_end && b[j] == '0') ++j;
      if (i_end - i != j_end - j) return i_end - i < j_end - j;
      const int order = a.substr(i, i_end - i).compare(b.substr(j, j_end - j));
      if (order != 0) return order < 0;
      i = i_end;
      j = j_end;
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
    }
  }
  if (i < a.size() || j < b.size()) return i >= a.size();
  return a < b;  // "01" and "1" are different keys
}

absl::StatusOr<stats::Summary> Statistics(const SummaryResult& result) {
  std::vector<double> values;
  for (const auto& [key, value] : result.values) values.push_back(value);
  PERENNIAL_ASSIGN_OR_RETURN(stats::Summary summary, stats::Summarize(values));
  if (result.interval != "t") summary.ci95 = result.ci95;
  return summary;
}

absl::StatusOr<std::string> SummaryText(const RunSummary& summary) {
  std::string results;
  std::set<std::tuple<std::string, std::string, std::string>> seen;
  for (const SummaryResult& result : summary.results) {
    PERENNIAL_RETURN_IF_ERROR(CheckResult(result));
    if (!seen.emplace(result.method, result.group, result.metric).second) {
      return absl::InvalidArgumentError(absl::StrCat(Where(result), " is given twice"));
    }
    PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary statistics, Statistics(result));
    base::JsonObject values;
    for (const auto& [key, value] : result.values) values.Add(key, value);
    const std::string ci95 =
        statistics.ci95 ? base::JsonArray({statistics.ci95->low, statistics.ci95->high}) : "null";
    absl::StrAppend(&results, results.empty() ? "\n" : ",\n",
                    base::JsonObject()
                        .Add("method", result.method)
                        .Add("group", result.group)
                        .Add("metric", result.metric)
                        .Add("unit", result.unit)
                        .Add("over", result.over)
                        .Add("n", statistics.n)
                        .Add("mean", statistics.mean)
                        .Add("median", statistics.median)
                        .Add("interval", result.interval)
                        .AddRaw("ci95", ci95)
                        .AddRaw("values", values.Text())
                        .Text());
  }
  base::JsonObject json;
  json.Add("schema", kSchema)
      .Add("line", summary.line)
      .Add("config", summary.config)
      .Add("fingerprint", summary.fingerprint)
      .AddRaw("results", absl::StrCat("[", results, "\n]"));
  if (!summary.failed.empty()) {
    std::string failed;
    for (const FailedUnit& unit : summary.failed) {
      absl::StrAppend(
          &failed, failed.empty() ? "\n" : ",\n",
          base::JsonObject().Add("unit", unit.unit).Add("message", unit.message).Text());
    }
    json.AddRaw("failed", absl::StrCat("[", failed, "\n]"));
  }
  return json.Text() + "\n";
}

absl::StatusOr<RunSummary> ParseSummary(absl::string_view text) {
  const std::string where = "summary";
  // Parsing throws nothing then; a failure gives a discarded value.
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) {
    return absl::InvalidArgumentError("summary: is not a JSON object");
  }
  PERENNIAL_ASSIGN_OR_RETURN(
      const Json* schema,
      Member(json, where, "schema", &Json::is_number_integer, "a whole number"));
  if (*schema != kSchema) {
    return absl::InvalidArgumentError(absl::StrCat(
        "summary: schema ", schema->dump(), " is not known; this version reads schema ", kSchema));
  }
  RunSummary summary;
  PERENNIAL_ASSIGN_OR_RETURN(summary.line, Text(json, where, "line"));
  PERENNIAL_ASSIGN_OR_RETURN(summary.config, Text(json, where, "config"));
  PERENNIAL_ASSIGN_OR_RETURN(summary.fingerprint, Text(json, where, "fingerprint"));
  PERENNIAL_ASSIGN_OR_RETURN(const Json* results,
                             Member(json, where, "results", &Json::is_array, "a list"));
  for (size_t i = 0; i < results->size(); ++i) {
    PERENNIAL_ASSIGN_OR_RETURN(
        SummaryResult result,
        ParseResult((*results)[i], absl::StrCat("summary: results[", i, "]")));
    summary.results.push_back(std::move(result));
  }
  if (!json.contains("failed")) return summary;
  PERENNIAL_ASSIGN_OR_RETURN(const Json* failed,
                             Member(json, where, "failed", &Json::is_array, "a list"));
  for (size_t i = 0; i < failed->size(); ++i) {
    const std::string place = absl::StrCat("summary: failed[", i, "]");
    if (!(*failed)[i].is_object()) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": is not an object"));
    }
    FailedUnit unit;
    PERENNIAL_ASSIGN_OR_RETURN(unit.unit, Text((*failed)[i], place, "unit"));
    PERENNIAL_ASSIGN_OR_RETURN(unit.message, Text((*failed)[i], place, "message"));
    summary.failed.push_back(std::move(unit));
  }
  return summary;
}

}  // namespace perennial::record
