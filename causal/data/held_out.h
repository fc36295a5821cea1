// What a fit holds out to stop early, where units are not independent.
//
// What is held out must not have copies, or kin, among what is fitted to: more fitting would never
// look wrong. A bootstrap sample is full of copies.
//
//   for (auto& units : UnitsByClass(arm_of, arms, cluster)) {
//     stream.Shuffle(std::span<int32_t>(units));
//     for (const int32_t unit : FirstWholeClusters(units, cluster, units.size() / 5)) ..
//   }
#ifndef PERENNIAL_CAUSAL_DATA_HELD_OUT_H_
#define PERENNIAL_CAUSAL_DATA_HELD_OUT_H_

#include <cstdint>
#include <span>
#include <vector>

namespace perennial::causal {

// Units by class, [classes], in their order; those of a cluster all in the class of its first unit.
// class_of [n] in [0, classes); cluster [n], at least 0, or empty: each unit is its own.
std::vector<std::vector<int32_t>> UnitsByClass(std::span<const int32_t> class_of, int classes,
                                               std::span<const int32_t> cluster);

// The first `count` of the units `order`, clusters whole: one comes with its first unit, or not at
// all if it does not fit, so that there may be fewer. All units of a cluster must be in `order`, or
// none. cluster as above.
std::vector<int32_t> FirstWholeClusters(std::span<const int32_t> order,
                                        std::span<const int32_t> cluster, int64_t count);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_HELD_OUT_H_
