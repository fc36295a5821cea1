#!/usr/bin/python3
"""Writes compile_commands.json at the root of the repository, for clangd and clang-tidy.

    tools/bazel build //... && tools/bazel run //tools:compile_commands [-- TARGETS]

The build before makes the generated headers and links the external repositories.
"""

import json
import os
import subprocess
import sys

EXTERNAL = ("external/", "bazel-out/")


def bazel(root, *arguments):
    # `bazel run` has released its server by now, and has started this below its output base.
    output_base = os.getcwd().split("/execroot/")[0]
    return subprocess.run([os.path.join(root, "tools/bazel"), f"--output_base={output_base}",
                           *arguments], cwd=root, check=False, stdout=subprocess.PIPE,
                          text=True).stdout


def entry(root, execution_root, output_base, arguments):
    """Returns the entry of one compile action, or None for what is not ours."""
    source = arguments[arguments.index("-c") + 1]
    if source.startswith(EXTERNAL):
        return None
    # The execution root links only what the last build used: so external repositories are named by
    # their real place, and the project's own files are read from its root.
    places = {"external": output_base, "bazel-out": execution_root}
    words = []
    for word in arguments:
        place = places.get(word.split("/")[0])
        if place:
            word = os.path.join(place, word)
        if word != "-fno-canonical-system-headers":
            words.append(word)
    return {"directory": root, "file": os.path.join(root, source), "arguments": words}


def main():
    root = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not root:
        print("start it with: tools/bazel run //tools:compile_commands", file=sys.stderr)
        return 1
    targets = " + ".join(sys.argv[1:] or ["//..."])
    places = dict(line.split(": ", 1) for line in bazel(
        root, "info", "execution_root", "output_base").splitlines() if ": " in line)
    # What loads is listed, also where a package is broken.
    graph = bazel(root, "aquery", "--keep_going", "--include_artifacts=false",
                  "--output=jsonproto", f'mnemonic("CppCompile", deps({targets}))')
    if not graph.strip():
        print(f"nothing written: Bazel could not analyse {targets}; see above", file=sys.stderr)
        return 1
    graph = json.loads(graph)
    entries = {}
    for action in graph.get("actions", []):
        made = entry(root, places["execution_root"], places["output_base"], action["arguments"])
        if made:
            entries.setdefault(made["file"], made)
    path = os.path.join(root, "compile_commands.json")
    with open(path + ".new", "w", encoding="utf-8") as stream:
        json.dump([entries[name] for name in sorted(entries)], stream, indent=1)
    os.replace(path + ".new", path)
    print(f"{path}: {len(entries)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
