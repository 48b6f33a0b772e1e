"""The JSON lines that Loopline's own reporters write: `{"source", "id", "result"}`. Called by `parse`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from integrations.test_reports.results import TestResult


def read_lines(content: bytes) -> Iterator[TestResult]:
    """The results in the file; other lines and a half-written last one are left out."""
    for line in content.splitlines():
        try:
            found = json.loads(line)
            source, test, outcome = found["source"], found["id"], found["result"]
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        if isinstance(source, str) and isinstance(test, str) and outcome in ("passed", "failed", "skipped", "broken"):
            is_broken = outcome == "failed" and _is_loader(source, test)
            yield TestResult(source[:40], test, "broken" if is_broken else outcome)


def _is_loader(source: str, test: str) -> bool:
    """Whether the failure is that of loading: unittest has a test for it, pytest the file's own id."""
    return test.startswith("unittest.loader._") or (source == "pytest" and "::" not in test)
