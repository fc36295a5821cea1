#!/usr/bin/env python3
"""Models of treatment effects beside CATENets, causalml and EconML, and distances between samples
beside POT: the same units, one thread.

  python3 tools/peers/causal.py --ours COMMAND [--table speed|accuracy] [--sets 0..9]
                                [--methods NAMES] [--peers NAMES] [--rounds N] [--csv FILE]
  python3 tools/peers/causal.py --ours PROGRAM --table balance [--rounds N] [--csv FILE]
  python3 tools/peers/causal.py --check_only [--ours COMMAND]

COMMAND is //causal:sample_times with the arguments that choose data and methods, for instance
"sample_times --config ihdp". It is run with --seeds and --out: it fits our methods, prints one JSON
object for each ("method", "seed", "steps", "steps_cpu_s", "fit_cpu_s", "sqrt_pehe_in",
"sqrt_pehe_out", "ate_error"), and writes the units of each seed as .npy files, which the peers are
given (causal/sample_times.cc names them).

PROGRAM is //causal/balance:balance_times: distances between samples, beside POT.

Before steps are timed, all their forms must reproduce a reference in double from the same initial
weights (--check_only stops there); with --ours, from the weights that ours begins with, and ours
must reproduce it, too. tools/peers/README.md says what is compared.
"""

import os

# One thread and one core for all, set before the libraries read it. A mask of one core
# (taskset -c 0 ...) is kept; otherwise the last core is taken. Our binary inherits both.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1",
                  JAX_PLATFORMS="cpu", XLA_FLAGS="--xla_cpu_multi_thread_eigen=false "
                  "intra_op_parallelism_threads=1 " + os.environ.get("XLA_FLAGS", ""))
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import argparse
import contextlib
import csv
import dataclasses
import gc
import hashlib
import importlib.metadata
import io
import json
import logging
import re
import shlex
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import scipy.stats
import torch
import torch.nn.functional as F

import catenets.logger
import catenets.models.torch as catenets_torch
import sklearn.ensemble
import sklearn.linear_model
import xgboost
from causalml.inference.meta import BaseDRRegressor, BaseTRegressor, BaseXRegressor
from econml.dml import CausalForestDML
from econml.dr import DRLearner

ADAM_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
BATCH = 100
CHECKED_STEPS = 10
# Of predicted outcomes, in their standard deviations, after CHECKED_STEPS. Adam's first steps are
# as long for a gradient that is all rounding as for any other.
TOLERANCE = 1e-4
# 700 of IHDP's 747 units are then trained on: all batches of an epoch are full.
SPEED_TEST_SHARE = 0.0645


@dataclasses.dataclass(frozen=True)
class Size:
    """Widths of the hidden layers that arms share, and of those of each arm."""
    name: str
    trunk: tuple
    head: tuple
    steps: int  # Of one of our samples; of the peers' `peer_steps`.
    peer_steps: int


# Of distances between samples, relative.
BALANCE_TOLERANCE = 1e-9
# CPU time of all evaluations of a form in a round, one at least.
BALANCE_SECONDS = 0.1

SIZES = (Size("64/32", (64, 64, 64), (32, 32), steps=4200, peer_steps=700),
         Size("200/100", (200, 200, 200), (100, 100), steps=700, peer_steps=350))


class OursError(Exception):
    """Our program failed or printed something else than was agreed."""


# --- The units ------------------------------------------------------------------------------------


class Sample:
    """The arrays of a folder that //causal:sample_times wrote."""

    def __init__(self, folder):
        self.folder = folder
        try:
            with open(os.path.join(folder, "sample.json"), encoding="utf-8") as file:
                about = json.load(file)
            self.text, self.group, self.seed = (about[key] for key in ("sample", "group", "seed"))
            if about["arms"] != 2:
                raise OursError(f"{folder}: {about['arms']} arms; the peers know two")
            self.binary = about["binary_outcome"]
            self.x, self.t, self.y = (self.array(name) for name in ("x", "t", "y"))
            self.rows_in, self.rows_out = self.array("in"), self.array("out")
            self.effect = self.array("mu1") - self.array("mu0") if self.has("mu0") else None
        except (OSError, ValueError, KeyError) as error:
            raise OursError(f"{folder}: {error!r}") from error
        rows = np.concatenate([self.rows_in, self.rows_out])
        if not np.array_equal(np.sort(rows), np.arange(len(self.y))):
            raise OursError(f"{folder}: in.npy and out.npy are not a split of {len(self.y)} rows")

    def path(self, name):
        return os.path.join(self.folder, name + ".npy")

    def has(self, name):
        return os.path.exists(self.path(name))

    def array(self, name):
        return np.load(self.path(name), allow_pickle=False)

    def training(self):
        """x, t and y of the units that models are fitted to."""
        return self.x[self.rows_in], self.t[self.rows_in], self.y[self.rows_in]

    def errors(self, effect):
        """sqrt PEHE in and out of sample, and the error of the average effect in sample."""
        miss = effect - self.effect
        root = lambda rows: float(np.sqrt(np.mean(miss[rows]**2)))
        return root(self.rows_in), root(self.rows_out), float(abs(miss[self.rows_in].mean()))


class Scale:
    """Columns brought to mean 0 and standard deviation 1 by those of `values`; constant ones to 0.
    """

    def __init__(self, values):
        self.mean, deviation = values.mean(0), values.std(0)
        constant = deviation <= 1e-12 * np.abs(values).max(0)
        self.deviation = np.where(constant, 1, deviation)
        self.factor = np.where(constant, 0, 1 / self.deviation)

    def apply(self, values):
        return (values - self.mean) * self.factor


# --- A training step ------------------------------------------------------------------------------


