#!/usr/bin/env python3
"""Writes causal/balance/{wasserstein,discrepancy}_oracle.inc.

The values that the tests beside them compare with: optimal transport by POT 0.9.7.post1, the
one-dimensional distances of scipy 1.17.1, and transport with slack by its formulas in numpy 2.4.6
(pip install POT==0.9.7.post1 scipy==1.17.1 numpy==2.4.6). Run in the root of the tree:

  python3 tools/oracles/balance.py
"""

import numpy
import ot
import scipy
from scipy import stats

assert ot.__version__ == "0.9.7.post1" and scipy.__version__ == "1.17.1"
assert numpy.__version__ == "2.4.6"


def text(value):
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple, numpy.ndarray)):
        return "{%s}" % ", ".join(text(v) for v in value)
    return repr(value) if isinstance(value, int) else repr(float(value))


def write(name, tables):
    with open("causal/balance/%s_oracle.inc" % name, "w") as out:
        out.write("// POT %s, scipy %s, written by tools/oracles/balance.py.\n"
                  % (ot.__version__, scipy.__version__))
        for table, columns, rows in tables:
            out.write("// %s\n#ifdef PERENNIAL_%s_ORACLE\n" % (columns, table))
            for row in rows:
                out.write("{%s},\n" % ", ".join(text(cell) for cell in row))
            out.write("#endif\n")


def wasserstein():
    rng = numpy.random.default_rng(1)
    rows = []
    for n, m in [(1, 1), (1, 4), (5, 3), (8, 8), (7, 12), (20, 31)]:
        for kind in ["normal", "ties", "weights"]:
            if kind == "ties":
                x = rng.integers(0, 5, n).astype(float)
                y = rng.integers(1, 6, m).astype(float)
            else:
                x, y = rng.normal(size=n), 0.5 + 2 * rng.normal(size=m)
            a, b = [], []
            if kind != "normal":
                a, b = rng.uniform(0.1, 3, n), rng.uniform(0.1, 3, m)
            shares = [w / w.sum() if len(w) else numpy.full(k, 1 / k) for w, k in [(a, n), (b, m)]]
            w1, w2 = (ot.wasserstein_1d(x, y, *shares, p=p) for p in [1, 2])
            check = stats.wasserstein_distance(x, y, *shares)
            assert abs(check - w1) < 1e-13 * (1 + check)
            # And by the linear programme, which sorts nothing.
            check = ot.emd2(*shares, ot.dist(x[:, None], y[:, None]))
            assert abs(check - w2) < 1e-12 * (1 + check)
            rows.append((x, y, a, b, w1, w2))
    write("wasserstein", [("WASSERSTEIN", "x, y, weights of x, weights of y, W1, W2^2", rows)])


def dual(a, b, log, epsilon):
    """sum a f + sum b g at POT's potentials, which hold the logarithms of a and b, too."""
    return epsilon * (a @ (log["log_u"] - numpy.log(a)) + b @ (log["log_v"] - numpy.log(b)))


def pull(plan, cost, x, y):
    """sum over j of plan_ij dC_ij / dx_i."""
    difference = x[:, None, :] - y[None, :, :]
    if cost == "sqeuclidean":
        return 2 * numpy.einsum("ij,ijk->ik", plan, difference)
    distance = numpy.sqrt((difference ** 2).sum(-1))
    unit = difference / numpy.where(distance > 0, distance, 1)[:, :, None]
    return numpy.einsum("ij,ijk->ik", plan, unit)


def slack_sinkhorn(costs, p, lam, iterations):
    """The public code's value, and its plan between rows; `costs` [n, m] are distances or squares.

    A row and a column more at the largest cost, with 0 in the corner, hold the rest of the masses p
    and 1 - p. The kernel has lambda / mean cost and 1e-6 added; columns are scaled last.
    """
    n, m = costs.shape
    whole = numpy.full((n + 1, m + 1), costs.max())
    whole[:n, :m] = costs
    whole[n, m] = 0
    rows = numpy.append(numpy.full(n, p / n), 1 - p)
    columns = numpy.append(numpy.full(m, (1 - p) / m), p)
    kernel = 1e-6 + numpy.exp(-lam / costs.mean() * whole)
    u = rows
    for _ in range(iterations):
        u = rows / (kernel @ (columns / (kernel.T @ u)))
    plan = numpy.outer(u, columns / (kernel.T @ u)) * kernel
    assert numpy.allclose(plan.sum(0), columns, rtol=1e-12)
    return 2 * (plan * whole).sum(), plan[:n, :m]


