#include "causal/sources.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "causal/data/ihdp.h"
#include "common/base/file_io.h"
#include "common/base/logging.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

using SourceOr = absl::StatusOr<std::shared_ptr<const SampleSource>>;

class IhdpSource final : public SampleSource {
 public:
  IhdpSource(Ihdp ihdp, const IhdpData& config) : ihdp_(std::move(ihdp)), config_(config) {}

  std::string group() const override {
    return absl::StrCat("ihdp_", absl::AsciiStrToLower(IhdpData::Surface_Name(config_.surface())));
  }
  std::string digest() const override {
    std::string bytes(reinterpret_cast<const char*>(ihdp_.covariates.data()),
                      ihdp_.covariates.size() * sizeof(double));
    bytes.append(reinterpret_cast<const char*>(ihdp_.treatment.data()),
                 ihdp_.treatment.size() * sizeof(int32_t));
    return base::Sha256Hex(bytes);
  }
  absl::StatusOr<Observations> Draw(const random::Stream& stream) const override {
    return IhdpRealisation(ihdp_, {.surface = static_cast<IhdpSurface>(config_.surface())}, stream);
  }

 private:
  const Ihdp ihdp_;
  const IhdpData config_;
};

SourceOr MakeIhdp(const DataConfig& config, const std::string& data_folder) {
  PERENNIAL_ASSIGN_OR_RETURN(
      Ihdp ihdp, LoadIhdp(data_folder.empty() ? "" : base::JoinPath(data_folder, "sim.csv")));
  return std::make_shared<IhdpSource>(std::move(ihdp), config.ihdp());
}

struct Entry {
  DataConfig::KindCase kind;
  SourceOr (*make)(const DataConfig&, const std::string&);
};

constexpr Entry kSources[] = {
    {DataConfig::kIhdp, MakeIhdp},
};

}  // namespace

SourceOr MakeSampleSource(const DataConfig& config, const std::string& data_folder) {
  const auto* entry = std::ranges::find(kSources, config.kind_case(), &Entry::kind);
  CHECK(entry != std::end(kSources))
      << "data of kind " << config.kind_case() << " are not in the table of sources.cc";
  return entry->make(config, data_folder);
}

}  // namespace perennial::causal
