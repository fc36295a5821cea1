#!/usr/bin/env python3
"""Checks our safetensors files against the Python library, both ways.

Writes two files into common/record/testdata and reads both by the library:
  python.safetensors  written by the library; safetensors_test.cc must read these values;
  ours.safetensors    laid out here as safetensors.h says that our writer does (tensors by falling
                      size of their type, then by name; header padded to eight bytes);
                      safetensors_test.cc must write these very bytes.
Recorded with safetensors 0.8.0 and numpy 2.4.6 (pip install safetensors==0.8.0 numpy==2.4.6). Run
in the root of the tree:

  python3 tools/oracles/safetensors_roundtrip.py
"""

import json
import os
import struct

import numpy
import safetensors
from safetensors.numpy import load_file, save_file

assert safetensors.__version__ == "0.8.0" and numpy.__version__ == "2.4.6"

FOLDER = "common/record/testdata"
TENSORS = {
    "bias": numpy.array([0.5, -1.25, 3e38], dtype=numpy.float32),
    "empty": numpy.zeros((0, 2), dtype=numpy.float64),
    "index": numpy.array([-7, 2147483647], dtype=numpy.int32),
    "labels": numpy.array([[0, 255], [1, 2]], dtype=numpy.uint8),
    "scalar": numpy.array(-9007199254740993, dtype=numpy.int64),
    "steps": numpy.array([0, 18446744073709551615], dtype=numpy.uint64),
    "weight": numpy.array([[0.1, 0.2, 0.3], [1e-300, -0.0, 5e-324]], dtype=numpy.float64),
}
METADATA = {"note": "é \"quoted\"", "step": "100"}
NAMES = {"float32": "F32", "float64": "F64", "int32": "I32", "int64": "I64", "uint8": "U8",
         "uint64": "U64"}


def ours():
    header = {"__metadata__": METADATA}
    data = b""
    for name in sorted(TENSORS, key=lambda n: (-TENSORS[n].dtype.itemsize, n)):
        tensor = TENSORS[name]
        begin = len(data)
        data += tensor.tobytes()
        header[name] = {"dtype": NAMES[str(tensor.dtype)], "shape": list(tensor.shape),
                        "data_offsets": [begin, len(data)]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def check(path):
    got = load_file(path)
    assert sorted(got) == sorted(TENSORS), path
    for name, tensor in TENSORS.items():
        assert got[name].dtype == tensor.dtype and got[name].shape == tensor.shape, (path, name)
        assert got[name].tobytes() == tensor.tobytes(), (path, name)
    with safetensors.safe_open(path, framework="numpy") as opened:
        assert opened.metadata() == METADATA, path
    print("%s: the library reads it" % path)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    save_file(TENSORS, FOLDER + "/python.safetensors", METADATA)
    with open(FOLDER + "/ours.safetensors", "wb") as out:
        out.write(ours())
    for name in ("python", "ours"):
        check("%s/%s.safetensors" % (FOLDER, name))


if __name__ == "__main__":
    main()
