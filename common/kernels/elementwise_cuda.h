// The fused element-wise kernels on the GPU: float, pointers into device memory, asynchronous on a
// stream. Exists with --config=cuda.
//
// Each is the kernel of the same name, without Cuda, in activation.h, dropout.h, elementwise.h or
// optimizer.h, and computes one element by the scalar function that is tested on the CPU
// (activation_scalar.h, elementwise_cuda_scalar.h, optimizer_update.h). `stream` is a cudaStream_t
// (null: the default stream). All return CUDA's message, empty if the kernel was launched; shapes
// that do not fit together are not looked for.
//
//   const std::string error = CudaSgdStep(c, gradient, weights, velocity, count, stream);
#ifndef PERENNIAL_COMMON_KERNELS_ELEMENTWISE_CUDA_H_
#define PERENNIAL_COMMON_KERNELS_ELEMENTWISE_CUDA_H_

#include <cstdint>
#include <string>

#include "common/kernels/activation_scalar.h"
#include "common/kernels/aligned.h"
#include "common/kernels/optimizer_update.h"
#include "common/random/philox.h"

namespace perennial::kernels {

// Number of usable GPUs; 0 without a driver.
int CudaDeviceCount();

// y [B, H or 2 H], saved [B, H] for kGelu, else unused; bias [H] or null.
std::string CudaBiasActivation(Activation f, const float* bias, MatrixView<float> y,
                               MatrixView<float> saved, void* stream);
std::string CudaActivationBackward(Activation f, MatrixView<const float> y,
                                   MatrixView<const float> saved, MatrixView<float> delta,
                                   void* stream);

// `identity` is that of the random::Stream which keys the mask.
std::string CudaDropout(const random::PhiloxBlock& identity, double rate, MatrixView<const float> x,
                        MatrixView<float> out, void* stream);

// `indices` [out.rows] lie in device memory, as does `pixel_map` [out.columns], which may be null
// (column c is pixel c).
std::string CudaGatherPixels(const uint8_t* pixels, int64_t features, const int32_t* pixel_map,
                             const int32_t* indices, float scale, float shift,
                             MatrixView<float> out, void* stream);

// Without momentum `velocity` (SGD) or `buffer` (RMSprop) is null.
std::string CudaSgdStep(const SgdCoefficients<float>& c, const float* gradient, float* weights,
                        float* velocity, int64_t count, void* stream);
std::string CudaAdamStep(const AdamCoefficients<float>& c, const float* gradient, float* weights,
                         float* mean, float* square, int64_t count, void* stream);
std::string CudaRmspropStep(const RmspropCoefficients<float>& c, const float* gradient,
                            float* weights, float* square, float* buffer, int64_t count,
                            void* stream);

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_ELEMENTWISE_CUDA_H_