def layer_names(size):
    """Layers as ours are called, in order: those of the trunk and of both heads."""
    return [[f"features.{i}" for i in range(len(size.trunk))]] + [
        [f"arm_{arm}.{i}" for i in range(len(size.head) + 1)] for arm in (0, 1)]


def layer_sizes(size, inputs):
    """(outputs, inputs) of each layer, by name."""
    trunk, *heads = layer_names(size)
    widths = [inputs, *size.trunk]
    shapes = dict(zip(trunk, zip(widths[1:], widths)))
    widths = [size.trunk[-1], *size.head, 1]
    for head in heads:
        shapes |= zip(head, zip(widths[1:], widths))
    return shapes


@dataclasses.dataclass
class Problem:
    """What all forms are given: standardised units, initial weights, and the rows of each step."""
    size: Size
    x: np.ndarray  # [n, p]
    t: np.ndarray  # [n], 0 or 1.
    y: np.ndarray  # [n]
    weights: dict  # Layer -> (weight [outputs, inputs], bias [outputs]).
    batches: np.ndarray  # [epochs, batches, rows]

    @property
    def steps(self):
        return self.batches.shape[0] * self.batches.shape[1]


def random_weights(size, inputs, random):
    return {name: tuple(random.uniform(-m**-0.5, m**-0.5, shape) for shape in ((n, m), (n,)))
            for name, (n, m) in layer_sizes(size, inputs).items()}


