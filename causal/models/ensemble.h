// Several fits of one model to the same units, from different streams, whose predictions are
// averaged: what differs between them by initial weights, held-out units and order of batches alone
// goes down with their number (Lakshminarayanan et al. 2017).
//
//   const ModelFactory five = Ensemble(factory, /*members=*/5);
#ifndef PERENNIAL_CAUSAL_MODELS_ENSEMBLE_H_
#define PERENNIAL_CAUSAL_MODELS_ENSEMBLE_H_

#include "causal/models/model.h"

namespace perennial::causal {

// members at least 1 (CHECK). Member k draws from the stream below "member", k; they are fitted one
// after the other. Outcomes, effects and propensities are means; propensities still sum to 1.
ModelFactory Ensemble(ModelFactory model, int members);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_MODELS_ENSEMBLE_H_
