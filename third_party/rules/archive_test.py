#!/usr/bin/python3
"""archive.py against small archives and an apt-get of the test's own: no network."""

import contextlib
import hashlib
import importlib.util
import io
import os
import sys
import tempfile
import unittest
import zipfile

sys.dont_write_bytecode = True
FOLDER = os.path.dirname(os.path.abspath(sys.argv[0]))
spec = importlib.util.spec_from_file_location("archive", os.path.join(FOLDER, "archive.py"))
archive = importlib.util.module_from_spec(spec)
spec.loader.exec_module(archive)

# Serves one package at the version and with the content that the test chose.
APT_GET = """#!/bin/bash
what=${!#}
case $what in
  update) : > "$PERENNIAL_CACHE/apt/state/lists/x_Packages"; exit 0 ;;
  *=*) [[ $what == "pkg=$SERVED" ]] || { echo "E: Can't find a source to download $what" >&2; exit 100; } ;;
esac
printf '%s' "$CONTENT" > "pkg_${SERVED}_amd64.deb"
"""
DPKG_DEB = """#!/bin/bash
echo "$SERVED"
"""


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Archive(unittest.TestCase):

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        old = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(old)))
        os.environ["PERENNIAL_CACHE"] = os.path.join(self.folder, "cache")
        for name, content in (("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)):
            path = os.path.join(self.folder, "bin", name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(content)
            os.chmod(path, 0o755)
        os.environ["PATH"] = os.path.join(self.folder, "bin") + ":" + os.environ["PATH"]

    def serve(self, version, content):
        os.environ.update(SERVED=version, CONTENT=content)

    def get(self, version, digest):
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            path = archive.get("debian", archive.Pin("pkg", version, digest))
        with open(path, "rb") as stream:
            return stream.read(), errors.getvalue()

    def test_a_package_is_fetched_once(self):
        self.serve("1", "one")
        self.assertEqual(self.get("1", sha256(b"one")), (b"one", ""))
        self.serve("none", "")
        self.assertEqual(self.get("1", sha256(b"one")), (b"one", ""))

    def test_a_wrong_hash_is_refused(self):
        self.serve("1", "changed")
        with self.assertRaisesRegex(archive.Failure, "the lock says"):
            self.get("1", sha256(b"one"))
        self.assertEqual([name for name in os.listdir(archive.cache_folder())], [])

    def test_a_damaged_cache_entry_is_fetched_again(self):
        self.serve("1", "one")
        path = os.path.join(archive.cache_folder(), sha256(b"one"))
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("o")
        self.assertEqual(self.get("1", sha256(b"one")), (b"one", ""))

    def test_a_vanished_version_is_replaced_with_a_warning(self):
        self.serve("2", "two")
        content, warning = self.get("1", sha256(b"one"))
        self.assertEqual(content, b"two")
        self.assertIn(f"pkg 2 {sha256(b'two')}", warning)
        # Another clone without network gets the same, and the same warning.
        os.environ["PATH"] = "/nonexistent"
        self.assertEqual(self.get("1", sha256(b"one")), (b"two", warning))

    def test_a_lock_names_the_line_that_is_wrong(self):
        path = os.path.join(self.folder, "packages.lock")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("# comment\npkg 1 nohash\n")
        with self.assertRaisesRegex(archive.Failure, r"packages\.lock:2: .*pkg 1 nohash"):
            archive.read_lock(path)

    def test_wheel_platforms_are_the_tags_of_the_file_name(self):
        self.assertEqual(archive.wheel_platforms("a-1-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"),
                         ["manylinux2014_x86_64", "manylinux_2_17_x86_64"])
        self.assertEqual(archive.wheel_platforms("a-1-py3-none-any.whl"), [])

    def test_a_wheel_gives_what_is_asked_for(self):
        path = os.path.join(self.folder, "a.whl")
        with zipfile.ZipFile(path, "w") as wheel:
            for name in ("a/include/x.h", "a/include/google/y.h", "a/lib/z.so", "a/z.py"):
                wheel.writestr(name, name)
        out = os.path.join(self.folder, "out")
        archive.unpack_wheel(path, out, [("a/(include/(?!google/).*)", r"\1"), ("a/lib/(z.so)", r"lib/\1")])
        found = sorted(os.path.relpath(os.path.join(folder, name), out)
                       for folder, _, names in os.walk(out) for name in names)
        self.assertEqual(found, ["include/x.h", "lib/z.so"])

    def test_a_wheel_cannot_write_outside(self):
        path = os.path.join(self.folder, "a.whl")
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("a/../../evil", "")
        with self.assertRaisesRegex(archive.Failure, "outside"):
            archive.unpack_wheel(path, self.folder, [("a/(.*)", r"\1")])


if __name__ == "__main__":
    unittest.main()