def shuffled(n, rows, steps, random):
    """Full batches of as many epochs as steps need."""
    per_epoch = n // rows
    return np.stack([random.permutation(n)[:per_epoch * rows].reshape(per_epoch, rows)
                     for _ in range(-(-steps // per_epoch))])


@dataclasses.dataclass
class Form:
    """One way of doing the same."""
    name: str
    run: Callable  # Does all steps of the problem; may be called again, and then goes on.
    predict: Callable  # Outcomes of both arms [2, n].
    units: int = 1  # Networks that one call trains.


def in_order_of_arms(x, t, y, rows):
    """Of an epoch's rows [batches, rows]: those of control first in each batch, their inputs and
    outcomes, and how many of each batch are controls."""
    arms, order = t[rows].sort(dim=1, stable=True)
    rows = rows.gather(1, order)
    return x[rows], y[rows], (rows.shape[1] - arms.sum(1)).tolist()


def torch_form(problem, dtype, adam, loss_form="cat"):
    """Autograd and torch.optim.Adam; a head sees its own arm's rows, which `in_order_of_arms`
    makes a slice of the batch, for a whole epoch at once."""
    x, y = (torch.tensor(values, dtype=dtype) for values in (problem.x, problem.y))
    t = torch.tensor(problem.t, dtype=torch.int64)
    layers = {name: [torch.tensor(part, dtype=dtype).requires_grad_() for part in parts]
              for name, parts in problem.weights.items()}
    trunk, *heads = [[layers[name] for name in names] for names in layer_names(problem.size)]
    parameters = [part for parts in layers.values() for part in parts]
    # The names of torch.optim; "loop" is neither.
    flags = {"foreach": adam == "foreach", "fused": adam == "fused"}
    optimizer = torch.optim.Adam(parameters, ADAM_RATE, (BETA1, BETA2), EPSILON, **flags)
    batches = torch.tensor(problem.batches)
    linear, elu = F.linear, F.elu

    def head(hidden, layers):
        for weight, bias in layers[:-1]:
            hidden = elu(linear(hidden, weight, bias))
        return linear(hidden, *layers[-1])

    def features(hidden):
        for weight, bias in trunk:
            hidden = elu(linear(hidden, weight, bias))
        return hidden

    def run():
        for rows in batches:
            xs, ys, controls = in_order_of_arms(x, t, y, rows)
            for inputs, outcomes, n in zip(xs.unbind(0), ys.unbind(0), controls):
                hidden = features(inputs)
                predicted = torch.cat([head(hidden[:n], heads[0]), head(hidden[n:], heads[1])])
                loss = F.mse_loss(predicted[:, 0], outcomes)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()

    def predict():
        with torch.no_grad():
            hidden = features(x)
            return torch.stack([head(hidden, layers)[:, 0] for layers in heads]).double().numpy()

    return Form(f"autograd, {adam} Adam", run, predict)


def torch_by_hand_form(problem, adam):
    """The backward pass written out, into the slices of one flat gradient, which one tensor of
    Adam takes. No autograd."""
    x, y = (torch.tensor(values, dtype=torch.float32) for values in (problem.x, problem.y))
    t = torch.tensor(problem.t, dtype=torch.int64)
    flat = torch.tensor(np.concatenate([part.ravel() for parts in problem.weights.values()
                                        for part in parts]), dtype=torch.float32)
    flat.grad = torch.zeros_like(flat)
    layers, place = {}, 0
    for name, parts in problem.weights.items():
        views = []
        for part in parts:
            slices = [whole[place:place + part.size].view(part.shape)
                      for whole in (flat, flat.grad)]
            views += slices
            place += part.size
        layers[name] = views  # weight, its gradient, bias, its gradient
    trunk, *heads = [[layers[name] for name in names] for names in layer_names(problem.size)]
    flags = {"foreach": adam == "foreach", "fused": adam == "fused"}
    optimizer = torch.optim.Adam([flat], ADAM_RATE, (BETA1, BETA2), EPSILON, **flags)
    batches = torch.tensor(problem.batches)
    addmm, mm, elu_, elu_backward = torch.addmm, torch.mm, F.elu_, torch.ops.aten.elu_backward

    def forward(hidden, layers, last_is_linear):
        outputs = [hidden]
        for i, (weight, _, bias, _) in enumerate(layers):
            hidden = addmm(bias, hidden, weight.t())
            if not last_is_linear or i + 1 < len(layers):
                hidden = elu_(hidden)
            outputs.append(hidden)
        return outputs

    def backward(delta, outputs, layers, wants_input):
        """`delta` is of the last layer's sums; returns that of the inputs."""
        for i in range(len(layers) - 1, -1, -1):
            weight, weight_gradient, _, bias_gradient = layers[i]
            mm(delta.t(), outputs[i], out=weight_gradient)
            torch.sum(delta, 0, out=bias_gradient)
            if i == 0:
                return mm(delta, weight) if wants_input else None
            delta = elu_backward(mm(delta, weight), 1, 1, 1, True, outputs[i])

    def run():
        with torch.no_grad():
            for rows in batches:
                xs, ys, controls = in_order_of_arms(x, t, y, rows)
                factor = 2 / rows.shape[1]
                for inputs, outcomes, n in zip(xs.unbind(0), ys.unsqueeze(2).unbind(0), controls):
                    shared = forward(inputs, trunk, False)
                    deltas = []
                    for part, layers in ((slice(None, n), heads[0]), (slice(n, None), heads[1])):
                        outputs = forward(shared[-1][part], layers, True)
                        delta = (outputs[-1] - outcomes[part]).mul_(factor)
                        deltas.append(backward(delta, outputs, layers, True))
                    delta = elu_backward(torch.cat(deltas), 1, 1, 1, True, shared[-1])
                    backward(delta, shared, trunk, False)
                    optimizer.step()

    def predict():
        with torch.no_grad():
            hidden = forward(x, trunk, False)[-1]
            return torch.stack([forward(hidden, layers, True)[-1][:, 0]
                                for layers in heads]).double().numpy()

    return Form(f"by hand, {adam} Adam", run, predict)


def jax_form(problem, flat, units):
    """jit(scan) of one network, or jit(scan(vmap)) of several, which begin alike and see other
    batches but for the first. Shapes are fixed, so that both heads see all rows."""
    x, y = (jnp.array(values, jnp.float32) for values in (problem.x, problem.y))
    t = jnp.array(problem.t, bool)
    trunk, *heads = layer_names(problem.size)
    tree = {name: tuple(jnp.array(part, jnp.float32) for part in parts)
            for name, parts in problem.weights.items()}
    begin, unravel = jax.flatten_util.ravel_pytree(tree) if flat else (tree, lambda tree: tree)

    def outcomes(parameters, hidden):
        layers = unravel(parameters)

        def apply(hidden, names, last_is_linear):
            for i, name in enumerate(names):
                weight, bias = layers[name]
                hidden = hidden @ weight.T + bias
                if not last_is_linear or i + 1 < len(names):
                    hidden = jax.nn.elu(hidden)
            return hidden

        hidden = apply(hidden, trunk, False)
        return [apply(hidden, head, True)[:, 0] for head in heads]

    def loss(parameters, rows):
        get = lambda values: values.at[rows].get(mode="promise_in_bounds")
        control, treated = outcomes(parameters, get(x))
        return jnp.mean(jnp.square(jnp.where(get(t), treated, control) - get(y)))

    def step(carry, rows):
        parameters, m, v, count = carry
        gradient = jax.grad(loss)(parameters, rows)
        count = count + 1
        m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, gradient)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, gradient)
        rate = ADAM_RATE / (1 - BETA1**count)
        root = jax.lax.rsqrt(1 - BETA2**count)
        parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) * root + EPSILON),
                                  parameters, m, v)
        return (parameters, m, v, count), None

    batches = jnp.array(problem.batches.reshape(problem.steps, -1), jnp.int32)
    zeros = jax.tree.map(jnp.zeros_like, begin)
    carry = (begin, zeros, zeros, jnp.zeros(()))
    one = step
    if units > 1:
        batches = jnp.stack([jnp.roll(batches, i, 0) for i in range(units)], 1)
        carry = jax.tree.map(lambda values: jnp.stack([values] * units), carry)
        one = jax.vmap(step)
    carry = jax.tree.map(jnp.copy, carry)  # Zeros must not share a buffer that is given away.
    scan = jax.jit(lambda carry, batches: jax.lax.scan(one, carry, batches)[0], donate_argnums=0)

    def run():
        nonlocal carry
        carry = jax.block_until_ready(scan(carry, batches))

    def predict():
        parameters = jax.tree.map(lambda values: values[0], carry[0]) if units > 1 else carry[0]
        return np.stack(outcomes(parameters, x)).astype(np.float64)

    name = f"jit(scan(vmap)), {units} networks" if units > 1 else "jit(scan)"
    return Form(name + (", one flat vector" if flat else ""), run, predict, units)


def lean_forms(problem):
    return [torch_form(problem, torch.float32, adam) for adam in ("loop", "foreach", "fused")]


def by_hand_forms(problem):
    return [torch_by_hand_form(problem, adam) for adam in ("loop", "fused")]


def jax_forms(problem):
    return [jax_form(problem, flat, units) for flat in (False, True) for units in (1, 8)]


FORMS = {"lean": lean_forms, "by_hand": by_hand_forms, "jax": jax_forms}
SIDES = {"lean": "PyTorch, two heads, autograd", "by_hand": "PyTorch, backward pass by hand",
         "jax": "JAX", "catenets": "CATENets TARNet"}


