#include "common/kernels/activation_scalar.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

constexpr Activation kAll[] = {Activation::kIdentity, Activation::kRelu, Activation::kLeakyRelu,
                               Activation::kElu,      Activation::kTanh, Activation::kGelu,
                               Activation::kCrelu};

TEST(ActivationScalarTest, ValuesAreThoseOfTheDefinitions) {
  EXPECT_EQ(Activate(Activation::kIdentity, -2.5), -2.5);
  EXPECT_EQ(Activate(Activation::kRelu, -2.5), 0);
  EXPECT_EQ(Activate(Activation::kRelu, 2.5), 2.5);
  EXPECT_EQ(Activate(Activation::kCrelu, 2.5), 2.5);
  EXPECT_EQ(Activate(Activation::kCrelu, -2.5), 0);
  EXPECT_EQ(Activate(Activation::kLeakyRelu, -2.0), -0.02);
  EXPECT_EQ(Activate(Activation::kLeakyRelu, 2.0), 2);
  EXPECT_NEAR(Activate(Activation::kElu, -1.0), 0.36787944117144233 - 1, 1e-16);
  EXPECT_EQ(Activate(Activation::kElu, 1.0), 1);
  EXPECT_NEAR(Activate(Activation::kTanh, 0.5), 0.46211715726000975, 1e-16);
  // Tables of the normal distribution function: Phi(1), Phi(-3), Phi(-10).
  EXPECT_NEAR(Activate(Activation::kGelu, 1.0), 0.84134474606854293, 1e-15);
  EXPECT_NEAR(Activate(Activation::kGelu, -3.0) / -3, 0.0013498980316300945, 1e-17);
  EXPECT_NEAR(Activate(Activation::kGelu, -10.0) / -10 / 7.6198530241605261e-24, 1, 1e-13);
}

TEST(ActivationScalarTest, SlopeAndCurvatureAreDifferencesOfTheValue) {
  constexpr double kStep = 1e-4;
  for (const Activation f : kAll) {
    for (double z = -4.05; z < 4; z += 0.1) {  // Never within a step of the kink.
      const double below = Activate(f, z - kStep);
      const double y = Activate(f, z);
      const double above = Activate(f, z + kStep);
      EXPECT_NEAR(ActivationSlope(f, y, z), (above - below) / (2 * kStep), 1e-7)
          << static_cast<int>(f) << " " << z;
      EXPECT_NEAR(ActivationCurvature(f, y, z),
                  (ActivationSlope(f, above, z + kStep) - ActivationSlope(f, below, z - kStep)) /
                      (2 * kStep),
                  1e-7)
          << static_cast<int>(f) << " " << z;
    }
  }
}

TEST(ActivationScalarTest, NanStaysNan) {
  for (const Activation f : kAll) {
    EXPECT_TRUE(std::isnan(Activate(f, std::numeric_limits<float>::quiet_NaN())));
    EXPECT_TRUE(std::isnan(Activate(f, std::numeric_limits<double>::quiet_NaN())));
  }
}

TEST(ActivationScalarTest, FloatAgreesWithDouble) {
  for (const Activation f : kAll) {
    for (float z = -6; z < 6; z += 0.37f) {
      const double wide = z;
      const double y = Activate(f, wide);
      EXPECT_NEAR(Activate(f, z), y, 1e-6);
      EXPECT_NEAR(ActivationSlope(f, Activate(f, z), z), ActivationSlope(f, y, wide), 1e-6);
      EXPECT_NEAR(ActivationCurvature(f, Activate(f, z), z), ActivationCurvature(f, y, wide), 2e-6);
    }
  }
}

}  // namespace
}  // namespace perennial::kernels
