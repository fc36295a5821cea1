#include "causal/sources.h"

#include <algorithm>
#include <iterator>

#include "causal/sources/maker.h"
#include "causal/sources/real.h"
#include "causal/sources/simulated.h"
#include "common/base/logging.h"

namespace perennial::causal {
namespace {

struct Entry {
  DataConfig::KindCase kind;
  SourceMaker make;
};

constexpr Entry kSources[] = {
    {DataConfig::kIhdp, MakeIhdp},
    {DataConfig::kAcic2016, MakeAcic2016},
    {DataConfig::kAcic2017, MakeAcic2017},
    {DataConfig::kNieWager, MakeNieWager},
    {DataConfig::kKangSchafer, MakeKangSchafer},
    {DataConfig::kNews, MakeNews},
    {DataConfig::kHonest, MakeHonest},
    {DataConfig::kNhefs, MakeNhefs},
    {DataConfig::kLalonde, MakeLalonde},
    {DataConfig::kIhdpFile, MakeIhdpFile},
    {DataConfig::kJobsFile, MakeJobsFile},
};

}  // namespace

SourceOr MakeSampleSource(const DataConfig& config, const std::string& data_folder) {
  const auto* entry = std::ranges::find(kSources, config.kind_case(), &Entry::kind);
  CHECK(entry != std::end(kSources))
      << "data of kind " << config.kind_case() << " are not in the table of sources.cc";
  return entry->make(config, data_folder);
}

}  // namespace perennial::causal
