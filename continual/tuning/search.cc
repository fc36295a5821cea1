#include "continual/tuning/search.h"

#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/excerpt.h"
#include "common/base/status_macros.h"
#include "common/config/override.h"
#include "common/config/resolve.h"
#include "common/config/validate.h"
#include "common/random/stream.h"

namespace perennial::continual {
namespace {

using Setting = std::pair<std::string, std::string>;  // Path, value.

absl::Status Error(const SearchConfig& search, const SearchedField& field,
                   absl::string_view message) {
  return absl::InvalidArgumentError(
      absl::StrCat("method \"", search.name(), "\", path \"", field.path(), "\": ", message));
}

// Whole numbers where the field is one.
bool IsWhole(const MethodConfig& base, const std::string& path) {
  const google::protobuf::Descriptor* message = base.GetDescriptor();
  const google::protobuf::FieldDescriptor* field = nullptr;
  for (const std::string& name : std::vector<std::string>(absl::StrSplit(path, '.'))) {
    field = message == nullptr ? nullptr : message->FindFieldByName(name);
    if (field == nullptr) return false;  // ApplyOverride says what is wrong.
    message = field->message_type();
  }
  using Field = google::protobuf::FieldDescriptor;
  return field->cpp_type() == Field::CPPTYPE_INT32 || field->cpp_type() == Field::CPPTYPE_INT64;
}

// As a trial sets it.
std::string ValueText(const MethodConfig& base, const std::string& path, double value) {
  return IsWhole(base, path) ? absl::StrFormat("%.0f", std::round(value))
                             : absl::StrFormat("%.3g", value);
}

// The method with fields set, valid.
absl::StatusOr<MethodConfig> With(const MethodConfig& as_it_stands,
                                  const std::vector<Setting>& settings) {
  MethodConfig method = as_it_stands;
  for (const auto& [path, value] : settings) {
    const std::string text = absl::StrCat(path, "=", value);
    const absl::Status status = config::ApplyOverride(text, &method);
    if (status.ok()) continue;
    // Nobody wrote it after --set.
    return absl::InvalidArgumentError(
        absl::StripPrefix(status.message(), absl::StrCat("--set ", base::Excerpt(text), ": ")));
  }
  config::FillDefaults(&method);
  PERENNIAL_RETURN_IF_ERROR(config::Validate(method));
  return method;
}

// What is wrong with a field by itself.
absl::Status CheckField(const MethodConfig& base, const SearchConfig& search,
                        const SearchedField& field) {
  if (field.path() == "name") {
    return Error(search, field, "is the method's name, not a setting of it");
  }
  std::vector<std::string> values(field.choices().value().begin(), field.choices().value().end());
  if (!field.has_choices()) {
    const bool log = field.has_log_uniform();
    const Interval& interval = log ? field.log_uniform() : field.uniform();
    if (!(interval.min() < interval.max()) || (log && interval.min() <= 0)) {
      return Error(search, field,
                   absl::StrCat("the interval ", interval.min(), " .. ", interval.max(),
                                " must have min < max", log ? " and min > 0" : ""));
    }
    for (const double end : {interval.min(), interval.max()}) {
      values.push_back(IsWhole(base, field.path()) ? absl::StrFormat("%.0f", std::round(end))
                                                   : absl::StrFormat("%.17g", end));
    }
  }
  for (const std::string& value : values) {
    const absl::Status status = With(base, {{field.path(), value}}).status();
    if (!status.ok()) return Error(search, field, status.message());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Setting>> Settings(const MethodConfig& base, const SearchConfig& search,
                                              int trial) {
  const random::Stream stream = random::Stream(0).Split("search").Split(search.name()).Split(trial);
  std::vector<Setting> settings;
  for (const SearchedField& field : search.fields()) {
    random::Stream draws = stream.Split(field.path());
    if (field.has_choices()) {
      const auto& values = field.choices().value();
      settings.emplace_back(field.path(), values[static_cast<int>(draws.Below(values.size()))]);
      continue;
    }
    const bool log = field.has_log_uniform();
    const Interval& interval = log ? field.log_uniform() : field.uniform();
    const double u = draws.Uniform();
    const double value = log ? std::exp(std::log(interval.min()) +
                                        u * (std::log(interval.max()) - std::log(interval.min())))
                             : interval.min() + u * (interval.max() - interval.min());
    settings.emplace_back(field.path(), ValueText(base, field.path(), value));
  }
  return settings;
}

}  // namespace

std::string TrialName(const std::string& method, int trial) {
  return absl::StrFormat("%s_t%02d", method, trial);
}

absl::Status CheckSearch(const MethodConfig& base, const SearchConfig& search) {
  std::set<std::string> seen;
  for (const SearchedField& field : search.fields()) {
    if (!seen.insert(field.path()).second) return Error(search, field, "stands twice");
    PERENNIAL_RETURN_IF_ERROR(CheckField(base, search, field));
  }
  return absl::OkStatus();
}

absl::StatusOr<MethodConfig> Trial(const MethodConfig& as_it_stands, const SearchConfig& search,
                                   int trial) {
  MethodConfig method = as_it_stands;
  if (trial > 0) {
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<Setting> settings,
                               Settings(as_it_stands, search, trial));
    absl::StatusOr<MethodConfig> changed = With(as_it_stands, settings);
    if (!changed.ok()) {
      return base::WithContext(changed.status(),
                               absl::StrCat("method \"", search.name(), "\", trial ", trial));
    }
    method = *std::move(changed);
  }
  method.set_name(TrialName(search.name(), trial));
  return method;
}

absl::StatusOr<std::string> TrialText(const MethodConfig& base, const SearchConfig& search,
                                      int trial) {
  if (trial == 0) return "as it stands";
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<Setting> settings, Settings(base, search, trial));
  return absl::StrJoin(settings, " ", absl::PairFormatter("="));
}

}  // namespace perennial::continual
