#!/usr/bin/env python3
"""Writes causal/nets/objective_oracle.inc.

The losses of causal/nets/objective.h on one small batch, and their gradients by the network's
parameters, which the test beside it compares with: optimal transport by POT 0.9.7.post1, the rest
plain formulas in double under autograd of torch 2.15.0, with numpy 2.4.6 and scipy 1.17.1 (pip
install POT==0.9.7.post1 torch==2.15.0 numpy==2.4.6 scipy==1.17.1). Run in the root of the tree:

  python3 tools/oracles/nets.py

The network: features = tanh(A x + a), a linear head for each of three arms, and a linear propensity
head, both on the features. Rows stand by arm, those without an outcome in front of the control's
and behind the others'.
"""

import itertools

import numpy
import ot
import scipy
import torch
from scipy import stats

assert ot.__version__ == "0.9.7.post1" and scipy.__version__ == "1.17.1"
assert numpy.__version__ == "2.4.6" and torch.__version__.split("+")[0] == "2.15.0"

ARMS, INPUTS, WIDTH = 3, 3, 3
LABELLED, UNLABELLED = [5, 3, 4], [1, 1, 2]
BANDWIDTH, ALPHA, BETA, FACTOR, PROPENSITY, TARGETED = 0.7, 2.0, 3.0, 0.25, 0.7, 0.6

rng = numpy.random.default_rng(6)
SIZES = [n + m for n, m in zip(LABELLED, UNLABELLED)]
ROWS = sum(SIZES)
BEGIN = numpy.cumsum([0] + SIZES)
ARM = numpy.repeat(range(ARMS), SIZES)
OF_ARM = [slice(BEGIN[a], BEGIN[a + 1]) for a in range(ARMS)]
WITH_OUTCOME = [slice(BEGIN[0] + UNLABELLED[0], BEGIN[1])] + [
    slice(BEGIN[a], BEGIN[a] + LABELLED[a]) for a in range(1, ARMS)]
COUNT = sum(LABELLED)

SHAPES = [(WIDTH, INPUTS), (WIDTH,)] + [(1, WIDTH), (1,)] * ARMS + [(ARMS, WIDTH), (ARMS,)]
PARAMETERS = [numpy.round(rng.normal(size=shape), 2) for shape in SHAPES]
# The arms overlap and differ.
X = numpy.round(rng.normal(size=(ROWS, INPUTS)) + 0.6 * ARM[:, None], 2)
Y = numpy.round(rng.normal(size=ROWS) + 0.3, 2)
BINARY = (Y > 0.3).astype(float)
W = numpy.round(rng.uniform(0.5, 1.5, ROWS) / COUNT, 3)
ODDS = numpy.round(rng.uniform(0.2, 3, (ARMS - 1, ROWS)), 2)
# Of the first treated arm, a treated unit is alone in stratum 2.
STRATA = numpy.array([[0, 1, 0, 1, 0, 1] + [0, 0, 1, 2] + [0] * 6,
                      [0, 1, 1, 0, 1, 1] + [0] * 4 + [1, 0, 1, 1, 0, 1]])
EPSILON = numpy.array([0.3, -0.5])


def tensors(values):
    return [torch.tensor(v, dtype=torch.float64) for v in values]


class Network:
    def __init__(self):
        self.parameters = [p.requires_grad_() for p in tensors(PARAMETERS)]
        p = self.parameters
        self.features = torch.tanh(tensors([X])[0] @ p[0].T + p[1])
        self.heads = [(self.features @ p[2 + 2 * a].T + p[3 + 2 * a]).squeeze(1)
                      for a in range(ARMS)]
        self.logits = self.features @ p[-2].T + p[-1]


def outcome_loss(y, prediction, binary):
    if binary:
        return torch.nn.functional.binary_cross_entropy_with_logits(prediction, y, reduction="none")
    return (y - prediction) ** 2


def factual(network, binary):
    y, w = tensors([BINARY if binary else Y, W])
    return sum((w[r] * outcome_loss(y[r], network.heads[a][r], binary)).sum()
               for a, r in enumerate(WITH_OUTCOME))