def cost_name(cost):
    return "TransportCost::k" + ("Squared" if cost[0] == "s" else "") + "Euclidean"


def discrepancy():
    rng = numpy.random.default_rng(2)
    rows = []
    for n, m, d, weighted in [(1, 1, 2, False), (4, 6, 3, False), (9, 5, 2, True), (6, 17, 4, True)]:
        x, y = rng.normal(size=(n, d)), 0.7 + 1.3 * rng.normal(size=(m, d))
        w = rng.uniform(0.2, 2, n) if weighted else []
        v = rng.uniform(0.2, 2, m) if weighted else []
        a = w / w.sum() if weighted else numpy.full(n, 1 / n)
        b = v / v.sum() if weighted else numpy.full(m, 1 / m)
        for cost in ["sqeuclidean", "euclidean"]:
            for epsilon, iterations in [(2.0, 3), (0.3, 25), (0.02, 40)]:
                # From f = 0, which POT's own start is for equal weights only.
                run = lambda p, q, s, t: ot.bregman.sinkhorn_log(
                    p, q, ot.dist(s, t, metric=cost), epsilon, numItermax=iterations, stopThr=0,
                    log=True, warn=False, warmstart=(numpy.log(p), numpy.zeros(len(q))))
                plan, log = run(a, b, x, y)
                plan_x, log_x = run(a, a, x, x)
                plan_y, log_y = run(b, b, y, y)
                value = dual(a, b, log, epsilon)
                debiased = value - (dual(a, a, log_x, epsilon) + dual(b, b, log_y, epsilon)) / 2
                to_x, to_y = pull(plan, cost, x, y), pull(plan.T, cost, y, x)
                own_x = pull(plan_x + plan_x.T, cost, x, x) / 2
                own_y = pull(plan_y + plan_y.T, cost, y, y) / 2
                rows.append((n, m, d, x.ravel(), y.ravel(), w, v,
                             cost_name(cost), epsilon, iterations, value, to_x.ravel(),
                             to_y.ravel(), debiased, (to_x - own_x).ravel(),
                             (to_y - own_y).ravel()))

    # With a generator of its own, so that the rows of the others stay as they are.
    slack_rng = numpy.random.default_rng(3)
    slacks = []
    for n, m, d in [(1, 2, 2), (3, 6, 2), (9, 5, 3), (5, 5, 2)]:
        x, y = slack_rng.normal(size=(n, d)), 0.7 + 1.3 * slack_rng.normal(size=(m, d))
        if n == m:
            y = x.copy()
        for cost in ["sqeuclidean", "euclidean"]:
            for p, lam, iterations in [(0.5, 10.0, 10), (0.2, 10.0, 10), (0.5, 1.0, 3),
                                       (0.8, 100.0, 20)]:
                squares = ((x[:, None] - y) ** 2).sum(-1)
                costs = squares if cost == "sqeuclidean" else numpy.sqrt(squares)
                value, plan = slack_sinkhorn(costs, p, lam, iterations)
                slacks.append((n, m, d, x.ravel(), y.ravel(), cost_name(cost), p, lam, iterations,
                               value, 2 * pull(plan, cost, x, y).ravel(),
                               2 * pull(plan.T, cost, y, x).ravel()))

    energies = []
    for n, m, weighted in [(1, 1, False), (3, 5, False), (12, 7, True), (20, 30, True)]:
        x, y = rng.normal(size=n), 0.4 + 1.5 * rng.normal(size=m)
        w = rng.uniform(0.1, 2, n) if weighted else []
        v = rng.uniform(0.1, 2, m) if weighted else []
        distance = stats.energy_distance(x, y, *((w, v) if weighted else ()))
        energies.append((x, y, w, v, distance ** 2))
    write("discrepancy", [
        ("SINKHORN", "n, m, d, x, y, weights of x, weights of y, cost, epsilon, iterations, value of "
         "the dual, its gradients by x and y, divergence, its gradients by x and y", rows),
        ("SLACK_SINKHORN", "n, m, d, x, y, cost, mass of x, lambda, iterations, value, its gradients "
         "by x and y with the plan held", slacks),
        ("ENERGY", "x, y, weights of x, weights of y, energy distance in one dimension", energies),
    ])


if __name__ == "__main__":
    wasserstein()
    discrepancy()
