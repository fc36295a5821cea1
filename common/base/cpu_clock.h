// CPU time of the calling thread.
#ifndef PERENNIAL_COMMON_BASE_CPU_CLOCK_H_
#define PERENNIAL_COMMON_BASE_CPU_CLOCK_H_

namespace perennial::base {

// Seconds of CPU time (user and system) that the calling thread has used so far. Other processes on
// the machine do not count, so differences measure what a piece of work cost.
double ThreadCpuSeconds();

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_CPU_CLOCK_H_
