// The speed that everything is measured against: the GEMM of one thread.
#ifndef PERENNIAL_COMMON_KERNELS_PEAK_H_
#define PERENNIAL_COMMON_KERNELS_PEAK_H_

#include <string>

namespace perennial::kernels {

// Floating-point operations a second of CPU time of a 1024 x 1024 x 1024 product in float on the
// calling thread: the best of `repeats`, about 25 ms each.
double MeasureGemmPeak(int repeats = 5);

// Name and version of the BLAS in use.
std::string BlasVersion();

// "2.11.0", of the library that is linked.
std::string LibTorchVersion();

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_PEAK_H_
