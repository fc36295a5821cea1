#!/usr/bin/env python3
"""Writes causal/data/ihdp_oracle.inc, what ihdp_test.cc compares with.

Recorded with numpy 2.4.6 (pip install numpy==2.4.6) from econml/data/ihdp/sim.csv of the wheel
econml 0.17.0. Run in the root of the tree:

  python3 tools/oracles/ihdp.py SIM_CSV
"""

import csv
import sys

import numpy

assert numpy.__version__ == "2.4.6"

SEED = 1
DRAWS = 20000


def load(path):
    with open(path, encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    head, table = rows[0], numpy.array(rows[1:], dtype=float)
    table = table[~((table[:, 0] == 1) & (table[:, head.index("momwhite")] == 0))]
    x = table[:, 1:26].copy()
    x[:, :6] = (x[:, :6] - x[:, :6].mean(axis=0)) / x[:, :6].std(axis=0, ddof=1)
    x[:, head.index("first") - 1] += 1
    return x, table[:, 0].astype(int)


def products(x):
    """Squares of what is not binary, then all pairs; those that do not raise the rank drop out."""
    p = x.shape[1]
    names = [(i, i) for i in range(p) if len(numpy.unique(x[:, i])) > 2]
    names += [(i, j) for i in range(p) for j in range(i + 1, p)]
    design = numpy.column_stack([numpy.ones(len(x)), x])
    kept, dropped = [], []
    for i, j in names:
        column = x[:, i] * x[:, j]
        residual = column - design @ numpy.linalg.lstsq(design, column, rcond=None)[0]
        if numpy.linalg.norm(residual) > 1e-8 * max(numpy.linalg.norm(column), 1e-300):
            kept.append((i, j))
            design = numpy.column_stack([design, column])
        else:
            dropped.append((i, j))
    assert numpy.linalg.matrix_rank(design) == design.shape[1]
    return kept, dropped, design


def anchored(mu0, mu1, t, arm):
    return mu1 - ((mu1 - mu0)[t == arm].mean() - 4)


def hill_b(design, beta):
    w = numpy.full(26, 0.5)
    w[0] = 0
    return numpy.exp((design[:, :26] + w) @ beta), design[:, :26] @ beta


def quantiles(values):
    return ", ".join(repr(float(v)) for v in numpy.quantile(values, [0.25, 0.5, 0.75]))


def main():
    x, t = load(sys.argv[1])
    kept, dropped, design = products(x)
    lines = ["// numpy %s, written by tools/oracles/ihdp.py." % numpy.__version__]

    lines += ["// Factors of the squares and products that are linear combinations of others.",
              "#ifdef PERENNIAL_DROPPED_ORACLE"]
    lines += ["{%d, %d}," % pair for pair in dropped]
    lines += ["#endif", "// Unit, covariates bw, birth.o, momage.", "#ifdef PERENNIAL_X_ORACLE"]
    units = [0, 1, 200, 746]
    lines += ["{%d, %r, %r, %r}," % (i, *map(float, x[i, [0, 3, 5]])) for i in units]

    # Coefficients that follow the position: j-th is values[(5 j + 3 + arm) % count].
    def pattern(values, count, arm):
        return numpy.array([values[(5 * j + 3 + arm) % len(values)] for j in range(count)])

    lines += ["#endif", "// Surface, unit, mu0, mu1 anchored at the treated, at the controls.",
              "#ifdef PERENNIAL_MEANS_ORACLE"]
    beta = pattern([0, 0.1, 0.2, 0.3, 0.4, 0, 0], 26, 0)
    mu0, mu1 = hill_b(design, beta)
    means = {"kHillB": (mu0, mu1)}
    values = [0, 0.5, 1, 0, 0, 0, 2]
    means["kNpciB"] = tuple(design @ pattern(values, design.shape[1], arm) for arm in (0, 1))
    for name, (mu0, mu1) in means.items():
        lines += ["{IhdpSurface::%s, %d, %r, %r, %r}," %
                  (name, i, float(mu0[i]), float(anchored(mu0, mu1, t, 1)[i]),
                   float(anchored(mu0, mu1, t, 0)[i])) for i in units]

    # Distributions over realisations, by numpy's generator.
    rng = numpy.random.default_rng(SEED)
    sds, ates = [], []
    for _ in range(DRAWS):
        beta = numpy.r_[rng.integers(9) * 0.25 - 1,
                        rng.choice([0, 0.1, 0.2, 0.3, 0.4], 25, p=[0.6, 0.1, 0.1, 0.1, 0.1])]
        mu0, mu1 = hill_b(design, beta)
        tau = anchored(mu0, mu1, t, 1) - mu0
        sds.append(tau.std())
        ates.append(tau.mean())
    lines += ["#endif", "// Surface, quartiles of sd(CATE), quartiles of the ATE.",
              "#ifdef PERENNIAL_QUARTILES_ORACLE",
              "{IhdpSurface::kHillB, {%s}, {%s}}," % (quantiles(sds), quantiles(ates))]
    sds, ates = [], []
    for _ in range(DRAWS // 10):
        mu = []
        for _ in range(2):
            mu.append(design @ numpy.r_[rng.choice([0, 1, 2], 26, p=[0.6, 0.3, 0.1]),
                                        rng.choice([0, 0.5, 1], len(kept), p=[0.8, 0.15, 0.05])])
        tau = anchored(mu[0], mu[1], t, 1) - mu[0]
        sds.append(tau.std())
        ates.append(tau.mean())
    lines += ["{IhdpSurface::kNpciB, {%s}, {%s}}," % (quantiles(sds), quantiles(ates))]

    # npci's C; that few of the products depend on other terms is passed over.
    sds = []
    for _ in range(DRAWS):
        main = rng.choice(25, 4, replace=False)
        pairs = [(i, i) for i in main if len(numpy.unique(x[:, i])) > 2]
        pairs += [(main[a], main[b]) for a in range(4) for b in range(a + 1, 4)]
        two = [pairs[q] for q in rng.choice(len(pairs), 2, replace=False)]
        terms = numpy.column_stack([x[:, main]] + [x[:, i] * x[:, j] for i, j in two])
        sds.append((terms @ rng.uniform(-0.5, 0.5, 6)).std())
    lines += ["#endif", "// Quartiles of the sd of C's logit.", "#ifdef PERENNIAL_LOGIT_ORACLE",
              quantiles(sds), "#endif"]
    with open("causal/data/ihdp_oracle.inc", "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
