#!/usr/bin/python3
"""tally.py against events and test.xml files as Bazel and GoogleTest write them."""

import importlib.util
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
FOLDER = os.path.dirname(os.path.abspath(sys.argv[0]))
spec = importlib.util.spec_from_file_location("tally", os.path.join(FOLDER, "tally.py"))
tally = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tally)

GTEST = """<?xml version="1.0"?><testsuites><testsuite name="A">
<testcase name="a" status="run" result="completed" classname="A"/>
<testcase name="b" status="run" result="skipped" classname="A"><skipped message="no GPU"/></testcase>
<testcase name="c" status="run" result="completed" classname="A">%s</testcase>
</testsuite></testsuites>"""


class Tally(unittest.TestCase):

    def result(self, status, content=None):
        outputs = []
        if content is not None:
            handle, path = tempfile.mkstemp(suffix=".xml")
            self.addCleanup(os.unlink, path)
            with os.fdopen(handle, "w") as stream:
                stream.write(content)
            outputs = [{"name": "test.xml", "uri": "file://" + path}]
        return {"id": {"testResult": {}},
                "testResult": {"status": status, "testActionOutput": outputs}}

    def test_cases_are_counted(self):
        self.assertEqual(tally.tally([self.result("PASSED", GTEST % "")]), [2, 0, 1])
        self.assertEqual(tally.tally([self.result("FAILED", GTEST % "<failure/>")]), [1, 1, 1])

    def test_a_target_that_says_nothing_counts_once(self):
        self.assertEqual(tally.tally([self.result("PASSED")]), [1, 0, 0])
        self.assertEqual(tally.tally([self.result("TIMEOUT", "<half")]), [0, 1, 0])

    def test_a_failed_target_is_never_counted_as_passed_only(self):
        self.assertEqual(tally.tally([self.result("FAILED", GTEST % "")]), [2, 1, 1])

    def test_incompatible_and_unbuilt_targets(self):
        events = []
        for label, kind in (("//a:t", "cc_test rule"), ("//a:l", "cc_library rule")):
            events += [{"id": {"targetConfigured": {"label": label}}, "configured": {"targetKind": kind}},
                       {"id": {"targetCompleted": {"label": label}}, "aborted": {"reason": "SKIPPED"}}]
        broken = {"id": {"targetCompleted": {}}, "completed": {}}
        built = {"id": {"targetCompleted": {}}, "completed": {"success": True}}
        self.assertEqual(tally.tally(events + [broken, built]), [0, 1, 1])


if __name__ == "__main__":
    unittest.main()
