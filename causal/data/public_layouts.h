// Readers of public files of benchmarks that cannot come with the build, so that results on them
// can be compared. Layouts as the code of CFRNet, Dragonnet and CEVAE reads them.
//
// IHDP, .npz (ihdp_npci_1-100.train.npz and its relatives): x [n, p, R], t, yf, ycf, mu0, mu1 [n,
// R], for R realisations. p is 25; `first` (x14) is coded 1 and 2, as it stands in the file. This
// is npci's "setting A", which is Hill's surface B (ihdp.h). The counterfactual ycf is checked for
// its shape and passed over: it is noise around mu0 and mu1. IHDP, .csv (ihdp_npci_1.csv): a
// realisation without a header, t, y, ycf, mu0, mu1, x1 ... x25. Jobs, .npz
// (jobs_DW_bin.train.npz): x [n, p, R], t, e, yf [n, R]; p is 17. e is 1 for those who were in the
// experiment, whose controls were drawn by lot, and yf is 0 or 1. There is no truth but what the
// experiment says.
//
// Covariates are called x1 ... xp. Train and test parts are files of their own; read each. A file
// of 1000 realisations takes its size in memory, twice while it is read.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const IhdpFile file, IhdpFile::Read("ihdp_npci_1-100.train.npz"));
//   for (int64_t r = 0; r < file.realisations(); ++r) {
//     PERENNIAL_ASSIGN_OR_RETURN(const Observations ihdp, file.Realisation(r));
//   }
//
// Errors name the file, the array and the realisation: InvalidArgument; OutOfRange for a
// realisation that is not there; NotFound and the like if the file cannot be read.
#ifndef PERENNIAL_CAUSAL_DATA_PUBLIC_LAYOUTS_H_
#define PERENNIAL_CAUSAL_DATA_PUBLIC_LAYOUTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "causal/data/observations.h"

namespace perennial::causal {

// Arrays [n, p, R] and [n, R] of one file, in C order.
class RealisationFile {
 public:
  // Reads x and the arrays called `names`; all must agree in n and R.
  static absl::StatusOr<RealisationFile> Read(const std::string& path,
                                              const std::vector<std::string>& names);

  const std::string& path() const { return path_; }
  int64_t units() const { return units_; }
  int64_t features() const { return features_; }
  int64_t realisations() const { return realisations_; }

  // OutOfRange unless 0 <= realisation < realisations().
  absl::Status CheckRealisation(int64_t realisation) const;

  // Below, the realisation is one of these.
  std::vector<double> X(int64_t realisation) const;                                // [n, p]
  std::vector<double> Column(const std::string& name, int64_t realisation) const;  // [n]
  absl::StatusOr<std::vector<int32_t>> ZeroOrOne(const std::string& name,
                                                 int64_t realisation) const;

 private:
  std::string path_;
  int64_t units_ = 0;
  int64_t features_ = 0;
  int64_t realisations_ = 0;
  std::vector<double> x_;
  std::map<std::string, std::vector<double>> columns_;
};

class IhdpFile {
 public:
  static absl::StatusOr<IhdpFile> Read(const std::string& path);
  int64_t realisations() const { return file_.realisations(); }
  // With the truth: mu0 and mu1.
  absl::StatusOr<Observations> Realisation(int64_t realisation) const;

 private:
  explicit IhdpFile(RealisationFile file) : file_(std::move(file)) {}
  RealisationFile file_;
};

absl::StatusOr<Observations> ReadIhdpCsv(const std::string& path);

struct JobsObservations {
  Observations observations;       // The outcome is binary.
  std::vector<int8_t> randomised;  // [n], 1 for the units of the experiment.
};

class JobsFile {
 public:
  static absl::StatusOr<JobsFile> Read(const std::string& path);
  int64_t realisations() const { return file_.realisations(); }
  absl::StatusOr<JobsObservations> Realisation(int64_t realisation) const;

 private:
  explicit JobsFile(RealisationFile file) : file_(std::move(file)) {}
  RealisationFile file_;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_PUBLIC_LAYOUTS_H_
