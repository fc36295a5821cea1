#!/usr/bin/python3
"""Gets the archives that a lock names and unpacks them into an external repository.

A lock line is `name version sha256 [file name]`; it holds no address. An archive is looked for
  1. in a folder keyed by SHA-256 that all clones of a user share
     (${PERENNIAL_CACHE:-${XDG_CACHE_HOME:-~/.cache}/perennial}/sha256);
  2. with the machine's own package client: apt-get for Debian packages, pip for wheels;
  3. for a Debian package whose pinned version the archive no longer lists: the newer version, which
     apt authenticates by the signed index, with a warning that prints the new lock line.
"""

import argparse
import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

PYTHON_VERSION = "3.11"  # Of the wheels; nothing of them is run.


class Failure(Exception):
    """What the user can do something about; printed as one line."""


class Pin:
    """One line of a lock."""

    def __init__(self, name, version, sha256, filename=""):
        self.name, self.version, self.sha256, self.filename = name, version, sha256, filename

    def __str__(self):
        return " ".join(filter(None, [self.name, self.version, self.sha256, self.filename]))


def read_lock(path):
    """Returns (comment lines, pins) of a lock."""
    comments, pins = [], []
    with open(path, encoding="utf-8") as lock:
        for number, line in enumerate(lock, 1):
            if not line.strip() or line.startswith("#"):
                comments.append(line.rstrip())
                continue
            words = line.split()
            if len(words) not in (3, 4) or not re.fullmatch("[0-9a-f]{64}", words[2]):
                raise Failure(f"{path}:{number}: expected `name version sha256 [file name]`, "
                              f"got: {line.strip()}")
            pins.append(Pin(*words))
    return comments, pins


def cache_root():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("PERENNIAL_CACHE") or os.path.join(home, "perennial")


def cache_folder():
    folder = os.path.join(cache_root(), "sha256")
    os.makedirs(folder, exist_ok=True)
    return folder


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def run(command, **kwargs):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, **kwargs)


def last_lines(text, count=4):
    """The end of a client's messages as one line, without pip's and apt's repetitions."""
    lines = [line.strip() for line in text.splitlines() if "Retrying (" not in line]
    return " | ".join(list(dict.fromkeys(filter(None, lines)))[-count:])


def keep(path, name):
    """Moves a checked file into the cache; readers never see a part of it."""
    target = os.path.join(cache_folder(), name)
    os.replace(path, target)
    return target


# Debian packages.