def propensity(network):
    return PROPENSITY / COUNT * sum(
        torch.nn.functional.cross_entropy(
            network.logits[r], torch.full((r.stop - r.start,), a), reduction="sum")
        for a, r in enumerate(WITH_OUTCOME))


def targeted(network, epsilon, binary):
    """q is 1 / g of the own arm, and -1 / g_0 for each epsilon of a control."""
    y, = tensors([BINARY if binary else Y])
    g = (torch.softmax(network.logits, 1) + 0.01) / (1 + 0.01 * ARMS)
    total = 0
    for a, r in enumerate(WITH_OUTCOME):
        step = -epsilon.sum() if a == 0 else epsilon[a - 1]
        total = total + outcome_loss(y[r], network.heads[a][r] + step / g[r, a], binary).sum()
    return TARGETED / COUNT * total


# Distances between two samples x [n, d], y [m, d] with weights a, b that add up to 1.


def differences(x, y):
    return x[:, None, :] - y[None, :, :]


def squares(x, y):
    return (differences(x, y) ** 2).sum(-1)


def root(s):
    """Without a gradient at 0."""
    return torch.where(s > 0, torch.sqrt(torch.where(s > 0, s, 1.0)), 0.0)


def distances(x, y):
    return root(squares(x, y))


def linear(x, y, a, b):
    return ((a @ x - b @ y) ** 2).sum()


def rbf(x, y, a, b, bandwidth=BANDWIDTH):
    if bandwidth == 0:
        points = torch.cat([x, y]).detach().numpy()
        bandwidth = numpy.sqrt(numpy.median(scipy.spatial.distance.pdist(points) ** 2))
    k = lambda p, q: torch.exp(-squares(p, q) / (2 * bandwidth ** 2))
    return a @ k(x, x) @ a + b @ k(y, y) @ b - 2 * a @ k(x, y) @ b


def energy(x, y, a, b):
    return (2 * a @ distances(x, y) @ b - a @ distances(x, x) @ a - b @ distances(y, y) @ b)


def envelope(value, plan, cost):
    """A number whose gradient is that of the cost under a plan."""
    moved = (plan * cost).sum()
    return moved - moved.detach() + value


def sinkhorn(x, y, a, b, squared=True, epsilon=2.0, relative=False, debiased=True):
    cost = squares if squared else distances
    if relative:
        epsilon = epsilon * cost(x, y).mean().item()

    def transport(p, q, s, t):
        c = cost(s, t)
        u, v = p.numpy(), q.numpy()
        plan, log = ot.bregman.sinkhorn_log(u, v, c.detach().numpy(), epsilon, numItermax=3000,
                                            stopThr=0, log=True, warn=False)
        dual = epsilon * (u @ (log["log_u"] - numpy.log(u)) + v @ (log["log_v"] - numpy.log(v)))
        primal = (plan * c.detach().numpy()).sum() + epsilon * (
            plan * numpy.log(plan / u[:, None] / v[None, :])).sum()
        assert abs(dual - primal) < 1e-12
        return envelope(dual, torch.tensor(plan), c)

    value = transport(a, b, x, y)
    return value - (transport(a, a, x, x) + transport(b, b, y, y)) / 2 if debiased else value


def slack_sinkhorn(x, y, a, b, p=0.3, lam=5.0, iterations=6):
    """Transport by distances with a slack on either side, its plan held: see balance.py."""
    c = distances(x, y)
    whole = torch.nn.functional.pad(c, (0, 1, 0, 1), value=c.max().item())
    whole[-1, -1] = 0
    with torch.no_grad():
        rows, columns = torch.cat([p * a, *tensors([[1 - p]])]), torch.cat(
            [(1 - p) * b, *tensors([[p]])])
        kernel = torch.exp(-lam / c.mean() * whole) + 1e-6
        u = rows
        for _ in range(iterations):
            u = rows / (kernel @ (columns / (u @ kernel)))
        plan = u[:, None] * kernel * (columns / (u @ kernel))
    return 2 * (plan * whole).sum()


