#!/usr/bin/python3
"""The lint finds what it is for, and lets good files pass."""

import importlib.util
import os
import sys
import unittest

sys.dont_write_bytecode = True
FOLDER = os.path.dirname(os.path.abspath(sys.argv[0]))


def load(name):
    spec = importlib.util.spec_from_file_location(name, os.path.join(FOLDER, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


includes, text = load("includes"), load("text")


def include_errors(path, content, *others):
    return list(includes.errors_of(path, content, lambda name: name in others))


def text_errors(path, content):
    return [error for _, error in text.errors_of(path, content)]


GUARD = "#ifndef PERENNIAL_COMMON_A_B_H_\n#define PERENNIAL_COMMON_A_B_H_\n"


class Includes(unittest.TestCase):

    def test_good_header_and_source_pass(self):
        self.assertEqual(include_errors("common/a/b.h", GUARD + '#include "ATen/core/Tensor.h"\n'), [])
        self.assertEqual(include_errors(
            "common/a/b.cc", '#include "common/a/b.h"\n\n#include <cmath>\n', "common/a/b.h"), [])
        self.assertEqual(include_errors("common/a/b_test.cc", "#include <cmath>\n"), [])

    def test_wrong_guard(self):
        self.assertEqual(len(include_errors("common/a/c.h", GUARD)), 1)

    def test_torch_in_a_header(self):
        self.assertEqual(len(include_errors("common/a/b.h", GUARD + "#include <torch/torch.h>\n")), 1)

    def test_own_header_not_first(self):
        self.assertEqual(len(include_errors(
            "common/a/b.cc", '#include <cmath>\n#include "common/a/b.h"\n', "common/a/b.h")), 1)

    def test_glog_outside_its_header(self):
        line = '#include "glog/logging.h"\n'
        self.assertEqual(len(include_errors("common/a/b.cc", line)), 1)
        self.assertEqual(include_errors(
            "common/base/logging.h", GUARD.replace("A_B", "BASE_LOGGING") + line), [])

    def test_relative_include(self):
        self.assertEqual(len(include_errors("common/a/b.cc", '#include "../c.h"\n')), 1)


class Text(unittest.TestCase):

    def test_directions(self):
        for path, label, count in (
                ("continual/BUILD", "//common/nn:network", 0),
                ("continual/x/BUILD", "//continual:continual_cc_proto", 0),
                ("continual/BUILD", "//causal:x", 1),
                ("continual/BUILD", "@perennial//causal", 1),
                ("common/nn/BUILD", "//continual:x", 1),
                ("tools/claims/BUILD", "//continual:x", 0)):
            self.assertEqual(len(text_errors(path, f'deps = ["{label}"]')), count, (path, label))
        self.assertEqual(len(text_errors("common/nn/a.cc", '#include "continual/a.h"')), 1)

    def test_machine_paths(self):
        for path in ("/ho" "me/ada/x", "/wo" "rk/main", "/ro" "ot/x"):
            self.assertEqual(len(text_errors("a.md", f"see {path}.")), 1, path)
        for path in ("/usr/bin/python3", "third_party/wo" "rk/x", "$HOME/ho" "me/x"):
            self.assertEqual(text_errors("a.md", f"see {path}."), [], path)

    def test_hosts(self):
        self.assertEqual(len(text_errors("a.bzl", "http://deb.deb" "ian.org/debian")), 1)
        self.assertEqual(len(text_errors("a.py", "https://py" "pi.org/simple")), 1)
        self.assertEqual(text_errors("a.md", "arxiv.org/abs/2010.04495"), [])

    def test_tabs_and_trailing_blanks(self):
        self.assertEqual(len(text_errors("x/BUILD", "\tx")), 1)
        self.assertEqual(len(text_errors("x/a.cc", "int x; ")), 1)


if __name__ == "__main__":
    unittest.main()
