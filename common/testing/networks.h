// Small networks of every kind, and batches for them: what tests of passes and sinks run through.
#ifndef PERENNIAL_COMMON_TESTING_NETWORKS_H_
#define PERENNIAL_COMMON_TESTING_NETWORKS_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "common/data/batch.h"
#include "common/data/labeled_images.h"
#include "common/kernels/aligned.h"
#include "common/nn/network.h"

namespace perennial::testing {

// A network, and a batch of 9 rows from two parts: for dense inputs images and a table of floats
// whose columns are mapped, for one-hot inputs two lists of active features.
class NetworkCase {
 public:
  NetworkCase(std::string name, nn::NetworkSpec spec, std::vector<nn::RowRange> ranges = {});

  const std::string& name() const { return name_; }
  const nn::NetworkSpec& spec() const { return spec_; }
  nn::Network network() const;
  // The rows each block sees; all of them where a case says nothing.
  const std::vector<nn::RowRange>& ranges() const { return ranges_; }
  int64_t rows() const { return 9; }
  data::Batch batch() const { return data::Batch(parts_); }
  // The same inputs as numbers [rows, spec.inputs].
  const std::vector<double>& inputs() const { return inputs_; }

  bool has_norm() const { return Has(nn::LayerSpec::Kind::kLayerNorm) || has_batch_norm(); }
  bool has_batch_norm() const { return Has(nn::LayerSpec::Kind::kBatchNorm); }

 private:
  bool Has(nn::LayerSpec::Kind kind) const;

  std::string name_;
  nn::NetworkSpec spec_;
  std::vector<nn::RowRange> ranges_;
  data::LabeledImages images_;
  std::vector<float> table_;
  std::vector<int32_t> active_;
  std::vector<int32_t> image_indices_;
  std::vector<int32_t> table_indices_;
  std::vector<int32_t> map_;
  std::vector<data::BatchPart> parts_;
  std::vector<double> inputs_;
};

// Names a case in the output of a failed test.
void PrintTo(const NetworkCase* network, std::ostream* stream);

// Every activation, dropout, norms, one-hot inputs, heads that see all or some rows, no bias. They
// live for ever.
const std::vector<const NetworkCase*>& NetworkCases();
// Those for which `keep` is true.
std::vector<const NetworkCase*> NetworkCasesWhere(bool (*keep)(const NetworkCase&));

// Numbers for the gradients at the outputs of each block; those of block `without` are absent.
std::vector<std::vector<double>> Cotangents(const NetworkCase& network, int without = -1);

// Writes them into a workspace.
template <typename T>
void WriteCotangents(const std::vector<std::vector<double>>& cotangents,
                     nn::Workspace<T>& workspace) {
  for (size_t b = 0; b < cotangents.size(); ++b) {
    if (cotangents[b].empty()) continue;
    const kernels::MatrixView<T> gradient = workspace.gradient(static_cast<int>(b));
    for (int64_t r = 0; r < gradient.rows; ++r) {
      for (int64_t c = 0; c < gradient.columns; ++c) {
        gradient(r, c) = static_cast<T>(cotangents[b][r * gradient.columns + c]);
      }
    }
  }
}

template <typename T>
std::vector<double> ToDoubles(kernels::MatrixView<T> view) {
  std::vector<double> values;
  for (int64_t r = 0; r < view.rows; ++r) {
    values.insert(values.end(), view.row(r), view.row(r) + view.columns);
  }
  return values;
}

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_NETWORKS_H_
