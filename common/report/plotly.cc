#include "common/report/plotly.h"

#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"

namespace perennial::report {

absl::StatusOr<std::string> LoadPlotly() {
  PERENNIAL_ASSIGN_OR_RETURN(const std::string path, base::FindRunfile("plotly/plotly.min.js"));
  return base::ReadFile(path);
}

}  // namespace perennial::report
