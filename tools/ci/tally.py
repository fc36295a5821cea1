#!/usr/bin/python3
"""Counts the tests of one Bazel invocation from its build event file: prints `passed failed skipped`.

    tally.py EVENTS.json

A test case of a test.xml counts as one; a test target without cases, a target that failed to build
and a test target that is skipped as incompatible count as one each.
"""

import json
import os
import sys
import urllib.parse
import xml.etree.ElementTree


def cases(path):
    """Returns (passed, failed, skipped) of a test.xml."""
    counts = [0, 0, 0]
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            counts[1] += 1
        elif case.find("skipped") is not None or case.get("result") == "skipped" \
                or case.get("status") == "notrun":
            counts[2] += 1
        else:
            counts[0] += 1
    return counts


def tally(events):
    total = [0, 0, 0]
    kinds = {}  # Label -> "cc_test rule", ...
    for event in events:
        identity = event.get("id", {})
        if "configured" in event:
            kinds[identity["targetConfigured"]["label"]] = event["configured"].get("targetKind", "")
        elif "testResult" in event:
            result = event["testResult"]
            uris = [output["uri"] for output in result.get("testActionOutput", [])
                    if output.get("name") == "test.xml" and "uri" in output]
            path = urllib.parse.unquote(urllib.parse.urlparse(uris[0]).path) if uris else ""
            passed = result.get("status") == "PASSED"
            try:
                counts = cases(path) if os.path.exists(path) else [0, 0, 0]
            except xml.etree.ElementTree.ParseError:
                counts = [0, 0, 0]
            if passed and not sum(counts):
                counts[0] = 1
            if not passed and not counts[1]:
                counts[1] = 1  # It crashed or ran out of time.
            total = [a + b for a, b in zip(total, counts)]
        elif "targetCompleted" in identity:
            kind = kinds.get(identity["targetCompleted"].get("label"), "test rule")
            if event.get("aborted", {}).get("reason") == "SKIPPED":
                total[2] += kind.endswith("test rule")
            elif "completed" in event and not event["completed"].get("success"):
                total[1] += 1
            elif "aborted" in event:
                total[1] += 1
    return total


def main():
    with open(sys.argv[1], encoding="utf-8") as stream:
        print(*tally(json.loads(line) for line in stream if line.strip()))


if __name__ == "__main__":
    main()
