#include "common/metrics/accuracy_matrix.h"

#include <cmath>

#include "gtest/gtest.h"

namespace perennial::metrics {
namespace {

// 0.9
// 0.7  0.8
// 0.75 0.6  1.0
AccuracyMatrix Example() {
  AccuracyMatrix matrix(3);
  matrix.Set(0, 0, 0.9);
  matrix.Set(1, 0, 0.7);
  matrix.Set(1, 1, 0.8);
  matrix.Set(2, 0, 0.75);
  matrix.Set(2, 1, 0.6);
  matrix.Set(2, 2, 1.0);
  return matrix;
}

TEST(AccuracyMatrix, NumbersAgreeWithTheHandComputedExample) {
  const AccuracyMatrix matrix = Example();
  EXPECT_DOUBLE_EQ(matrix.AverageAccuracy().value(), (0.75 + 0.6 + 1.0) / 3);
  EXPECT_DOUBLE_EQ(matrix.Forgetting().value(), (0.15 + 0.2) / 2);
  EXPECT_DOUBLE_EQ(matrix.LearningAccuracy().value(), (0.9 + 0.8 + 1.0) / 3);
}

TEST(AccuracyMatrix, BestCountsTasksNotYetLearnedToo) {
  AccuracyMatrix matrix = Example();
  matrix.Set(0, 1, 0.85);  // before task 1 was learned
  EXPECT_DOUBLE_EQ(matrix.Forgetting().value(), (0.15 + 0.25) / 2);
}

TEST(AccuracyMatrix, ImprovementIsNoNegativeForgetting) {
  AccuracyMatrix matrix(2);
  matrix.Set(0, 0, 0.5);
  matrix.Set(1, 0, 0.9);
  EXPECT_DOUBLE_EQ(matrix.Forgetting().value(), 0);
}

TEST(AccuracyMatrix, OneTaskHasNoForgetting) {
  AccuracyMatrix matrix(1);
  matrix.Set(0, 0, 0.5);
  EXPECT_EQ(matrix.Forgetting(), std::nullopt);
  EXPECT_EQ(matrix.AverageAccuracy(), 0.5);
  EXPECT_EQ(matrix.LearningAccuracy(), 0.5);
}

TEST(AccuracyMatrix, NumbersAreAbsentWhereEntriesAreMissing) {
  AccuracyMatrix matrix(2);
  EXPECT_EQ(matrix.Get(0, 0), std::nullopt);
  EXPECT_EQ(matrix.AverageAccuracy(), std::nullopt);
  EXPECT_EQ(matrix.Forgetting(), std::nullopt);
  EXPECT_EQ(matrix.LearningAccuracy(), std::nullopt);
  matrix.Set(1, 0, 0.4);  // only the last row is known
  matrix.Set(1, 1, 0.6);
  EXPECT_EQ(matrix.AverageAccuracy(), 0.5);
  EXPECT_EQ(matrix.Forgetting(), std::nullopt) << "task 0 was never seen before the last";
  EXPECT_EQ(matrix.LearningAccuracy(), std::nullopt);
  matrix.Set(0, 0, 0.3);
  EXPECT_EQ(matrix.Forgetting(), 0.0) << "better than before: nothing is forgotten";
}

TEST(AccuracyMatrixDeathTest, MistakesOfTheCallerStopTheProgram) {
  AccuracyMatrix matrix(2);
  EXPECT_DEATH(matrix.Set(2, 0, 0.5), "after task 2 of 2");
  EXPECT_DEATH(matrix.Get(0, -1), "task -1 of 2");
  EXPECT_DEATH(matrix.Set(0, 0, 70), "fraction");
  EXPECT_DEATH(matrix.Set(0, 0, std::nan("")), "fraction");
  EXPECT_DEATH(AccuracyMatrix(0), "tasks");
}

}  // namespace
}  // namespace perennial::metrics
