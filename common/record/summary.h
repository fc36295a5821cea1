// summary.json: what a run found, and nothing that depends on time, place or number of threads.
//
//   {"schema":1,"line":"continual","config":"smoke","fingerprint":"3f2a90c1b7de","results":[
//   {"method":"er","group":"rotated","metric":"forgetting","unit":"fraction","over":"seed","n":2,
//    "mean":0.3,"median":0.3,"interval":"t","ci95":[0.2,0.4],"values":{"0":0.29,"1":0.31}}
//   ]}
// A run with units that failed has a key more, last:
// "failed":[{"unit":"er.rotated.seed.1","message": "the loss is nan in step 12"}]; their replicates
// are missing from "values". One result a line, keys in this order, numbers as the shortest decimal
// that reads back to the same double: equal runs have equal bytes. ci95 is null where it is
// undefined (n < 2).
//
//   RunSummary summary{.line = "continual", .config = "smoke", .fingerprint = id};
//   summary.results.push_back({.method = "er", .group = "rotated", .metric = "forgetting",
//                              .unit = "fraction", .over = "seed", .values = {{"0", 0.29}}});
//   PERENNIAL_ASSIGN_OR_RETURN(std::string text, SummaryText(summary));
#ifndef PERENNIAL_COMMON_RECORD_SUMMARY_H_
#define PERENNIAL_COMMON_RECORD_SUMMARY_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/stats/summary.h"

namespace perennial::record {

// Orders "2" before "10": runs of digits compare as numbers, the rest byte by byte.
struct NaturalLess {
  using is_transparent = void;
  bool operator()(absl::string_view a, absl::string_view b) const;
};

struct SummaryResult {
  std::string method;  // lower_snake_case, like metric
  std::string group;   // stream, data set or setting that the numbers belong to
  std::string metric;
  std::string unit;                                   // fraction, flop, nat, ...
  std::string over = "seed";                          // seed, realisation, setting or task
  std::map<std::string, double, NaturalLess> values;  // by replicate; finite, at least one
  std::string interval = "t";                         // how ci95 was made: "t" or "bootstrap"
  // Of a bootstrap, whose resamples are not kept; a t-interval is made from the values.
  std::optional<stats::Interval> ci95 = {};
};

// A unit without results.
struct FailedUnit {
  std::string unit;  // Its id: method, group, what it is a replicate over, replicate.
  std::string message;
};

struct RunSummary {
  std::string line;
  std::string config;
  std::string fingerprint;
  std::vector<SummaryResult> results;  // in the order of the table
  std::vector<FailedUnit> failed;
};

// The file's text. InvalidArgument if a result has no values, a value is not finite, a name is not
// lower_snake_case, `over` or `interval` is unknown, or two results have the same method, group and
// metric.
absl::StatusOr<std::string> SummaryText(const RunSummary& summary);

// Reads the text back; n, mean, median and ci95 are recomputed from the values (see Statistics).
// InvalidArgument names what is missing or of the wrong kind.
absl::StatusOr<RunSummary> ParseSummary(absl::string_view text);

// n, mean, median, ci95 of a result's values in the order of their keys.
absl::StatusOr<stats::Summary> Statistics(const SummaryResult& result);

}  // namespace perennial::record

#endif  // PERENNIAL_COMMON_RECORD_SUMMARY_H_
