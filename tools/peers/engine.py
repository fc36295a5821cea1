#!/usr/bin/env python3
"""The engine's training steps beside JAX and eager PyTorch, on one thread, in one run.

  python3 tools/peers/engine.py [--ours BINARY] [--only REGEX] [--rounds N] [--csv FILE]
                                [--chart FILE.svg] [--check_only]

BINARY is //common/population:population_benchmark. Every case is first checked: each form of each
library must reproduce the losses of a NumPy reference in double. Then come rounds of [ours, JAX,
PyTorch] and the medians of their CPU times. tools/peers/README.md says what is compared.
"""

import os

# One thread and one core for all, set before the libraries read it. A mask of one core
# (taskset -c 0 ...) is kept; otherwise the last core is taken. Our binary inherits both.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1",
                  JAX_PLATFORMS="cpu", XLA_FLAGS="--xla_cpu_multi_thread_eigen=false "
                  "intra_op_parallelism_threads=1 " + os.environ.get("XLA_FLAGS", ""))
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import argparse
import csv
import dataclasses
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F

EXAMPLES = 10000
POINTS = 11
LEARNING_RATE, MOMENTUM = 0.01, 0.8
ADAM_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
CHECKED_STEPS = 10
TOLERANCE = 1e-4
WIDTHS, BATCHES = (32, 64, 128, 256, 512), (10, 64, 256)


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    kind: str  # train, evaluate, line or fisher.
    sizes: tuple  # Inputs, widths, classes.
    batch: int
    units: int = 1
    optimizer: str = "sgd"
    eager: str = ""  # The forms of PyTorch that count: those whose name starts so.


IMAGES = (784, 256, 256, 10)
CASES = (
    Case("mlp_784_256_b64", "train", IMAGES, 64),
    Case("mlp_784_256_b10", "train", IMAGES, 10),
    Case("mlp_50_64_b64", "train", (50, 64, 64, 10), 64, units=64, eager="loop"),
    Case("mlp_50_64_b64_bmm", "train", (50, 64, 64, 10), 64, units=64, eager="bmm"),
    Case("mlp_50_56_b32_adam", "train", (50, 56, 56, 3), 32, units=64, optimizer="adam",
         eager="loop"),
    Case("mlp_50_56_b32_adam_bmm", "train", (50, 56, 56, 3), 32, units=64, optimizer="adam",
         eager="bmm"),
    Case("evaluation", "evaluate", IMAGES, EXAMPLES),
    Case("line11", "line", IMAGES, 64),
    Case("fisher", "fisher", IMAGES, 256, eager="backward"),
    Case("fisher_vmap", "fisher", IMAGES, 256, eager="vmap"),
)
SWEEP = tuple(Case(f"sweep_w{width}_b{batch}", "train", (784, width, width, 10), batch)
              for batch in BATCHES for width in WIDTHS)

# Case -> name of our benchmark, and how many items (steps of one unit, evaluations, lines, Fishers)
# one of its iterations does.
OURS = {
    "mlp_784_256_b64": ("TrainingStep/mlp_784_256_b64", 1),
    "mlp_784_256_b10": ("TrainingStep/mlp_784_256_b10", 1),
    "mlp_50_64_b64": ("TrainingStep/mlp_50_64_b64", 1),
    "mlp_50_64_b64_bmm": ("TrainingStep/mlp_50_64_b64", 1),
    "mlp_50_56_b32_adam": ("TrainingStep/mlp_50_56_b32_adam", 1),
    "mlp_50_56_b32_adam_bmm": ("TrainingStep/mlp_50_56_b32_adam", 1),
    "evaluation": ("TrainingStep/evaluation", 1),
    "line11": ("TrainingStep/line11", 1),
    "fisher": ("TrainingStep/fisher", 1),
    "fisher_vmap": ("TrainingStep/fisher", 1),
} | {f"sweep_w{width}_b{batch}": (f"Sweep/width:{width}/batch:{batch}", 1)
     for width in WIDTHS for batch in BATCHES}


