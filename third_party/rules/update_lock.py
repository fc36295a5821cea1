#!/usr/bin/python3
"""Rewrites the locks of third_party/ from the package indices of today and says what changed.

    tools/bazel run //third_party:update_lock [-- --upgrade]

Debian packages move to the version that the archive offers. Wheels keep their version, unless
--upgrade: then the first wheel of a lock moves to its newest release, and the others to the versions
that it asks for.
"""

import argparse
import glob
import json
import os
import sys
import urllib.parse

# archive.py of the tree that is being updated.
TREE = os.environ.get("BUILD_WORKSPACE_DIRECTORY", os.getcwd())
sys.path.insert(0, os.path.join(TREE, "third_party/rules"))
sys.dont_write_bytecode = True

import archive  # pylint: disable=wrong-import-position

# pip matches a tag exactly, so all that Debian 12's libc accepts are named.
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(36, 4, -1)] + [
    "manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]


def current_debs(names):
    """Returns name -> pin of what the archive offers now."""
    result = archive.run(["apt-get", "-qq", *archive.private_apt(refresh=True), "download",
                          "--print-uris", *names])
    found = {}
    for line in result.stdout.splitlines():
        _, filename, _, digest = line.split()
        name, version, _ = urllib.parse.unquote(filename).split("_")
        found[name] = archive.Pin(name, version, digest.split("SHA256:")[-1])
    missing = [name for name in names if name not in found]
    if result.returncode or missing:
        raise archive.Failure(f"apt-get does not offer {', '.join(missing)}: "
                              f"{archive.last_lines(result.stderr)}")
    return found


def newest_wheels(pins):
    """Resolves the first pin with what it needs, and picks the others out of that."""
    result = archive.pip(
        "install", "-q", "--disable-pip-version-check", "--dry-run", "--ignore-installed",
        "--report=-", "--only-binary=:all:", f"--python-version={archive.PYTHON_VERSION}",
        "--target=unused", *[f"--platform={tag}" for tag in PLATFORMS],
        f"{pins[0].name}>={pins[0].version}")
    if result.returncode:
        raise archive.Failure(f"pip cannot resolve {pins[0].name}: "
                              f"{archive.last_lines(result.stderr)}")
    found = {}
    for item in json.loads(result.stdout)["install"]:
        name = item["metadata"]["name"].lower().replace("_", "-")
        info = item["download_info"]
        found[name] = archive.Pin(name, item["metadata"]["version"],
                                  info["archive_info"]["hashes"]["sha256"],
                                  urllib.parse.unquote(info["url"].rsplit("/", 1)[1]))
    missing = [pin.name for pin in pins if pin.name not in found]
    if missing:
        raise archive.Failure(f"{pins[0].name} no longer asks for {', '.join(missing)}: "
                              "change the lock and its repository by hand")
    return [found[pin.name] for pin in pins]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="move the wheels too")
    arguments = parser.parse_args()
    changes = 0
    try:
        locks = {path: archive.read_lock(path)
                 for path in sorted(glob.glob(os.path.join(TREE, "third_party/*/*.lock")))}
        debs = current_debs([pin.name for path, (_, pins) in locks.items() for pin in pins
                             if path.endswith("packages.lock")])
        for path, (comments, old) in locks.items():
            if path.endswith("packages.lock"):
                new = [debs[pin.name] for pin in old]
            else:
                new = newest_wheels(old) if arguments.upgrade else old
            lines = [f"  {a}\n    -> {b}" for a, b in zip(old, new) if str(a) != str(b)]
            if not lines:
                continue
            with open(path, "w", encoding="utf-8") as lock:
                lock.writelines(f"{line}\n" for line in comments + [str(pin) for pin in new])
            print("\n".join([os.path.relpath(path, TREE)] + lines))
            changes += len(lines)
    except archive.Failure as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    print(f"{changes} lock lines changed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
