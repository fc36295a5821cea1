#!/usr/bin/env python3
"""Checks our TensorBoard event files against TensorBoard itself (2.21.0).

With the folder of a run: reads its tensorboard/ as TensorBoard does, and compares every scalar with
metrics.jsonl. Both ways: nothing may be missing, and nothing may be there twice.

  python3 tools/oracles/tensorboard.py runs/continual/smoke-3f2a90c1b7de

Without: writes two files into common/record/testdata and reads both by TensorBoard:
  tensorboard.tfevents  written by TensorBoard's writer; event_file_test.cc must read these scalars;
  ours.tfevents         laid out here by TensorBoard's protos and checksum;
                        event_file_test.cc must write these very bytes.
Recorded with tensorboard 2.21.0 (pip install tensorboard==2.21.0). Run in the root of the tree.
"""

import glob
import json
import math
import os
import struct
import sys
import tempfile

# This file has the library's name, and its folder comes first.
sys.path.pop(0)

import numpy
import tensorboard
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow
from tensorboard.summary.writer import event_file_writer

assert tensorboard.__version__ == "2.21.0"

FOLDER = "common/record/testdata"
# Wall time, step, scalars; event_file_test.cc has the same.
EVENTS = [
    (1700000000.25, 0, [("loss", 2.302585092994046)]),
    (1700000001.5, 10, [("loss", 0.1), ("average_accuracy", 1 / 3)]),
    (1699999999.0, 200, [("loss", -0.0), ("average_accuracy", 1e-40)]),
    (1700000003.0, 5000000000, [("loss", float("inf"))]),
]


def event_of(wall_time, step, values):
    return event_pb2.Event(wall_time=wall_time, step=step, summary=summary_pb2.Summary(
        value=[summary_pb2.Summary.Value(tag=tag, simple_value=value) for tag, value in values]))


def record_of(event):
    data = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    mask = lambda part: struct.pack("<I", pywrap_tensorflow.masked_crc32c(part))
    return length + mask(length) + data + mask(data)


def scalars_of(folder):
    """{tag: [(step, value, wall time)]} as TensorBoard shows it."""
    accumulator = event_accumulator.EventAccumulator(folder, {event_accumulator.SCALARS: 0})
    accumulator.Reload()
    return {tag: [(one.step, one.value, one.wall_time) for one in accumulator.Scalars(tag)]
            for tag in accumulator.Tags()[event_accumulator.SCALARS]}


def same(a, b):
    a, b = numpy.float32(a), numpy.float32(b)
    return a == b or (math.isnan(a) and math.isnan(b))


def record():
    os.makedirs(FOLDER, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        writer = event_file_writer.EventFileWriter(folder)
        for event in EVENTS:
            writer.add_event(event_of(*event))
        writer.close()
        (written,) = os.listdir(folder)
        os.replace(os.path.join(folder, written), FOLDER + "/tensorboard.tfevents")
    with open(FOLDER + "/ours.tfevents", "wb") as out:
        out.write(record_of(event_pb2.Event(wall_time=EVENTS[0][0], file_version="brain.Event:2")))
        for event in EVENTS:
            out.write(record_of(event_of(*event)))
    expected = {}
    for wall_time, step, values in EVENTS:
        for tag, value in values:
            expected.setdefault(tag, []).append((step, float(numpy.float32(value)), wall_time))
    for name in ("tensorboard", "ours"):
        got = scalars_of("%s/%s.tfevents" % (FOLDER, name))
        assert got == expected, (name, got)
        print("%s/%s.tfevents: TensorBoard reads it" % (FOLDER, name))


def check_run(run):
    expected = {}
    with open(os.path.join(run, "metrics.jsonl")) as lines:
        for line in lines:
            event = json.loads(line)
            unit, step = event.pop("unit"), event.pop("step")
            for name, value in event.items():
                # JSON has no NaN and no infinities: they are null there.
                expected.setdefault((unit, name), []).append((step, value))
    got = {}
    for path in glob.glob(os.path.join(run, "tensorboard", "*", "*tfevents*")):
        unit = os.path.basename(os.path.dirname(path))
        for tag, scalars in scalars_of(path).items():
            got[unit, tag] = [(step, value) for step, value, _ in scalars]
    errors = []
    for key in sorted(set(expected) | set(got)):
        ours, theirs = got.get(key, []), expected.get(key, [])
        equal = len(ours) == len(theirs) and all(
            a[0] == b[0] and (not math.isfinite(a[1]) if b[1] is None else same(a[1], b[1]))
            for a, b in zip(ours, theirs))
        if not equal:
            errors.append("%s %s: TensorBoard shows %d scalars %s ..., metrics.jsonl has %d %s ..." % (
                *key, len(ours), ours[:3], len(theirs), theirs[:3]))
    print("\n".join(errors))
    print("%s: %d curves of %d units, %d scalars; %d differ" % (
        run, len(got), len({unit for unit, _ in got}), sum(map(len, got.values())), len(errors)))
    return 1 if errors or not got else 0


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    sys.exit(check_run(sys.argv[1]) if len(sys.argv) == 2 else record())
