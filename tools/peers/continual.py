#!/usr/bin/env python3
"""Continual learners beside Avalanche and a lean PyTorch loop: one stream, one thread, one run.

  python3 tools/peers/continual.py --stream FOLDER [--ours COMMAND] [--table speed|accuracy]
                                   [--methods NAMES] [--rounds N] [--seeds 0..4] [--csv FILE]
  python3 tools/peers/continual.py --check_only

COMMAND is //continual:stream_times with the arguments that choose a stream, for instance
"stream_times --config rotated_full"; FOLDER is what the same command writes with --seeds 0 --out
FOLDER: stream.json ("name", "stream", "tasks", "classes", "height", "width") and, for each task t
from 0, train_<t>_images.npy and test_<t>_images.npy (uint8 [n, height, width]),
train_<t>_labels.npy and test_<t>_labels.npy (int32 [n]). "{seed}" in its path stands for the seed
of a run. COMMAND is run once for each method; it prints one JSON object a line: "method", "seed",
"stream", "train_cpu_s", "test_cpu_s", "average_accuracy", "forgetting".

Before anything is timed, the lean loop must reproduce Avalanche's weights (--check_only stops
there). tools/peers/README.md says what is compared and where definitions differ.
"""

import os

# One thread and one core for all, set before the libraries read it. A mask of one core
# (taskset -c 0 ...) is kept; otherwise the last core is taken. Our binary inherits both.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import argparse
import atexit
import csv
import dataclasses
import gc
import importlib.metadata
import itertools
import json
import logging
import random
import re
import shlex
import subprocess
import sys
import time
from unittest import mock

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
import torch.utils.data
import torchvision.transforms

# Avalanche calls parts of itself that it declares deprecated, and warns of it whatever the filters.
logging.captureWarnings(True)
from avalanche.benchmarks import benchmark_from_datasets
from avalanche.benchmarks.classic import cmnist
from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.evaluation.metrics import accuracy_metrics
from avalanche.training.plugins import AGEMPlugin, EvaluationPlugin, EWCPlugin, ReplayPlugin
from avalanche.training.supervised import Naive

