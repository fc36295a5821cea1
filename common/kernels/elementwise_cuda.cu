#include "common/kernels/elementwise_cuda.h"

#include <cuda_runtime.h>

#include <cmath>

#include "common/kernels/elementwise_cuda_scalar.h"

namespace perennial::kernels {
namespace {

constexpr int kThreads = 256;

// Calls op(i) for i below `count`, each on some thread.
template <typename Op>
__global__ void ForEachKernel(int64_t count, Op op) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += stride) {
    op(i);
  }
}

template <typename Op>
std::string Launch(int64_t count, void* stream, Op op) {
  if (count == 0) return "";
  // Enough blocks to fill a GPU; the loop in the kernel covers the rest.
  const int64_t wanted = (count + kThreads - 1) / kThreads;
  const int blocks = static_cast<int>(wanted < 4096 ? wanted : 4096);
  ForEachKernel<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(count, op);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? "" : cudaGetErrorString(error);
}

// The operations of one element. Function objects, not lambdas: those need an extension of nvcc.

struct BiasActivationOp {
  __device__ void operator()(int64_t i) const {
    const int64_t r = i / columns;
    const int64_t c = i % columns;
    float* row = y.data + r * y.stride;
    const float z = bias == nullptr ? row[c] : row[c] + bias[c];
    if (saved.data != nullptr) saved.data[r * saved.stride + c] = z;
    row[c] = Activate(f, z);
    if (f == Activation::kCrelu) row[columns + c] = Activate(f, -z);
  }
  Activation f;
  const float* bias;
  MatrixView<float> y;
  MatrixView<float> saved;  // Null unless the function needs it.
  int64_t columns;          // Of the input.
};

struct ActivationBackwardOp {
  __device__ void operator()(int64_t i) const {
    const int64_t r = i / columns;
    const int64_t c = i % columns;
    const float* out = y.data + r * y.stride;
    float* row = delta.data + r * delta.stride;
    const float z = saved.data == nullptr ? 0.0f : saved.data[r * saved.stride + c];
    float product = row[c] * ActivationSlope(f, out[c], z);
    if (f == Activation::kCrelu) {
      product -= row[columns + c] * ActivationSlope(f, out[columns + c], z);
    }
    row[c] = product;
  }
  Activation f;
  MatrixView<const float> y;
  MatrixView<const float> saved;
  MatrixView<float> delta;
  int64_t columns;
};

struct DropoutOp {
  __device__ void operator()(int64_t i) const {
    const int64_t r = i / x.columns;
    const int64_t c = i % x.columns;
    out.data[r * out.stride + c] = DropoutElement(
        identity, threshold, scale, static_cast<uint64_t>(i), x.data[r * x.stride + c]);
  }
  random::PhiloxBlock identity;
  uint64_t threshold;
  float scale;
  MatrixView<const float> x;
  MatrixView<float> out;
};

struct GatherPixelsOp {
  __device__ void operator()(int64_t i) const {
    const int64_t r = i / out.columns;
    const int64_t c = i % out.columns;
    const int64_t pixel = pixel_map == nullptr ? c : pixel_map[c];
    out.data[r * out.stride + c] = PixelInput(pixels[indices[r] * features + pixel], scale, shift);
  }
  const uint8_t* pixels;
  int64_t features;
  const int32_t* pixel_map;
  const int32_t* indices;
  float scale;
  float shift;
  MatrixView<float> out;
};

struct SgdOp {
  __device__ void operator()(int64_t i) const {
    if (velocity == nullptr) {
      SgdUpdate(c, gradient[i], weights[i]);
    } else {
      SgdUpdate(c, gradient[i], weights[i], velocity[i]);
    }
  }
  SgdCoefficients<float> c;
  const float* gradient;
  float* weights;
  float* velocity;
};

struct AdamOp {
  __device__ void operator()(int64_t i) const {
    AdamUpdate(c, gradient[i], weights[i], mean[i], square[i]);
  }
  AdamCoefficients<float> c;
  const float* gradient;
  float* weights;
  float* mean;
  float* square;
};

struct RmspropOp {
  __device__ void operator()(int64_t i) const {
    if (buffer == nullptr) {
      RmspropUpdate(c, gradient[i], weights[i], square[i]);
    } else {
      RmspropUpdate(c, gradient[i], weights[i], square[i], buffer[i]);
    }
  }
  RmspropCoefficients<float> c;
  const float* gradient;
  float* weights;
  float* square;
  float* buffer;
};

int64_t InputColumns(Activation f, int64_t columns) {
  return f == Activation::kCrelu ? columns / 2 : columns;
}

}  // namespace

int CudaDeviceCount() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

std::string CudaBiasActivation(Activation f, const float* bias, MatrixView<float> y,
                               MatrixView<float> saved, void* stream) {
  if (f != Activation::kGelu) saved = {};
  const int64_t columns = InputColumns(f, y.columns);
  return Launch(y.rows * columns, stream, BiasActivationOp{f, bias, y, saved, columns});
}

std::string CudaActivationBackward(Activation f, MatrixView<const float> y,
                                   MatrixView<const float> saved, MatrixView<float> delta,
                                   void* stream) {
  if (f != Activation::kGelu) saved = {};
  const int64_t columns = InputColumns(f, y.columns);
  return Launch(y.rows * columns, stream, ActivationBackwardOp{f, y, saved, delta, columns});
}

std::string CudaDropout(const random::PhiloxBlock& identity, double rate, MatrixView<const float> x,
                        MatrixView<float> out, void* stream) {
  const auto threshold = static_cast<uint64_t>(std::round(rate * 0x1p32));
  const auto scale = static_cast<float>(1 / (1 - rate));
  return Launch(x.rows * x.columns, stream, DropoutOp{identity, threshold, scale, x, out});
}

std::string CudaGatherPixels(const uint8_t* pixels, int64_t features, const int32_t* pixel_map,
                             const int32_t* indices, float scale, float shift,
                             MatrixView<float> out, void* stream) {
  return Launch(out.rows * out.columns, stream,
                GatherPixelsOp{pixels, features, pixel_map, indices, scale, shift, out});
}

std::string CudaSgdStep(const SgdCoefficients<float>& c, const float* gradient, float* weights,
                        float* velocity, int64_t count, void* stream) {
  return Launch(count, stream, SgdOp{c, gradient, weights, velocity});
}

std::string CudaAdamStep(const AdamCoefficients<float>& c, const float* gradient, float* weights,
                         float* mean, float* square, int64_t count, void* stream) {
  return Launch(count, stream, AdamOp{c, gradient, weights, mean, square});
}

std::string CudaRmspropStep(const RmspropCoefficients<float>& c, const float* gradient,
                            float* weights, float* square, float* buffer, int64_t count,
                            void* stream) {
  return Launch(count, stream, RmspropOp{c, gradient, weights, square, buffer});
}

}  // namespace perennial::kernels
