#include "causal/data/random_surface.h"

#include <cmath>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using Kind = SurfaceTerm::Kind;

TEST(SurfaceAt, HasTheValuesWorkedOutByHand) {
  const std::vector<double> x = {2, -3, 0.5};
  const auto value = [&](SurfaceTerm term) { return SurfaceAt({.terms = {term}}, x); };
  EXPECT_EQ(value({.kind = Kind::kLinear, .column = 1, .weight = 2}), -6);
  EXPECT_EQ(value({.kind = Kind::kSquare, .column = 1, .weight = -0.5}), -4.5);
  EXPECT_EQ(value({.kind = Kind::kProduct, .column = 0, .other = 1, .weight = 2}), -12);
  EXPECT_DOUBLE_EQ(value({.kind = Kind::kSine, .column = 2, .parameter = 3, .weight = 2}),
                   2 * std::sin(1.5));
  EXPECT_EQ(value({.kind = Kind::kStep, .column = 2, .parameter = 0.4, .weight = 3}), 3);
  EXPECT_EQ(value({.kind = Kind::kStep, .column = 2, .parameter = 0.5, .weight = 3}), 0);
  EXPECT_EQ(SurfaceAt({.constant = 7}, x), 7);
  EXPECT_EQ(SurfaceAt({.constant = 1,
                       .terms = {{.column = 0, .weight = 2},
                                 {.kind = Kind::kProduct, .column = 1, .other = 2}}},
                      x),
            3.5);
}

// Normal, and two-valued, columns.
class RandomSurfaceTest : public ::testing::Test {
 protected:
  static constexpr int kRows = 2000;
  static constexpr int kColumns = 5;

  RandomSurfaceTest() : x_(kRows * kColumns) {
    random::Stream stream(1);
    for (int r = 0; r < kRows; ++r) {
      for (int c = 0; c < kColumns; ++c) {
        x_[r * kColumns + c] = c == 4 ? (stream.Uniform() < 0.5 ? -1 : 1) : stream.Normal();
      }
    }
  }
  kernels::MatrixView<const double> View() const { return {x_.data(), kRows, kColumns, kColumns}; }
  std::vector<double> Values(const Surface& surface) const {
    std::vector<double> values;
    for (int r = 0; r < kRows; ++r) {
      values.push_back(SurfaceAt(surface, {View().row(r), kColumns}));
    }
    return values;
  }

  std::vector<double> x_;
};

TEST_F(RandomSurfaceTest, HasMeanZeroAndDeviationOneOnTheReference) {
  for (const std::vector<int32_t>& columns :
       {std::vector<int32_t>{0}, {4}, {1, 4}, {0, 1, 2, 3, 4}}) {
    for (const double nonlinearity : {0.0, 0.3, 0.5, 1.0}) {
      for (uint64_t seed = 0; seed < 20; ++seed) {
        const Surface surface = RandomSurface(columns, nonlinearity, View(), random::Stream(seed));
        double sum = 0;
        double square = 0;
        for (const double value : Values(surface)) {
          sum += value;
          square += value * value;
        }
        EXPECT_NEAR(sum / kRows, 0, 1e-12);
        EXPECT_NEAR(square / kRows, 1, 1e-12);
      }
    }
  }
}

TEST_F(RandomSurfaceTest, UsesItsColumnsAndAllOfThemLinearly) {
  const std::vector<int32_t> columns = {3, 1};
  int products = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Surface surface = RandomSurface(columns, 0.5, View(), random::Stream(seed));
    EXPECT_EQ(surface.terms.size(), 4u);
    std::set<int32_t> linear;
    for (const SurfaceTerm& term : surface.terms) {
      EXPECT_TRUE(term.column == 1 || term.column == 3);
      if (term.kind == Kind::kLinear) linear.insert(term.column);
      if (term.kind == Kind::kProduct) {
        EXPECT_EQ(term.column + term.other, 4);
        ++products;
      }
    }
    EXPECT_EQ(linear, std::set<int32_t>({1, 3}));
  }
  EXPECT_GT(products, 0);
}

TEST_F(RandomSurfaceTest, HasAsManyOtherTermsAsColumnsButTwoAtLeast) {
  const auto terms = [&](const std::vector<int32_t>& columns) {
    return RandomSurface(columns, 0.5, View(), random::Stream(4)).terms.size();
  };
  EXPECT_EQ(terms({0}), 1u + 2);
  EXPECT_EQ(terms({0, 1, 2, 3}), 4u + 4);
}

TEST_F(RandomSurfaceTest, WithoutNonlinearityIsALinearFunction) {
  const std::vector<int32_t> columns = {0, 1, 2};
  const Surface surface = RandomSurface(columns, 0, View(), random::Stream(3));
  const std::vector<double> a = {1, 2, 3, 4, 5}, b = {-3, 0.5, 1, 9, 9},
                            middle = {-1, 1.25, 2, 0, 0};
  EXPECT_NEAR(SurfaceAt(surface, a) + SurfaceAt(surface, b), 2 * SurfaceAt(surface, middle), 1e-12);
  // Columns of equal spread, so weights in [1/2, 1] up to one common factor.
  for (const SurfaceTerm& s : surface.terms) {
    for (const SurfaceTerm& t : surface.terms) {
      EXPECT_LT(std::abs(s.weight / t.weight), 2.2);
    }
  }
}

TEST_F(RandomSurfaceTest, NonlinearityTakesAwayFromTheLinearFit) {
  // Squares, products, sines and steps of normal columns: what a line explains falls.
  const std::vector<int32_t> columns = {0, 1, 2, 3};
  double before = 1.01;
  for (const double nonlinearity : {0.0, 0.4, 0.8}) {
    double explained = 0;
    for (uint64_t seed = 0; seed < 30; ++seed) {
      const std::vector<double> values =
          Values(RandomSurface(columns, nonlinearity, View(), random::Stream(seed)));
      // Independent standard columns: squared correlations add up.
      for (int c = 0; c < 4; ++c) {
        double correlation = 0;
        for (int r = 0; r < kRows; ++r) correlation += values[r] * View()(r, c) / kRows;
        explained += correlation * correlation / 30;
      }
    }
    EXPECT_LT(explained, before - 0.005) << nonlinearity;
    before = explained - 0.05;
  }
}

TEST_F(RandomSurfaceTest, EqualStreamsGiveEqualSurfacesAndOthersOthers) {
  const std::vector<int32_t> columns = {0, 1, 2};
  const auto values = [&](uint64_t seed) {
    return Values(RandomSurface(columns, 0.5, View(), random::Stream(seed)));
  };
  EXPECT_EQ(values(5), values(5));
  EXPECT_NE(values(5), values(6));
}

TEST_F(RandomSurfaceTest, AllKindsOccur) {
  const std::vector<int32_t> columns = {0, 1, 2};
  std::set<Kind> kinds;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    for (const SurfaceTerm& term :
         RandomSurface(columns, 0.5, View(), random::Stream(seed)).terms) {
      kinds.insert(term.kind);
    }
  }
  EXPECT_EQ(kinds.size(), 5u);
}

TEST_F(RandomSurfaceTest, AConstantColumnStopsTheProgram) {
  std::vector<double> constant(kRows, 1.0);
  const std::vector<int32_t> columns = {0};
  EXPECT_DEATH(RandomSurface(columns, 0.5, {constant.data(), kRows, 1, 1}, random::Stream(1)),
               "column 0 is constant");
}

}  // namespace
}  // namespace perennial::causal
