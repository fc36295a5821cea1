#!/usr/bin/env python3
"""Writes causal/models/boosting_oracle.inc: predictions of LightGBM's Python package.

Recorded with lightgbm 4.7.0 and numpy 2.4.6 (pip install lightgbm==4.7.0 numpy==2.4.6); the version
is that of third_party/lightgbm. The data are whole numbers that boosting_test.cc makes by the same
formula. The package gets the targets and weights as they are, so that the scaling of boosting.cc is
tested, too. Run in the root of the tree:

  python3 tools/oracles/boosting.py
"""

import lightgbm
import numpy

assert lightgbm.__version__ == "4.7.0" and numpy.__version__ == "2.4.6"

UNITS, COVARIATES, ROWS = 600, 4, 12
MASK = (1 << 64) - 1


def mixed(x):
    """The finaliser of splitmix64."""
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def whole(i, c, bound):
    """A whole number in [0, bound)."""
    return mixed((i << 8) + c) % bound


def data():
    x = numpy.array([[whole(i, c, 1000) for c in range(COVARIATES)] for i in range(UNITS)], float)
    noise = numpy.array([whole(i, 100, 201) - 100 for i in range(UNITS)], float)
    y = (x[:, 0] - 500) * (x[:, 1] > 400) + .5 * x[:, 2] + noise
    weights = numpy.array([1 + whole(i, 101, 4) for i in range(UNITS)], float)
    return x, y, weights


def main():
    x, y, weights = data()
    cases = [
        # rounds, leaves, min_data_in_leaf, learning_rate, lambda, weighted, binary
        (100, 31, 20, .1, 0, False, False),
        (50, 8, 5, .2, 3, True, False),
        (100, 31, 20, .1, 0, False, True),
        (40, 6, 10, .3, 1, True, True),
    ]
    with open("causal/models/boosting_oracle.inc", "w") as out:
        out.write("// lightgbm 4.7.0, numpy 2.4.6, written by tools/oracles/boosting.py.\n"
                  "// rounds, leaves, min_data_in_leaf, learning_rate, lambda, weighted, binary, "
                  "predictions for the first units\n")
        for rounds, leaves, least, rate, penalty, weighted, binary in cases:
            # Weights of mean 1: lambda and the least sum of Hessians are relative to them.
            weight = weights / weights.mean() if weighted else None
            booster = lightgbm.train(
                {"objective": "binary" if binary else "regression", "num_leaves": leaves,
                 "min_data_in_leaf": least, "learning_rate": rate, "lambda_l2": penalty,
                 "num_threads": 1, "deterministic": True, "force_row_wise": True,
                 "verbosity": -1},
                lightgbm.Dataset(x, (y > 250).astype(float) if binary else y, weight=weight),
                num_boost_round=rounds)
            out.write("{%d, %d, %d, %r, %r, %s, %s, {%s}},\n" % (
                rounds, leaves, least, rate, penalty, str(weighted).lower(), str(binary).lower(),
                ", ".join(repr(float(v)) for v in booster.predict(x[:ROWS]))))


if __name__ == "__main__":
    main()