class Problem:
    """What all libraries are given: data, initial parameters and batches of a case."""

    def __init__(self, case):
        random = np.random.default_rng(7)
        inputs, classes = case.sizes[0], case.sizes[-1]
        self.case = case
        self.flops = flops(case)
        # Images are held as bytes and as floats: each library takes what is faster for it.
        if inputs == 784:
            images = random.integers(0, 256, (EXAMPLES, inputs), dtype=np.uint8)
            self.data = {"uint8": images, "float": images.astype(np.float32) / np.float32(255)}
        else:
            self.data = {"float": random.standard_normal((EXAMPLES, inputs), dtype=np.float32)}
        self.labels = random.integers(0, classes, EXAMPLES).astype(np.int32)
        # The second set of parameters is the line's end.
        self.weights = [[tuple(random.uniform(-n**-0.5, n**-0.5, shape).astype(np.float32)
                               for shape in ((n, m), (m,)))
                         for n, m in zip(case.sizes, case.sizes[1:])]
                        for _ in range(max(2, case.units))]
        # A call runs so many steps; small ones run more, which hides the cost of the call.
        short = case.units == 1 and case.batch < 256
        self.steps = 1 if case.kind != "train" else 200 if short else 50
        self.items = self.steps * case.units
        orders = [np.concatenate([random.permutation(EXAMPLES)
                                  for _ in range(-(-self.steps * case.batch // EXAMPLES))])
                  for _ in range(case.units)]
        self.indices = np.stack([order[:self.steps * case.batch].reshape(self.steps, case.batch)
                                 for order in orders], axis=1).astype(np.int32)


def flops(case):
    """Of the matrix products of one item; zero where algebra changes how many are needed."""
    products = [n * m for n, m in zip(case.sizes, case.sizes[1:])]
    if case.kind == "evaluate":
        return 2 * case.batch * sum(products)
    # The first layer needs no gradient of its inputs.
    return 2 * case.batch * (3 * sum(products) - products[0]) if case.kind == "train" else 0


@dataclasses.dataclass
class Form:
    """One way of a library to do a case. call() returns what `reference` returns."""
    name: str
    call: Callable
    items: int


# --- The reference: NumPy in double ---------------------------------------------------------------


def reference_gradient(weights, x, y):
    """Losses and deltas of each example, and each layer's inputs."""
    inputs = [x]
    for w, b in weights[:-1]:
        inputs.append(np.maximum(inputs[-1] @ w + b, 0))
    logits = inputs[-1] @ weights[-1][0] + weights[-1][1]
    logits -= logits.max(1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    rows = np.arange(len(y))
    delta = np.exp(log_p)
    delta[rows, y] -= 1
    deltas = [delta]
    for (w, _), hidden in zip(weights[:0:-1], inputs[:0:-1]):
        deltas.insert(0, deltas[0] @ w.T * (hidden > 0))
    return -log_p[rows, y], inputs, deltas, log_p.argmax(1) == y


def reference_train(problem):
    case, losses = problem.case, []
    for unit in range(case.units):
        weights = [[p.astype(float) for p in layer] for layer in problem.weights[unit]]
        moments = [[[np.zeros_like(p) for p in layer] for layer in weights] for _ in range(2)]
        losses.append([])
        for step in range(CHECKED_STEPS + 1):
            rows = problem.indices[step, unit]
            loss, inputs, deltas, _ = reference_gradient(
                weights, problem.data["float"][rows].astype(float), problem.labels[rows])
            losses[-1].append(loss.mean())
            for l, (x, d) in enumerate(zip(inputs, deltas)):
                for i, g in enumerate((x.T @ d / case.batch, d.mean(0))):
                    m, v = moments[0][l][i], moments[1][l][i]
                    if case.optimizer == "sgd":
                        m[:] = MOMENTUM * m + g
                        weights[l][i] -= LEARNING_RATE * m
                    else:
                        m[:] = BETA1 * m + (1 - BETA1) * g
                        v[:] = BETA2 * v + (1 - BETA2) * g * g
                        m_hat, v_hat = (m / (1 - BETA1**(step + 1)), v / (1 - BETA2**(step + 1)))
                        weights[l][i] -= ADAM_RATE * m_hat / (np.sqrt(v_hat) + EPSILON)
    return [np.array(losses).T]


def reference(problem):
    """What a form's call returns: arrays that are equal within TOLERANCE."""
    case = problem.case
    if case.kind == "train":
        return reference_train(problem)
    begin, end = problem.weights[:2]
    rows = problem.indices[0, 0]
    x, y = problem.data["float"][rows].astype(float), problem.labels[rows]
    if case.kind == "evaluate":
        losses, _, _, right = reference_gradient(begin, x, y)
        return [np.array([losses.mean(), right.mean()])]
    if case.kind == "fisher":
        _, inputs, deltas, _ = reference_gradient(begin, x, y)
        return [part for i, d in zip(inputs, deltas)
                for part in ((i**2).T @ d**2 / case.batch, (d**2).mean(0))]
    losses, gradient = [], [np.zeros(p.shape) for layer in begin for p in layer]
    for alpha in np.linspace(0, 1, POINTS):
        weights = [[p + alpha * (q.astype(float) - p) for p, q in zip(*pair)]
                   for pair in zip(begin, end)]
        loss, inputs, deltas, _ = reference_gradient(weights, x, y)
        losses.append(loss.mean())
        parts = [part for i, d in zip(inputs, deltas) for part in (i.T @ d / case.batch, d.mean(0))]
        for total, part in zip(gradient, parts):
            total += alpha / POINTS * part
    return [np.array(losses), *gradient]


# --- JAX: everything inside one jit, parameters as a list of (weights [in, out], bias) ------------


def jax_losses(weights, x, y):
    for w, b in weights[:-1]:
        x = jax.nn.relu(x @ w + b)
    w, b = weights[-1]
    logits = x @ w + b
    # A product with the one-hot labels: the gradient of a gather would be a scatter.
    hot = jax.nn.one_hot(y, logits.shape[-1])
    return -jnp.sum(hot * jax.nn.log_softmax(logits), -1), logits


def jax_loss(weights, x, y):
    return jax_losses(weights, x, y)[0].mean()


def jax_sgd(weights, state, gradient):
    state = jax.tree.map(lambda v, g: MOMENTUM * v + g, state, gradient)
    return jax.tree.map(lambda p, v: p - LEARNING_RATE * v, weights, state), state


def jax_adam(weights, state, gradient):
    m, v, count = state
    count = count + 1
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, gradient)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, gradient)
    rate = ADAM_RATE / (1 - BETA1**count)
    root = jax.lax.rsqrt(1 - BETA2**count)
    return jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) * root + EPSILON),
                        weights, m, v), (m, v, count)


