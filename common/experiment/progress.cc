#include "common/experiment/progress.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace perennial::experiment {

std::string DurationText(double seconds) {
  const int64_t total = static_cast<int64_t>(std::ceil(std::max(0.0, seconds)));
  if (total >= 3600) {
    return absl::StrFormat("%d:%02d:%02d", total / 3600, total / 60 % 60, total % 60);
  }
  return absl::StrFormat("%d:%02d", total / 60, total % 60);
}

std::string ProgressText(double fraction, double seconds, double units_done, int64_t units,
                         double flops_per_second, double seconds_left, int bar_width) {
  const int filled = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * bar_width);
  std::string text;
  if (bar_width > 0) {
    text = absl::StrCat("[", std::string(filled, '#'), std::string(bar_width - filled, '-'), "] ");
  }
  absl::StrAppendFormat(&text, "%3.0f %%  %.1f/%d units  %.1f GFLOP/s", 100 * fraction, units_done,
                        units, flops_per_second / 1e9);
  // A rate needs a moment to be worth telling.
  if (seconds >= 1 || fraction >= 1) {
    absl::StrAppend(&text, fraction >= 1 ? absl::StrCat("  ", DurationText(seconds))
                                         : absl::StrCat("  ", DurationText(seconds_left), " left"));
  }
  return text;
}

Progress::Progress(std::ostream& out, bool terminal, int64_t units, const Done& before, int columns)
    : out_(out),
      terminal_(terminal),
      units_(units),
      before_(before),
      columns_(columns),
      start_(std::chrono::steady_clock::now()) {}

double Progress::Elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Progress::Update(const Done& done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (Elapsed() - last_drawn_ >= (terminal_ ? 0.1 : 5)) Draw(done, false);
}

void Progress::Note(absl::string_view text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  out_ << (terminal_ ? "\r\x1b[K" : "") << text << std::endl;
}

void Progress::Finish(const Done& done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Draw(done, true);
}

void Progress::Draw(const Done& done, bool last) {
  const double elapsed = std::max(Elapsed(), 1e-9);
  const double gained = done.fraction - before_.fraction;
  const double left = gained > 0 ? elapsed * (1 - done.fraction) / gained : 0;
  const auto text_with_bar = [&](int bar_width) {
    return ProgressText(done.fraction, elapsed, done.units, units_,
                        (done.flops - before_.flops) / elapsed, left, bar_width);
  };
  std::string text = text_with_bar(terminal_ ? 20 : 0);
  if (terminal_) {
    // A line that wraps could not be drawn over.
    const size_t room = std::max(columns_ - 1, 0);
    if (text.size() > room) text = text_with_bar(0);
    text.resize(std::min(text.size(), room));
    out_ << "\r" << text << "\x1b[K" << (last ? "\n" : "");
  } else {
    out_ << text << "\n";
  }
  out_.flush();
  last_drawn_ = Elapsed();
}

}  // namespace perennial::experiment
