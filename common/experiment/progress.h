// Progress on a terminal (one line, redrawn) or in a log (a line every few seconds).
#ifndef PERENNIAL_COMMON_EXPERIMENT_PROGRESS_H_
#define PERENNIAL_COMMON_EXPERIMENT_PROGRESS_H_

#include <chrono>
#include <mutex>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"

namespace perennial::experiment {

// "[######------] 45 %  5.4/12 units  61.2 GFLOP/s  0:32 left", at most 80 columns.
std::string ProgressText(double fraction, double seconds, double units_done, int64_t units,
                         double flops_per_second, double seconds_left, int bar_width);

// "0:32", "12:05", "3:02:10".
std::string DurationText(double seconds);

class Progress {
 public:
  struct Done {
    double fraction = 0;  // Of the work.
    double units = 0;
    double flops = 0;
  };

  // `before`: what is done when it starts, by an earlier run; rate and time left are of what comes
  // after it. `columns`: of the terminal.
  Progress(std::ostream& out, bool terminal, int64_t units, const Done& before, int columns = 80);

  // Thread-safe; draws at most every 0.1 s on a terminal, every 5 s elsewhere.
  void Update(const Done& done);
  // A line of its own, above the bar. Thread-safe.
  void Note(absl::string_view text);
  // A last line (or a drawn bar that stays).
  void Finish(const Done& done);

 private:
  void Draw(const Done& done, bool last);
  double Elapsed() const;

  std::ostream& out_;
  const bool terminal_;
  const int64_t units_;
  const Done before_;
  const int columns_;
  const std::chrono::steady_clock::time_point start_;
  std::mutex mutex_;
  double last_drawn_ = -1e9;
};

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_PROGRESS_H_
