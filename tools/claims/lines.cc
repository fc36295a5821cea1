#include "tools/claims/lines.h"

#include <memory>

#include "causal/line.h"
#include "continual/line.h"

namespace perennial::claims {

std::vector<KnownLine> KnownLines() {
  return {{std::make_shared<continual::ContinualLine>(), "continual/claims.textproto"},
          {std::make_shared<causal::CausalLine>(), "causal/claims.textproto"}};
}

}  // namespace perennial::claims