def catenets_steps(problem):
    """CATENets' own fit, without validation and early stopping; returns how many steps one call
    does. It takes a batch's last row of an epoch away, has both heads see all rows, and computes a
    propensity that nothing is made of."""
    epochs, batches, _ = problem.batches.shape
    size = problem.size

    def run():
        model = catenets_torch.TARNet(
            problem.x.shape[1], n_layers_r=len(size.trunk), n_units_r=size.trunk[0],
            n_layers_out=len(size.head), n_units_out=size.head[0], batch_size=BATCH,
            n_iter=epochs, val_split_prop=0, early_stopping=False, batch_norm=False,
            n_iter_print=10**9, lr=ADAM_RATE, weight_decay=0)
        model.fit(problem.x, problem.y, problem.t)

    return Form("its fit()", run, None), epochs * batches


# --- The check ------------------------------------------------------------------------------------


def reference(problem):
    """Predictions after the problem's steps, in double."""
    form = torch_form(problem, torch.float64, "loop")
    before = form.predict()
    form.run()
    after = form.predict()
    if not np.abs(after - before).max() > 100 * TOLERANCE:
        sys.exit("the check's steps change too little to tell anything")
    return after


def compare(what, predicted, expected):
    error = float(np.abs(predicted - expected).max())
    if not error <= TOLERANCE:
        sys.exit(f"{what}: predicted outcomes differ by {error:.2g} standard deviations")
    return error


def check(ours):
    """All forms on both sizes, from random weights; and ours, if it is given, from its own."""
    random = np.random.default_rng(7)
    n, p = 300, 25
    worst = {}
    for size in SIZES:
        x = random.standard_normal((n, p))
        t = (random.uniform(size=n) < 0.2).astype(np.int64)
        y = np.sin(x[:, 0]) + 0.5 * t * x[:, 1] + 0.1 * random.standard_normal(n)
        problem = Problem(size, x, t, Scale(y).apply(y), random_weights(size, p, random),
                          shuffled(n, BATCH, CHECKED_STEPS, random))
        expected = reference(problem)
        for side, make in FORMS.items():
            for form in make(problem):
                form.run()
                error = compare(f"{size.name}, {side}, {form.name}", form.predict(), expected)
                worst[side] = max(worst.get(side, 0), error)
        other = dataclasses.replace(problem, t=1 - t)
        if np.abs(reference(other) - expected).max() <= 10 * TOLERANCE:
            sys.exit("the check cannot tell arms apart")
    for size in SIZES if ours else ():
        # Batches of all units, so that nothing hangs on how an order is drawn.
        run = ours.steps(size, CHECKED_STEPS, batch=10**4, test_share=0.1)
        expected = reference(run.problem(np.stack([np.arange(len(run.x))[None]] * CHECKED_STEPS)))
        worst["ours"] = max(worst.get("ours", 0), compare(f"{size.name}, ours", run.predicted,
                                                          expected))
    return worst


# --- Ours -----------------------------------------------------------------------------------------


@dataclasses.dataclass
class OurSteps:
    """A fit of ours of so many steps, and what it began with."""
    size: Size
    seconds: float  # Of a step.
    x: np.ndarray
    t: np.ndarray
    y: np.ndarray
    weights: dict
    predicted: np.ndarray  # [2, n], in standard deviations.

    def problem(self, batches):
        return Problem(self.size, self.x, self.t, self.y, self.weights, batches)


@dataclasses.dataclass
class Run:
    """One method of one side on one set."""
    side: str
    method: str
    set: int
    group: str
    fit_cpu_s: float
    sqrt_pehe_in: float
    sqrt_pehe_out: float
    ate_error: float


class Ours:
    """Our program, whose arguments name the configuration."""

    def __init__(self, command):
        self.command = shlex.split(command)

    def run(self, seeds, folder, overrides=()):
        """What it prints, and the samples by seed."""
        command = self.command + [f"--seeds={','.join(map(str, seeds))}", f"--out={folder}"]
        command += [f"--set={text}" for text in overrides]
        shown = shlex.join(command)
        try:
            output = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
            lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            raise OursError(f"{shown}: {error}; tools/bazel build //causal:sample_times makes the "
                            "program") from error
        samples = {seed: Sample(os.path.join(folder, f"seed_{seed}")) for seed in seeds}
        for line in lines:
            if line.get("sample") != samples[line["seed"]].text:
                raise OursError(f"{shown}: fitted to {line.get('sample')}, but wrote "
                                f"{samples[line['seed']].text}")
        return lines, samples

    def steps(self, size, steps, batch=BATCH, test_share=SPEED_TEST_SHARE):
        """A TARNet of the size, without validation."""
        widths = lambda values: ", ".join(map(str, values))
        overrides = [
            f"net={{ trunk: [{widths(size.trunk)}] head: [{widths(size.head)}] steps: {steps} "
            f"batch_size: {batch} learning_rate: {ADAM_RATE} validation_share: 0 }}",
            "methods=[{ name: \"tarnet\" net {} }]", f"split.test_share={test_share}"]
        with tempfile.TemporaryDirectory() as folder:
            (line,), samples = self.run([0], folder, overrides)
            sample, = samples.values()
            x, t, y = sample.training()
            scale_x, scale_y = Scale(x), Scale(y)
            weights = {name: tuple(sample.array(f"tarnet.{name}.{part}").astype(np.float64)
                                   for part in ("weight", "bias"))
                       for name in layer_sizes(size, x.shape[1])}
            predicted = scale_y.apply(sample.array("tarnet_outcome").T[sample.rows_in]).T
        if line["steps"] != steps or sample.binary:
            raise OursError(f"{line['steps']} steps of a binary outcome: {sample.binary}")
        return OurSteps(size, line["steps_cpu_s"] / steps, scale_x.apply(x), t.astype(np.int64),
                        scale_y.apply(y), weights, predicted)

    def errors(self, sets, folder):
        """Runs of its configuration's methods, and the samples by set."""
        lines, samples = self.run(sets, folder)
        runs = []
        for line in lines:
            sample = samples[line["seed"]]
            if sample.effect is None:
                raise OursError(f"{sample.text}: the truth is not known")
            errors = sample.errors(sample.array(f"{line['method']}_effect")[0])
            said = [line[name] for name in ("sqrt_pehe_in", "sqrt_pehe_out", "ate_error")]
            # Networks predict in single precision, in other batches here and there.
            if not np.allclose(errors, said, rtol=1e-5, atol=1e-7):
                raise OursError(f"{line}: by the predictions the errors are {errors}")
            runs.append(Run("ours", line["method"], line["seed"], sample.group, line["fit_cpu_s"],
                            *errors))
        return runs, samples