def wasserstein(x, y, a, b, squared=False):
    cost = squares(x, y) if squared else distances(x, y)
    shares = a.numpy(), b.numpy()
    plan = ot.emd(*shares, cost.detach().numpy())
    value = (plan * cost.detach().numpy()).sum()
    points = x.detach().numpy()[:, 0], y.detach().numpy()[:, 0]
    check = ot.wasserstein_1d(*points, *shares, p=2) if squared else stats.wasserstein_distance(
        *points, *shares)
    assert abs(check - value) < 1e-12
    return envelope(value, torch.tensor(plan), cost)


def means(x, y, a, b):
    return (a @ x - b @ y).squeeze() ** 2


def moments(x, y, a, b):
    deviation = lambda v, w: root((w * (v[:, 0] - w @ v[:, 0]) ** 2).sum())
    return means(x, y, a, b) + (deviation(x, a) - deviation(y, b)) ** 2


def equal(n):
    return torch.full((n,), 1 / n, dtype=torch.float64)


def balance(network, distance, unit_length):
    f = network.features
    if unit_length:
        f = f / torch.sqrt((f ** 2).sum(1, keepdim=True))
    control = f[OF_ARM[0]]
    return ALPHA * sum(distance(f[r], control, equal(len(f[r])), equal(len(control)))
                       for r in OF_ARM[1:])


def control_balance(network, distance, binary, probability, observed, treated_only, adjustment):
    h = network.heads[0]
    if probability:
        h = torch.sigmoid(h)
    y = tensors([BINARY if binary else Y])[0]
    compared = y if observed else h.detach() if treated_only else h
    controls = numpy.arange(ROWS)[WITH_OUTCOME[0] if observed else OF_ARM[0]]
    total = 0
    for a in range(1, ARMS):
        treated = numpy.arange(ROWS)[OF_ARM[a]]
        strata = STRATA[a - 1] if adjustment == "strata" else numpy.zeros(ROWS, int)
        for s in numpy.unique(strata):
            of_x, of_y = treated[strata[treated] == s], controls[strata[controls] == s]
            if len(of_x) == 0 or len(of_y) == 0:
                continue
            weights = equal(len(of_y))
            if adjustment == "odds":
                weights = tensors([ODDS[a - 1][of_y] / ODDS[a - 1][of_y].sum()])[0]
            total = total + len(of_x) / len(treated) * distance(
                h[of_x][:, None], compared[of_y][:, None], equal(len(of_x)), weights)
    return BETA * total


