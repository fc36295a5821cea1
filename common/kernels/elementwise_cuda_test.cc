#include "common/kernels/elementwise_cuda.h"

#include <cuda_runtime.h>

#include <vector>

#include "common/kernels/sgd_update.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

class DeviceBuffer {
 public:
  explicit DeviceBuffer(const std::vector<float>& values) : bytes_(values.size() * sizeof(float)) {
    EXPECT_EQ(cudaMalloc(&data_, bytes_), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(data_, values.data(), bytes_, cudaMemcpyHostToDevice), cudaSuccess);
  }
  ~DeviceBuffer() { cudaFree(data_); }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  float* data() { return static_cast<float*>(data_); }
  std::vector<float> Read() const {
    std::vector<float> values(bytes_ / sizeof(float));
    EXPECT_EQ(cudaMemcpy(values.data(), data_, bytes_, cudaMemcpyDeviceToHost), cudaSuccess);
    return values;
  }

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

TEST(ElementwiseCudaTest, SgdMomentumStepIsTheHostsArithmetic) {
  if (CudaDeviceCount() == 0) GTEST_SKIP() << "no GPU";
  for (const int64_t size : {1, 255, 256, 257, 2000003}) {
    random::Stream stream(1);
    std::vector<float> g(size), w(size), v(size);
    for (std::vector<float>* values : {&g, &w, &v}) {
      for (float& value : *values) value = static_cast<float>(stream.Normal());
    }
    DeviceBuffer device_g(g), device_w(w), device_v(v);
    ASSERT_EQ(CudaSgdMomentumStep(0.1f, 0.8f, 0.01f, device_g.data(), device_w.data(),
                                  device_v.data(), size, nullptr),
              "");
    for (int64_t i = 0; i < size; ++i) SgdMomentumUpdate(0.1f, 0.8f, 0.01f, g[i], w[i], v[i]);
    EXPECT_EQ(device_w.Read(), w);
    EXPECT_EQ(device_v.Read(), v);
  }
}

TEST(ElementwiseCudaTest, WithoutADriverThereAreNoDevices) { EXPECT_GE(CudaDeviceCount(), 0); }

}  // namespace
}  // namespace perennial::kernels
