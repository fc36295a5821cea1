#!/usr/bin/env python3
"""Writes causal/diagnostics/refutation_oracle.inc, which the test beside it compares with.

Recorded with scipy 1.17.1 and numpy 2.4.6 (pip install numpy==2.4.6 scipy==1.17.1). Run in the root
of the tree:

  python3 tools/oracles/refutation.py
"""

import numpy
import scipy
from scipy import stats

assert numpy.__version__ == "2.4.6" and scipy.__version__ == "1.17.1"


def main():
    rng = numpy.random.default_rng(20201123)
    lines = ["// numpy %s, scipy %s; written by tools/oracles/refutation.py." %
             (numpy.__version__, scipy.__version__),
             "// runs, value, p of the mean, interval of the mean (95 %)"]
    for count, value in [(2, 0.0), (5, 0.0), (10, 0.3), (10, 2.5), (30, -1.0)]:
        runs = numpy.round(rng.normal(0.4, 1.1, size=count), 6)
        mean = stats.ttest_1samp(runs, value)
        interval = mean.confidence_interval(0.95)
        numbers = ", ".join(
            repr(float(v)) for v in (value, mean.pvalue, interval.low, interval.high))
        lines.append("{{%s}, %s}," % (", ".join(repr(float(r)) for r in runs), numbers))
    with open("causal/diagnostics/refutation_oracle.inc", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
