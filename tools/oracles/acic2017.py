#!/usr/bin/env python3
"""Writes causal/data/acic2017_oracle.inc: the surfaces of ACIC 2017 on twelve made-up units.

Box-Cox by scipy.stats.boxcox, quantiles by scipy.stats.norm, and the nonadditive means by
quadrature over the noise, not by their closed form. Recorded with scipy 1.17.1 and numpy 2.4.6
(pip install scipy==1.17.1 numpy==2.4.6). Run in the root of the tree:

  python3 tools/oracles/acic2017.py
"""

import numpy
import scipy
from scipy import stats

assert scipy.__version__ == "1.17.1" and numpy.__version__ == "2.4.6"

RAW = {
    "x1": [29, 27, 24, 37, 19, 21, 34, 44, 16, 22, 31, 25],
    "x43": [3, 5, 4, 8, 0, 1, 12, 7, 2, 25, 6, 9],
    "x3": [1, 0, 0, 0, 20, 0, 13, 0, 0.25, 0, 7, 0],
    "x10": [0, 0, 1, 0, 0, 3, 0, 0, 0, 2, 0, 0],
    "x14": [0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 5],
    "x15": [2, 2, 0, 1, 0, 0, 0, 6, 0, 1, 0, 0],
    "x21": [0, 9, 15, 8, 9, 9, 5, 3, 11, 9, 8, 1],
    "x24": [4, 1, 4, 1, 4, 1, 1, 0, 2, 3, 1, 4],
}


def braces(values):
    return "{%s}" % ", ".join(repr(float(v)) for v in values)


def standardised(values):
    values = numpy.array(values, float)
    transformed, _ = stats.boxcox(values + 1 if (values == 0).any() else values)
    return (transformed - transformed.mean()) / transformed.std(ddof=1)


def main():
    raw = {name: numpy.array(values, float) for name, values in RAW.items()}
    x1, x43 = standardised(raw["x1"]), standardised(raw["x43"])
    first = {k: (raw[k] <= 0).astype(float) for k in ("x3", "x10", "x14", "x15")}
    b = (raw["x24"] == 1).astype(float)
    nodes, weights = numpy.polynomial.hermite_e.hermegauss(101)
    weights = weights / weights.sum()
    with open("causal/data/acic2017_oracle.inc", "w") as out:
        out.write("// scipy %s, written by tools/oracles/acic2017.py.\n" % scipy.__version__)
        out.write("// The raw columns\n#ifdef PERENNIAL_RAW_ORACLE\n")
        for name in ("x1", "x43", "x3", "x10", "x14", "x15"):
            out.write(".%s = %s,\n" % (name, braces(raw[name])))
        for name in ("x21", "x24"):
            out.write(".%s = {%s},\n" % (name, ", ".join(map(str, RAW[name]))))
        out.write("#endif\n// Standardised x1, x43\n#ifdef PERENNIAL_STANDARDISED_ORACLE\n")
        out.write("%s, %s\n" % (braces(x1), braces(x43)))
        out.write("#endif\n// large effect, high noise, strong confounding, sd, center, spread, "
                  "propensity, mu, alpha,\n// nonadditive mean of control, of treatment\n"
                  "#ifdef PERENNIAL_SURFACE_ORACLE\n")
        for large in (0, 1):
            for high in (0, 1):
                for strong in (0, 1):
                    b0, b1 = ((0, 0.5), (-1, 3))[strong]
                    e = 1 / (1 + numpy.exp(b0 + b1 * (x1 + x43 + 0.3 * first["x10"])))
                    mu = -numpy.sin(stats.norm.ppf(e)) + x43
                    alpha = (1 / 3, 2)[large] * (first["x3"] * b + first["x14"] - first["x15"])
                    middle = mu + e * alpha
                    sd = (0.25, 1.25)[high] * middle.std(ddof=1)
                    center = middle.mean()
                    spread = 1.25 * numpy.sqrt(sd ** 2 + middle.var(ddof=1))
                    means = [[13 * (weights * stats.norm.cdf(
                        (m + sd * nodes - center) / spread)).sum() - 6 for m in mean]
                        for mean in (mu, mu + alpha)]
                    flags = ", ".join(("false", "true")[v] for v in (large, high, strong))
                    out.write("{%s, %r, %r, %r, %s},\n" % (
                        flags, float(sd), float(center), float(spread),
                        ", ".join(map(braces, (e, mu, alpha, *means)))))
        out.write("#endif\n")


if __name__ == "__main__":
    main()
