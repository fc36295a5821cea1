// A library to load before a program (LD_PRELOAD): the system's clock jumps by up to ten days, back
// and forth, each time it is read. The monotonic clock and the CPU clocks stay as they are.
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace {

std::atomic<uint64_t> g_readings = 0;

int64_t Jump() {
  constexpr int64_t kTenDays = 864000;
  // Weyl's sequence: far from its neighbours each time. Processes begin at different places.
  const uint64_t place =
      (g_readings.fetch_add(1) + static_cast<uint64_t>(getpid())) * 0x9E3779B97F4A7C15u;
  return static_cast<int64_t>(place % (2 * kTenDays)) - kTenDays;
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
  const int result = static_cast<int>(syscall(SYS_clock_gettime, clock, now));
  if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += Jump();
  return result;
}

extern "C" int gettimeofday(timeval* now, void*) noexcept {
  timespec precise;
  if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

extern "C" time_t time(time_t* now) noexcept {
  timespec precise;
  if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
  if (now != nullptr) *now = precise.tv_sec;
  return precise.tv_sec;
}
