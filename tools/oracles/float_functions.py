#!/usr/bin/python3
"""The coefficients of common/kernels/exp-inl.h and of the normal distribution in activation.cc.

Recorded with Python 3.11 and mpmath 1.3.0. Prints coefficients from the constant up, and the
relative error of each approximation with coefficients rounded to float.
"""

import struct

from mpmath import chebyfit, erfc, exp, expm1, log, lu_solve, matrix, mp, mpf, nstr, pi, polyval
from mpmath import sqrt, tanh

mp.dps = 50


def to_float(x):
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def show(name, coefficients, error):
    print(name, [nstr(c, 11) for c in coefficients], "error", nstr(error, 3))


def exponential():
    # exp(r) = 1 + r + r^2 q(r) on |r| <= ln(2) / 2, and a little beyond for the rounding of n.
    bound = log(2) / 2 * mpf("1.01")
    c = chebyfit(lambda r: (expm1(r) - r) / r**2 if r else mpf(1) / 2, [-bound, bound], 5)
    rounded = [to_float(x) for x in c]
    points = [bound * k / 500 for k in range(-500, 501) if k]
    show("exp q", c[::-1],
         max(abs((r + r * r * polyval(rounded, r)) / expm1(r) - 1) for r in points))


def normal_tail():
    # Phi(-a) = exp(-a^2 / 2) t p(t) with t = 1 / (1 + 0.35 a) on 0 <= a <= 14.5.
    scale, low = mpf("0.35"), 1 / (1 + mpf("0.35") * mpf("14.5"))

    def p(t):
        a = (1 / t - 1) / scale
        return exp(a * a / 2) * erfc(a / sqrt(2)) / 2 / t

    c = chebyfit(p, [low, 1], 9)
    rounded = [to_float(x) for x in c]
    points = [low + (1 - low) * k / 2000 for k in range(2001)]
    show("normal tail p", c[::-1], max(abs(polyval(rounded, t) / p(t) - 1) for t in points))


def hyperbolic_tangent(degree=4, bound=mpf("9.02"), count=160):
    # tanh(x) = x P(u) / Q(u), u = x^2: least squares of the linearised relative error, whose
    # weights move towards the minimax fit (Lawson 1961).
    xs = [bound * (mpf(k) / count)**1.5 for k in range(count + 1)]
    us = [x * x for x in xs]
    fs = [tanh(x) / x if x else mpf(1) for x in xs]
    scale = bound * bound
    weights, denominators = [mpf(1)] * len(xs), [mpf(1)] * len(xs)
    best = None
    for _ in range(25):
        rows, right = matrix(len(xs), 2 * degree + 1), matrix(len(xs), 1)
        for i, (u, f) in enumerate(zip(us, fs)):
            s = sqrt(weights[i]) / (f * denominators[i])
            for j in range(degree + 1):
                rows[i, j] = s * (u / scale)**j
            for j in range(1, degree + 1):
                rows[i, degree + j] = -s * f * (u / scale)**j
            right[i] = s * f
        solution = lu_solve(rows.T * rows, rows.T * right)
        p = [solution[j] / scale**j for j in range(degree + 1)]
        q = [mpf(1)] + [solution[degree + j] / scale**j for j in range(1, degree + 1)]
        denominators = [polyval(q[::-1], u) for u in us]
        errors = [abs(polyval(p[::-1], u) / d / f - 1) for u, f, d in zip(us, fs, denominators)]
        if best is None or max(errors) < best[0]:
            best = (max(errors), p, q)
        total = sum(w * e for w, e in zip(weights, errors))
        weights = [max(w * e / total * len(xs), mpf(10)**-12) for w, e in zip(weights, errors)]
    show("tanh P", best[1], best[0])
    show("tanh Q", best[2], best[0])


if __name__ == "__main__":
    exponential()
    normal_tail()
    hyperbolic_tangent()
