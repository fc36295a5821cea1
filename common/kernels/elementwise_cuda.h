// The fused element-wise kernels on the GPU: float, pointers into device memory, asynchronous on a
// stream. Exists with --config=cuda.
#ifndef PERENNIAL_COMMON_KERNELS_ELEMENTWISE_CUDA_H_
#define PERENNIAL_COMMON_KERNELS_ELEMENTWISE_CUDA_H_

#include <cstdint>
#include <string>

namespace perennial::kernels {

// Number of usable GPUs; 0 without a driver.
int CudaDeviceCount();

// As SgdMomentumStep of elementwise.h on `count` numbers. `stream` is a cudaStream_t (null: the
// default stream). Returns CUDA's message, empty if the kernel was launched.
std::string CudaSgdMomentumStep(float rate, float momentum, float decay, const float* gradient,
                                float* weights, float* velocity, int64_t count, void* stream);

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_ELEMENTWISE_CUDA_H_
