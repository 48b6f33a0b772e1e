"""Plans the commands and files of the gate, and combines its results. Pure; called by `jobs.roles.gate`.

Three checkouts: the candidate with the base commit's copies of protected files (`guarded`, decides about green), the
unmodified candidate (`own`, if it differs), and the base commit with the candidate's tests (`before`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from integrations.git.changes import Change, Side
from integrations.results import Evidence, Tampering
from jobs.evidence.command_run import CommandRun
from jobs.evidence.protected import find_protected
from jobs.evidence.stray_files import find_stray_files
from jobs.evidence.tampering import guard
from jobs.evidence.tampering.paths import configuration_kind, is_document, is_test
from jobs.loop.state import Contract, Criterion

Place = Literal["guarded", "own", "before"]
EVIDENCE_CHARACTERS = 4_000
MOST_BEFORE = 3
"""Limit of commands that also run at the base commit, because each doubles its time."""
_RUNS_TESTS = re.compile(
    r"\b(pytest|unittest|nose2?|tox|nox|jest|vitest|mocha|ava|playwright|cypress|rspec|minitest|phpunit|pest|ctest|bats)\b"
    r"|\b(go|cargo|mix|dotnet|swift|deno|bun|gradlew?|mvnw?|npm|pnpm|yarn|make|just|rake|task)\b.*\b(test\w*|check|spec|verify)\b"
    r"|(^|[\s/])test[\w-]*\.(py|sh|js|ts|rb)\b|\btests?/"
)


@dataclass(frozen=True)
class GatePlan:
    """`from_base` overlays the candidate, `new_tests` the base (None: no such file); `before` has the ids of criteria
    whose command also runs at the base."""

    tampering: tuple[Tampering, ...]
    stray: tuple[str, ...]
    from_base: Mapping[str, Side | None]
    new_tests: Mapping[str, Side | None]
    before: frozenset[str]


def plan_gate(
    changes: Sequence[Change],
    contract: Contract,
    tests: Sequence[str],
    asked: str,
    checked: Contract | None = None,
    protected_paths: Sequence[str] = (),
) -> GatePlan:
    """The plan for a change. `tests` and `protected_paths` are the policy's path patterns, `asked` is the ticket's
    text, `checked` is the contract with the scripts behind its commands."""
    guarded = guard(changes, tests, checked or contract)
    protected = set(guarded.from_base)
    new_tests = {
        c.path: c.after
        for c in changes
        if c.after and c.path not in protected and is_test(c.path, tests)
        if not configuration_kind(c.path) and not is_document(c.path)
    }
    runners = [c.id for c in contract.criteria if _RUNS_TESTS.search(c.command)] if new_tests else []
    return GatePlan(
        (*find_protected(changes, protected_paths), *guarded.tampering),
        find_stray_files(changes, asked),
        {c.path: c.before for c in changes if c.path in protected},
        new_tests,
        frozenset(runners[:MOST_BEFORE]),
    )


def should_rerun(ran: Sequence[CommandRun], most: int) -> bool:
    """Whether to retry a command after these runs: until it passes, at most `most` times, once after a timeout."""
    if ran[-1].exit_code == 0:
        return False
    late = sum(1 for r in ran if r.timed_out)
    return len(ran) <= min(most, 1 if late else most)


def combine_runs(
    criterion: Criterion, guarded: Sequence[CommandRun], own: Sequence[CommandRun] | None, before: CommandRun | None
) -> Evidence:
    """The evidence of all runs of one command: green only if each passed, with the base's files and its own."""
    counted = own if own and _is_green(guarded) and not _is_green(own) else guarded
    shown = next((r for r in counted if r.exit_code), counted[-1])
    output = shown.output
    if own and _is_green(own) != _is_green(guarded):
        passing, failing = (
            ("the change's own", "the base commit's") if _is_green(own) else ("the base commit's", "its own")
        )
        output += f"\n(fails with {failing} tests and configuration, passes with {passing})"
    return Evidence(
        name=criterion.id,
        command=criterion.command,
        exit_code=shown.exit_code,
        output=shorten_output(output),
        digest=shown.digest,
        seconds=round(sum(r.seconds for r in (*guarded, *(own or ()))), 3),
        exit_codes=tuple(r.exit_code for r in counted),
        before=before.exit_code if before else None,
        own=next((r.exit_code for r in own if r.exit_code), 0) if own else None,
        base=criterion.base,
        timeout=shown.timeout if shown.timed_out else 0.0,
        killed=shown.killed,
    )


def _is_green(ran: Sequence[CommandRun]) -> bool:
    return all(r.exit_code == 0 for r in ran)


def shorten_output(output: str) -> str:
    """The first and the last characters of the output, at most `EVIDENCE_CHARACTERS`."""
    half = EVIDENCE_CHARACTERS // 2
    return output if len(output) <= 2 * half else f"{output[:half]}\n…\n{output[-half:]}"


def find_tampering_by_running(plan: GatePlan, found: Sequence[Evidence]) -> tuple[Tampering, ...]:
    """Further tampering for a person to review: files that let a command pass only with the change's own copies."""
    listed = {t.path for t in plan.tampering}
    for one in found:
        if one.own == 0 and not one.passed:
            return tuple(
                Tampering(
                    kind=configuration_kind(path) or "test_changed",
                    path=path,
                    text=f"`{one.command}` fails with what the base commit has here"[:300],
                )
                for path in plan.from_base
                if path not in listed
            )
    return ()
