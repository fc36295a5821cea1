// The lines of research that //tools/claims knows: a new one with claims is added here.
#ifndef PERENNIAL_TOOLS_CLAIMS_LINES_H_
#define PERENNIAL_TOOLS_CLAIMS_LINES_H_

#include <vector>

#include "tools/claims/claims_file.h"

namespace perennial::claims {

std::vector<KnownLine> KnownLines();

}  // namespace perennial::claims

#endif  // PERENNIAL_TOOLS_CLAIMS_LINES_H_
