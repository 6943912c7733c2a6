#!/usr/bin/env python3
"""Adds up the JUnit files of the test suites and prints one closing line.

    summarize.py RESULTS.xml ...

A file that is missing, unreadable or without a test counts as one failure: its
suite broke before it could report. The exit status is 1 if anything failed.
"""
import sys
import xml.etree.ElementTree as ElementTree


def count(path):
    """Returns (passed, failed, skipped) of one JUnit file."""
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except (OSError, ElementTree.ParseError) as problem:
        print(f"{path}: {problem}")
        return 0, 1, 0
    if not cases:
        print(f"{path}: expected at least one test, but got none")
        return 0, 1, 0
    failed = sum(any(case.find(tag) is not None
                     for tag in ("failure", "error")) for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    return len(cases) - failed - skipped, failed, skipped


def main():
    passed, failed, skipped = map(sum, zip(*map(count, sys.argv[1:])))
    print(f"{passed} passed, {failed} failed"
          + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
