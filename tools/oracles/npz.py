#!/usr/bin/env python3
"""Writes the .npy and .npz files that npy_test.cc and npz_test.cc read.

Recorded with numpy 2.4.6 (pip install numpy==2.4.6). Run in the root of the tree:

  python3 tools/oracles/npz.py
"""

import io
import os
import zipfile

import numpy

assert numpy.__version__ == "2.4.6"

FOLDER = "common/data/testdata"
HALVES = [0.0, -0.0, 1.0, -2.5, 65504.0, 2.0**-24, 6.097555160522461e-05, numpy.inf, -numpy.inf,
          numpy.nan]


def grid(dtype, order="C"):
    """0, 1, 2, ... in a 2 x 3 x 2 array."""
    return numpy.asarray(numpy.arange(12).reshape(2, 3, 2), dtype=dtype, order=order)


ARRAYS = {
    "f8": numpy.array([[0.1, -1e300, 5e-324], [numpy.inf, -0.0, numpy.nan]]),
    "f4": numpy.array([0.1, -3e38, 1e-45], dtype="<f4"),
    "f4_big_endian": numpy.array([0.1, -3e38, 1e-45], dtype=">f4"),
    "f2": numpy.array(HALVES, dtype="<f2"),
    "i8_big_endian": numpy.array([-9223372036854775808, 9007199254740993], dtype=">i8"),
    "u8": numpy.array([0, 18446744073709551615], dtype="<u8"),
    "i1": numpy.array([-128, 127], dtype="i1"),
    "u2_big_endian": numpy.array([1, 65535], dtype=">u2"),
    "i2": numpy.array([-32768, 258], dtype="<i2"),
    "u4": numpy.array([4294967295], dtype="<u4"),
    "bool": numpy.array([[True, False], [False, True]]),
    "scalar": numpy.array(7.5),
    "empty": numpy.zeros((0, 3)),
    "fortran": grid("<f8", "F"),
    "fortran_big_endian": grid(">i4", "F"),
}
REFUSED = {
    "object": numpy.array([1, "a", None], dtype=object),
    "structured": numpy.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f8")]),
    "text": numpy.array(["ab", "c"]),
    "bytes": numpy.array([b"ab", b"c"]),
    "date": numpy.array(["2020-01-01"], dtype="datetime64[D]"),
    "complex": numpy.array([1 + 2j]),
    "longdouble": numpy.array([1], dtype=numpy.longdouble),
    "void": numpy.array([b"abc"], dtype="V3"),
}
MEMBERS = {
    "x": grid("<f8"),
    "treated": numpy.array([True, False, True]),
    "zeros": numpy.zeros(200),
    "é": numpy.array([1], dtype="<i4"),
}


def main():
    os.makedirs(FOLDER, exist_ok=True)
    for name, array in ARRAYS.items():
        numpy.save("%s/%s.npy" % (FOLDER, name), array)
    for name, array in REFUSED.items():
        numpy.save("%s/refused_%s.npy" % (FOLDER, name), array, allow_pickle=True)
    for version in ((2, 0), (3, 0)):
        with open("%s/version%d.npy" % (FOLDER, version[0]), "wb") as out:
            numpy.lib.format.write_array(out, grid("<i2"), version=version)
    # Members of an .npz have ZIP64 fields in their local headers (force_zip64).
    numpy.savez(FOLDER + "/stored.npz", **MEMBERS)
    numpy.savez_compressed(FOLDER + "/deflated.npz", **MEMBERS)

    # Written to a pipe: sizes stand behind the data.
    class Pipe(io.RawIOBase):
        def __init__(self):
            super().__init__()
            self.bytes = b""

        def writable(self):
            return True

        def write(self, data):
            self.bytes += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as member:
            numpy.lib.format.write_array(member, MEMBERS["x"])
        archive.writestr("readme.txt", "not an array")
    with open(FOLDER + "/piped.npz", "wb") as out:
        out.write(pipe.bytes)


if __name__ == "__main__":
    main()
