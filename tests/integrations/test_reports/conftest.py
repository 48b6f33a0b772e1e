from __future__ import annotations

import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from integrations.git.workspace import Workspace
from integrations.proof import TestReport
from integrations.sandbox.bubblewrap import CommandResult, Sandbox
from integrations.sandbox.environment import Environment
from integrations.test_reports.fetch import fetch_reports, write_programs
from integrations.test_reports.instrument import instrument
from integrations.test_reports.parse import read_report
from tests.integrations.sandbox.conftest import plain, sandbox

__all__ = ["plain", "report", "sandbox"]

Report = Callable[..., tuple[CommandResult, TestReport]]
PACKAGES = Path(sysconfig.get_path("purelib"))
"""The packages of these tests, pytest and xdist among them."""


@pytest.fixture
def report(sandbox: Sandbox, plain: Workspace) -> Report:
    """Run a command with these files in the work tree; its result and test report."""

    def report(
        command: str,
        files: Mapping[str, str] = {},
        *,
        variables: Mapping[str, str] = {},
        read_only: Sequence[Path] = (),
        patterns: Sequence[str] = (),
        timeout: float = 60,
    ) -> tuple[CommandResult, TestReport]:
        for name, content in files.items():
            path = plain.upper / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        opened = sandbox.extend_read_only(read_only).open(plain, Environment(variables=variables))
        with opened as session:
            write_programs(session, lambda: False)
            ran = session.run(instrument(command), timeout=timeout)
            files_ = fetch_reports(session, patterns, lambda: False)
            return ran, read_report(files_, ran.output.decode(errors="replace"))

    return report
