#!/usr/bin/env python3
"""Writes a table as //causal:estimate takes it, for measurements of time and memory.

  python3 tools/perf/simulated_table.py 200000 50 > big.csv

So many rows and covariates, normal with four digits; the first moves treatment and outcome, the
effect is 1 plus the second covariate. The same bytes each time; Python's standard library alone.
"""

import math
import random
import sys


def main():
    rows, columns = int(sys.argv[1]), int(sys.argv[2])
    if rows < 1 or columns < 2:
        sys.exit("at least one row and two covariates are needed")
    draw = random.Random(1)
    write = sys.stdout.write
    write(",".join(["y", "t"] + [f"x{j + 1}" for j in range(columns)]) + "\n")
    for _ in range(rows):
        x = [draw.gauss(0, 1) for _ in range(columns)]
        treated = draw.random() < 1 / (1 + math.exp(-x[0]))
        y = x[0] + math.sin(2 * x[2 % columns]) + (1 + x[1]) * treated + draw.gauss(0, 1)
        write(",".join([f"{y:.4f}", str(int(treated))] + [f"{value:.4f}" for value in x]) + "\n")


if __name__ == "__main__":
    main()