def text(value):
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple, numpy.ndarray)):
        return "{%s}" % ", ".join(text(v) for v in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else "%.12g" % float(value)


def rows():
    def evaluate(options, adjustment, factor, term, binary=False):
        network = Network()
        epsilon = torch.tensor(EPSILON, requires_grad=True)
        added = term(network, epsilon) if term else torch.zeros((), dtype=torch.float64)
        total = factual(network, binary) + factor * added
        total.backward()
        gradient = numpy.concatenate([
            (torch.zeros_like(p) if p.grad is None else p.grad).numpy().ravel()
            for p in network.parameters])
        to_epsilon = epsilon.grad.numpy() if epsilon.grad is not None else []
        assert numpy.isfinite(gradient).all() and (term is None or added > 1e-3), options
        options = ", ".join(([".binary = true"] if binary else []) + options)
        return ("{%s}" % options, "Adjustment::k" + adjustment.capitalize(), factor,
                factor * added.item(), total.item(), gradient, to_epsilon)

    for binary in [False, True]:
        yield evaluate([], "none", 1, None, binary)
        yield evaluate([".propensity = %s" % PROPENSITY], "none", 1,
                       lambda network, _: propensity(network), binary)
        yield evaluate([".targeted = %s" % TARGETED], "none", 1,
                       lambda network, epsilon: targeted(network, epsilon, binary), binary)

    # Sinkhorn iterates until nothing changes, here and there.
    balances = [
        ("Linear", "", linear),
        ("Rbf", ", .bandwidth = %s" % BANDWIDTH, rbf),
        ("Rbf", "", lambda *sample: rbf(*sample, bandwidth=0)),
        ("Energy", "", energy),
        ("Sinkhorn", ", .epsilon = 2, .relative_epsilon = false, .iterations = 1000", sinkhorn),
        ("Sinkhorn", ", .cost = TransportCost::kEuclidean, .epsilon = 0.3, .iterations = 1000, "
         ".debiased = false", lambda *sample: sinkhorn(*sample, False, 0.3, True, False)),
        ("SlackSinkhorn", ", .cost = TransportCost::kEuclidean, .epsilon = 0.2, .iterations = 6, "
         ".mass_x = 0.3", slack_sinkhorn),
    ]
    for (kind, rest, distance), unit_length in itertools.product(balances, [True, False]):
        yield evaluate(
            [".alpha = %s" % ALPHA, ".balance = {.kind = DiscrepancyKind::k%s%s}" % (kind, rest)] +
            ([] if unit_length else [".unit_length = false"]), "none", 1,
            lambda network, _: balance(network, distance, unit_length))

    controls = [
        ("Wasserstein1", "", wasserstein),
        ("Wasserstein2", "", lambda *sample: wasserstein(*sample, squared=True)),
        ("Mean", "", means),
        ("Moments", "", moments),
        ("Rbf", ", .bandwidth = %s" % BANDWIDTH, rbf),
        ("Rbf", "", lambda *sample: rbf(*sample, bandwidth=0)),
    ]
    for kind, rest, distance in controls:
        def control(binary=False, probability=False, observed=False, treated_only=False,
                    adjustment="none", factor=1):
            fields = ".distance = Control::Distance::k%s" % kind
            fields += ", .target = Control::Target::kObserved" if observed else ""
            fields += ", .gradient = Control::Gradient::kTreatedOnly" if treated_only else ""
            fields += ", .scale = Control::Scale::kProbability" if probability else ""
            return evaluate(
                [".beta = %s" % BETA, ".control = {%s%s}" % (fields, rest)], adjustment, factor,
                lambda network, _: control_balance(network, distance, binary, probability, observed,
                                                   treated_only, adjustment), binary)

        for adjustment, observed in itertools.product(["none", "odds", "strata"], [False, True]):
            yield control(adjustment=adjustment, observed=observed)
        yield control(treated_only=True, adjustment="odds")
        yield control(factor=FACTOR)
        yield control(binary=True)
        yield control(binary=True, probability=True)
        yield control(binary=True, probability=True, observed=True, adjustment="odds")


def main():
    with open("causal/nets/objective_oracle.inc", "w") as out:
        out.write("// torch %s, POT %s, numpy %s, scipy %s, written by tools/oracles/nets.py.\n" % (
            torch.__version__.split("+")[0], ot.__version__, numpy.__version__, scipy.__version__))

        def table(name, columns, lines):
            out.write("// %s\n#ifdef PERENNIAL_%s_ORACLE\n" % (columns, name))
            for line in lines:
                out.write("{%s},\n" % ", ".join(text(cell) for cell in line))
            out.write("#endif\n")

        table("OBJECTIVE_BATCH", "arms, inputs, width of features, labelled and unlabelled of each "
              "arm, parameters in the network's order, x, y, binary y, weights, odds, strata, "
              "epsilon",
              [(ARMS, INPUTS, WIDTH, LABELLED, UNLABELLED,
                numpy.concatenate([p.ravel() for p in PARAMETERS]), X.ravel(), Y, BINARY, W, ODDS,
                [[int(s) for s in strata] for strata in STRATA], EPSILON)])
        table("OBJECTIVE", "options, adjustment, beta factor, the term, the loss, its gradients by "
              "parameters and by epsilon", rows())


if __name__ == "__main__":
    main()
