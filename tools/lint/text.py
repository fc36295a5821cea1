#!/usr/bin/python3
"""Checks on the text of files, whose paths relative to the repository are the arguments.

  - No path of one machine (a home folder, a build folder) and no host of a package registry.
  - A line of research depends on //common only, and //common on no line (BUILD files and includes).
  - No tabs and no trailing blanks in BUILD and C++ files.
"""

import re
import sys

LINES = ("clip", "multiscale", "reinforce", "continual", "causal", "offline_rl")
# Split, so that this file does not find itself.
MACHINE_PATHS = re.compile(r"(?<![\w.$}])/(?:ho" r"me|ro" r"ot|wo" r"rk|Us" r"ers|mnt|media|opt)/\w")
HOSTS = re.compile(r"\b(?:py" r"pi\.org|files\.python" r"hosted\.org|deb\.deb" r"ian\.org|"
                   r"security\.deb" r"ian\.org|snapshot\.deb" r"ian\.org|ftp\.\w*\.?deb" r"ian\.org|"
                   r"\w+\.nvi" r"dia\.com/pypi|download\.py" r"torch\.org)")
LABEL = re.compile(r'"(?:@perennial)?//(\w+)[/:"]')
INCLUDE = re.compile(r'#\s*include\s+"(\w+)/')


def direction_errors(path, number, line):
    top = path.split("/")[0]
    if top != "common" and top not in LINES:
        return
    for match in list(LABEL.finditer(line)) + list(INCLUDE.finditer(line)):
        other = match.group(1)
        if other in LINES and other != top:
            rule = "common depends on no line" if top == "common" else \
                "a line depends on common only; move what two lines need there"
            yield number, f"{top} depends on {other}: {rule}"


def errors_of(path, text):
    build = path.split("/")[-1] == "BUILD" or path.endswith((".BUILD", ".bzl"))
    code = path.endswith((".h", ".cc", ".cu"))
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, what in ((MACHINE_PATHS, "a path of one machine"),
                              (HOSTS, "a host name of a package registry")):
            match = pattern.search(line)
            if match:
                yield number, f"{what}: {match.group(0)}"
        if build or code:
            yield from direction_errors(path, number, line)
            if line.endswith((" ", "\t")):
                yield number, "trailing blank"
            if "\t" in line:
                yield number, "tab"


def main():
    failed = False
    for path in sys.argv[1:]:
        name = re.sub("^external/[^/]+/", "", path)
        with open(path, encoding="utf-8", errors="replace") as stream:
            text = stream.read()
        for number, error in errors_of(name, text):
            print(f"{name}:{number}: {error}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
