"""Rules for the triage inbox: which problems there are, one for each cause, and what changes on the board. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from integrations.values import TicketId
from jobs.loop.automation_state import AutomationState
from jobs.loop.problem import DeadTarget, KnownProblem, Problem, ProblemKind
from jobs.loop.state import Loop, Stage
from jobs.messages import problems as messages

MOST_OPEN = 10
"""Tickets of a team for open problems; further causes share one."""
RESOLVED_SECONDS = 600.0
"""For which a cause has to be absent until it counts as resolved, so that one that comes and goes is filed once."""
SETTLE_SECONDS: Mapping[ProblemKind, float] = {"credentials": 60.0}
"""For which a cause has to last before it is filed: a provider can refuse a credential by mistake."""
SHOW_SECONDS = 600.0
"""Between two updates of the list of affected tickets."""
_VARIABLE = re.compile(r"`[^`]*`|https?://\S+|\b[A-Z][A-Z0-9]{0,9}-\d+\b|\b[0-9a-f]{7,64}\b|\d+(?:[.:]\d+)*")
"""Parts of a reason that differ between tickets with one cause: names, URLs, tickets, hashes, numbers and times."""


@dataclass(frozen=True)
class Letter:
    """A dead letter, as far as the rules read it."""

    id: str
    kind: str
    cause: str
    ticket_id: TicketId
    identifier: str


@dataclass(frozen=True)
class Failures:
    """What Loopline could not handle at a moment. `loops` are all, `refused` is the error of tracker or code host,
    `alarm` that of the model provider."""

    loops: Sequence[Loop] = ()
    letters: Sequence[Letter] = ()
    automations: Sequence[AutomationState] = ()
    refused: str = ""
    alarm: str = ""
    targets: Sequence[DeadTarget] = ()


@dataclass(frozen=True)
class Step:
    """A change on the board: file, show the affected ones, or resolve; `known` is the state before it."""

    kind: Literal["file", "show", "resolve"]
    known: KnownProblem


def fingerprint(reason: str) -> str:
    """A digest of a reason that is equal for all tickets with one cause."""
    return sha256(_VARIABLE.sub("*", " ".join(reason.split())).lower().encode()).hexdigest()[:12]


def find_cause(loop: Loop) -> str:
    """The cause of the loop's escalation within its team; empty without one."""
    call = loop.escalation
    if loop.stage is not Stage.NEEDS_HUMAN or call is None or call.acknowledged:
        return ""
    return f"{call.kind}:{fingerprint(loop.reason)}"


def is_shared(loop: Loop, loops: Iterable[Loop], buried: Iterable[TicketId]) -> bool:
    """Whether the inbox shows the cause as a problem: it has a dead letter, or other tickets of the team wait for the
    same reason."""
    cause = find_cause(loop)
    same = (one for one in loops if one.ticket.team == loop.ticket.team and find_cause(one) == cause)
    return loop.ticket.id in set(buried) or any(one.ticket.id != loop.ticket.id for one in same)


def find_problems(now: Failures, teams: Sequence[str]) -> tuple[Problem, ...]:
    """All problems, one for each cause. Those of no team that is served are of the first one."""
    if not teams:
        return ()
    found = [
        *_find_credentials(now, teams),
        *_find_automations(now),
        *_find_dead_letters(now, teams),
        *_find_escalations(now),
        *(
            Problem(
                key=f"notification:{one.id}", team=one.team, kind="notification", subject=one.scheme, reason=one.reason
            )
            for one in now.targets
        ),
    ]
    return tuple(one if one.team in teams else replace(one, team=teams[0]) for one in found)


def _find_credentials(now: Failures, teams: Sequence[str]) -> Iterator[Problem]:
    for name, reason in (("provider", now.refused), ("model", now.alarm)):
        if reason:
            yield Problem(
                key=f"credentials:{name}:{fingerprint(reason)}",
                team=teams[0],
                kind="credentials",
                subject=messages.CREDENTIALS_OF[name],
                reason=reason,
            )


