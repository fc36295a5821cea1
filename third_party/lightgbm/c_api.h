// The functions of LightGBM's C interface that are called here, as the library of the lock exports
// them. The Python package carries the library without a header, so their types are restated; they
// are those of the calls in the package's own basic.py (4.7.0).
//
// Each returns 0, or -1 and leaves a message for LGBM_GetLastError in the same thread. Handles of
// different objects may be used in different threads.
#ifndef PERENNIAL_THIRD_PARTY_LIGHTGBM_C_API_H_
#define PERENNIAL_THIRD_PARTY_LIGHTGBM_C_API_H_

#include <cstdint>

extern "C" {

// Of a matrix or a field.
inline constexpr int kLgbmFloat32 = 0;
inline constexpr int kLgbmFloat64 = 1;
// What is predicted: in the units of the target, through the link.
inline constexpr int kLgbmPredictNormal = 0;
// Sums of trees, before the link.
inline constexpr int kLgbmPredictRawScore = 1;

const char* LGBM_GetLastError();

// Parameters are `key=value` with blanks between them. `reference` (or null): its bins are used.
int LGBM_DatasetCreateFromMat(const void* data, int type, int32_t rows, int32_t columns,
                              int row_major, const char* parameters, void* reference, void** out);
// "label", "weight": float32; "init_score": float64, what trees are added to. Copies.
int LGBM_DatasetSetField(void* dataset, const char* field, const void* values, int count, int type);
int LGBM_DatasetFree(void* dataset);

// Data sets must outlive the booster.
int LGBM_BoosterCreate(void* training, const char* parameters, void** out);
int LGBM_BoosterAddValidData(void* booster, void* dataset);
// *finished = 1: no tree with a split was found.
int LGBM_BoosterUpdateOneIter(void* booster, int* finished);
int LGBM_BoosterGetCurrentIteration(void* booster, int* out);
// The metrics on data set `index`: 0 is the training data, 1 the first that was added.
int LGBM_BoosterGetEval(void* booster, int index, int* count, double* values);
// The first `iterations` (-1: all) as text that ends with NUL, which `*length` counts; nothing is
// written where the buffer is too small.
int LGBM_BoosterSaveModelToString(void* booster, int start, int iterations, int importance,
                                  int64_t buffer, int64_t* length, char* text);
int LGBM_BoosterLoadModelFromString(const char* text, int* iterations, void** out);
int LGBM_BoosterGetNumFeature(void* booster, int* out);
int LGBM_BoosterGetNumClasses(void* booster, int* out);
int LGBM_BoosterPredictForMat(void* booster, const void* data, int type, int32_t rows,
                              int32_t columns, int row_major, int what, int start, int iterations,
                              const char* parameters, int64_t* count, double* out);
int LGBM_BoosterFree(void* booster);

}  // extern "C"

#endif  // PERENNIAL_THIRD_PARTY_LIGHTGBM_C_API_H_
