"""Which of the checker's own tests are counter-examples, and what follows for its verdict. Pure.

Called by `jobs.roles.checker` with the runs that Loopline repeated after the verdict was submitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from integrations.proof import CounterExample, Measured
from integrations.results import Finding, Verdict
from jobs.evidence.environment_problems import NOT_EXECUTABLE, NOT_FOUND, find_missing_program

NO_CONTROL = "it has no control, which would show that the test can pass"
CONTROL_FAILS = "its control does not pass"
PASSES = "it passes when Loopline repeats it"
_TEXT_CHARACTERS, _PLACE_CHARACTERS, _LINE_CHARACTERS = 2_000, 300, 500


def has_failed(command: str, ran: Measured) -> bool:
    """Whether the test ran to its end and failed."""
    return ran.exit_code != 0 and not find_obstacle(command, ran)


def find_obstacle(command: str, ran: Measured) -> str:
    """Why the run shows nothing about the candidate, as a clause; empty if it ran to its end."""
    if ran.limit:
        return f"a limit ended it ({ran.limit})"
    missing = find_missing_program(command, ran.exit_code, ran.output)
    if missing or ran.exit_code in {NOT_EXECUTABLE, NOT_FOUND}:
        return f"it cannot run ({missing or f'exit {ran.exit_code}'})"
    return ""


def explain_unconfirmed(command: str, runs: Sequence[Measured], control: Measured | None) -> str:
    """Why a test with these runs decides nothing, as a clause; empty if it is a counter-example: it fails each time,
    and its control passes."""
    for ran in runs:
        if obstacle := find_obstacle(command, ran):
            return obstacle
        if not ran.exit_code:
            return PASSES
    if control is None:
        return NO_CONTROL
    return CONTROL_FAILS if control.exit_code or control.limit else ""


def apply_examples(verdict: Verdict, examples: Sequence[CounterExample]) -> Verdict:
    """The verdict in which the criteria of these counter-examples fail, whatever the checker says."""
    found = {one.criterion: one for one in reversed(examples)}
    results = tuple(
        replace(
            result,
            result="fail",
            evidence=f"`{one.command}` fails: {one.shows}"[:_TEXT_CHARACTERS],
            place=f"`{one.command}` exit {one.exit_code}"[:_PLACE_CHARACTERS],
        )
        if (one := found.get(result.criterion))
        else result
        for result in verdict.results
    )
    return replace(verdict, results=results, examples=tuple(examples))


def add_unconfirmed(verdict: Verdict, command: str, shows: str, problem: str) -> Verdict:
    """The verdict with a test that fails and decides nothing: a finding if only its control is missing or wrong, else
    a line under what was not checked."""
    if problem in {NO_CONTROL, CONTROL_FAILS}:
        text = f"a test of the checker fails, but {problem}: `{command}`, {shows}"
        found = Finding(text=text[: 2 * _LINE_CHARACTERS], severity="major")
        return replace(verdict, findings=(*verdict.findings, found))
    line = f"a test of the checker decides nothing, {problem}: `{command}`, {shows}"
    return replace(verdict, not_checked=(*verdict.not_checked, line[:_LINE_CHARACTERS]))
