#!/usr/bin/env python3
"""Writes common/stats/assignment_oracle.inc: totals of scipy.optimize.linear_sum_assignment.

Recorded with scipy 1.17.1 and numpy 2.4.6 (pip install scipy==1.17.1 numpy==2.4.6). The costs are
whole numbers that assignment_test.cc makes by the same formula. Run in the root of the tree:

  python3 tools/oracles/assignment.py
"""

import numpy
import scipy
from scipy.optimize import linear_sum_assignment

assert scipy.__version__ == "1.17.1" and numpy.__version__ == "2.4.6"

MASK = (1 << 64) - 1


def mixed(x):
    """The finaliser of splitmix64."""
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def costs(n, bound, seed):
    """Whole numbers in [-bound, bound]."""
    return numpy.array([[mixed((seed << 40) + (i << 20) + j) % (2 * bound + 1) - bound
                         for j in range(n)] for i in range(n)], dtype=float)


def main():
    with open("common/stats/assignment_oracle.inc", "w") as out:
        out.write("// scipy 1.17.1, written by tools/oracles/assignment.py.\n"
                  "// n, bound, seed, least total, greatest total\n")
        for seed, (n, bound) in enumerate([(50, 3), (50, 1000), (64, 10**6), (100, 1), (100, 20),
                                           (128, 1000), (200, 10**6), (256, 2), (256, 10**6)]):
            matrix = costs(n, bound, seed)
            totals = []
            for maximize in (False, True):
                rows, columns = linear_sum_assignment(matrix, maximize=maximize)
                totals.append(int(matrix[rows, columns].sum()))
            out.write("{%d, %d, %d, %d, %d},\n" % (n, bound, seed, *totals))


if __name__ == "__main__":
    main()