def jax_gather(data, labels, rows):
    x = data.at[rows].get(mode="promise_in_bounds")
    if x.dtype == jnp.uint8:
        x = x.astype(jnp.float32) * np.float32(1 / 255)
    return x, labels.at[rows].get(mode="promise_in_bounds")


def jax_train_forms(problem, kind, data, labels):
    case = problem.case
    optimize = jax_sgd if case.optimizer == "sgd" else jax_adam

    def step(carry, rows):
        weights, state = carry
        loss, gradient = jax.value_and_grad(jax_loss)(weights, *jax_gather(data, labels, rows))
        return optimize(weights, state, gradient), loss

    def scan(carry, indices):
        return jax.lax.scan(step, carry, indices)

    def scan_of_vmap(carry, indices):
        return jax.lax.scan(jax.vmap(step), carry, indices)

    def map_of_scan(carry, indices):
        carry, losses = jax.lax.map(lambda unit: scan(*unit), (carry, indices.swapaxes(0, 1)))
        return carry, losses.T

    def form(name, run, units):
        weights = jax.tree.map(lambda *parts: jnp.stack(parts) if units else jnp.array(parts[0]),
                               *problem.weights[:case.units])
        zeros = lambda: jax.tree.map(jnp.zeros_like, weights)
        state = zeros()
        if case.optimizer == "adam":
            state = (state, zeros(), jnp.zeros((case.units,) if units else ()))
        carry = (weights, state)
        indices = jnp.array(problem.indices if units else problem.indices[:, 0])
        run = jax.jit(run, donate_argnums=0)

        def call():
            nonlocal carry
            carry, losses = jax.block_until_ready(run(carry, indices))
            return [losses]

        return Form(f"{name}, {kind}", call, problem.items)

    if case.units == 1:
        return [form("scan", scan, False)]
    return [form("scan(vmap)", scan_of_vmap, True), form("map(scan)", map_of_scan, True)]


