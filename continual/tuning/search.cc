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
      absl::StrCat("searches \"", search.name(), "\", path \"", field.path(), "\": ", message));
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

absl::StatusOr<std::vector<Setting>> Settings(const MethodConfig& base, const SearchConfig& search,
                                              int trial) {
  const random::Stream stream = random::Stream(0).Split("search").Split(search.name()).Split(trial);
  std::set<std::string> seen;
  std::vector<Setting> settings;
  for (const SearchedField& field : search.fields()) {
    if (!seen.insert(field.path()).second) return Error(search, field, "stands twice");
    random::Stream draws = stream.Split(field.path());
    if (field.has_choices()) {
      const auto& values = field.choices().value();
      settings.emplace_back(field.path(), values[static_cast<int>(draws.Below(values.size()))]);
      continue;
    }
    const bool log = field.has_log_uniform();
    const Interval& interval = log ? field.log_uniform() : field.uniform();
    if (!(interval.min() < interval.max()) || (log && interval.min() <= 0)) {
      return Error(search, field,
                   absl::StrCat("the interval ", interval.min(), " .. ", interval.max(),
                                " must have min < max", log ? " and min > 0" : ""));
    }
    const double u = draws.Uniform();
    const double value = log ? std::exp(std::log(interval.min()) +
                                        u * (std::log(interval.max()) - std::log(interval.min())))
                             : interval.min() + u * (interval.max() - interval.min());
    settings.emplace_back(field.path(), IsWhole(base, field.path())
                                            ? absl::StrFormat("%.0f", std::round(value))
                                            : absl::StrFormat("%.3g", value));
  }
  return settings;
}

}  // namespace

std::string TrialName(const std::string& method, int trial) {
  return absl::StrFormat("%s_t%02d", method, trial);
}

absl::StatusOr<MethodConfig> Trial(const MethodConfig& base, const SearchConfig& search,
                                   int trial) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<Setting> settings, Settings(base, search, trial));
  MethodConfig method = base;
  for (const auto& [path, value] : settings) {
    const absl::Status status = config::ApplyOverride(absl::StrCat(path, "=", value), &method);
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("searches \"", search.name(), "\": ", status.message()));
    }
  }
  config::FillDefaults(&method);
  const absl::Status status = config::Validate(method);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("searches \"", search.name(), "\", trial ", trial, ": ", status.message()));
  }
  // Errors of the search are found with the first trial, which changes nothing.
  if (trial == 0) method = base;
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
