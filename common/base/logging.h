// LOG, CHECK, VLOG, DCHECK and their families: glog's, always. The only header that includes glog.
//
// c10 (LibTorch) defines macros of the same names when it was built without glog. Where c10 is on
// the include path it is therefore included here first and its macros are dropped, so that glog's
// are the ones in force whichever of the two headers a file names first: c10's include guard keeps
// a later inclusion from defining them again. c10's own TORCH_CHECK family is untouched.
//
// CHECK is for programmer errors only; what a user, a file or a config can get wrong is a Status.
//
//   #include "common/base/logging.h"
//   CHECK_EQ(rows.size(), layout.size()) << "rows and layout must agree";
#ifndef PERENNIAL_COMMON_BASE_LOGGING_H_
#define PERENNIAL_COMMON_BASE_LOGGING_H_

#if __has_include(<c10/util/Logging.h>)
#include <c10/util/Logging.h>
#ifndef C10_USE_GLOG
#undef LOG
#undef LOG_IF
#undef VLOG
#undef VLOG_IF
#undef VLOG_IS_ON
#undef LOG_AT_FILE_LINE
#undef FATAL_IF
#undef DLOG
#undef CHECK
#undef DCHECK
#undef CHECK_OP
#undef CHECK_EQ
#undef CHECK_NE
#undef CHECK_LE
#undef CHECK_LT
#undef CHECK_GE
#undef CHECK_GT
#undef DCHECK_EQ
#undef DCHECK_NE
#undef DCHECK_LE
#undef DCHECK_LT
#undef DCHECK_GE
#undef DCHECK_GT
#undef CHECK_NOTNULL
#undef DCHECK_NOTNULL
#endif  // C10_USE_GLOG
#endif  // __has_include

#include <glog/logging.h>

#endif  // PERENNIAL_COMMON_BASE_LOGGING_H_