def jax_once_forms(problem, kind, data, labels):
    """Evaluation, line and Fisher: one jitted call an item."""
    case = problem.case
    begin, end = (jax.tree.map(jnp.array, weights) for weights in problem.weights[:2])
    rows = jnp.array(problem.indices[0, 0])
    add = lambda a, b: jax.tree.map(jnp.add, a, b)

    def evaluate(chunk):
        def run(begin, end, rows):
            def one(rows):
                x, y = jax_gather(data, labels, rows)
                losses, logits = jax_losses(begin, x, y)
                return losses.sum(), (logits.argmax(-1) == y).sum()
            loss, right = jax.lax.map(one, rows.reshape(-1, chunk))
            return [jnp.stack([loss.sum(), right.sum()]) / case.batch]
        return run

    def point(begin, end, alpha):
        return jax.tree.map(lambda p, q: p + alpha * (q - p), begin, end)

    alphas = jnp.linspace(0, 1, POINTS)

    def line_vmap(begin, end, rows):
        x, y = jax_gather(data, labels, rows)
        def mean_loss(end):
            losses = jax.vmap(lambda a: jax_loss(point(begin, end, a), x, y))(alphas)
            return losses.mean(), losses
        (_, losses), gradient = jax.value_and_grad(mean_loss, has_aux=True)(end)
        return [losses, gradient]

    def line_scan(begin, end, rows):
        x, y = jax_gather(data, labels, rows)
        def one(total, alpha):
            loss, gradient = jax.value_and_grad(jax_loss)(point(begin, end, alpha), x, y)
            return jax.tree.map(lambda t, g: t + alpha / POINTS * g, total, gradient), loss
        gradient, losses = jax.lax.scan(one, jax.tree.map(jnp.zeros_like, end), alphas)
        return [losses, gradient]

    def fisher(chunk):
        def run(begin, end, rows):
            def one(total, rows):
                x, y = jax_gather(data, labels, rows)
                gradients = jax.vmap(jax.grad(jax_loss), (None, 0, 0))(begin, x, y)
                return add(total, jax.tree.map(lambda g: (g * g).sum(0), gradients)), None
            total, _ = jax.lax.scan(one, jax.tree.map(jnp.zeros_like, begin),
                                    rows.reshape(-1, chunk))
            return [jax.tree.map(lambda t: t / case.batch, total)]
        return run

    runs = {
        "evaluate": {f"batches of {n}": evaluate(n) for n in (EXAMPLES, 1000, 250)},
        "line": {"vmap over points": line_vmap, "scan over points": line_scan},
        # Of 1 is a scan over examples: XLA then fuses the outer product with what follows.
        "fisher": {f"vmap(grad) of {n}": fisher(n) for n in (case.batch, 32, 1)},
    }[case.kind]

    def form(name, run):
        run = jax.jit(run)
        return Form(f"{name}, {kind}",
                    lambda: jax.tree.leaves(jax.block_until_ready(run(begin, end, rows))), 1)

    return [form(name, run) for name, run in runs.items()]


def jax_forms(problem):
    make = jax_train_forms if problem.case.kind == "train" else jax_once_forms
    labels = jnp.array(problem.labels)
    return [form for kind, data in problem.data.items()
            for form in make(problem, kind, jnp.array(data), labels)]


# --- Eager PyTorch --------------------------------------------------------------------------------


def torch_model(sizes, weights):
    layers = []
    for (n, m), (w, b) in zip(zip(sizes, sizes[1:]), weights):
        linear = torch.nn.Linear(n, m)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(w.T))
            linear.bias.copy_(torch.tensor(b))
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def torch_gather(data, labels, rows):
    x = data.index_select(0, rows)
    if x.dtype == torch.uint8:
        x = x.float().mul_(1 / 255)
    return x, labels.index_select(0, rows)


def torch_optimizer(case, parameters, implementation):
    # The names of torch.optim; "loop" is neither.
    flags = {"foreach": implementation == "foreach", "fused": implementation == "fused"}
    if case.optimizer == "sgd":
        return torch.optim.SGD(parameters, LEARNING_RATE, momentum=MOMENTUM, **flags)
    return torch.optim.Adam(parameters, ADAM_RATE, (BETA1, BETA2), EPSILON, **flags)