def _find_automations(now: Failures) -> Iterator[Problem]:
    for state in now.automations:
        if state.problems:
            yield Problem(
                key=f"declarations:{state.repository.lower()}",
                team=state.team,
                kind="declarations",
                subject=state.repository,
                reason=state.problems[0],
                affected=state.problems,
            )
        last = {record.automation: record for record in state.history if record.outcome != "skipped"}
        for name, record in sorted(last.items()):
            if record.outcome == "failed" and any(one.name == name and one.enabled for one in state.automations):
                yield Problem(
                    key=f"automation:{state.repository.lower()}:{name}",
                    team=state.team,
                    kind="automation",
                    subject=f"{state.repository}: {name}",
                    reason=record.note,
                )


def _find_dead_letters(now: Failures, teams: Sequence[str]) -> Iterator[Problem]:
    team_of = {one.ticket.id: one.ticket.team for one in now.loops} | {one.id: one.team for one in now.automations}
    groups: defaultdict[tuple[str, str, str], list[Letter]] = defaultdict(list)
    for letter in now.letters:
        team = team_of.get(letter.ticket_id, "") or letter.identifier.partition("-")[0]
        groups[team if team in teams else teams[0], letter.kind, fingerprint(letter.cause)].append(letter)
    for (team, kind, cause), letters in groups.items():
        yield Problem(
            key=f"dead_letter:{team}:{kind}:{cause}",
            team=team,
            kind="dead_letter",
            subject=kind,
            reason=letters[0].cause,
            affected=tuple(sorted(messages.name_letter(one.identifier, one.id) for one in letters)),
        )


def _find_escalations(now: Failures) -> Iterator[Problem]:
    buried = {letter.ticket_id for letter in now.letters}
    groups: defaultdict[tuple[str, str], list[Loop]] = defaultdict(list)
    for loop in now.loops:
        if loop.escalation and loop.escalation.listed and find_cause(loop) and loop.ticket.id not in buried:
            groups[loop.ticket.team, find_cause(loop)].append(loop)
    for (team, cause), loops in groups.items():
        yield Problem(
            key=f"escalation:{team}:{cause}",
            team=team,
            kind="escalation",
            subject=cause.partition(":")[0],
            reason=loops[0].reason,
            affected=tuple(sorted((one.identifier for one in loops), key=_by_number)),
        )


def _by_number(identifier: str) -> tuple[str, int]:
    team, _, number = identifier.partition("-")
    return team, int(number) if number.isdecimal() else 0


def bound(found: Sequence[Problem], known: Mapping[str, KnownProblem]) -> list[Problem]:
    """At most `MOST_OPEN` problems of a team, those with a ticket first; the others become one."""
    order = sorted(found, key=lambda one: one.key not in known or not known[one.key].ticket_id)
    kept, rest = list[Problem](), defaultdict[str, list[Problem]](list)
    for one in order:
        is_full = sum(other.team == one.team for other in kept) >= MOST_OPEN
        (rest[one.team] if is_full else kept).append(one)
    for team, others in rest.items():
        lines = tuple(sorted(messages.problem_title(one) for one in others))
        more = Problem(
            key=f"more:{team}", team=team, kind="more", subject="", reason=messages.MORE_REASON, affected=lines
        )
        kept.append(more)
    return kept


def reconcile(
    known: Iterable[KnownProblem], found: Sequence[Problem], now: float
) -> tuple[list[KnownProblem], list[Step]]:
    """The problems that are open now, and the changes on the board, in their order."""
    before = {one.problem.key: one for one in known}
    present = {one.key: one for one in bound(found, before)}
    kept, steps = [], list[Step]()
    for key, problem in present.items():
        old = before.get(key) or KnownProblem(problem=problem, first_at=now, last_at=now)
        one = replace(old, problem=problem, last_at=now)
        kept.append(one)
        if not one.ticket_id:
            if not 0 <= now - one.first_at < SETTLE_SECONDS.get(problem.kind, 0.0):
                steps.append(Step("file", one))
        elif problem.affected != one.shown and not 0 <= now - one.shown_at < SHOW_SECONDS:
            steps.append(Step("show", one))
    for key, one in before.items():
        if key in present:
            continue
        if 0 <= now - one.last_at < RESOLVED_SECONDS:
            kept.append(one)
        else:
            steps.append(Step("resolve", one))
    return kept, steps
