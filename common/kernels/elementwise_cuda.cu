#include "common/kernels/elementwise_cuda.h"

#include <cuda_runtime.h>

#include "common/kernels/sgd_update.h"

namespace perennial::kernels {
namespace {

constexpr int kThreads = 256;

__global__ void SgdMomentumKernel(float rate, float momentum, float decay, const float* gradient,
                                  float* weights, float* velocity, int64_t count) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += stride) {
    SgdMomentumUpdate(rate, momentum, decay, gradient[i], weights[i], velocity[i]);
  }
}

}  // namespace

int CudaDeviceCount() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

std::string CudaSgdMomentumStep(float rate, float momentum, float decay, const float* gradient,
                                float* weights, float* velocity, int64_t count, void* stream) {
  if (count == 0) return "";
  // Enough blocks to fill a GPU; the loop in the kernel covers the rest.
  const int64_t wanted = (count + kThreads - 1) / kThreads;
  const int blocks = static_cast<int>(wanted < 4096 ? wanted : 4096);
  SgdMomentumKernel<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      rate, momentum, decay, gradient, weights, velocity, count);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? "" : cudaGetErrorString(error);
}

}  // namespace perennial::kernels