def torch_train_forms(problem, kind, data, labels):
    case = problem.case
    indices = torch.tensor(problem.indices, dtype=torch.int64)

    def loop_over_units(implementation):
        models = [torch_model(case.sizes, weights) for weights in problem.weights[:case.units]]
        optimizers = [torch_optimizer(case, model.parameters(), implementation) for model in models]

        def call():
            losses = []
            for step in indices:
                for model, optimizer, rows in zip(models, optimizers, step):
                    x, y = torch_gather(data, labels, rows)
                    optimizer.zero_grad(set_to_none=True)
                    loss = F.cross_entropy(model(x), y)
                    loss.backward()
                    optimizer.step()
                    losses.append(loss.detach())
            return [torch.stack(losses).view(len(indices), -1)]

        return call

    def bmm_over_units(implementation):
        """All units as one network of batched products, written by hand."""
        weights = [[torch.tensor(np.stack(parts)) for parts in zip(*layer)]
                   for layer in zip(*problem.weights[:case.units])]
        weights = [[w.requires_grad_(), b[:, None].requires_grad_()] for w, b in weights]
        optimizer = torch_optimizer(case, [p for layer in weights for p in layer], implementation)

        def call():
            losses = []
            for step in indices:
                x, y = torch_gather(data, labels, step.view(-1))
                x = x.view(case.units, case.batch, -1)
                optimizer.zero_grad(set_to_none=True)
                for w, b in weights[:-1]:
                    x = torch.baddbmm(b, x, w).relu_()
                logits = torch.baddbmm(weights[-1][1], x, weights[-1][0])
                loss = F.cross_entropy(logits.flatten(0, 1), y, reduction="none")
                loss = loss.view(case.units, -1).mean(1)
                loss.sum().backward()
                optimizer.step()
                losses.append(loss.detach())
            return [torch.stack(losses)]

        return call

    makers = {"loop": loop_over_units, "bmm": bmm_over_units} if case.units > 1 else {
        "": loop_over_units}
    return [Form(f"{name} {implementation}, {kind}".strip(), make(implementation), problem.items)
            for name, make in makers.items() if name.startswith(case.eager)
            for implementation in ("loop", "foreach", "fused")]


def torch_once_forms(problem, kind, data, labels):
    """Evaluation, line and Fisher."""
    case = problem.case
    rows = torch.tensor(problem.indices[0, 0], dtype=torch.int64)
    model = torch_model(case.sizes, problem.weights[0])
    parameters = list(model.parameters())
    # As (weights [in, out], bias), like the reference.
    layout = lambda tensors: [t.T if t.dim() == 2 else t for t in tensors]

    def evaluate(chunk):
        def call():
            loss, right = 0, 0
            with torch.inference_mode():
                for part in rows.split(chunk):
                    x, y = torch_gather(data, labels, part)
                    logits = model(x)
                    loss += F.cross_entropy(logits, y, reduction="sum")
                    right += (logits.argmax(1) == y).sum()
            return [torch.stack([loss, right]) / case.batch]
        return call

    begin = [p.detach().clone() for p in parameters]
    end = [p.detach() for p in torch_model(case.sizes, problem.weights[1]).parameters()]
    alphas = np.linspace(0, 1, POINTS).tolist()

    def line():
        """Passes at each point; the gradients are added up outside autograd."""
        losses, total = [], [torch.zeros_like(p) for p in end]
        x, y = torch_gather(data, labels, rows)
        for alpha in alphas:
            with torch.no_grad():
                for p, b, e in zip(parameters, begin, end):
                    torch.lerp(b, e, alpha, out=p)
            loss = F.cross_entropy(model(x), y)
            gradients = torch.autograd.grad(loss, parameters)
            torch._foreach_add_(total, gradients, alpha=alpha / POINTS)
            losses.append(loss.detach())
        return [torch.stack(losses), *layout(total)]

    def line_autograd():
        """Autograd through the interpolation."""
        losses, leaves = [], [e.clone().requires_grad_() for e in end]
        x, y = torch_gather(data, labels, rows)
        for alpha in alphas:
            hidden = x
            for l in range(0, len(leaves), 2):
                w, b = (torch.lerp(p, q, alpha) for p, q in zip(begin[l:l + 2], leaves[l:l + 2]))
                hidden = F.linear(hidden if l == 0 else hidden.relu(), w, b)
            loss = F.cross_entropy(hidden, y)
            (loss / POINTS).backward()
            losses.append(loss.detach())
        return [torch.stack(losses), *layout(p.grad for p in leaves)]

    def fisher_backward():
        total = [torch.zeros_like(p) for p in parameters]
        x, y = torch_gather(data, labels, rows)
        for i in range(len(y)):
            loss = F.cross_entropy(model(x[i:i + 1]), y[i:i + 1])
            gradients = torch.autograd.grad(loss, parameters)
            torch._foreach_addcmul_(total, gradients, gradients)
        torch._foreach_div_(total, case.batch)
        return layout(total)

    def fisher_vmap(chunk):
        named = {name: p.detach() for name, p in model.named_parameters()}

        def loss(named, x, y):
            output = torch.func.functional_call(model, named, (x[None],))
            return F.cross_entropy(output, y[None])

        gradient = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))

        def call():
            total = [torch.zeros_like(p) for p in parameters]
            for part in rows.split(chunk):
                gradients = gradient(named, *torch_gather(data, labels, part))
                torch._foreach_add_(total, [g.square_().sum(0) for g in gradients.values()])
            torch._foreach_div_(total, case.batch)
            return layout(total)
        return call

    calls = {
        "evaluate": {f"batches of {n}": evaluate(n) for n in (EXAMPLES, 1000, 250)},
        "line": {"passes": line, "autograd of lerp": line_autograd},
        "fisher": {"backward per sample": fisher_backward} |
                  {f"vmap(grad) of {n}": fisher_vmap(n) for n in (case.batch, 32, 8)},
    }[case.kind]
    return [Form(f"{name}, {kind}", call, 1) for name, call in calls.items()
            if name.startswith(case.eager)]


