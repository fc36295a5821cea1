// The project's version, as CHANGELOG.md names it.
#ifndef PERENNIAL_COMMON_BASE_VERSION_H_
#define PERENNIAL_COMMON_BASE_VERSION_H_

namespace perennial::base {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_VERSION_H_
