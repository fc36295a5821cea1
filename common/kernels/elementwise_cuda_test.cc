#include "common/kernels/elementwise_cuda.h"

#include <cuda_runtime.h>

#include <vector>

#include "common/kernels/activation.h"
#include "common/kernels/dropout.h"
#include "common/kernels/elementwise.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

template <typename T>
class DeviceBuffer {
 public:
  explicit DeviceBuffer(const std::vector<T>& values) : bytes_(values.size() * sizeof(T)) {
    EXPECT_EQ(cudaMalloc(&data_, bytes_), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(data_, values.data(), bytes_, cudaMemcpyHostToDevice), cudaSuccess);
  }
  ~DeviceBuffer() { cudaFree(data_); }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  T* data() { return static_cast<T*>(data_); }
  std::vector<T> Read() const {
    std::vector<T> values(bytes_ / sizeof(T));
    EXPECT_EQ(cudaMemcpy(values.data(), data_, bytes_, cudaMemcpyDeviceToHost), cudaSuccess);
    return values;
  }

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

TEST(CudaDeviceCountTest, WithoutADriverThereAreNoDevices) { EXPECT_GE(CudaDeviceCount(), 0); }

class ElementwiseCudaTest : public testing::Test {
 protected:
  void SetUp() override {
    if (CudaDeviceCount() == 0) GTEST_SKIP() << "no GPU";
  }
  std::vector<float> Normals(int64_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(stream_.Normal());
    return values;
  }
  std::vector<float> Squares(int64_t count) {
    std::vector<float> values = Normals(count);
    for (float& value : values) value *= value;
    return values;
  }
  static void ExpectNear(const std::vector<float>& actual, const std::vector<float>& expected) {
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) ASSERT_NEAR(actual[i], expected[i], 2e-6f) << i;
  }

  static constexpr int64_t kSizes[] = {0, 1, 255, 256, 257, 2'000'003};
  random::Stream stream_ = random::Stream(1);
};

constexpr Activation kActivations[] = {
    Activation::kIdentity, Activation::kRelu, Activation::kLeakyRelu, Activation::kElu,
    Activation::kTanh,     Activation::kGelu, Activation::kCrelu};

TEST_F(ElementwiseCudaTest, ActivationsAreTheHosts) {
  constexpr int64_t kRows = 37, kColumns = 21, kStride = 48;
  for (const Activation f : kActivations) {
    for (const bool with_bias : {false, true}) {
      const int64_t width = ActivationWidth(f, kColumns);
      std::vector<float> y = Normals(kRows * kStride), saved = Normals(kRows * kStride);
      std::vector<float> delta = Normals(kRows * kStride);
      const std::vector<float> bias = Normals(kColumns);
      DeviceBuffer device_y(y), device_saved(saved), device_delta(delta), device_bias(bias);
      const auto view = [](float* data, int64_t columns) {
        return MatrixView<float>{data, kRows, columns, kStride};
      };
      BiasActivation<float>(f, with_bias ? bias.data() : nullptr, view(y.data(), width),
                            view(saved.data(), kColumns));
      ASSERT_EQ(CudaBiasActivation(f, with_bias ? device_bias.data() : nullptr,
                                   view(device_y.data(), width),
                                   view(device_saved.data(), kColumns), nullptr),
                "");
      ExpectNear(device_y.Read(), y);
      ExpectNear(device_saved.Read(), saved);
      ActivationBackward<float>(f, view(y.data(), width), view(saved.data(), kColumns),
                                view(delta.data(), width));
      ASSERT_EQ(CudaActivationBackward(f, view(device_y.data(), width),
                                       view(device_saved.data(), kColumns),
                                       view(device_delta.data(), width), nullptr),
                "");
      const std::vector<float> actual = device_delta.Read();
      for (int64_t i = 0; i < kRows * kStride; ++i) {
        // What CReLU leaves in its second half is unspecified.
        if (i % kStride >= kColumns && i % kStride < width) continue;
        ASSERT_NEAR(actual[i], delta[i], 4e-6f) << i;
      }
    }
  }
}

TEST_F(ElementwiseCudaTest, DropoutIsTheHosts) {
  constexpr int64_t kRows = 53, kColumns = 77, kStride = 80;
  const random::Stream key = random::Stream(2).Split("dropout");
  for (const double rate : {0.0, 0.1, 0.5, 0.9}) {
    const std::vector<float> x = Normals(kRows * kStride);
    std::vector<float> out = Normals(kRows * kStride);
    DeviceBuffer device_x(x), device_out(out);
    Dropout<float>(key, rate, {x.data(), kRows, kColumns, kStride},
                   {out.data(), kRows, kColumns, kStride});
    ASSERT_EQ(CudaDropout(key.identity(), rate, {device_x.data(), kRows, kColumns, kStride},
                          {device_out.data(), kRows, kColumns, kStride}, nullptr),
              "");
    EXPECT_EQ(device_out.Read(), out);
  }
}