def torch_forms(problem):
    make = torch_train_forms if problem.case.kind == "train" else torch_once_forms
    labels = torch.tensor(problem.labels, dtype=torch.int64)
    return [form for kind, data in problem.data.items()
            for form in make(problem, kind, torch.tensor(data), labels)]


# --- Measuring ------------------------------------------------------------------------------------


def check(form, expected):
    """The form's first call, which also compiles and warms up, against the reference."""
    got = form.call()
    if len(got) != len(expected):
        sys.exit(f"{form.name}: {len(got)} results for {len(expected)}")
    for a, b in zip(got, expected):
        a, b = np.asarray(a, dtype=float), np.asarray(b)
        # A form that trains goes on beyond the reference's steps.
        a = a.reshape(-1, *b.shape[1:])[:len(b)]
        error = np.max(np.abs(a - b)) / np.abs(b).max()
        if not error <= TOLERANCE:
            sys.exit(f"{form.name}: differs from the reference by {error:.2g} of its largest value")


def sample(form, seconds):
    """Microseconds of CPU and of wall time an item, over calls that take `seconds` of CPU time."""
    calls, wall, start = 0, time.perf_counter(), time.process_time()
    while True:
        form.call()
        calls += 1
        cpu = time.process_time() - start
        if cpu >= seconds:
            scale = 1e6 / (calls * form.items)
            return cpu * scale, (time.perf_counter() - wall) * scale


def fastest(forms, seconds):
    return min(forms, key=lambda form: min(sample(form, seconds)[0] for _ in range(3)))


def gemm_peak():
    """Floating-point operations a second of a 1024^3 product: the best of three."""
    a, b = torch.ones(1024, 1024), torch.full((1024, 1024), 0.5)
    best = 0
    for _ in range(4):
        start = time.process_time()
        a @ b
        best = max(best, 2 * 1024**3 / (time.process_time() - start))
    return best


def benchmark_names(binary):
    output = subprocess.run([binary, "--benchmark_list_tests=true"], check=True, text=True,
                            stdout=subprocess.PIPE)
    return output.stdout.split()


