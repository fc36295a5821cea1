#!/usr/bin/python3
"""Arguments: LICENSES.md, dependencies.bzl. Each folder that the latter fetches from has a row."""

import re
import sys

with open(sys.argv[1], encoding="utf-8") as stream:
    rows = re.findall(r"^\| `(\w+)` \|", stream.read(), re.MULTILINE)
with open(sys.argv[2], encoding="utf-8") as stream:
    text = stream.read()
folders = set(re.findall(r"//third_party/(\w+):", text) +
              re.findall(r'_(?:debian|wheel)\(\s*"\w+",\s*"(\w+)"', text) +
              re.findall(r'_overlay\("(\w+)"\)', text)) - {"rules"}
errors = [f"third_party/{name} has no row in LICENSES.md" for name in folders if name not in rows]
errors += [f"LICENSES.md names {name}, which is not fetched" for name in rows if name not in folders]
errors += [] if rows == sorted(rows) else ["the rows of LICENSES.md are not sorted"]
errors += [] if len(folders) > 5 else ["dependencies.bzl was not understood"]
print("\n".join(errors))
sys.exit(1 if errors else 0)
