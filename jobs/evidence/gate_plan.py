"""What the gate runs, on which files, and what its results mean together. Pure; called by `jobs.roles.gate`.

Three checkouts: the candidate with the base commit's copies of what an agent must not change (`guarded`, what counts as
green), the candidate as it is (`own`, where that differs), and the base commit with the candidate's tests (`before`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from integrations.git.changes import Change, Side
from integrations.results import Evidence, Tampering
from jobs.evidence.stray_files import stray_files
from jobs.evidence.tampering import guard
from jobs.evidence.tampering.paths import configuration_kind, is_document, is_test
from jobs.loop.state import Contract, Criterion

Place = Literal["guarded", "own", "before"]
EVIDENCE_CHARACTERS = 4_000
MOST_BEFORE = 3
"""Commands that are also run at the base commit: each takes as long again."""
_RUNS_TESTS = re.compile(
    r"\b(pytest|unittest|nose2?|tox|nox|jest|vitest|mocha|ava|playwright|cypress|rspec|minitest|phpunit|pest|ctest|bats)\b"
    r"|\b(go|cargo|mix|dotnet|swift|deno|bun|gradlew?|mvnw?|npm|pnpm|yarn|make|just|rake|task)\b.*\b(test\w*|check|spec|verify)\b"
    r"|(^|[\s/])test[\w-]*\.(py|sh|js|ts|rb)\b|\btests?/"
)


@dataclass(frozen=True)
class GatePlan:
    """What to run where. `from_base` is laid over the candidate, `new_tests` over the base (None: no such file);
    `before` names the criteria whose command is also run there."""

    tampering: tuple[Tampering, ...]
    stray: tuple[str, ...]
    from_base: Mapping[str, Side | None]
    new_tests: Mapping[str, Side | None]
    before: frozenset[str]


def plan(
    changes: Sequence[Change], contract: Contract, tests: Sequence[str], asked: str, checked: Contract | None = None
) -> GatePlan:
    """The plan for a change. `tests` are the policy's path patterns, `asked` is the ticket's text, `checked` is the
    contract with what is behind its commands."""
    guarded = guard(changes, tests, checked or contract)
    protected = set(guarded.from_base)
    new_tests = {c.path: c.after for c in changes if c.after and c.path not in protected and _is_code(c.path, tests)}
    runners = [c.id for c in contract.criteria if _RUNS_TESTS.search(c.command)] if new_tests else []
    return GatePlan(
        guarded.tampering,
        stray_files(changes, asked),
        {c.path: c.before for c in changes if c.path in protected},
        new_tests,
        frozenset(runners[:MOST_BEFORE]),
    )


def _is_code(path: str, tests: Sequence[str]) -> bool:
    return is_test(path, tests) and not configuration_kind(path) and not is_document(path)


@dataclass(frozen=True)
class Ran:
    """One run of a command, as the sandbox told."""

    exit_code: int
    output: str
    digest: str
    seconds: float
    timed_out: bool = False


def runs_again(ran: Sequence[Ran], most: int) -> bool:
    """Whether a command that was run so often at this commit is run once more: until it passes, at most `most` times;
    what ran out of time gets one more chance."""
    if ran[-1].exit_code == 0:
        return False
    late = sum(1 for r in ran if r.timed_out)
    return len(ran) <= min(most, 1 if late else most)


def evidence(criterion: Criterion, guarded: Sequence[Ran], own: Sequence[Ran] | None, before: Ran | None) -> Evidence:
    """What all runs of one command come to: green only where it always passed, with the base's files and its own."""
    counted = own if own and _green(guarded) and not _green(own) else guarded
    shown = next((r for r in counted if r.exit_code), counted[-1])
    output = shown.output
    if own and _green(own) != _green(guarded):
        passing, failing = (
            ("the change's own", "the base commit's") if _green(own) else ("the base commit's", "its own")
        )
        output += f"\n(fails with {failing} tests and configuration, passes with {passing})"
    return Evidence(
        name=criterion.id,
        command=criterion.command,
        exit_code=shown.exit_code,
        output=ends_of(output),
        digest=shown.digest,
        seconds=round(sum(r.seconds for r in (*guarded, *(own or ()))), 3),
        exit_codes=tuple(r.exit_code for r in counted),
        before=before.exit_code if before else None,
        own=next((r.exit_code for r in own if r.exit_code), 0) if own else None,
    )


def _green(ran: Sequence[Ran]) -> bool:
    return all(r.exit_code == 0 for r in ran)


def ends_of(output: str) -> str:
    """The head and the tail of an output, at most 4,000 characters."""
    half = EVIDENCE_CHARACTERS // 2
    return output if len(output) <= 2 * half else f"{output[:half]}\n…\n{output[-half:]}"


def found_by_running(plan: GatePlan, found: Sequence[Evidence]) -> tuple[Tampering, ...]:
    """Further places for a person: a command passes with the change's own copies of these files only."""
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
