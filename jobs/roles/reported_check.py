"""Runs a check with a report of its tests. Called by `jobs.roles.fresh_trees`."""

from __future__ import annotations

import re

from integrations.proof import TestCounts, TestReport
from integrations.sandbox.session import Session
from jobs.evidence.command_run import CommandRun
from jobs.roles.slice import Slice, run_check


def run_reported_check(run: Slice, session: Session, command: str) -> tuple[CommandRun, TestReport] | None:
    """PROVISIONAL"""
    ran = run_check(run, session, f"export PYTEST_ADDOPTS=--junitxml=/tmp/report.xml\n{command}")
    if ran is None:
        return None
    found = session.capture(["cat", "/tmp/report.xml"], max_bytes=10**7, timeout=10)
    cases = re.findall(rb'<testcase classname="([^"]*)" name="([^"]*)"[^>]*?(/>|>\s*<(\w+))', found.output)
    ids = {(b"%s::%s" % (c, n)).decode(): k.decode() for c, n, _, k in cases}
    if not ids:
        if m := re.search(r"Ran (\d+) tests?.*\n\n(OK|FAILED)", ran.output):
            return ran, TestReport(
                source="summary line",
                counts=TestCounts(passed=int(m[1]) if m[2] == "OK" else int(m[1]) - 1, failed=0 if m[2] == "OK" else 1),
            )
        return ran, TestReport()
    passed = tuple(i for i, k in ids.items() if k not in ("failure", "error", "skipped"))
    failed = tuple(i for i, k in ids.items() if k in ("failure", "error"))
    skipped = tuple(i for i, k in ids.items() if k == "skipped")
    return ran, TestReport(
        source="pytest",
        passed=passed,
        failed=failed,
        skipped=skipped,
        counts=TestCounts(passed=len(passed), failed=len(failed), skipped=len(skipped)),
    )