def sample_ours(binary, case, seconds):
    """Microseconds of CPU and of wall time an item of our benchmark."""
    name, items = OURS[case.name]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out.json")
        subprocess.run([binary, f"--benchmark_filter=^{re.escape(name)}$",
                        f"--benchmark_min_time={seconds}",
                        f"--benchmark_min_warmup_time={seconds / 2}", "--benchmark_format=json",
                        f"--benchmark_out={path}", "--benchmark_out_format=json"],
                       check=True, stdout=subprocess.DEVNULL)
        with open(path, encoding="utf-8") as stream:
            runs = json.load(stream)["benchmarks"]
    run = runs[0]
    if run.get("error_occurred"):
        sys.exit(f"{name}: {run.get('error_message')}")
    scale = {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6}[run["time_unit"]] / items
    return run["cpu_time"] * scale, run["real_time"] * scale


@dataclasses.dataclass
class Result:
    case: Case
    floor: float | None  # Microseconds.
    samples: dict  # Of ours (if it ran), jax, eager: (CPU, wall) of each round.
    forms: dict  # Of jax, eager: the name of the form.

    def median(self, who, wall=False):
        if who == "floor":
            return self.floor
        return float(np.median([s[wall] for s in self.samples[who]])) if who in self.samples \
            else None

    def spread(self, who):
        """Distance of the quartiles over the median."""
        if who not in self.samples:
            return None
        low, high = np.percentile([s[0] for s in self.samples[who]], [25, 75])
        return float(high - low) / self.median(who)

    def ratio(self, who):
        mine, other = self.median("ours"), self.median(who)
        return None if mine is None or other is None else other / mine


def measure(case, options):
    problem = Problem(case)
    expected = reference(problem)
    forms = {"jax": jax_forms(problem), "eager": torch_forms(problem)}
    for group in forms.values():
        for form in group:
            check(form, expected)
    if options.check_only:
        return None
    chosen = {who: fastest(group, options.seconds) for who, group in forms.items()}
    samples = {who: [] for who in (["ours"] if options.ours else []) + list(chosen)}
    peak = 0
    for _ in range(options.rounds):
        peak = max(peak, gemm_peak())
        if options.ours:
            samples["ours"].append(sample_ours(options.ours, case, options.seconds))
        for who, form in chosen.items():
            samples[who].append(sample(form, options.seconds))
    floor = problem.flops / peak * 1e6 if problem.flops else None
    return Result(case, floor, samples, {who: form.name for who, form in chosen.items()})


# --- Reporting ------------------------------------------------------------------------------------


def cell(value, width, digits):
    return f"{'-' if value is None else f'{value:.{digits}f}':>{width}}"


def print_tables(results):
    print("\nMicroseconds of CPU time an item (median of the rounds), and ratios to ours:")
    print(f"{'case':22}{'ours':>9}{'eager':>10}{'JAX':>10}{'floor':>9}"
          f"{'eager/':>7}{'JAX/':>6}{'floor/':>7}")
    for r in results:
        digits = 0 if r.median("jax") >= 1000 else 1
        print(f"{r.case.name:22}" + cell(r.median("ours"), 9, digits) +
              cell(r.median("eager"), 10, digits) + cell(r.median("jax"), 10, digits) +
              cell(r.floor, 9, digits) + cell(r.ratio("eager"), 7, 2) +
              cell(r.ratio("jax"), 6, 2) + cell(r.ratio("floor"), 7, 2))
    print("\nSpread (quartiles' distance, % of the median) and the fastest form:")
    print(f"{'case':22}{'ours':>5}{'eager':>6}{'JAX':>5}  forms")
    for r in results:
        percent = [None if r.spread(who) is None else 100 * r.spread(who)
                   for who in ("ours", "eager", "jax")]
        print(f"{r.case.name:22}" + cell(percent[0], 5, 0) + cell(percent[1], 6, 0) +
              cell(percent[2], 5, 0) + f"  eager: {r.forms['eager']}")
        print(f"{'':38}  JAX: {r.forms['jax']}")


def write_csv(path, results):
    three = ("ours", "eager", "jax")
    text = lambda value, digits: "" if value is None else f"{value:.{digits}f}"
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["case", *(f"{who}_us" for who in (*three, "floor")),
                         *(f"{who}_over_ours" for who in ("eager", "jax", "floor")),
                         *(f"{who}_wall_us" for who in three),
                         *(f"{who}_spread" for who in three), "eager_form", "jax_form"])
        for r in results:
            writer.writerow([r.case.name,
                             *(text(r.median(who), 2) for who in (*three, "floor")),
                             *(text(r.ratio(who), 3) for who in ("eager", "jax", "floor")),
                             *(text(r.median(who, wall=True), 2) for who in three),
                             *(text(r.spread(who), 3) for who in three),
                             r.forms["eager"], r.forms["jax"]])


