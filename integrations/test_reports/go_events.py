"""The events of `go test -json`: https://pkg.go.dev/cmd/test2json. Called by `parse`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from integrations.test_reports.results import Outcome, TestResult

_OUTCOMES: dict[str, Outcome] = {"pass": "passed", "fail": "failed", "skip": "skipped"}
_BROKEN = re.compile(rb"FAIL\t(\S+) \[(?:build|setup) failed\]")


def read_go_events(content: bytes) -> Iterator[TestResult]:
    """Ids are `package.Test/subtest`. A package that failed without a failed test, as one that does not build, counts
    as a failed test."""
    blamed: set[str] = set()
    for line in content.splitlines():
        if broken := _BROKEN.fullmatch(line):  # not an event before Go 1.24
            yield TestResult("go test", broken[1].decode(errors="replace"), "failed")
            continue
        try:
            event = json.loads(line)
            package, test, action = event["Package"], event.get("Test"), event["Action"]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue
        if not isinstance(package, str) or not isinstance(action, str) or action not in _OUTCOMES:
            continue
        if isinstance(test, str):
            blamed |= {package} if action == "fail" else set()
            yield TestResult("go test", f"{package}.{test}", _OUTCOMES[action])
        elif action == "fail" and package not in blamed:
            yield TestResult("go test", package, "failed")
