"""The results of single tests in the order in which they came, and the report that they make. Used by all parsers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from integrations.proof import TestCounts, TestReport

Outcome = Literal["passed", "failed", "skipped", "broken"]

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,16}\b")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
LONGEST_ID = 1000


class TestResult(NamedTuple):
    """The result of one test; `source` is the runner. 'broken' is a file or module that could not be loaded."""

    source: str
    id: str
    outcome: Outcome


def build_report(results: Iterable[TestResult]) -> TestReport:
    """The last result of each test. Memory addresses in ids are replaced, because they differ between runs."""
    last: dict[str, Outcome] = {}
    sources: dict[str, None] = {}
    for result in results:
        sources[result.source] = None
        last[normalise_id(result.id)] = result.outcome
    passed, failed, skipped, broken = (_select(last, one) for one in ("passed", "failed", "skipped", "broken"))
    counts = TestCounts(passed=len(passed), failed=len(failed), skipped=len(skipped))
    return TestReport(
        source=", ".join(sources), passed=passed, failed=failed, skipped=skipped, broken=broken, counts=counts
    )


def normalise_id(text: str) -> str:
    """The id on one line, without memory addresses."""
    return _UNPRINTABLE.sub(" ", _ADDRESS.sub("0x…", text))[:LONGEST_ID].strip()


def _select(last: dict[str, Outcome], wanted: str) -> tuple[str, ...]:
    return tuple(test for test, outcome in last.items() if outcome == wanted)
