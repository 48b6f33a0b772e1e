"""The counts in the summary lines of test runners, for output without test ids. Called by `parse`."""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal

from integrations.proof import TestCounts, TestReport

_Category = Literal["passed", "failed", "skipped", "total"]

_LINES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<pairs>\d+ (?:passed|failed|skipped|errors?|xfailed|xpassed|deselected)\b.*) in [\d.]+s\b.*",  # pytest
        r"Ran (?P<pairs>\d+ tests?) in [\d.]+s",  # unittest
        r"(?:OK|FAILED) \((?P<pairs>(?:[a-z ]+=\d+(?:, )?)+)\)",
        r"Tests:? {2,}(?P<pairs>\d+ \w+(?: ?[,|] \d+ \w+)*)(?: \(\d+\))?",  # jest, vitest
        r"[ℹ#] (?P<pairs>(?:pass|fail|skipped|todo|cancelled) \d+)",  # node:test
        r"(?P<pairs>\d+ (?:passing|failing|pending))(?: \(\w+\))?",  # mocha
        r"(?P<pairs>\d+ (?:pass|fail|skip|todo))",  # bun
        r"(?:ok|FAILED) \| (?P<pairs>\d+ passed.*?)(?: \([\w ]+\))?",  # deno
        r"(?P<pairs>\d+ tests? (?:passed|failed|skipped|todo))",  # ava
        r"test result: \w+\. (?P<pairs>\d+ passed; \d+ failed; \d+ ignored); .*",  # cargo test
        r"Summary \[.*\] \d+(?:/\d+)? tests? run: (?P<pairs>.*)",  # cargo nextest
        # Surefire, JUnit 4
        r"(?:\[\w+\] )?(?P<pairs>Tests run: \d+, +Failures: \d+(?:, +Errors: \d+)?(?:, +Skipped: \d+)?)",
        r"OK \((?P<pairs>\d+ tests?)(?:, \d+ assertions?)?\)",  # JUnit 4, PHPUnit
        r"(?P<pairs>Tests: \d+, Assertions: \d+.*)\.",  # PHPUnit
        r"\[ +(?P<pairs>\d+ tests (?:successful|failed|skipped|aborted)) +\]",  # JUnit console launcher
        r"(?P<pairs>\d+ tests? completed(?:, \d+ \w+)*)",  # Gradle
        r"(?P<pairs>\d+ (?:runs|tests), \d+ assertions, \d+ failures, .*)",  # minitest, test-unit
        r"(?P<pairs>\d+ examples?, \d+ failures?.*)",  # RSpec
        r"(?P<pairs>(?:\d+ \w+, )*\d+ tests?, \d+ failures?.*)",  # ExUnit, bats
        r"(?:Passed|Failed)! +- (?P<pairs>Failed: +\d+, Passed: +\d+, Skipped: +\d+), .*",  # dotnet test
        r"Executed (?P<pairs>\d+ tests?, with \d+ failures?).*",  # XCTest
        r"\d+% tests passed, (?P<pairs>\d+ tests failed out of \d+)",  # CTest
    )
)
_PAIR = re.compile(
    r"(?P<before>\d+) +(?P<after>[a-z]+(?: [a-z]+)?)|"
    r"(?P<word>[A-Za-z]+(?: [a-z]+)?)(?:: *|=| (?=\d+$))(?P<number>\d+)"
)
_WORDS: dict[_Category, str] = {
    "passed": "pass passed passing successful xpassed",
    "failed": "fail failed failing failure failures error errors cancelled aborted",
    "skipped": "skip skips skipped pending pendings ignored xfailed todo omissions disabled incomplete",
    "total": "tests test doctests doctest examples example runs run completed total",
}
_CATEGORIES = {word: category for category, words in _WORDS.items() for word in words.split()}
_WHOLE: dict[str, _Category] = {"unexpected successes": "failed", "expected failures": "skipped", "out of": "total"}
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LONGEST_LINE = 500


def read_summary(output: str) -> TestReport:
    """The sum of all summary lines; an empty report without any."""
    found: Counter[_Category] = Counter()
    for line in _ANSI.sub("", output).splitlines():
        text = line.strip().strip("=").strip()
        if len(text) < _LONGEST_LINE and any(character.isdigit() for character in text):
            match = next(filter(None, (pattern.fullmatch(text) for pattern in _LINES)), None)
            found.update(_read_pairs(match["pairs"]) if match else {})
    failed, skipped = found["failed"], found["skipped"]
    passed = max(found["passed"], found["total"] - failed - skipped, 0)
    if not passed + failed + skipped:
        return TestReport()
    return TestReport(source="summary line", counts=TestCounts(passed=passed, failed=failed, skipped=skipped))


def _read_pairs(text: str) -> Counter[_Category]:
    """`5 passed, 1 failed`, `Tests: 5, Failures: 1` or `failures=1` as categories."""
    found: Counter[_Category] = Counter()
    for match in _PAIR.finditer(text):
        words, number = (match["after"] or match["word"]).lower(), int(match["before"] or match["number"])
        # `3 tests failed` is about failed ones, `Tests run: 3` about all.
        category = _WHOLE.get(words) or _CATEGORIES.get(words.split()[-1]) or _CATEGORIES.get(words.split()[0])
        if category:
            found[category] += number
    return found
