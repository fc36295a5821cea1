#!/usr/bin/env python3
"""Writes common/stats/student_t_oracle.inc and common/stats/summary_oracle.inc.

The values that student_t_test.cc and summary_test.cc compare with. Recorded with scipy 1.17.1 and
numpy 2.4.6 (pip install scipy==1.17.1 numpy==2.4.6). Run in the root of the tree:

  python3 tools/oracles/student_t.py
"""

import numpy
import scipy
from scipy import special, stats

assert scipy.__version__ == "1.17.1" and numpy.__version__ == "2.4.6"

HEAD = "// scipy %s, written by tools/oracles/student_t.py.\n" % scipy.__version__


def lines(rows):
    return "".join("{%s},\n" % ", ".join(repr(float(v)) for v in row) for row in rows)


def main():
    freedoms = [0.5, 1, 2, 3, 4, 9, 19, 30.5, 100, 1e4, 1e8]
    with open("common/stats/student_t_oracle.inc", "w") as out:
        out.write(HEAD + "// t, degrees of freedom, P(T <= t)\n")
        out.write("#ifdef PERENNIAL_CDF_ORACLE\n")
        ts = [-40, -3.5, -1, -1e-3, 0, 0.25, 1, 2.5, 8]
        out.write(lines((t, f, stats.t.cdf(t, f)) for f in freedoms for t in ts))
        out.write("#endif\n// probability, degrees of freedom, t\n#ifdef PERENNIAL_QUANTILE_ORACLE\n")
        ps = [1e-6, 0.005, 0.025, 0.3, 0.6, 0.95, 0.975, 0.995]
        out.write(lines((p, f, stats.t.ppf(p, f)) for f in freedoms for p in ps))
        out.write("#endif\n// a, b, x, I_x(a, b)\n#ifdef PERENNIAL_BETA_ORACLE\n")
        out.write(lines((a, b, x, special.betainc(a, b, x))
                        for a in [0.1, 0.5, 2, 30, 1000] for b in [0.3, 1, 7, 500]
                        for x in [0, 0.01, 0.3, 0.5, 0.77, 0.999, 1]))
        out.write("#endif\n")

    samples = [[0.61, 0.63], [0.61, 0.63, 0.658], [1e9, 1e9 + 1, 1e9 + 2, 1e9 + 5],
               [0.2, 0.9, 0.4, 0.1, 0.35, 0.8, 0.81], [-3.0, 5.5, 1.25, 0.0, 2.0, 2.0]]
    with open("common/stats/summary_oracle.inc", "w") as out:
        out.write(HEAD + "// values, mean, median, standard deviation, 95 % interval\n")
        for sample in samples:
            low, high = stats.t.interval(0.95, len(sample) - 1, numpy.mean(sample), stats.sem(sample))
            numbers = [numpy.mean(sample), numpy.median(sample), numpy.std(sample, ddof=1), low, high]
            out.write("{{%s}, %s},\n" % (", ".join(map(repr, sample)),
                                         ", ".join(repr(float(v)) for v in numbers)))


if __name__ == "__main__":
    main()