# --- Peers ----------------------------------------------------------------------------------------


def catenets_model(name, standardised=True, batch_norm=False, **options):
    """Outcomes and covariates standardised, as ours does it; else as they are."""
    def fit(sample, x, t, y, seed):
        scale_x, scale_y = Scale(x), Scale(y)
        if not standardised or sample.binary:
            scale_y = None
        prepare = scale_x.apply if standardised else (lambda values: values)
        torch.manual_seed(seed)
        np.random.seed(seed)
        model = getattr(catenets_torch, name)(x.shape[1], binary_y=sample.binary,
                                              batch_norm=batch_norm, seed=seed, **options)
        model.fit(prepare(x), scale_y.apply(y) if scale_y else y, t)
        factor = scale_y.deviation if scale_y else 1
        return lambda values: model.predict(prepare(values)).detach().double().numpy() * factor
    return fit


def scikit_boosting(seed):
    return sklearn.ensemble.GradientBoostingRegressor(random_state=seed)


def xgboost_boosting(seed):
    return xgboost.XGBRegressor(random_state=seed, n_jobs=1)


def logistic_propensity(x, t):
    """The propensity as a function of covariates, between .01 and .99."""
    scale = Scale(x)
    model = sklearn.linear_model.LogisticRegression().fit(scale.apply(x), t)
    return lambda values: np.clip(model.predict_proba(scale.apply(values))[:, 1], 0.01, 0.99)


def causalml_model(kind, learner, logistic=False):
    """Given the propensity of a logistic regression, or left to its own: calibrated on a held-out
    part, which can come to .001."""
    def fit(sample, x, t, y, seed):
        np.random.seed(seed)
        model = kind(learner=learner(seed), control_name=0)
        propensity = logistic_propensity(x, t) if logistic else lambda values: None
        model.fit(x, t, y, p=propensity(x))
        return lambda values: model.predict(values, p=propensity(values))[:, 0]
    return fit


def econml_model(make):
    def fit(sample, x, t, y, seed):
        model = make(seed)
        model.fit(y, t, X=x)
        return lambda values: model.effect(values)
    return fit


# Name -> what it is called in tables, and what fits it: (sample, x, t, y, seed) -> effects of x.
PEERS = {
    "catenets_tarnet": ("CATENets TARNet", catenets_model("TARNet")),
    "catenets_snet": ("CATENets SNet", catenets_model("SNet")),
    "catenets_dragonnet": ("CATENets DragonNet", catenets_model("DragonNet")),
    "catenets_tarnet_raw": ("CATENets TARNet, nothing standardised",
                            catenets_model("TARNet", standardised=False)),
    "catenets_tarnet_batch_norm": ("CATENets TARNet, BatchNorm",
                                   catenets_model("TARNet", batch_norm=True)),
    "catenets_tarnet_64": ("CATENets TARNet, 64/32, rate .001",
                           catenets_model("TARNet", n_units_r=64, n_units_out=32, lr=1e-3)),
    "causalml_x": ("causalml X, scikit-learn's boosting",
                   causalml_model(BaseXRegressor, scikit_boosting)),
    "causalml_t": ("causalml T, scikit-learn's boosting",
                   causalml_model(BaseTRegressor, scikit_boosting)),
    "causalml_dr": ("causalml DR, scikit-learn's boosting",
                    causalml_model(BaseDRRegressor, scikit_boosting)),
    "causalml_x_logistic": (
        "causalml X, scikit-learn's boosting, logistic propensity",
        causalml_model(BaseXRegressor, scikit_boosting, logistic=True)),
    "causalml_dr_logistic": (
        "causalml DR, scikit-learn's boosting, logistic propensity",
        causalml_model(BaseDRRegressor, scikit_boosting, logistic=True)),
    "causalml_x_xgboost": ("causalml X, XGBoost", causalml_model(BaseXRegressor, xgboost_boosting)),
    "econml_forest": ("EconML CausalForestDML", econml_model(
        lambda seed: CausalForestDML(discrete_treatment=True, random_state=seed, n_jobs=1))),
    "econml_dr": ("EconML DRLearner, defaults", econml_model(
        lambda seed: DRLearner(random_state=seed))),
    "econml_dr_boosting": ("EconML DRLearner, boosting, propensities from .01", econml_model(
        lambda seed: DRLearner(
            model_propensity=sklearn.ensemble.GradientBoostingClassifier(random_state=seed),
            model_regression=scikit_boosting(seed), model_final=scikit_boosting(seed),
            min_propensity=0.01, random_state=seed))),
}


def run_peer(name, sample):
    """Fitted to the same units as ours, asked about all."""
    _, fit = PEERS[name]
    x, t, y = sample.training()
    gc.collect()  # What earlier runs left.
    with quiet():
        begin = time.process_time()
        predict = fit(sample, x, t.astype(np.int64), y, int(sample.seed))
        seconds = time.process_time() - begin
        effect = np.asarray(predict(sample.x)).reshape(-1)
    return Run("peer", name, int(sample.seed), sample.group, seconds, *sample.errors(effect))


