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


def row(quantity, scale, a, b, margin):
    x, y = numpy.array(a), numpy.array(b)
    if quantity == "kDeviation":
        x, y = abs(x - numpy.median(x)), abs(y - numpy.median(y))
    if scale == "kLogRatio":
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


if __name__ == "__main__":
    main()
