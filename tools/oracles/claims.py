#!/usr/bin/env python3
"""Writes tools/claims/verdict_oracle.inc: what SciPy says of the contrasts of verdict_test.cc.

Recorded with scipy 1.17.1 and numpy 2.4.6 (pip install scipy==1.17.1 numpy==2.4.6). Run in the root
of the tree:

  python3 tools/oracles/claims.py
"""

import numpy
import scipy
from scipy import stats
from scipy.optimize import brentq

assert scipy.__version__ == "1.17.1" and numpy.__version__ == "2.4.6"

A = [0.631, 0.615, 0.642, 0.608, 0.627, 0.655, 0.619]
B = [0.612, 0.609, 0.618, 0.611, 0.601, 0.630, 0.615]
SIGNED_A = [0.31, -0.12, 0.05, 0.44, -0.27, 0.18, 0.09, -0.02, 0.26]
SIGNED_B = [0.22, -0.03, -0.08, 0.21, -0.11, 0.15, -0.04, 0.06, 0.12]


def jackknife(quantity, scale, values):
    """Pseudo-values, by leaving each value out."""
    def statistic(sample):
        variance = sample.var(ddof=1)
        if quantity == "kSquaredBias":
            return sample.mean()**2 - variance / len(sample)
        return numpy.log(variance) if scale == "kLogRatio" else variance

    n = len(values)
    without = [statistic(numpy.delete(values, i)) for i in range(n)]
    return n * statistic(values) - (n - 1) * numpy.array(without)


def row(quantity, scale, a, b, margin):
    x, y = numpy.array(a), numpy.array(b)
    if quantity in ("kSquaredBias", "kVariance"):
        x, y = (jackknife(quantity, scale, side) for side in (x, y))
    elif quantity == "kDeviation":
        x, y = abs(x - numpy.median(x)), abs(y - numpy.median(y))
    if scale == "kLogRatio" and quantity != "kVariance":
        x, y = numpy.log(x), numpy.log(y)
    d = x - y
    n, df = len(d), len(d) - 1
    error = d.std(ddof=1) / n**0.5
    interval = stats.t.interval(0.95, df, loc=d.mean(), scale=error)
    p = stats.ttest_rel(x, y).pvalue
    above = stats.ttest_1samp(d, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(d, margin, alternative="less").pvalue
    critical = stats.t.ppf(0.975, df)

    def power(effect):
        delta = effect / error
        return stats.nct.sf(critical, df, delta) + stats.nct.cdf(-critical, df, delta)

    detectable = brentq(lambda e: power(e) - 0.8, error / 100, 8 * error, xtol=1e-15, rtol=1e-13)
    numbers = [margin, d.mean(), *interval, p, max(above, below), detectable]
    lists = ["{" + ", ".join(map(repr, map(float, side))) + "}" for side in (a, b)]
    return (f"{{Quantity::{quantity}, Scale::{scale}, {lists[0]}, {lists[1]}, "
            + ", ".join(repr(float(v)) for v in numbers) + "},\n")


def main():
    with open("tools/claims/verdict_oracle.inc", "w") as out:
        out.write("// scipy 1.17.1, written by tools/oracles/claims.py.\n"
                  "// quantity, scale, values, against, margin, effect, interval, p, p of equivalence, "
                  "minimum detectable\n")
        out.write(row("kValue", "kDifference", A, B, 0.01))
        out.write(row("kValue", "kDifference", A, B, 0.1))
        out.write(row("kValue", "kDifference", A[:3], [0.62] * 3, 0.05))
        out.write(row("kValue", "kLogRatio", A, B, 0.05))
        out.write(row("kDeviation", "kDifference", A, B, 0.002))
        out.write(row("kDeviation", "kDifference", A[:6], B[1:], 0.02))
        out.write(row("kSquaredBias", "kDifference", A, B, 0.02))
        out.write(row("kSquaredBias", "kDifference", SIGNED_A, SIGNED_B, 0.1))
        out.write(row("kVariance", "kDifference", SIGNED_A, SIGNED_B, 0.05))
        out.write(row("kVariance", "kLogRatio", SIGNED_A, SIGNED_B, 0.2))
        out.write(row("kVariance", "kLogRatio", A[:3], B[:3], 0.2))


if __name__ == "__main__":
    main()