@contextlib.contextmanager
def quiet():
    """Peers talk while they work, and warn of the versions of what they are built on."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


# --- Measuring ------------------------------------------------------------------------------------


def cpu_seconds(call):
    begin = time.process_time()
    call()
    return time.process_time() - begin


def measure_speed(options, ours):
    """Samples of all sides alternate; each side's fastest form, by the median, counts."""
    samples = []  # (size, side, form, round, seconds of a step)
    for size in SIZES:
        first = ours.steps(size, size.steps)
        n = len(first.x)
        if n % BATCH:
            sys.exit(f"{n} units are trained on; choose --test_share so that it is a multiple of "
                     f"{BATCH}: then all sides do equal steps")
        problem = first.problem(shuffled(n, BATCH, size.peer_steps, np.random.default_rng(7)))
        forms = [(side, form, problem.steps * form.units) for side, make in FORMS.items()
                 for form in make(problem)]
        forms.append(("catenets", *catenets_steps(problem)))
        for _, form, _ in forms:
            form.run()  # Compiles and warms up.
        for number in range(options.rounds):
            samples.append((size.name, "ours", "NetFit", number,
                            ours.steps(size, size.steps).seconds))
            for side, form, steps in forms:
                gc.collect()
                samples.append((size.name, side, form.name, number,
                                cpu_seconds(form.run) / steps))
            note(f"{size.name}, round {number + 1} of {options.rounds}: ours "
                 f"{1e6 * samples[-len(forms) - 1][-1]:.0f} us")
    print_speed(samples, options.rounds)
    if options.csv:
        write_csv(options.csv, ("size", "side", "form", "round", "cpu_s"), samples)


def print_speed(samples, rounds):
    print(f"\nCPU microseconds of a training step, batch {BATCH}, Adam, medians of {rounds} rounds "
          "(smallest to largest)\n")
    rows, notes = [], []
    for size in dict.fromkeys(sample[0] for sample in samples):
        medians = {}
        for side in ("ours", *SIDES):
            times = {}
            for at_size, of_side, form, _, seconds in samples:
                if (at_size, of_side) == (size, side):
                    times.setdefault(form, []).append(1e6 * seconds)
            form = min(times, key=lambda form: np.median(times[form]))
            medians[side] = np.median(times[form])
            rows.append([size, SIDES.get(side, "ours"), f"{medians[side]:,.0f}",
                         f"{min(times[form]):,.0f} to {max(times[form]):,.0f}",
                         f"{medians[side] / medians['ours']:.2f}"])
            if side != "ours":
                others = ", ".join(f"{name} {np.median(values):,.0f}"
                                   for name, values in times.items() if name != form)
                notes.append(f"{size}, {SIDES[side]}: {form}" +
                             (f" (others: {others})" if others else "") + "  ")
    table(["trunk/heads", "", "us a step", "rounds", "times ours"], rows)
    print()
    print("\n".join(notes))


def measure_accuracy(options, ours):
    runs = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            ours_runs, samples = ours.errors(options.sets, options.samples or folder)
            missing = [name for name in options.methods
                       if name not in {run.method for run in ours_runs}]
            if missing:
                raise OursError(f"--methods: the configuration has no {', '.join(missing)}")
            runs += [run for run in ours_runs if run.method in options.methods]
            warm_up(options.peers, samples[options.sets[0]])
            for number, peer in ((s, p) for s in options.sets for p in options.peers):
                try:
                    run = kept_or_run(peer, samples[number], bool(options.samples))
                except Exception as error:  # A peer that fails leaves the others alone.
                    note(f"set {number}, {peer}: {error!r}")
                    continue
                runs.append(run)
                note(f"set {number}, {peer}: {run.fit_cpu_s:.2f} s, sqrt PEHE "
                     f"{run.sqrt_pehe_in:.3f} in, {run.sqrt_pehe_out:.3f} out")
        print_accuracy(runs, options)
    finally:
        if options.csv:
            write_csv(options.csv, [field.name for field in dataclasses.fields(Run)],
                      [dataclasses.astuple(run) for run in runs])


def kept_or_run(peer, sample, keep):
    """Fits of peers take hours: with --samples each is kept beside its units, for a comparison that
    was interrupted or is made again with other methods of ours."""
    path = sample.path(f"peer_{peer}").removesuffix(".npy") + ".json"
    units = hashlib.sha256(b"".join(
        np.ascontiguousarray(values).tobytes() for values in
        (sample.x, sample.t, sample.y, sample.effect, sample.rows_in, sample.rows_out))).hexdigest()
    library = next((name for name in ("catenets", "causalml", "econml") if peer.startswith(name)))
    about = {"units": units, "version": importlib.metadata.version(library)}
    if keep and os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        if {key: kept.get(key) for key in about} == about:
            return Run(**kept["run"])
    run = run_peer(peer, sample)
    if keep:
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump({**about, "run": dataclasses.asdict(run)}, file)
        os.replace(path + ".new", path)
    return run


def warm_up(peers, sample):
    """What a library imports and compiles at its first fit is not counted."""
    short = Sample(sample.folder)
    treated = np.flatnonzero(short.t[short.rows_in] == 1)[:40]
    controls = np.flatnonzero(short.t[short.rows_in] == 0)[:60]
    short.rows_in = short.rows_in[np.concatenate([treated, controls])]
    for peer in peers:
        with contextlib.suppress(Exception):  # It says so when it counts.
            run_peer(peer, short)


def of_method(runs, side, method):
    """By set."""
    return {run.set: run for run in runs if (run.side, run.method) == (side, method)}