# Rows of the tables, in this order.
METHODS = {
    "naive": "naive",
    "er": "experience replay",
    "agem": "A-GEM",
    "ewc": "EWC, a penalty a task",
    "ewc_sums": "EWC, penalties as two sums",
}
# What a row is compared with: the last one is another form of the lean loop only.
KIND = {name: name for name in METHODS} | {"ewc_sums": "ewc"}
OPTIMIZERS = ("loop", "foreach", "fused")
KINDS = ("uint8", "float")
TRIAL_ROWS = 4096
TOLERANCE = 1e-9


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all sides are given."""
    learning_rate: float
    momentum: float
    batch_size: int
    epochs: int
    hidden: tuple
    memory_per_task: int
    replay_batch_size: int
    reference_batch_size: int
    ewc_strength: float
    fisher_images: int


@dataclasses.dataclass(frozen=True)
class Definitions:
    """Where libraries mean different things by one name; what the lean loop is told to do."""
    # Each task begins without momentum.
    new_momentum: bool
    # A memory takes as equal a number of each class as there is, not random images.
    balanced: bool
    # The memory of replay is divided among the tasks seen so far, not among all tasks.
    adaptive: bool
    # A step's stored images are drawn anew, not read in turns (of 64 of all of them for replay, of
    # 64 / tasks of each task's for A-GEM), of which the last may be short.
    drawn: bool
    # Mean loss of the batch plus mean loss of the stored images, not the mean over both.
    sum_of_means: bool


OURS = Definitions(new_momentum=True, balanced=True, adaptive=False, drawn=True, sum_of_means=True)
AVALANCHE = Definitions(new_momentum=False, balanced=False, adaptive=True, drawn=False,
                        sum_of_means=False)


@dataclasses.dataclass(frozen=True)
class Form:
    """One way of doing the same. Kinds of images; implementation of torch.optim; test batch."""
    train: str
    optimizer: str
    test: str
    test_rows: int

    def __str__(self):
        return (f"training: {self.train}, {self.optimizer} SGD; testing: {self.test}, "
                f"batches of {self.test_rows}")


@dataclasses.dataclass
class Run:
    """One method of one side on the whole stream."""
    side: str
    method: str
    seed: int
    train_s: float
    test_s: float
    average_accuracy: float
    forgetting: float | None


# --- The stream -----------------------------------------------------------------------------------


class StreamError(Exception):
    """The folder holds no stream, or another one than was asked for."""


class Stream:
    """The arrays of a folder."""

    def __init__(self, folder):
        path = os.path.join(folder, "stream.json")
        try:
            with open(path, encoding="utf-8") as file:
                about = json.load(file)
            self.name, self.origin = about["name"], about["stream"]
            self.tasks, self.classes, *shape = (int(about[key]) for key in
                                           ("tasks", "classes", "height", "width"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StreamError(f"{path}: {error!r}; //continual:stream_times writes it") from error
        self.folder, self.shape = folder, tuple(shape)
        self.features = shape[0] * shape[1]
        self._train, self._test = ([self._read(part, task) for task in range(self.tasks)]
                                   for part in ("train", "test"))
        self._floats = None

    def _read(self, part, task):
        arrays = []
        for what, dtype in (("images", np.uint8), ("labels", np.int32)):
            path = os.path.join(self.folder, f"{part}_{task}_{what}.npy")
            try:
                array = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError) as error:
                raise StreamError(f"{path}: {error}") from error
            shape = self.shape if what == "images" else ()
            if array.dtype != dtype or array.shape[1:] != shape or not len(array):
                raise StreamError(f"{path}: {array.dtype} {list(array.shape)} instead of "
                                  f"{np.dtype(dtype)} {['n', *shape]}")
            arrays.append(np.array(array))
        images, labels = arrays
        if len(images) != len(labels) or labels.min() < 0 or labels.max() >= self.classes:
            raise StreamError(f"{path}: labels must be one for each of {len(images)} images, from "
                              f"0 to {self.classes - 1}")
        return torch.from_numpy(images).flatten(1), torch.from_numpy(labels).long()

    def train(self, task, kind):
        """Images [n, features] and labels [n] as int64."""
        images, labels = self._train[task]
        return (images if kind == "uint8" else to_float(images)), labels

    def tests(self, kind):
        """Those of all tasks; floats are made once."""
        if kind == "uint8":
            return self._test
        if self._floats is None:
            self._floats = [(to_float(images), labels) for images, labels in self._test]
        return self._floats

    def sizes(self, epochs):
        """Images that are trained on and that are tested, if every task seen is tested each time.
        """
        trained = epochs * sum(len(labels) for _, labels in self._train)
        return trained, sum(len(labels) * (self.tasks - task)
                            for task, (_, labels) in enumerate(self._test))


def to_float(images):
    return images.to(torch.get_default_dtype()).mul_(1 / 255)


def average_accuracy(matrix):
    """Of matrix[t, i], the accuracy on task i after training on task t."""
    return float(matrix[-1].mean())


def forgetting(matrix):
    """Mean over tasks but the last of the best accuracy there was minus the last one."""
    if len(matrix) == 1:
        return None
    return float((np.nanmax(matrix[:, :-1], axis=0) - matrix[-1, :-1]).mean())


# --- What both libraries use ----------------------------------------------------------------------


def make_model(features, hidden, classes, seed):
    """Linear layers as PyTorch initialises them: uniform within 1 / sqrt(inputs)."""
    torch.manual_seed(seed)
    sizes = (features, *hidden, classes)
    layers = [layer for n, m in zip(sizes, sizes[1:])
              for layer in (torch.nn.Linear(n, m), torch.nn.ReLU())]
    return torch.nn.Sequential(*layers[:-1])


def make_optimizer(model, settings, implementation):
    # The names of torch.optim; "loop" is neither.
    flags = {"foreach": implementation == "foreach", "fused": implementation == "fused"}
    return torch.optim.SGD(model.parameters(), settings.learning_rate, momentum=settings.momentum,
                           **flags)


def class_balanced(labels, order, count):
    """The first `count` of `order` by how many of their class come before: equal numbers of each
    class, as far as there are as many."""
    ranks = torch.empty_like(order)
    ordered = labels[order]
    for label in ordered.unique():
        of_class = ordered == label
        ranks[of_class] = torch.arange(int(of_class.sum()))
    return order[ranks.argsort(stable=True)[:count]]


# --- The lean loop --------------------------------------------------------------------------------


def gather(images, labels, rows):
    x = images.index_select(0, rows)
    return (to_float(x) if x.dtype == torch.uint8 else x), labels.index_select(0, rows)


class LeanNaive:
    """SGD on each task as it comes. `in_order` takes all rows as they are, for comparisons."""

    def __init__(self, stream, settings, form, definitions, seed, in_order=False):
        self.settings, self.form, self.definitions = settings, form, definitions
        self.in_order = in_order
        self.model = make_model(stream.features, settings.hidden, stream.classes, seed)
        self.parameters = list(self.model.parameters())
        self.generator = torch.Generator().manual_seed(seed)
        self.optimizer = None

    def permutation(self, n):
        return torch.arange(n) if self.in_order else torch.randperm(n, generator=self.generator)

    def train(self, images, labels):
        if self.optimizer is None or self.definitions.new_momentum:
            self.optimizer = make_optimizer(self.model, self.settings, self.form.optimizer)
        for _ in range(self.settings.epochs):
            for rows in self.permutation(len(labels)).split(self.settings.batch_size):
                self.step(*gather(images, labels, rows))
        self.after_task(images, labels)

    def step(self, x, y):
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(x, y).backward()
        self.optimizer.step()

    def loss(self, x, y):
        return F.cross_entropy(self.model(x), y)

    def after_task(self, images, labels):
        """What a method keeps of a task."""

    def test(self, images, labels):
        """Accuracy."""
        right = 0
        with torch.inference_mode():
            for first in range(0, len(labels), self.form.test_rows):
                part = slice(first, first + self.form.test_rows)
                x = images[part]
                output = self.model(to_float(x) if x.dtype == torch.uint8 else x)
                right += int((output.argmax(1) == labels[part]).sum())
        return right / len(labels)


class LeanMemory(LeanNaive):
    """Keeps images of past tasks, as floats."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.kept = []  # Images and labels of each task.
        self.x = self.y = None  # All of them.

    def keep(self, images, labels, count):
        rows = self.permutation(len(labels))
        rows = class_balanced(labels, rows, count) if self.definitions.balanced else rows[:count]
        self.kept.append(gather(images, labels, rows))
        self.x, self.y = (torch.cat(parts) for parts in zip(*self.kept))

    def draw(self, count):
        """So many of all that is kept; all, while there are fewer."""
        rows = torch.randperm(len(self.y), generator=self.generator)[:count]
        return gather(self.x, self.y, rows)

    def turns(self, sizes, count, order):
        """Without end, `count` rows of each of the tables of so many rows that lie one behind the
        other in memory; each is read in batches, in `order`, of which the last may be short."""
        def one(begin, size):
            while True:
                yield from (begin + order(size)).split(count)
        begins = itertools.accumulate(sizes, initial=0)
        for rows in zip(*(one(*table) for table in zip(begins, sizes))):
            yield gather(self.x, self.y, torch.cat(rows))


