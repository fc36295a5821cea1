#!/usr/bin/env python3
"""Writes causal/data/testdata/{ihdp,jobs,jobs_bad,ihdp_shapes}.npz, which public_layouts_test.cc reads.

Small files in the layouts of the public ones, with numbers that tell their place. Recorded with numpy
2.4.6 (pip install numpy==2.4.6). Run in the root of the tree:

  python3 tools/oracles/public_layouts.py
"""

import os

import numpy

assert numpy.__version__ == "2.4.6"

FOLDER = "causal/data/testdata"


def place(n, realisations, base):
    """base + unit + realisation / 10 at [unit, realisation]."""
    return base + numpy.arange(n)[:, None] + numpy.arange(realisations)[None, :] / 10


def main():
    os.makedirs(FOLDER, exist_ok=True)
    n, p, r = 6, 25, 3
    x = (100 * numpy.arange(n)[:, None, None] + numpy.arange(p)[None, :, None] +
         numpy.arange(r)[None, None, :] / 10)
    t = (numpy.arange(n)[:, None] + numpy.arange(r)[None, :]) % 2
    ihdp = {"ate": numpy.array(4.0), "mu1": place(n, r, 1000), "mu0": place(n, r, 2000),
            "yadd": numpy.array(0.0), "yf": place(n, r, 3000), "ycf": place(n, r, 4000),
            "t": t.astype("f8"), "x": x, "ymul": numpy.array(1.0)}
    numpy.savez(FOLDER + "/ihdp.npz", **ihdp)
    numpy.savez(FOLDER + "/ihdp_shapes.npz", **dict(ihdp, mu0=ihdp["mu0"][:, :2]))

    n, p, r = 5, 17, 2
    x = (100 * numpy.arange(n)[:, None, None] + numpy.arange(p)[None, :, None] +
         numpy.arange(r)[None, None, :] / 10)
    jobs = {"x": numpy.asfortranarray(x), "t": numpy.array([[1, 1], [0, 1], [0, 0], [0, 0], [1, 0]]),
            "e": numpy.array([[1, 1], [1, 1], [0, 1], [0, 0], [1, 1]]),
            "yf": numpy.array([[0.0, 1], [1, 1], [1, 0], [0, 0], [1, 1]])}
    numpy.savez_compressed(FOLDER + "/jobs.npz", **jobs)
    jobs["yf"][2, 1] = 0.5
    jobs["e"][3, 0] = 2
    numpy.savez_compressed(FOLDER + "/jobs_bad.npz", **jobs)


if __name__ == "__main__":
    main()
