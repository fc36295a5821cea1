// Marks a scalar function as the arithmetic of a CUDA kernel: compiled for the GPU by nvcc, and for
// the CPU by everybody, where it is tested and serves as the oracle of the SIMD kernel.
#ifndef PERENNIAL_COMMON_KERNELS_HOST_DEVICE_H_
#define PERENNIAL_COMMON_KERNELS_HOST_DEVICE_H_

#ifdef __CUDACC__
#define PERENNIAL_HOST_DEVICE __host__ __device__
#else
#define PERENNIAL_HOST_DEVICE
#endif

#endif  // PERENNIAL_COMMON_KERNELS_HOST_DEVICE_H_