class LeanReplay(LeanMemory):
    """Experience replay: one batch of the task's and of stored images."""

    def __init__(self, stream, settings, *arguments, **named):
        super().__init__(stream, settings, *arguments, **named)
        self.memory_size = stream.tasks * settings.memory_per_task
        self.stored = None

    def train(self, images, labels):
        if self.kept and not self.definitions.drawn:
            self.stored = self.turns([len(self.y)], self.settings.replay_batch_size,
                                     self.permutation)
        super().train(images, labels)

    def loss(self, x, y):
        if not self.kept:
            return super().loss(x, y)
        stored_x, stored_y = self.draw(self.settings.replay_batch_size) if self.definitions.drawn \
            else next(self.stored)
        output = self.model(torch.cat((x, stored_x)))
        if not self.definitions.sum_of_means:
            return F.cross_entropy(output, torch.cat((y, stored_y)))
        return F.cross_entropy(output[:len(y)], y) + F.cross_entropy(output[len(y):], stored_y)

    def after_task(self, images, labels):
        if not self.definitions.adaptive:
            self.keep(images, labels, self.settings.memory_per_task)
            return
        # As many of each task, which with the tasks become fewer. The first ones are random ones.
        total, tasks = self.memory_size, len(self.kept) + 1
        counts = [total // tasks + (task < total % tasks) for task in range(tasks)]
        self.kept = [(x[:count], y[:count]) for (x, y), count in zip(self.kept, counts)]
        self.keep(images, labels, counts[-1])


class LeanAgem(LeanMemory):
    """A-GEM: the gradient loses its part along that of stored images if they disagree."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.reference = None

    def step(self, x, y):
        if not self.kept:
            super().step(x, y)
            return
        stored = self.draw(self.settings.reference_batch_size) if self.definitions.drawn \
            else next(self.reference)
        reference = self.flat_gradient(*stored)
        gradient = self.flat_gradient(x, y)
        dot = gradient.dot(reference)
        if dot < 0:
            gradient.add_(reference, alpha=-float(dot / reference.dot(reference)))
        for p, part in zip(self.parameters, gradient.split([p.numel() for p in self.parameters])):
            p.grad = part.view_as(p)
        self.optimizer.step()

    def flat_gradient(self, x, y):
        gradients = torch.autograd.grad(self.loss(x, y), self.parameters)
        return torch.cat([gradient.flatten() for gradient in gradients])

    def after_task(self, images, labels):
        self.keep(images, labels, self.settings.memory_per_task)
        if not self.definitions.drawn:
            self.reference = self.turns([len(y) for _, y in self.kept],
                                        self.settings.reference_batch_size // len(self.kept),
                                        torch.arange)


class LeanEwc(LeanNaive):
    """EWC with a penalty about the solution of each past task, by autograd: strength / 2 times the
    sum of Fisher information times squared distance."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.anchors = []  # Fisher information and parameters of each task.

    def loss(self, x, y):
        loss = super().loss(x, y)
        if self.anchors:
            penalty = sum((f * (p - a).square()).sum() for fisher, anchor in self.anchors
                          for p, f, a in zip(self.parameters, fisher, anchor))
            loss = loss + self.settings.ewc_strength / 2 * penalty
        return loss

    def after_task(self, images, labels):
        rows = self.permutation(len(labels))[:self.settings.fisher_images]
        fisher = self.fisher(*gather(images, labels, rows))
        self.anchors.append((fisher, [p.detach().clone() for p in self.parameters]))

    def fisher(self, x, y):
        """Mean of the squared gradients of single images, with their labels."""
        total = [torch.zeros_like(p) for p in self.parameters]
        for i in range(len(y)):
            loss = F.cross_entropy(self.model(x[i:i + 1]), y[i:i + 1])
            gradients = torch.autograd.grad(loss, self.parameters)
            torch._foreach_addcmul_(total, gradients, gradients)
        torch._foreach_div_(total, len(y))
        return total


class LeanEwcSums(LeanEwc):
    """The same numbers by algebra: the gradient of all penalties is strength (w F - C), where F
    sums the tasks' Fisher information and C its products with their solutions."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.sum = [torch.zeros_like(p) for p in self.parameters]
        self.centre = [torch.zeros_like(p) for p in self.parameters]

    def step(self, x, y):
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(x, y).backward()
        with torch.no_grad():
            gradients = [p.grad for p in self.parameters]
            strength = self.settings.ewc_strength
            torch._foreach_addcmul_(gradients, self.parameters, self.sum, value=strength)
            torch._foreach_add_(gradients, self.centre, alpha=-strength)
        self.optimizer.step()

    def after_task(self, images, labels):
        super().after_task(images, labels)
        (fisher, anchor), = self.anchors
        torch._foreach_add_(self.sum, fisher)
        torch._foreach_addcmul_(self.centre, fisher, anchor)
        self.anchors.clear()


LEAN = {"naive": LeanNaive, "er": LeanReplay, "agem": LeanAgem, "ewc": LeanEwc,
        "ewc_sums": LeanEwcSums}


# --- Avalanche ------------------------------------------------------------------------------------


class Rows(torch.utils.data.Dataset):
    """Tensors of single images and labels as numbers, made beforehand: looking one up is all that
    is left to do for an image."""

    def __init__(self, images, labels):
        self.images, self.targets = list(images.unbind(0)), labels.tolist()

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.images[index], self.targets[index]


class Table(Rows):
    """The same as torch.utils.data.TensorDataset: an image is a row of one tensor."""

    def __init__(self, images, labels):
        super().__init__(images, labels)
        self.images = images


DATASETS = {"rows": Rows, "table": Table}


class SampledEwcPlugin(EWCPlugin):
    """EWC whose Fisher information is that of single images, and of so many only, instead of the
    squared mean gradients of all the task's batches."""

    def __init__(self, settings, in_order):
        super().__init__(ewc_lambda=settings.ewc_strength / 2, mode="separate")
        self.images, self.in_order = settings.fisher_images, in_order

    def compute_importances(self, model, criterion, optimizer, dataset, device, batch_size,
                            num_workers=0):
        size = len(dataset)
        rows = torch.arange(size) if self.in_order else torch.randperm(size)
        return super().compute_importances(model, criterion, optimizer,
                                           dataset.subset(rows[:self.images].tolist()), device, 1,
                                           num_workers)


def avalanche_plugins(method, tasks, settings, in_order):
    if method == "er":
        return [ReplayPlugin(mem_size=tasks * settings.memory_per_task,
                             batch_size=settings.batch_size,
                             batch_size_mem=settings.replay_batch_size)]
    if method == "agem":
        return [AGEMPlugin(patterns_per_experience=settings.memory_per_task,
                           sample_size=settings.reference_batch_size)]
    return [SampledEwcPlugin(settings, in_order)] if method == "ewc" else []


class AvalancheLearner:
    """One of Avalanche's strategies, without loggers. Each is Naive with the plugin that its own
    class would add."""

    def __init__(self, method, tasks, model, settings, form, seed, in_order=False):
        torch.manual_seed(seed)
        random.seed(seed)
        self.in_order, self.model = in_order, model
        self.strategy = Naive(
            model=model, optimizer=make_optimizer(model, settings, form.optimizer),
            criterion=torch.nn.CrossEntropyLoss(), train_mb_size=settings.batch_size,
            train_epochs=settings.epochs, eval_mb_size=form.test_rows,
            plugins=avalanche_plugins(method, tasks, settings, in_order),
            evaluator=EvaluationPlugin(accuracy_metrics(experience=True), loggers=[]))

    def train(self, experience):
        self.strategy.train(experience, shuffle=not self.in_order)

    def test(self, experiences):
        """Accuracies, by Avalanche's own evaluation."""
        metrics = self.strategy.eval(experiences)
        # Named by the experience's number, in three digits.
        return [metrics[name] for name in sorted(metrics) if name.startswith("Top1_Acc_Exp/")]


def avalanche_dataset(kind, images, labels):
    return AvalancheDataset([DATASETS[kind](images, labels)])


def avalanche_task(kind, images, labels):
    """A training experience; of a stream of its own, so that tasks need not be there before their
    time."""
    return benchmark_from_datasets(train=[avalanche_dataset(kind, images, labels)]).train_stream[0]


def avalanche_tests(stream, kind):
    """The stream of the test experiences."""
    return benchmark_from_datasets(
        test=[avalanche_dataset(kind, *test) for test in stream.tests("float")]).test_stream


class ImageFiles(torch.utils.data.Dataset):
    """Images as torchvision's data sets give them: one PIL image and a label at a time; or, as
    Avalanche's own MNIST, one float tensor [1, height, width]."""

    def __init__(self, images, labels, shape, tensors):
        self.images, self.targets = images.view(-1, *shape), labels.tolist()
        self.tensors = tensors

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        image = self.images[index]
        image = image.float().unsqueeze(0) / 255 if self.tensors else \
            PIL.Image.fromarray(image.numpy())
        return image, self.targets[index]


def rotated_benchmark(stream, samples, tensors):
    """Avalanche's RotatedMNIST of one task, given our images for MNIST's, and one more turn."""
    data = [ImageFiles(images[:samples], labels[:samples], stream.shape, tensors)
            for images, labels in (stream.train(0, "uint8"), stream.tests("uint8")[0])]
    convert = None if tensors else torchvision.transforms.ToTensor()
    with mock.patch.object(cmnist, "get_mnist_dataset", return_value=data):
        return cmnist.RotatedMNIST(1, rotations_list=[9], train_transform=convert,
                                   eval_transform=convert)


# --- Runs -----------------------------------------------------------------------------------------


class Clock:
    """Adds up CPU seconds of the process."""

    def __init__(self):
        self.seconds = 0

    def __enter__(self):
        self.begin = time.process_time()

    def __exit__(self, *_):
        self.seconds += time.process_time() - self.begin


def run_lean(side, method, stream, settings, definitions, form, seed):
    gc.collect()  # What earlier runs left.
    learner = LEAN[method](stream, settings, form, definitions, seed)
    training, testing = Clock(), Clock()
    matrix = np.full((stream.tasks, stream.tasks), np.nan)
    tests = stream.tests(form.test)
    for task in range(stream.tasks):
        images, labels = stream.train(task, form.train)
        with training:
            learner.train(images, labels)
        with testing:
            matrix[task, :task + 1] = [learner.test(*test) for test in tests[:task + 1]]
    return Run(side, method, seed, training.seconds, testing.seconds, average_accuracy(matrix),
               forgetting(matrix))


def run_avalanche(method, stream, settings, form, seed):
    gc.collect()  # What earlier runs left.
    model = make_model(stream.features, settings.hidden, stream.classes, seed)
    learner = AvalancheLearner(method, stream.tasks, model, settings, form, seed)
    training, testing = Clock(), Clock()
    matrix = np.full((stream.tasks, stream.tasks), np.nan)
    tests = avalanche_tests(stream, form.test)
    for task in range(stream.tasks):
        experience = avalanche_task(form.train, *stream.train(task, "float"))
        with training:
            learner.train(experience)
        with testing:
            matrix[task, :task + 1] = learner.test(tests[:task + 1])
    return Run("avalanche", method, seed, training.seconds, testing.seconds,
               average_accuracy(matrix), forgetting(matrix))


def time_per_sample(stream, settings, seed, samples):
    """Avalanche's naive strategy with an image decoded, turned and converted at a time: CPU seconds
    of the whole stream, extrapolated from `samples` images; of images and tensors, the faster.
    Returns the form, training and test."""
    trained, tested = stream.sizes(settings.epochs)
    best = None
    for name, tensors in (("PIL images", False), ("tensors", True)):
        benchmark = rotated_benchmark(stream, samples, tensors)
        (train,), (test,) = benchmark.train_stream, benchmark.test_stream
        model = torch.nn.Sequential(torch.nn.Flatten(), make_model(
            stream.features, settings.hidden, stream.classes, seed))
        form = Form(name, OPTIMIZERS[-1], name, 256)
        one_epoch = dataclasses.replace(settings, epochs=1)
        learner = AvalancheLearner("naive", 1, model, one_epoch, form, seed)
        seconds = []
        for _ in range(2):  # The first one warms up.
            training, testing = Clock(), Clock()
            with training:
                learner.train(train)
            with testing:
                learner.test(benchmark.test_stream[:1])
            seconds = [training.seconds * trained / len(train.dataset),
                       testing.seconds * tested / len(test.dataset)]
        if best is None or sum(seconds) < sum(best[1:]):
            best = (name, *seconds)
    return best


def fastest(candidates, call):
    """Of the candidates, the one whose call takes the least CPU time: best of three after one."""
    def seconds(candidate):
        samples = []
        for _ in range(4):
            clock = Clock()
            with clock:
                call(candidate)
            samples.append(clock.seconds)
        return min(samples[1:])
    return min(candidates, key=seconds)


def fastest_lean_form(stream, settings, seed):
    """Of the naive method; the others do the same and more."""
    def learner(form):
        return LeanNaive(stream, settings, form, OURS, seed)

    def train(candidate):
        kind, optimizer = candidate
        images, labels = data[kind]
        learner(Form(kind, optimizer, kind, 1)).train(images, labels)

    def test(candidate):
        kind, rows = candidate
        learner(Form(kind, "loop", kind, rows)).test(*stream.tests(kind)[0])

    data = {kind: [part[:TRIAL_ROWS] for part in stream.train(0, kind)] for kind in KINDS}
    return Form(*fastest(list(itertools.product(KINDS, OPTIMIZERS)), train),
                *fastest(list(itertools.product(KINDS, (250, 1000, 10000))), test))


def fastest_avalanche_form(stream, settings, seed):
    def learner(form):
        model = make_model(stream.features, settings.hidden, stream.classes, seed)
        return AvalancheLearner("naive", 1, model, settings, form, seed)

    def train(candidate):
        kind, optimizer = candidate
        learner(Form(kind, optimizer, kind, 1)).train(data[kind])

    def test(candidate):
        kind, rows = candidate
        learner(Form(kind, "loop", kind, rows)).test(tests[kind])

    images, labels = stream.train(0, "float")
    data = {kind: avalanche_task(kind, images[:TRIAL_ROWS], labels[:TRIAL_ROWS])
            for kind in DATASETS}
    tests = {kind: avalanche_tests(stream, kind)[:1] for kind in DATASETS}
    return Form(*fastest(list(itertools.product(DATASETS, OPTIMIZERS)), train),
                *fastest(list(itertools.product(DATASETS, (64, 256, 1000))), test))


class OursError(Exception):
    """Our program failed or printed something else than was agreed."""


class Ours:
    """Our program, whose arguments name the configuration that the stream was written from."""

    def __init__(self, command, settings):
        self.command = shlex.split(command)
        self.settings = settings

    def method(self, name):
        """The method as `methods` of a configuration has it."""
        s = self.settings
        memory = f"memory {{ per_task: {s.memory_per_task} }}"
        return {
            "naive": "naive {}",
            "er": f"er {{ {memory} replay_batch_size: {s.replay_batch_size} }}",
            "agem": f"agem {{ {memory} reference_batch_size: {s.reference_batch_size} }}",
            # As the peers do it: a penalty a task, single images, the penalty's gradient.
            "ewc": f"ewc {{ form: SEPARATE fisher: EMPIRICAL step: GRADIENT strength: "
                   f"{s.ewc_strength} fisher_images: {s.fisher_images} }}",
        }[name]

    def run(self, method, stream, seed):
        s = self.settings
        overrides = [
            f"methods=[{{ {self.method(method)} }}]",
            f"network={{ hidden: [{', '.join(map(str, s.hidden))}] }}",
            f"training={{ learning_rate: {s.learning_rate} momentum: {s.momentum} "
            f"batch_size: {s.batch_size} epochs: {s.epochs} }}",
        ]
        command = self.command + [f"--seeds={seed}"] + [f"--set={text}" for text in overrides]
        shown = shlex.join(command)
        try:
            output = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise OursError(f"{shown}: {error}; tools/bazel build //continual:stream_times makes "
                            "the program") from error
        for line in output.splitlines():
            if not line.startswith("{"):
                continue
            try:
                result = json.loads(line)
                if (result["method"], result["seed"]) != (method, str(seed)):
                    continue
                if result["stream"] != stream.origin:
                    raise OursError(f"{shown}: trained on {result['stream']}, but {stream.folder} "
                                    f"holds {stream.origin}; write the stream with the same "
                                    "arguments")
                forgotten = result.get("forgetting")
                return Run("ours", method, seed, float(result["train_cpu_s"]),
                           float(result["test_cpu_s"]), float(result["average_accuracy"]),
                           None if forgotten is None else float(forgotten))
            except (ValueError, KeyError, TypeError) as error:
                raise OursError(f"{shown}: {line}: {error!r}") from error
        raise OursError(f"{shown}: no line for method {method} and seed {seed}")


# --- The check ------------------------------------------------------------------------------------


class CheckStream:
    """Three small tasks of random images, in memory; `Stream`'s part that learners need."""

    tasks, features, classes = 3, 49, 5

    def __init__(self, train_images):
        generator = torch.Generator().manual_seed(11)
        self._images = torch.randint(0, 256, (self.tasks, train_images, self.features),
                                     dtype=torch.uint8, generator=generator)
        self._labels = torch.randint(0, self.classes, (self.tasks, train_images),
                                     generator=generator)

    def train(self, task, kind):
        images = self._images[task]
        return (images if kind == "uint8" else to_float(images)), self._labels[task]


def trained_weights(learner, data):
    for task in data:
        learner.train(*task)
    return torch.cat([p.detach().flatten() for p in learner.model.parameters()]).double()


def compare(what, one, other):
    error = float((one - other).abs().max() / other.abs().max())
    if not error <= TOLERANCE:
        sys.exit(f"{what}: differs by {error:.2g} of the largest weight")


def check():
    """Trains by all forms on small tasks, in double, in the order of the data, with memories of
    whole tasks."""
    torch.set_default_dtype(torch.float64)
    sizes = {"naive": 90, "er": 30, "agem": 90, "ewc": 90}  # Of a task.
    for method, images in sizes.items():
        stream = CheckStream(images)
        # Replay then takes all that is stored in each step (the order in its memory is random);
        # A-GEM reads 60 of 90 images of the first task and 30 + 30 of two, and short last turns.
        settings = Settings(learning_rate=0.1, momentum=0.8, batch_size=16, epochs=2,
                            hidden=(24, 24), memory_per_task=images, replay_batch_size=64,
                            reference_batch_size=60, ewc_strength=20, fisher_images=40)
        data = {kind: [stream.train(task, kind) for task in range(stream.tasks)]
                for kind in KINDS}
        lean = lambda kind, optimizer, definitions, name=method: trained_weights(
            LEAN[name](stream, settings, Form(kind, optimizer, kind, 1), definitions, 5,
                       in_order=True), data[kind])
        ours = {}
        for form in itertools.product(KINDS, OPTIMIZERS):
            ours[form] = lean(*form, dataclasses.replace(AVALANCHE, new_momentum=True))
            compare(f"{method}, {form}", ours[form], ours["uint8", "loop"])
        expected = lean("float", "loop", AVALANCHE)
        for kind, optimizer in itertools.product(DATASETS, OPTIMIZERS):
            model = make_model(stream.features, settings.hidden, stream.classes, 5)
            learner = AvalancheLearner(method, stream.tasks, model, settings,
                                       Form(kind, optimizer, kind, 1), 5, in_order=True)
            tasks = [(avalanche_task(kind, *task),) for task in data["float"]]
            compare(f"{method}, Avalanche {kind} {optimizer}", trained_weights(learner, tasks),
                    expected)
        if method == "ewc":
            compare("EWC as two sums", lean("float", "loop", AVALANCHE, "ewc_sums"), expected)
        # What has no effect would pass the comparison.
        if method != "naive" and torch.allclose(expected, lean("float", "loop", AVALANCHE, "naive"),
                                                rtol=0, atol=1e-2):
            sys.exit(f"{method}: the check cannot tell it from the naive method")
    labels = torch.tensor([0] * 50 + [1] * 3 + [2] * 50)
    rows = class_balanced(labels, torch.randperm(len(labels)), 12)
    counts = sorted(torch.bincount(labels[rows]).tolist())
    if counts != [3, 4, 5] or len(rows.unique()) != 12:
        sys.exit(f"class_balanced: {counts} of each class")
    torch.set_default_dtype(torch.float32)


# --- Reporting ------------------------------------------------------------------------------------


def table(header, rows):
    """A Markdown table."""
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def number(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


def ratio(one, other):
    return "-" if one is None or other is None else f"{one / other:.2f}"


def note(text):
    """Progress, beside the tables."""
    print(text, file=sys.stderr, flush=True)


class Runs(list):
    """All runs, which the tables and the CSV are made of."""

    def done(self, run):
        note(f"{run.side} {run.method}, seed {run.seed}: training {run.train_s:.2f} s, testing "
             f"{run.test_s:.2f} s, average accuracy {100 * run.average_accuracy:.2f} %")
        self.append(run)

    def values(self, side, method, field):
        return [getattr(run, field) for run in self
                if (run.side, run.method) == (side, method) and getattr(run, field) is not None]

    def median(self, side, method, field):
        values = self.values(side, method, field)
        return float(np.median(values)) if values else None


def measure_speed(runs, options, streams, settings, ours):
    stream = streams(options.seeds[0])
    seed = options.seeds[0]
    lean, avalanche = (find(stream, settings, seed)
                       for find in (fastest_lean_form, fastest_avalanche_form))
    for _, method in itertools.product(range(options.rounds), options.methods):
        if ours and method == KIND[method]:
            runs.done(ours.run(method, stream, seed))
        runs.done(run_lean("lean", method, stream, settings, OURS, lean, seed))
        if method == KIND[method]:
            runs.done(run_avalanche(method, stream, settings, avalanche, seed))
    per_sample = time_per_sample(stream, settings, seed, options.samples) if options.samples \
        else None
    print_speed(runs, options, stream, settings, per_sample)
    print(f"\nlean PyTorch: {lean}  \nAvalanche: {avalanche}")


def print_speed(runs, options, stream, settings, per_sample):
    trained, tested = stream.sizes(settings.epochs)
    print(f"\nCPU seconds, medians of {options.rounds} rounds; {stream.name}, {stream.tasks} "
          f"tasks, {trained:,} training images, {tested:,} tests\n")
    header = ["method", "ours: train", "test"]
    for side in ("lean PyTorch", "Avalanche"):
        header += [f"{side}: train", "test", "train / ours", "test / ours"]
    rows = []
    for method in options.methods:
        mine = [runs.median("ours", KIND[method], field) for field in ("train_s", "test_s")]
        row = [METHODS[method], *(number(value, 2) for value in mine)]
        for side in ("lean", "avalanche"):
            theirs = [runs.median(side, method, field) for field in ("train_s", "test_s")]
            row += [*(number(value, 2) for value in theirs), *map(ratio, theirs, mine)]
        rows.append(row)
    if per_sample:
        name, *theirs = per_sample
        mine = [runs.median("ours", "naive", field) for field in ("train_s", "test_s")]
        rows.append([f"naive, an image at a time ({name}; extrapolated from {options.samples:,})",
                     *(number(value, 2) for value in mine), "-", "-", "-", "-",
                     *(number(value, 2) for value in theirs), *map(ratio, theirs, mine)])
    table(header, rows)


def measure_accuracy(runs, options, streams, settings, ours):
    lean = Form("float", "fused", "float", 1000)
    avalanche = Form("rows", "fused", "rows", 256)
    for seed in options.seeds:
        stream = streams(seed)
        for method in options.methods:
            if ours:
                runs.done(ours.run(method, stream, seed))
            runs.done(run_lean("lean", method, stream, settings, OURS, lean, seed))
            runs.done(run_lean("lean, Avalanche's", method, stream, settings, AVALANCHE, lean,
                               seed))
            runs.done(run_avalanche(method, stream, settings, avalanche, seed))
    print_accuracy(runs, options)


def mean_and_spread(values):
    """In percent."""
    if not values:
        return "-"
    spread = f" +- {100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.2f}{spread}"


def compare_means(one, other):
    """Whether two samples' means differ by at most twice the standard error of the difference, and
    both numbers in points."""
    if min(len(one), len(other)) < 2:
        return "-"
    difference = 100 * (np.mean(one) - np.mean(other))
    error = 100 * np.sqrt(sum(np.var(values, ddof=1) / len(values) for values in (one, other)))
    return f"{'yes' if abs(difference) <= 2 * error else 'no'} ({difference:+.2f}, {2 * error:.2f})"


def print_accuracy(runs, options):
    print(f"\nPercent, mean +- standard deviation over {len(options.seeds)} seeds. In brackets: "
          "difference of means, and twice its standard error, within which a `yes` lies.\n")
    sides = ("ours", "lean", "lean, Avalanche's", "avalanche")
    rows = []
    for method, (field, name) in itertools.product(
            options.methods, (("average_accuracy", "average accuracy"),
                              ("forgetting", "forgetting"))):
        values = {side: runs.values(side, method, field) for side in sides}
        row = [METHODS[method], name]
        for side in sides:
            row.append(mean_and_spread(values[side]))
        row += [compare_means(values["ours"], values["lean"]),
                compare_means(values["avalanche"], values["lean, Avalanche's"]),
                compare_means(values["ours"], values["avalanche"])]
        rows.append(row)
    table(["method", "", "ours", "lean PyTorch, our definitions",
           "lean PyTorch, Avalanche's", "Avalanche", "ours = lean", "Avalanche = lean",
           "ours = Avalanche"], rows)


def write_csv(path, runs):
    fields = [field.name for field in dataclasses.fields(Run)]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(fields)
        for run in runs:
            values = [getattr(run, field) for field in fields]
            writer.writerow(["" if value is None else
                             f"{value:.6g}" if isinstance(value, float) else value
                             for value in values])


# --- Arguments ------------------------------------------------------------------------------------


def seed_list(text):
    """"3", "0,2,5" or "0..4"."""
    if match := re.fullmatch(r"(\d+)\.\.(\d+)", text):
        seeds = list(range(int(match[1]), int(match[2]) + 1))
    elif re.fullmatch(r"\d+(,\d+)*", text):
        seeds = [int(part) for part in text.split(",")]
    else:
        seeds = []
    if not seeds or len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(f"{text}: must be distinct seeds, like 3, 0,2,5 or 0..4")
    return seeds


def method_list(text):
    names = text.split(",")
    unknown = [name for name in names if name not in METHODS]
    if unknown or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text}: must be distinct names of {', '.join(METHODS)}")
    return names


def within(kind, low, high=None):
    """An argument of type `kind` from low to high."""
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not value >= low or (high is not None and not value <= high):
            what = "a whole number" if kind is int else "a number"
            limit = f"at least {low}" if high is None else f"from {low} to {high}"
            raise argparse.ArgumentTypeError(f"{text}: must be {what} {limit}")
        return value
    return parse


def width_list(text):
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", text):
        raise argparse.ArgumentTypeError(f"{text}: must be widths of hidden layers, like 256,256")
    return tuple(int(part) for part in text.split(","))


def parse_arguments():
    """Options, and the settings among them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--stream", help="the exported stream's folder; {seed} is the run's seed")
    parser.add_argument("--ours", help="the program of //continual:stream_times, with the "
                        "arguments that --stream was written with")
    parser.add_argument("--table", choices=("speed", "accuracy"), default="speed")
    parser.add_argument("--methods", type=method_list,
                        help=f"of {','.join(METHODS)}; all (for accuracy, all but ewc_sums)")
    parser.add_argument("--rounds", type=within(int, 1), default=3, help="of the speed table")
    parser.add_argument("--seeds", type=seed_list, default="0",
                        help="like 0,2,5 or 0..4; speed uses the first")
    parser.add_argument("--samples", type=within(int, 0), default=4000, help="images that the time "
                        "of an image at a time is extrapolated from; 0: leaves it out")
    parser.add_argument("--csv", help="writes all runs to this file")
    parser.add_argument("--check_only", action="store_true", help="compares results, times nothing")
    positive = within(int, 1)
    for name, kind, default in (
            ("learning_rate", within(float, 1e-9, 100), 0.01),
            ("momentum", within(float, 0, 0.9999), 0.8),
            ("batch_size", positive, 64), ("epochs", positive, 1),
            ("hidden", width_list, (256, 256)), ("memory_per_task", positive, 10),
            ("replay_batch_size", positive, 64), ("reference_batch_size", positive, 64),
            ("ewc_strength", within(float, 0), 10.0), ("fisher_images", positive, 1000)):
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"default: {shown}")
    options = parser.parse_args()
    if not options.check_only and not options.stream:
        parser.error("--stream FOLDER is needed (or --check_only)")
    if options.methods is None:
        options.methods = [name for name in METHODS
                           if options.table == "speed" or name == KIND[name]]
    if options.table == "accuracy" and any(name != KIND[name] for name in options.methods):
        parser.error("--methods: ewc_sums has the results of ewc; only the speed table has it")
    if options.table == "accuracy" and len(options.seeds) > 1 and options.stream and \
            "{seed}" not in options.stream:
        note(f"All seeds share the stream {options.stream}: the spread is that of initial weights "
             "and order only")
    settings = Settings(**{field.name: getattr(options, field.name)
                           for field in dataclasses.fields(Settings)})
    return parser, options, settings


def main():
    parser, options, settings = parse_arguments()
    torch.set_num_threads(1)
    # The half million objects of the imports are never garbage; looking through them takes .2 s.
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)
    check()
    if options.check_only:
        print("All forms agree.")
        return
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}"
                         for name in ("avalanche-lib", "torch", "numpy", "pillow"))
    print(f"{versions}, core {', '.join(map(str, os.sched_getaffinity(0)))}")

    def streams(seed):
        return Stream(options.stream.replace("{seed}", str(seed)))

    ours = Ours(options.ours, settings) if options.ours else None
    runs = Runs()
    try:
        tasks = streams(options.seeds[0]).tasks
        if "agem" in options.methods and tasks - 1 > settings.reference_batch_size:
            parser.error(f"--reference_batch_size {settings.reference_batch_size}: Avalanche's "
                         f"A-GEM needs one image of each of the {tasks - 1} past tasks")
        measure = {"speed": measure_speed, "accuracy": measure_accuracy}[options.table]
        measure(runs, options, streams, settings, ours)
    except (StreamError, OursError) as error:
        sys.exit(str(error))
    finally:
        if options.csv:
            write_csv(options.csv, runs)


if __name__ == "__main__":
    main()
