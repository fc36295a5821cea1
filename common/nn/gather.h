// The inputs of a batch as numbers: normalised, converted and permuted while they are gathered.
#ifndef PERENNIAL_COMMON_NN_GATHER_H_
#define PERENNIAL_COMMON_NN_GATHER_H_

#include "common/data/batch.h"
#include "common/kernels/aligned.h"

namespace perennial::nn {

// Row r of out [batch.size(), features] becomes the batch's example r. Every part's table, or its
// feature map, must have out.columns features and be bytes or floats, and every index be in its
// table (CHECK).
template <typename T>
void Gather(const data::Batch& batch, kernels::MatrixView<T> out);

// Indices are in their tables (CHECK).
void CheckIndices(const data::BatchPart& part);

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_GATHER_H_