def private_apt(refresh=False):
    """Options for an index of our own, an hour old at most unless `refresh`: needs no root."""
    folder = os.path.join(cache_root(), "apt")
    for part in ("state/lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(folder, part), exist_ok=True)
    options = ["-o", f"Dir::State={folder}/state", "-o", f"Dir::Cache={folder}/cache",
               "-o", "Dir::State::status=/var/lib/dpkg/status", "-o", "APT::Sandbox::User="]
    stamp = os.path.join(folder, "updated")
    with open(os.path.join(folder, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        old = not os.path.exists(stamp) or time.time() - os.path.getmtime(stamp) > 3600
        if refresh or old:
            # apt-get may fail to reach one of several sources, and says so but exits with 0.
            result = run(["apt-get", "-qq", *options, "update"])
            if result.returncode or not glob.glob(f"{folder}/state/lists/*Packages*"):
                raise Failure("apt-get update failed; check the network and the apt sources: "
                              + last_lines(result.stderr))
            if "Failed to fetch" not in result.stderr:
                with open(stamp, "w", encoding="utf-8"):
                    pass
    return options


def apt_download(what, options, folder):
    """Returns (path, error) of the package `name` or `name=version`."""
    result = run(["apt-get", "-qq", "-o", "APT::Sandbox::User=", *options, "download", what],
                 cwd=folder)
    files = glob.glob(os.path.join(folder, "*.deb"))
    if result.returncode or len(files) != 1:
        return None, last_lines(result.stderr) or f"apt-get gave {len(files)} files"
    return files[0], ""


def get_deb(pin):
    if not shutil.which("apt-get"):
        raise Failure(f"{pin.name} {pin.version} is not in {cache_folder()} and there is no "
                      "apt-get to get it: use Debian 12, or copy that folder from a machine "
                      "that has built the project")
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".apt-") as folder:
        path, error = apt_download(f"{pin.name}={pin.version}", [], folder)
        options = []
        if not path:
            options = private_apt()
            path, error = apt_download(f"{pin.name}={pin.version}", options, folder)
        if path:
            got = sha256_of(path)
            if got != pin.sha256:
                raise Failure(f"{pin.name} {pin.version} has SHA-256 {got}, the lock says "
                              f"{pin.sha256}: the archive or a mirror changed a published package")
            return keep(path, got)
        path, newer_error = apt_download(pin.name, options, folder)
        if not path:
            raise Failure(f"cannot get {pin.name}={pin.version}: {error}; nor any other version: "
                          f"{newer_error}. Check the network and the apt sources")
        version = run(["dpkg-deb", "--field", path, "Version"]).stdout.strip()
        newer = Pin(pin.name, version, sha256_of(path))
        warn_of_newer(pin, newer)
        with open(os.path.join(folder, "newer"), "w", encoding="utf-8") as stream:
            stream.write(f"{newer}\n")
        keep(stream.name, pin.sha256 + ".newer")
        return keep(path, newer.sha256)


def warn_of_newer(pin, newer):
    print(f"WARNING: {pin.name} {pin.version} is no longer in the Debian archive; using the "
          f"authenticated {newer.version}. New lock line (tools/bazel run "
          f"//third_party:update_lock writes it):\n  {newer}", file=sys.stderr)


def unpack_deb(path, out):
    result = run(["dpkg-deb", "-x", path, out])
    if result.returncode:
        raise Failure(f"dpkg-deb -x {path}: {last_lines(result.stderr)}")


def fold(source, target):
    """Moves the tree `source` over `target`."""
    if not os.path.isdir(source):
        return
    os.makedirs(target, exist_ok=True)
    for name in sorted(os.listdir(source)):
        old, new = os.path.join(source, name), os.path.join(target, name)
        if os.path.isdir(old) and not os.path.islink(old) and os.path.isdir(new):
            fold(old, new)
        else:
            os.replace(old, new)
    os.rmdir(source)


def tidy_debian_tree(out):
    """usr/include -> include, usr/lib/x86_64-linux-gnu -> lib, usr/share -> share."""
    fold(os.path.join(out, "usr/include"), os.path.join(out, "include"))
    fold(os.path.join(out, "include/x86_64-linux-gnu"), os.path.join(out, "include"))
    for lib in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"):
        fold(os.path.join(out, lib), os.path.join(out, "lib"))
    fold(os.path.join(out, "usr/share"), os.path.join(out, "share"))
    for unused in ("usr", "lib/cmake", "lib/pkgconfig", "share/lintian", "share/man"):
        shutil.rmtree(os.path.join(out, unused), ignore_errors=True)
    # Development packages link to libraries of other packages. The documentation stays: it holds
    # the licences.
    for folder, _, names in os.walk(out):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.islink(path) and not os.path.exists(path):
                os.unlink(path)


def merge_archives(out, target, pattern):
    """Merges static archives into one, so that a link needs no order and no group."""
    parts = sorted(glob.glob(os.path.join(out, pattern)))
    if not parts:
        raise Failure(f"no archive matches {pattern}")
    script = [f"create {target}"]
    script += ["addlib " + os.path.relpath(part, out) for part in parts]
    script += ["save", "end", ""]
    result = run(["ar", "-M"], input="\n".join(script), cwd=out)
    if result.returncode:
        raise Failure(f"ar -M for {target}: {last_lines(result.stderr)}")
    for part in parts:
        os.unlink(part)


# Wheels.


def wheel_platforms(filename):
    """The platform tags of a wheel's file name; pip matches each one exactly."""
    tags = filename[:-len(".whl")].split("-")[-1].split(".")
    return [tag for tag in tags if tag != "any"]


def pip(*arguments):
    # Debian's python3, not another that may stand first on PATH without pip.
    python = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
    result = run([python, "-m", "pip", *arguments])
    if "No module named pip" in result.stderr:
        raise Failure("pip is missing: install the Debian package python3-pip "
                      "(tools/bazel does it when it may)")
    return result


def get_wheel(pin):
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".pip-") as folder:
        requirements = os.path.join(folder, "requirements.txt")
        with open(requirements, "w", encoding="utf-8") as stream:
            stream.write(f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}\n")
        platforms = [f"--platform={tag}" for tag in wheel_platforms(pin.filename)]
        result = pip("download", "-q", "--disable-pip-version-check", "--no-cache-dir", "--no-deps",
                     "--require-hashes", "--only-binary=:all:",
                     f"--python-version={PYTHON_VERSION}", *platforms, "-d", folder,
                     "-r", requirements)
        files = glob.glob(os.path.join(folder, "*.whl"))
        if result.returncode or len(files) != 1:
            raise Failure(f"cannot get the wheel {pin.name}=={pin.version} by pip; check the "
                          f"network and pip's configuration: {last_lines(result.stderr)}")
        return keep(files[0], pin.sha256)


def unpack_wheel(path, out, take):
    """Unpacks the members that fully match a regex of `take` to its replacement."""
    taken = 0
    with zipfile.ZipFile(path) as wheel:
        for member in wheel.infolist():
            if member.is_dir():
                continue
            for pattern, replacement in take:
                match = re.fullmatch(pattern, member.filename)
                if not match:
                    continue
                target = os.path.normpath(match.expand(replacement))
                if target.startswith(("..", "/")):
                    raise Failure(f"{path}: {member.filename} would be written outside")
                target = os.path.join(out, target)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with wheel.open(member) as source, open(target, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                taken += 1
                break
    if not taken:
        raise Failure(f"{path}: nothing in the wheel matches what its repository takes")


def get(kind, pin):
    """Returns the path of the archive in the cache."""
    cached = os.path.join(cache_folder(), pin.sha256)
    if os.path.exists(cached):
        # A truncated or altered file must not become part of a build.
        if sha256_of(cached) == pin.sha256:
            return cached
        os.unlink(cached)
    if os.path.exists(cached + ".newer"):
        newer = read_lock(cached + ".newer")[1][0]
        warn_of_newer(pin, newer)
        return get(kind, newer)
    return get_deb(pin) if kind == "debian" else get_wheel(pin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["debian", "wheel"])
    parser.add_argument("--lock", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--merge", action="append", default=[], metavar="TARGET=PATTERN")
    parser.add_argument("--take", action="append", default=[], metavar="REGEX=REPLACEMENT")
    arguments = parser.parse_args()
    try:
        for pin in read_lock(arguments.lock)[1]:
            path = get(arguments.kind, pin)
            if arguments.kind == "debian":
                unpack_deb(path, arguments.out)
            else:
                take = [item.split("=", 1) for item in arguments.take]
                unpack_wheel(path, arguments.out, take)
        if arguments.kind == "debian":
            tidy_debian_tree(arguments.out)
        for item in arguments.merge:
            merge_archives(arguments.out, *item.split("=", 1))
    except Failure as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