TEST_F(ElementwiseCudaTest, GatheredPixelsAreTheHosts) {
  constexpr int64_t kImages = 9, kFeatures = 65, kRows = 12, kStride = 80;
  std::vector<uint8_t> pixels(kImages * kFeatures);
  for (uint8_t& pixel : pixels) pixel = static_cast<uint8_t>(stream_.Below(256));
  std::vector<int32_t> indices(kRows), map(kFeatures);
  for (int32_t& index : indices) index = static_cast<int32_t>(stream_.Below(kImages));
  for (int32_t& pixel : map) pixel = static_cast<int32_t>(stream_.Below(kFeatures));
  DeviceBuffer device_pixels(pixels);
  DeviceBuffer device_indices(indices), device_map(map);
  for (const bool mapped : {false, true}) {
    std::vector<float> out(kRows * kStride, -7);
    DeviceBuffer device_out(out);
    const MatrixView<float> view = {out.data(), kRows, kFeatures, kStride};
    if (mapped) {
      GatherPixelsMapped<float>(pixels.data(), kFeatures, map.data(), indices, 1 / 255.0f, -0.3f,
                                view);
    } else {
      GatherPixels<float>(pixels.data(), kFeatures, indices, 1 / 255.0f, -0.3f, view);
    }
    ASSERT_EQ(
        CudaGatherPixels(device_pixels.data(), kFeatures, mapped ? device_map.data() : nullptr,
                         device_indices.data(), 1 / 255.0f, -0.3f,
                         {device_out.data(), kRows, kFeatures, kStride}, nullptr),
        "");
    ExpectNear(device_out.Read(), out);
  }
}

// The same bits as the scalar updates, which round in the same places.
TEST_F(ElementwiseCudaTest, SgdStepIsTheScalarUpdate) {
  for (const int64_t size : kSizes) {
    for (const float momentum : {0.0f, 0.8f}) {
      for (const bool nesterov : {false, true}) {
        const SgdCoefficients<float> c = {.rate = 0.1f,
                                          .momentum = momentum,
                                          .decay = 0.01f,
                                          .gradient_scale = 0.7f,
                                          .nesterov = nesterov};
        std::vector<float> g = Normals(size), w = Normals(size), v = Normals(size);
        DeviceBuffer device_g(g), device_w(w), device_v(v);
        ASSERT_EQ(CudaSgdStep(c, device_g.data(), device_w.data(),
                              momentum > 0 ? device_v.data() : nullptr, size, nullptr),
                  "");
        for (int64_t i = 0; i < size; ++i) {
          if (momentum > 0) {
            SgdUpdate(c, g[i], w[i], v[i]);
          } else {
            SgdUpdate(c, g[i], w[i]);
          }
        }
        EXPECT_EQ(device_w.Read(), w);
        EXPECT_EQ(device_v.Read(), v);
      }
    }
  }
}

TEST_F(ElementwiseCudaTest, AdamStepIsTheScalarUpdate) {
  const AdamCoefficients<float> c = {.rate = 0.02f,
                                     .beta1 = 0.9f,
                                     .gradient_weight = 0.1f,
                                     .beta2 = 0.95f,
                                     .square_weight = 0.05f,
                                     .deviation_scale = 1.5f,
                                     .epsilon = 1e-3f,
                                     .decay = 0.03f,
                                     .shrinkage = 0.98f,
                                     .gradient_scale = 0.7f};
  for (const int64_t size : kSizes) {
    std::vector<float> g = Normals(size), w = Normals(size), m = Normals(size), s = Squares(size);
    DeviceBuffer device_g(g), device_w(w), device_m(m), device_s(s);
    ASSERT_EQ(CudaAdamStep(c, device_g.data(), device_w.data(), device_m.data(), device_s.data(),
                           size, nullptr),
              "");
    for (int64_t i = 0; i < size; ++i) AdamUpdate(c, g[i], w[i], m[i], s[i]);
    EXPECT_EQ(device_w.Read(), w);
    EXPECT_EQ(device_m.Read(), m);
    EXPECT_EQ(device_s.Read(), s);
  }
}

TEST_F(ElementwiseCudaTest, RmspropStepIsTheScalarUpdate) {
  for (const float momentum : {0.0f, 0.6f}) {
    const RmspropCoefficients<float> c = {.rate = 0.05f,
                                          .momentum = momentum,
                                          .smoothing = 0.9f,
                                          .square_weight = 0.1f,
                                          .epsilon = 1e-3f,
                                          .decay = 0.03f,
                                          .gradient_scale = 0.7f};
    for (const int64_t size : kSizes) {
      std::vector<float> g = Normals(size), w = Normals(size), s = Squares(size), b = Normals(size);
      DeviceBuffer device_g(g), device_w(w), device_s(s), device_b(b);
      ASSERT_EQ(CudaRmspropStep(c, device_g.data(), device_w.data(), device_s.data(),
                                momentum > 0 ? device_b.data() : nullptr, size, nullptr),
                "");
      for (int64_t i = 0; i < size; ++i) {
        if (momentum > 0) {
          RmspropUpdate(c, g[i], w[i], s[i], b[i]);
        } else {
          RmspropUpdate(c, g[i], w[i], s[i]);
        }
      }
      EXPECT_EQ(device_w.Read(), w);
      EXPECT_EQ(device_s.Read(), s);
      EXPECT_EQ(device_b.Read(), b);
    }
  }
}

}  // namespace
}  // namespace perennial::kernels
