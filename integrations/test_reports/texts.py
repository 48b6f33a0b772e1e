"""Test ids in the output of cargo and nextest, which have no reporters to add, and in TAP. Called by `parse`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from integrations.test_reports.results import Outcome, TestResult

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CARGO_BINARY = re.compile(r" *(?:Running (?:unittests )?(?P<source>\S+) \(\S+\)|Doc-tests (?P<crate>\S+))")
_CARGO_TEST = re.compile(r"test (?P<name>\S.*?)(?: - should panic)? \.\.\. (?P<outcome>ok|FAILED|ignored)\b.*")
_DOC_LINE = re.compile(r" \(line \d+\)")
_NEXTEST = re.compile(
    r" +(?P<outcome>PASS|FAIL|SKIP|SIGABRT|SIGSEGV|TIMEOUT) \[[^]]*\] +(?:\([\d/ ]+\) +)?(?P<name>\S+ .*)"
)
_TAP_POINT = re.compile(r"(?P<indent> *)(?P<not>not )?ok\b(?: (?P<number>\d+))?(?: -)?(?: (?P<name>.*))?")
_TAP_SUBTEST = re.compile(r"(?P<indent> *)# Subtest: (?P<name>.*)")
_TAP_DIRECTIVE = re.compile(r"(?<!\\) # *(?P<kind>skip|todo)?.*", re.IGNORECASE)
_TAP_START = re.compile(r"^(TAP version \d+|1\.\.\d+)\b", re.MULTILINE)
_INDENT = 4
_OUTCOMES: dict[str, Outcome] = {"ok": "passed", "ignored": "skipped", "PASS": "passed", "SKIP": "skipped"}


def read_cargo(output: str) -> Iterator[TestResult]:
    """The tests of libtest, with the source file of the binary or the crate of the documentation, and of nextest."""
    binary, seen = "", Counter[str]()
    for line in _ANSI.sub("", output).splitlines():
        if found := _CARGO_BINARY.fullmatch(line):
            binary = found["source"] or f"{found['crate']} (doc)"
        elif binary and (found := _CARGO_TEST.fullmatch(line)):
            name = f"{binary} {found['name']}"
            if _DOC_LINE.search(name):  # several examples of one item differ in their line only
                name = _DOC_LINE.sub("", name)
                seen[name] += 1
                name += f" #{seen[name]}" if seen[name] > 1 else ""
            yield TestResult("cargo test", name, _OUTCOMES.get(found["outcome"], "failed"))
        elif found := _NEXTEST.fullmatch(line):
            yield TestResult("cargo nextest", found["name"].strip(), _OUTCOMES.get(found["outcome"], "failed"))


def read_tap(text: str) -> Iterator[TestResult]:
    """The test points of TAP; the id of a subtest starts with those of its parents. https://testanything.org"""
    if not _TAP_START.search(text):
        return
    parents: list[str] = []
    for line in _ANSI.sub("", text).splitlines():
        if found := _TAP_SUBTEST.fullmatch(line):
            parents[len(found["indent"]) // _INDENT :] = [found["name"]]
        elif found := _TAP_POINT.fullmatch(line):
            name = found["name"] or f"#{found['number'] or ''}"
            directive = _TAP_DIRECTIVE.search(f" {name}" if name.startswith("#") and found["name"] else name)
            outcome: Outcome = "failed" if found["not"] else "passed"
            if directive:
                outcome = "skipped" if directive["kind"] else outcome
                name = name[: directive.start()].strip() or f"#{found['number'] or ''}"
            yield TestResult("TAP", " > ".join((*parents[: len(found["indent"]) // _INDENT], name)), outcome)
