#!/usr/bin/env python3
"""Reference values of causal/estimators/baseline_effects_oracle.inc, by statsmodels and NumPy.

  python3 tools/oracles/baseline_effects.py > causal/estimators/baseline_effects_oracle.inc

statsmodels 0.15.0, numpy 2.4.6. OLS-1 is statsmodels' regression with HC3 errors; where units are of
clusters, and for OLS-2 with its penalty, all is done by whole matrices: one joint design of every
arm's columns, one sandwich.
"""

import numpy as np
import statsmodels
import statsmodels.api as sm

PENALTY = 1e-3  # Of OLS-2, times the arm's units, on columns of standard deviation 1.


def total(terms, cluster):
    """The variance of a sum of terms [n], those of a cluster added up first."""
    if cluster is None:
        return (terms**2).sum() * len(terms) / (len(terms) - 1)
    sums = np.array([terms[cluster == g].sum() for g in np.unique(cluster)])
    return (sums**2).sum() * len(sums) / (len(sums) - 1)


def hat_terms(design, penalty, y, functional):
    """The value of a linear function of the coefficients, and what each row's noise brings to it."""
    inverse = np.linalg.inv(design.T @ design + penalty)
    coefficients = inverse @ design.T @ y
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    residual = (y - design @ coefficients) / (1 - leverage)
    return functional @ coefficients, (design @ inverse @ functional) * residual, coefficients


def naive(t, y, arm, cluster):
    terms = np.zeros(len(y))
    for side, sign in ((0, -1), (arm, 1)):
        rows = t == side
        terms[rows] = sign * (y[rows] - y[rows].mean()) / rows.sum()
    return y[t == arm].mean() - y[t == 0].mean(), total(terms, cluster)**0.5


def ols_1(x, t, y, arm, cluster):
    arms = t.max()
    design = np.column_stack([np.ones(len(y)), x] + [(t == a).astype(float) for a in range(1, arms + 1)])
    column = x.shape[1] + arm
    if cluster is None:
        fit = sm.OLS(y, design).fit(cov_type="HC3")
        # The errors of influence functions have n - 1 below.
        return fit.params[column], fit.bse[column] * (len(y) / (len(y) - 1))**0.5
    functional = np.zeros(design.shape[1])
    functional[column] = 1
    value, terms, _ = hat_terms(design, 0 * np.eye(design.shape[1]), y, functional)
    return value, total(terms, cluster)**0.5


def ols_2(x, t, y, arm, cluster, target):
    """All arms' columns in one design, each standardised within its arm."""
    n, p = x.shape
    arms = t.max() + 1
    design = np.zeros((n, arms * (p + 1)))
    penalty = np.zeros(arms * (p + 1))
    center, scale = [], []
    for a in range(arms):
        rows = t == a
        center.append(x[rows].mean(0))
        scale.append(x[rows].std(0))
        block = slice(a * (p + 1), (a + 1) * (p + 1))
        design[rows, block] = np.column_stack([np.ones(rows.sum()), (x[rows] - center[a]) / scale[a]])
        penalty[block] = PENALTY * rows.sum()
        penalty[a * (p + 1)] = 0

    def contrast(point):
        functional = np.zeros(arms * (p + 1))
        for a, sign in ((0, -1), (arm, 1)):
            functional[a * (p + 1):(a + 1) * (p + 1)] = sign * np.append(1, (point - center[a]) / scale[a])
        return functional

    units = np.full(n, True) if target == "ate" else t == arm
    value, terms, coefficients = hat_terms(design, np.diag(penalty), y, contrast(x[units].mean(0)))
    own = np.array([contrast(row) @ coefficients for row in x])
    terms = terms + np.where(units, own - value, 0) / units.sum()
    return value, total(terms, cluster)**0.5


def text(numbers):
    return "{" + ", ".join(repr(float(v)) for v in numbers) + "}"


def main():
    assert statsmodels.__version__ == "0.15.0" and np.__version__ == "2.4.6"
    rng = np.random.default_rng(5)
    print(f"// Made by tools/oracles/baseline_effects.py: statsmodels {statsmodels.__version__}, "
          f"NumPy {np.__version__}.")
    print("// Arms, columns, x, t, y, clusters; arm by arm value and error of naive, ols_1, ols_2 "
          "(ATE), ols_2 (ATT).")
    for n, p, arms, clusters in ((30, 2, 2, 0), (40, 3, 3, 0), (36, 2, 2, 9), (48, 2, 3, 16)):
        x = np.round(rng.normal(size=(n, p)) * 10.0**np.arange(p), 3)
        t = np.append(np.arange(arms), rng.integers(0, arms, n - arms))
        cluster = np.append(np.arange(clusters), rng.integers(0, clusters, n - clusters)) if clusters else None
        noise = rng.normal(size=n) * (0.5 + abs(x[:, 0]))
        if clusters:
            noise = noise + rng.normal(size=clusters)[cluster]
        y = np.round(t * (1 + x[:, 0]) + x[:, 1] / 10 + noise, 3)
        numbers = []
        for arm in range(1, arms):
            numbers += naive(t, y, arm, cluster)
            numbers += ols_1(x, t, y, arm, cluster)
            for target in ("ate", "att"):
                numbers += ols_2(x, t, y, arm, cluster, target)
        ids = "{}" if cluster is None else "{" + ", ".join(map(str, cluster)) + "}"
        print(f"{{{arms}, {p}, {text(x.ravel())}, {{{', '.join(map(str, t))}}}, {text(y)}, {ids}, "
              f"{text(numbers)}}},")


if __name__ == "__main__":
    main()