def draw(path, results):
    """Step time against width, one panel a batch."""
    import matplotlib
    matplotlib.use("Agg")
    # Equal numbers give equal bytes: no date, no random identifiers.
    matplotlib.rcParams.update({"svg.hashsalt": "perennial", "svg.fonttype": "none",
                                "font.size": 9})
    from matplotlib import pyplot, ticker
    lines = (("eager", "eager PyTorch", "#b5442e", "s-"), ("jax", "JAX", "#2f6db0", "^-"),
             ("ours", "Perennial", "#111111", "o-"), ("floor", "floor", "#777777", ":"))
    figure, panels = pyplot.subplots(1, len(BATCHES), figsize=(9, 3.4), sharey=True)
    for panel, batch in zip(panels, BATCHES):
        chosen = sorted((r for r in results if r.case in SWEEP and r.case.batch == batch),
                        key=lambda r: r.case.sizes[1])
        for who, label, colour, style in lines:
            points = [(r.case.sizes[1], r.median(who)) for r in chosen
                      if r.median(who) is not None]
            if points:
                panel.plot(*zip(*points), style, color=colour, label=label, markersize=4,
                           linewidth=1.4)
        panel.set(xscale="log", yscale="log", title=f"batch {batch}",
                  xlabel="width of hidden layers")
        panel.set_xticks(WIDTHS, [str(width) for width in WIDTHS])
        panel.xaxis.set_minor_locator(ticker.NullLocator())
        panel.yaxis.set_major_formatter(ticker.FuncFormatter(lambda y, _: f"{y:g}"))
        panel.grid(True, which="major", color="#dddddd", linewidth=0.6)
        panel.set_axisbelow(True)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    panels[0].set_ylabel("CPU time of a step, microseconds")
    panels[0].legend(frameon=False)
    figure.suptitle("Training step of an MLP 784-W-W-10, SGD with momentum, one thread",
                    fontsize=10)
    figure.tight_layout()
    figure.savefig(path, format="svg", facecolor="white", metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--ours", help="the binary of //common/population:population_benchmark")
    parser.add_argument("--only", default="", help="cases whose name contains this pattern")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.1, help="CPU time of a sample")
    parser.add_argument("--csv", help="writes all numbers to this file")
    parser.add_argument("--chart", help="measures the sweep; writes this SVG and a .csv beside it")
    parser.add_argument("--check_only", action="store_true", help="compares results, times nothing")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if options.chart and not options.chart.endswith(".svg"):
        parser.error("--chart must end with .svg")
    torch.set_num_threads(1)

    cases = [case for case in CASES + (SWEEP if options.chart else ())
             if re.search(options.only, case.name)]
    if not cases:
        parser.error(f"--only {options.only}: no such case; there are "
                     f"{', '.join(case.name for case in CASES + SWEEP)}")
    if options.ours:
        options.ours = os.path.abspath(options.ours)
        try:
            names = benchmark_names(options.ours)
        except (OSError, subprocess.CalledProcessError) as error:
            parser.error(f"--ours: {error}; tools/bazel build //common/population:"
                         "population_benchmark makes it")
        missing = {OURS[case.name][0] for case in cases} - set(names)
        if missing:
            parser.error(f"{options.ours} has no benchmark {', '.join(sorted(missing))}; it has "
                         f"{', '.join(names)}")
    print(f"jax {jax.__version__}, torch {torch.__version__}, numpy {np.__version__}, core "
          f"{', '.join(map(str, os.sched_getaffinity(0)))}")
    results = []
    for case in cases:
        print(f"{case.name} ...", flush=True)
        results.append(measure(case, options))
    if options.check_only:
        print("All forms agree with the reference.")
        return
    print_tables(results)
    if options.csv:
        write_csv(options.csv, results)
    if options.chart:
        sweep = [r for r in results if r.case in SWEEP]
        draw(options.chart, sweep)
        write_csv(options.chart.removesuffix(".svg") + ".csv", sweep)


if __name__ == "__main__":
    main()
