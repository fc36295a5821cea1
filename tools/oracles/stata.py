#!/usr/bin/env python3
"""Writes the .dta files that stata_test.cc reads.

Recorded with pandas 3.1.1 and numpy 2.4.6 (pip install pandas==3.1.1 numpy==2.4.6). Run in the root
of the tree:

  python3 tools/oracles/stata.py

Formats 114 and 117 to 119 are written by pandas. It does not write 113 and 115, nor the missing
values .a to .z: those files are made from one of format 114, and pandas must read the same from them.
"""

import datetime
import io

import numpy
import pandas

assert pandas.__version__ == "3.1.1" and numpy.__version__ == "2.4.6"

FOLDER = "common/data/testdata"
NAMES = ["a_byte", "an_int", "a_long", "a_float", "a_double", "a_text"]
# The extreme values that are no missing ones.
FRAME = pandas.DataFrame({
    "a_byte": numpy.array([-127, 0, 100], dtype="i1"),
    "an_int": numpy.array([-32767, 258, 32740], dtype="i2"),
    "a_long": numpy.array([-2147483647, 16909060, 2147483620], dtype="i4"),
    "a_float": numpy.array([0.1, numpy.nan, -1.7e38], dtype="f4"),
    "a_double": [0.1, -1.7e308, numpy.nan],
    "a_text": ["caf\u00e9", "", "twelve bytes"],
})
STAMP = datetime.datetime(2020, 1, 2, 3, 4)
HEAD_114 = 4 + 2 + 4 + 81 + 18


def written(version, order, frame=FRAME):
    out = io.BytesIO()
    frame.to_stata(out, write_index=False, version=version, byteorder=order, time_stamp=STAMP,
                   data_label="three rows")
    return out.getvalue()


def save(name, data, expected=FRAME):
    back = pandas.read_stata(io.BytesIO(data))
    assert list(back.columns) == list(expected.columns)
    for column in expected:
        pandas.testing.assert_series_equal(back[column], expected[column], check_dtype=False)
    with open("%s/%s.dta" % (FOLDER, name), "wb") as out:
        out.write(data)


def as_113(data):
    """Formats have 12 bytes instead of 49."""
    count = len(NAMES)
    at = HEAD_114 + count + 33 * count + 2 * (count + 1)
    formats = b"".join(data[at + 49 * i:at + 49 * i + 12] for i in range(count))
    return b"\x71" + data[1:at] + formats + data[at + 49 * count:]


def main():
    for version in (114, 117, 118, 119):
        for order, suffix in (("<", ""), (">", "_big_endian")):
            save("format%d%s" % (version, suffix), written(version, order))
    base = written(114, "<")
    save("format113", as_113(base))
    save("format115", b"\x73" + base[1:])

    # A characteristic in front of the data, and value labels behind them.
    labelled = FRAME.copy()
    labelled["a_byte"] = pandas.Categorical(["low", "mid", "low"])
    data = written(114, "<", labelled)
    count = len(NAMES)
    at = HEAD_114 + count + 33 * count + 2 * (count + 1) + (49 + 33 + 81) * count
    assert data[at:at + 5] == b"\0" * 5
    data = data[:at] + b"\x01\x07\0\0\0" + b"ignored" + data[at:]
    save("labelled", data, pandas.read_stata(io.BytesIO(written(114, "<", labelled))))

    # . .a .z of each numeric type, and the values next to them.
    missing = pandas.DataFrame({
        "b": numpy.array([1, 2, 3, 4], dtype="i1"), "i": numpy.array([1, 2, 3, 4], dtype="i2"),
        "l": numpy.array([1, 2, 3, 4], dtype="i4"), "f": numpy.array([1, 2, 3, 4], dtype="f4"),
        "d": numpy.array([1, 2, 3, 4], dtype="f8"),
    })
    records = b"".join(
        numpy.array(row, dtype=[("b", "<i1"), ("i", "<i2"), ("l", "<i4"), ("f", "<u4"),
                                ("d", "<u8")]).tobytes()
        for row in [(100, 32740, 2147483620, 0x7effffff, 0x7fdfffffffffffff),
                    (101, 32741, 2147483621, 0x7f000000, 0x7fe0000000000000),
                    (102, 32742, 2147483622, 0x7f000800, 0x7fe0010000000000),
                    (127, 32767, 2147483647, 0x7f00d000, 0x7fe01a0000000000)])
    for version in (114, 118):
        data = written(version, "<", missing)
        old = missing.to_records(index=False).tobytes()
        assert data.count(old) == 1
        data = data.replace(old, records)
        first = [100, 32740, 2147483620, 2.0**127 * (1 - 2.0**-24), 2.0**1023 * (1 - 2.0**-53)]
        expected = pandas.DataFrame({
            name: [value, numpy.nan, numpy.nan, numpy.nan]
            for name, value in zip(missing.columns, first)})
        save("missing%d" % version, data, expected)

    texts = pandas.DataFrame({"s": ["x" * 3000, "y"]})
    out = io.BytesIO()
    texts.to_stata(out, write_index=False, version=117, time_stamp=STAMP, convert_strl=["s"])
    with open(FOLDER + "/refused_strl.dta", "wb") as file:
        file.write(out.getvalue())


if __name__ == "__main__":
    main()