def paired(ours, peer):
    """Of sqrt PEHE out of sample, on sets that both have: geometric mean of ours / peer, its 95 %
    interval (Student's t of the logarithms), and on how many of the sets ours is smaller."""
    sets = sorted(ours.keys() & peer.keys())
    logs = np.log([ours[s].sqrt_pehe_out / peer[s].sqrt_pehe_out for s in sets])
    if len(logs) < 2:
        return None
    half = scipy.stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    mean = logs.mean()
    return (*np.exp([mean, mean - half, mean + half]), int((logs < 0).sum()), len(logs))


def print_accuracy(runs, options):
    groups = ", ".join(dict.fromkeys(run.group for run in runs))
    print(f"\n{groups}, sets {shown_sets(options.sets)}: sqrt PEHE and error of the average "
          "effect, mean (median); CPU seconds of a fit, median\n")
    rows = []
    for side, names in (("ours", options.methods), ("peer", options.peers)):
        for name in names:
            mine = list(of_method(runs, side, name).values())
            if not mine:
                rows.append([name, "-", "-", "-", "-", "0"])
                continue
            row = [f"ours: {name}" if side == "ours" else PEERS[name][0]]
            for field in ("sqrt_pehe_in", "sqrt_pehe_out", "ate_error"):
                values = [getattr(run, field) for run in mine]
                row.append(f"{np.mean(values):.3f} ({np.median(values):.3f})")
            row.append(f"{np.median([run.fit_cpu_s for run in mine]):.2f}")
            rows.append([*row, str(len(mine))])
    table(["method", "in", "out", "ATE", "CPU s", "sets"], rows)
    print("\nsqrt PEHE out of sample, ours / peer, set by set: geometric mean [95 % interval], and "
          "on how many sets ours is smaller. Below 1 ours is better.\n")
    rows = []
    for peer in options.peers:
        row = [PEERS[peer][0]]
        for method in options.methods:
            values = paired(of_method(runs, "ours", method), of_method(runs, "peer", peer))
            row.append("-" if values is None else
                       "{:.2f} [{:.2f}, {:.2f}], {} of {}".format(*values))
        rows.append(row)
    table(["peer", *(f"ours: {method}" for method in options.methods)], rows)


# --- Distances between samples --------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Distance:
    """One distance between two samples, and what it is called with."""
    name: str  # As balance_times knows it.
    x: np.ndarray
    y: np.ndarray
    iterations: int = 0
    epsilon: float = 0  # In the unit of costs.

    def shown(self):
        names = {"w1": "W1", "w2": "W2 squared", "sinkhorn": "Sinkhorn",
                 "sinkhorn_divergence": "Sinkhorn divergence"}
        return names[self.name] + (f", {self.iterations} iterations" if self.iterations else "")

    def size(self):
        sizes = f"{len(self.x):,} and {len(self.y):,}"
        return f"{sizes} x {self.x.shape[1]}" if self.x.ndim == 2 else sizes


