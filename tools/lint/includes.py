#!/usr/bin/python3
"""Include discipline of C++ files, whose paths relative to the repository are the arguments.

  - A header has the guard PERENNIAL_<PATH>_H_ and no #pragma once; a
    header *-inl.h of SIMD kernels toggles it, as Highway asks.
  - A header never includes torch/torch.h or torch/all.h (17 s and 1.4 GB a file that includes it).
  - A source that has a header of its own name includes it first.
  - glog is included by common/base/logging.h alone, which settles LibTorch's macros of that name.
  - Includes of the project are written from its root: no "../" and no "./".
"""

import os
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)
HEAVY = ("torch/torch.h", "torch/all.h", "torch/nn.h", "torch/script.h", "torch/extension.h")
GLOG_HEADER = "common/base/logging.h"


def errors_of(path, text, exists):
    includes = [match.group(2) for match in INCLUDE.finditer(text)]
    for name in includes:
        if name.startswith(("../", "./")):
            yield f'include "{name}" is relative: write it from the root of the repository'
        if name.startswith("glog/") and path != GLOG_HEADER and "third_party/" not in path:
            yield f'include "{name}": include "{GLOG_HEADER}" instead'
    if path.endswith(".h"):
        guard = "PERENNIAL_" + re.sub("[^A-Z0-9]", "_", path.upper()) + "_"
        if path.endswith("-inl.h"):
            # Included once for each instruction set.
            if f"#if defined({guard}) == defined(HWY_TARGET_TOGGLE)\n" not in text:
                yield f"the include guard must toggle: #if defined({guard}) == defined(...)"
        elif not re.search(rf"^#ifndef {guard}\n#define {guard}$", text, re.MULTILINE):
            yield f"the include guard must be {guard}"
        if "#pragma once" in text:
            yield f"#pragma once: use the guard {guard}"
        for name in includes:
            if name in HEAVY:
                yield f'a header includes "{name}": include ATen/core/Tensor.h, or move it to a .cc'
        return
    header = os.path.splitext(path)[0] + ".h"
    if exists(header) and (not includes or includes[0] != header):
        yield f'the first include must be "{header}"'


def main():
    files = sys.argv[1:]
    failed = False
    for path in files:
        # An external repository's path starts with external/<name>/.
        name = re.sub("^external/[^/]+/", "", path)
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        for error in errors_of(name, text, os.path.exists):
            print(f"{name}: {error}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
