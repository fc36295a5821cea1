// Distances between rows of parameters, over what is trained: running statistics do not count.
//
//   const nn::ConstRow<float> minima[] = {rows.row(0), rows.row(1), rows.row(2)};
//   const std::vector<std::vector<double>> d = DistanceMatrix(network.layout(), minima);
#ifndef PERENNIAL_CONTINUAL_ANALYSIS_DISTANCE_H_
#define PERENNIAL_CONTINUAL_ANALYSIS_DISTANCE_H_

#include <span>
#include <vector>

#include "common/nn/layout.h"
#include "common/nn/rows.h"

namespace perennial::continual {

// ||b - a||, differences and sums in double. Rows of layout.size() (CHECK), gaps zero.
double Distance(const nn::ParameterLayout& layout, nn::ConstRow<float> a, nn::ConstRow<float> b);

// ||to - from|| / ||from||: how far training went, measured by where it began. Not finite if `from`
// is zero.
double RelativeDistance(const nn::ParameterLayout& layout, nn::ConstRow<float> from,
                        nn::ConstRow<float> to);

// Distances of all pairs of K rows, [K][K], symmetric, zero on the diagonal.
std::vector<std::vector<double>> DistanceMatrix(const nn::ParameterLayout& layout,
                                                std::span<const nn::ConstRow<float>> rows);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_ANALYSIS_DISTANCE_H_