def distances():
    random = np.random.default_rng(11)
    for n in (100, 1000, 100_000):
        for m in (n, n // 4 + 3):
            x, y = random.standard_normal(n), 0.5 + 1.3 * random.standard_normal(m)
            for name in ("w1", "w2"):
                yield Distance(name, x, y)
    for n in (100, 500):
        x, y = random.standard_normal((n, 32)), 0.2 + random.standard_normal((n, 32))
        # A tenth of the mean cost, as our default.
        epsilon = 0.1 * float(np.mean(np.sum((x[:, None] - y[None])**2, 2)))
        for iterations in (20, 100):
            for name in ("sinkhorn", "sinkhorn_divergence"):
                yield Distance(name, x, y, iterations, epsilon)


def pot_forms(distance):
    """Name -> a call that gives the distance by POT."""
    import ot  # Late: it looks for every library that it can be built on.

    x, y = distance.x, distance.y
    if distance.name in ("w1", "w2"):
        p, metric = (1, "cityblock") if distance.name == "w1" else (2, "sqeuclidean")
        return {"wasserstein_1d": lambda: float(ot.wasserstein_1d(x, y, p=p)),
                "emd2_1d": lambda: float(ot.emd2_1d(x, y, metric=metric, dense=False))}

    def transport(x, y, method):
        """The dual's value at the last potentials, as ours."""
        a, b = (np.full(len(points), 1 / len(points)) for points in (x, y))
        _, log = ot.sinkhorn(a, b, ot.dist(x, y), distance.epsilon, method=method, log=True,
                             numItermax=distance.iterations, stopThr=0, warn=False)
        u, v = ((log["log_u"], log["log_v"]) if "log_u" in log else
                (np.log(log["u"]), np.log(log["v"])))
        return distance.epsilon * float(a @ (u - np.log(a)) + b @ (v - np.log(b)))

    def value(method):
        between = transport(x, y, method)
        if distance.name == "sinkhorn":
            return between
        return between - (transport(x, x, method) + transport(y, y, method)) / 2

    return {method: lambda method=method: value(method) for method in ("sinkhorn_log", "sinkhorn")}


def our_distance(program, distance, folder, seconds=BALANCE_SECONDS):
    command = shlex.split(program) + [f"--distance={distance.name}", f"--seconds={seconds}"]
    if distance.iterations:
        command += [f"--epsilon={distance.epsilon!r}", f"--iterations={distance.iterations}"]
    for name in ("x", "y"):
        path = os.path.join(folder, f"{name}.npy")
        np.save(path, getattr(distance, name))
        command.append(f"--{name}={path}")
    try:
        output = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
        line = json.loads(output)
        return tuple(line[key] for key in ("value", "cpu_s", "gradient_cpu_s"))
    except (OSError, subprocess.CalledProcessError, ValueError, KeyError) as error:
        raise OursError(f"{shlex.join(command)}: {error!r}; tools/bazel build "
                        "//causal/balance:balance_times makes the program") from error


def median_cpu_seconds(call):
    """Of calls that take BALANCE_SECONDS together."""
    times = []
    while sum(times) < BALANCE_SECONDS:
        times.append(cpu_seconds(call))
    return float(np.median(times))


def measure_balance(options, ours):
    """Values first; then samples of all forms alternate, and medians of the rounds count."""
    samples = []  # (distance, size, form, round, seconds)
    worst = 0
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for distance in distances():
            value, *_ = our_distance(options.ours, distance, folder, seconds=0)
            forms = pot_forms(distance)
            for form, call in forms.items():
                error = abs(call() / value - 1)
                worst = max(worst, error)
                if not error <= BALANCE_TOLERANCE:
                    sys.exit(f"{distance.shown()}, {distance.size()}: {form} says {call()!r}, ours "
                             f"{value!r}")
            times = {}
            for number in range(options.rounds):
                _, *seconds = our_distance(options.ours, distance, folder)
                for form, one in zip(("ours", "ours, gradients"), seconds):
                    times.setdefault(form, []).append(one)
                gc.collect()
                for form, call in forms.items():
                    times.setdefault(form, []).append(median_cpu_seconds(call))
            medians = {form: np.median(values) for form, values in times.items()}
            samples += [(distance.shown(), distance.size(), form, number, one)
                        for form, values in times.items() for number, one in enumerate(values)]
            rows.append([distance.shown(), distance.size(),
                         *(f"{1e6 * medians[form]:,.0f}" for form in ("ours", "ours, gradients")),
                         *(f"{form} {1e6 * medians[form]:,.0f} "
                           f"({medians[form] / medians['ours']:.1f})" for form in forms)])
            note(f"{distance.shown()}, {distance.size()}: ours {1e6 * medians['ours']:.0f} us")
    print(f"\nCPU microseconds of a distance in double, medians of {options.rounds} rounds; in "
          "brackets how many times ours without gradients. Before they were timed, all values "
          f"agreed within {worst:.1g} (relative).\n")
    table(["", "sizes", "ours", "with both gradients", "POT", "POT, another form"], rows)
    if options.csv:
        write_csv(options.csv, ("distance", "sizes", "form", "round", "cpu_s"), samples)


def table(header, rows):
    """A Markdown table."""
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def note(text):
    """Progress, beside the tables."""
    print(text, file=sys.stderr, flush=True)


def write_csv(path, fields, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(fields)
        for row in rows:
            writer.writerow([f"{value:.6g}" if isinstance(value, float) else value
                             for value in row])


# --- Arguments ------------------------------------------------------------------------------------


def set_list(text):
    """"3", "0,2,5" or "0..4"."""
    if match := re.fullmatch(r"(\d+)\.\.(\d+)", text):
        sets = list(range(int(match[1]), int(match[2]) + 1))
    elif re.fullmatch(r"\d+(,\d+)*", text):
        sets = [int(part) for part in text.split(",")]
    else:
        sets = []
    if not sets or len(set(sets)) < len(sets):
        raise argparse.ArgumentTypeError(f"{text}: must be distinct sets, like 3, 0,2,5 or 0..4")
    return sets


def shown_sets(sets):
    whole = len(sets) > 1 and sets == list(range(sets[0], sets[-1] + 1))
    return f"{sets[0]} to {sets[-1]}" if whole else ", ".join(map(str, sets))


def name_list(text):
    names = text.split(",")
    if "" in names or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text}: must be distinct names, with commas between")
    return names


def peer_list(text):
    names = name_list(text)
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]}: must be of {', '.join(PEERS)}")
    return names


def rounds(text):
    if not re.fullmatch(r"[1-9]\d*", text):
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number from 1")
    return int(text)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--ours", help="the program of //causal:sample_times, with the arguments "
                        "that choose a configuration; of the balance table that of "
                        "//causal/balance:balance_times")
    parser.add_argument("--table", choices=("speed", "accuracy", "balance"), default="speed")
    parser.add_argument("--rounds", type=rounds, default=5,
                        help="of the speed and balance tables")
    parser.add_argument("--sets", type=set_list, default="0..9",
                        help="realisations of the accuracy table, like 0,2,5 or 0..9")
    parser.add_argument("--methods", type=name_list,
                        default="tarnet,cfr_rbf,dragonnet,t_boosting,x_boosting,dr_boosting",
                        help="of our configuration, shown in the accuracy table")
    parser.add_argument("--peers", type=peer_list, default=",".join(PEERS),
                        help=f"of {','.join(PEERS)}; all")
    parser.add_argument("--samples", help="folder that keeps the accuracy table's units "
                        "and the peers' fits")
    parser.add_argument("--csv", help="writes all measurements to this file")
    parser.add_argument("--check_only", action="store_true", help="compares results, times nothing")
    options = parser.parse_args()
    if not options.check_only and not options.ours:
        parser.error("--ours COMMAND is needed (or --check_only)")
    return options


def main():
    options = parse_arguments()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)  # Of causalml.
    catenets.logger.remove()
    ours = Ours(options.ours) if options.ours else None
    try:
        if options.check_only or options.table == "speed":
            worst = check(ours)
        if options.check_only:
            print("All forms agree; largest difference from the reference, in standard deviations: "
                  + ", ".join(f"{side} {error:.1g}" for side, error in worst.items()))
            return
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in (
            "catenets", "causalml", "econml", "torch", "jax", "scikit-learn", "xgboost", "numpy",
            *(["pot"] if options.table == "balance" else [])))
        print(f"{versions}, core {', '.join(map(str, os.sched_getaffinity(0)))}")
        {"speed": measure_speed, "accuracy": measure_accuracy,
         "balance": measure_balance}[options.table](options, ours)
    except OursError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
