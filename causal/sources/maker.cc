#include "causal/sources/maker.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/sha256.h"

namespace perennial::causal {
namespace {

template <typename Number>
void Add(const std::vector<Number>& numbers, base::Sha256& hash) {
  hash.Update({reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)});
}

class Fixed final : public SampleSource {
 public:
  Fixed(std::string group, Realisation realisation)
      : group_(std::move(group)),
        realisation_(std::move(realisation)),
        digest_(DigestOf(realisation_.units)) {}

  std::string group() const override { return group_; }
  std::string digest() const override { return digest_; }
  absl::StatusOr<Observations> Draw(const random::Stream& /*stream*/) const override {
    return realisation_.units;
  }
  absl::StatusOr<Realisation> Realise(uint64_t /*seed*/) const override { return realisation_; }

 private:
  const std::string group_;
  const Realisation realisation_;
  const std::string digest_;
};

}  // namespace

std::string DigestOf(const Observations& observations) {
  base::Sha256 hash;
  for (const std::string& name : observations.covariate_names) {
    hash.Update(name);
    hash.Update("\n");
  }
  Add(observations.covariates, hash);
  Add(observations.treatment, hash);
  Add(observations.outcome, hash);
  Add(observations.cluster, hash);
  if (observations.truth.has_value()) {
    for (const auto* part : {&observations.truth->mean_outcome, &observations.truth->propensity}) {
      for (const std::vector<double>& of_arm : *part) Add(of_arm, hash);
    }
  }
  return hash.FinishHex();
}

SourceOr FixedSource(std::string group, Realisation realisation) {
  return std::make_shared<Fixed>(std::move(group), std::move(realisation));
}

}  // namespace perennial::causal
