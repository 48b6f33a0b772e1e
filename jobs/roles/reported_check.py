"""A check command together with what it reports about single tests. Called by `gate` and `preflight`."""

from __future__ import annotations

from integrations.proof import TestReport
from integrations.sandbox.session import Session
from integrations.test_reports.fetch import fetch_reports, write_programs
from integrations.test_reports.instrument import instrument
from integrations.test_reports.parse import read_report
from jobs.evidence.command_run import CommandRun
from jobs.loop.running_check import RunningCheck
from jobs.roles.limits import get_check_seconds
from jobs.roles.slice import Slice, run_command


def show_running_check(run: Slice, command: str, number: int, total: int, *, is_proof: bool = False) -> None:
    """Let the ticket show which command runs, `number` of `total`."""
    limit, now = get_check_seconds(run.spec.policy, run.world.settings, command), run.world.now()
    check = RunningCheck(number=number, total=total, command=command, started_at=now, limit=limit, is_proof=is_proof)
    run.world.runs.note_check(run.spec, check)


def run_reported_check(run: Slice, session: Session, command: str) -> tuple[CommandRun, TestReport] | None:
    """Run a command of the gate with its own time limit, and read its test report; None if the run is stopped.

    Exit code, output and limits are those of the command without reports."""
    write_programs(session, run.stopped)
    seconds = get_check_seconds(run.spec.policy, run.world.settings, command)
    ran = run_command(run, session, command, seconds, argv=instrument(command))
    if ran is None:
        return None
    files = fetch_reports(session, run.spec.policy.loop.proof.reports, run.stopped)
    return ran, read_report(files, ran.output)
