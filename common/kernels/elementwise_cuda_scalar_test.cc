#include "common/kernels/elementwise_cuda_scalar.h"

#include <limits>
#include <vector>

#include "common/kernels/aligned.h"
#include "common/kernels/dropout.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

TEST(ElementwiseCudaScalarTest, DropoutKeepsTheElementsWhoseWordIsAtLeastTheThreshold) {
  const random::Stream stream = random::Stream(3).Split("dropout");
  const uint64_t threshold = uint64_t{3} << 30;  // Rate 0.75.
  int kept = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    const bool keep = stream.At(i / 4)[i % 4] >= threshold;
    EXPECT_EQ(DropoutElement(stream.identity(), threshold, 4.0f, i, 0.5f), keep ? 2.0f : 0.0f);
    kept += keep ? 1 : 0;
  }
  EXPECT_NEAR(kept, 250, 70);
  // Blocks beyond 32 bits.
  const uint64_t far = (uint64_t{5} << 34) + 2;
  const uint32_t word = stream.At(far / 4)[2];
  EXPECT_EQ(DropoutElement(stream.identity(), word, 1.0, far, 1.0), 1);
  EXPECT_EQ(DropoutElement(stream.identity(), uint64_t{word} + 1, 1.0, far, 1.0), 0);
}

TEST(ElementwiseCudaScalarTest, DropoutIsTheHostKernels) {
  const random::Stream stream = random::Stream(4).Split("dropout");
  random::Stream draws(5);
  constexpr int64_t kRows = 7, kColumns = 13;
  std::vector<float> x(kRows * kColumns), out(x.size());
  for (float& value : x) value = static_cast<float>(draws.Normal());
  x[3] = std::numeric_limits<float>::infinity();
  Dropout<float>(stream, 0.5, {x.data(), kRows, kColumns, kColumns},
                 {out.data(), kRows, kColumns, kColumns});
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(DropoutElement(stream.identity(), uint64_t{1} << 31, 2.0f, i, x[i]), out[i]);
  }
}

TEST(ElementwiseCudaScalarTest, PixelsAreScaledAndShifted) {
  for (int pixel = 0; pixel < 256; ++pixel) {
    EXPECT_EQ(PixelInput(static_cast<uint8_t>(pixel), 0.25, -1.5), pixel / 4.0 - 1.5);
    EXPECT_NEAR(PixelInput(static_cast<uint8_t>(pixel), 1 / 255.0f, 0.1f), pixel / 255.0 + 0.1,
                2e-7);
  }
}

}  // namespace
}  // namespace perennial::kernels
