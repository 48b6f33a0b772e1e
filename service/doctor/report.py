"""Renders the findings of the doctor as text and as JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from integrations.explain import CONTROLS
from integrations.ports.setup import Finding, Level

MARKS: dict[Level, str] = {"ok": "✓", "warning": "!", "problem": "✗"}


def render_line(finding: Finding) -> str:
    """One line: mark, subject, text, and the fix."""
    fix = f" → {finding.fix}" if finding.fix else ""
    line = f"{MARKS[finding.level]} {finding.subject}: {finding.text}{fix}"
    return CONTROLS.sub(" ", " ".join(line.split()))


def render_summary(findings: Sequence[Finding]) -> str:
    """The last line: the number of problems and warnings."""
    problems, warnings = count(findings, "problem"), count(findings, "warning")
    noted = f" {warnings} {'warning' if warnings == 1 else 'warnings'}." if warnings else ""
    if problems:
        return f"{problems} {'problem' if problems == 1 else 'problems'} found.{noted}"
    return f"No problems found.{noted}"


def render_json(findings: Sequence[Finding]) -> str:
    """All findings, and whether there is no problem."""
    whole = {"ok": not count(findings, "problem"), "findings": [asdict(finding) for finding in findings]}
    return json.dumps(whole, ensure_ascii=False)


def count(findings: Sequence[Finding], level: Level) -> int:
    """The number of findings of this level."""
    return sum(finding.level == level for finding in findings)


def find_exit_code(findings: Sequence[Finding], *, strict: bool = False) -> int:
    """1 for a problem, with `strict` also for a warning, otherwise 0. Settings that cannot be used end with 2."""
    return int(count(findings, "problem") > 0 or (strict and count(findings, "warning") > 0))
