"""Builds the morning digest of a team, and decides when it is due. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from jobs.loop.automation import Schedule
from jobs.loop.automation_state import AutomationState, KnownFinding
from jobs.loop.digest import Digest, DigestRecord, FoundLine, MergedLine, ProblemLine, Risk, WaitingLine
from jobs.loop.problem import KnownProblem
from jobs.loop.schedule import find_last_slot
from jobs.loop.state import Loop, Stage
from jobs.messages.problems import problem_title

LINES_PER_HOUR = 400.0
"""Reviewers find most defects at 200 to 400 lines an hour (SmartBear, Best Practices for Code Review)."""
MANY_LINES, FEW_LINES = 400, 50
FUTURE_SECONDS = 86_400.0
"""How far ahead of the clock the last slot can be: a clock that was wrong by more does not silence the digests."""
LATE_SECONDS = 86_400.0
"""How late a merge can become known."""
_WEIGHTS: Mapping[Risk, float] = {"high": 4.0, "medium": 2.0, "low": 1.0}
_SEVERITIES = ("urgent", "high", "normal", "low")


@dataclass(frozen=True)
class DigestInput:
    """The input of a digest. `merged` are the team's pull requests of the last weeks, `unreviewed_lines` those that
    were merged without a review in the last seven days."""

    loops: Sequence[Loop] = ()
    merged: Sequence[MergedLine] = ()
    unreviewed_lines: int = 0
    automations: Sequence[AutomationState] = ()
    problems: Sequence[KnownProblem] = ()


def begin_record(team: str, given: DigestInput, at: float) -> DigestRecord:
    """The record from which the next digest counts."""
    merged = tuple(one.url for one in given.merged if at - one.at < 2 * LATE_SECONDS)
    return DigestRecord(slot=at, until=at, costs=list_costs(team, given), merged=merged)


def find_due_slot(schedule: Schedule, record: DigestRecord, now: float) -> float | None:
    """The slot whose digest is due: the last one since that of the record, so that missed ones are one digest. None
    while the clock is behind the record's slot, too."""
    return find_last_slot(schedule, record.slot, now)


def build_digest(team: str, timezone: str, given: DigestInput, record: DigestRecord, until: float) -> Digest:
    """The digest of everything since the record."""
    since, loops = record.until, [one for one in given.loops if one.ticket.team == team]
    titles = {str(one.identifier): one.ticket.title for one in loops}
    return Digest(
        team=team,
        began=f"{datetime.fromtimestamp(since, ZoneInfo(timezone)):%A, %d %B, %H:%M}",
        until=until,
        merged=tuple(
            replace(one, title=titles.get(one.identifier, ""))
            for one in given.merged
            if one.at > since - LATE_SECONDS and one.url not in record.merged
        ),
        waiting=rank_waiting((line for loop in loops if (line := describe_waiting(loop))), until),
        found=_list_found(team, given.automations, since),
        problems=tuple(
            ProblemLine(identifier=one.identifier, title=problem_title(one.problem), url=one.url)
            for one in given.problems
            if one.problem.team == team
        ),
        spent_usd=sum_spent(list_costs(team, given), record.costs),
        unreviewed_lines=given.unreviewed_lines,
    )


def describe_waiting(loop: Loop) -> WaitingLine | None:
    """The ticket, if a person has to act: on a verified pull request, an escalation, a proposal or question."""
    ticket, shown = loop.ticket, loop.pull_request
    line = WaitingLine(
        identifier=ticket.identifier,
        title=ticket.title,
        url=ticket.url,
        what="answer",
        since=loop.started_at,
        risk="high" if ticket.priority == 1 else "medium",
        reason=loop.reason,
    )
    if loop.stage is Stage.REVIEW:
        lines = loop.candidate.gate.size.lines
        return replace(
            line,
            what="review",
            since=shown.shown_at or loop.started_at,
            risk=find_risk(loop),
            reason="",
            number=shown.number,
            pull_request=shown.url,
            lines=lines,
            minutes=max(math.ceil(lines / LINES_PER_HOUR * 60), 1) if lines else 0,
        )
    if loop.stage is Stage.NEEDS_HUMAN and loop.escalation:
        return replace(line, what="decision", since=loop.escalation.since or loop.escalation.at)
    return line if loop.stage is Stage.ASKING else None


def find_risk(loop: Loop) -> Risk:
    """Of a change under review: high for sensitive files, changes that needed approval and large changes."""
    gate, priority = loop.candidate.gate, loop.ticket.priority
    is_sensitive = any(one.sensitive and one.kind not in ("test", "document") for one in gate.size.first)
    if is_sensitive or gate.tampering or gate.size.lines > MANY_LINES or priority == 1:
        return "high"
    kinds = {one.kind for one in gate.size.first}
    return "low" if gate.size.lines <= FEW_LINES and kinds <= {"test", "document"} else "medium"


def rank_waiting(lines: Iterable[WaitingLine], now: float) -> tuple[WaitingLine, ...]:
    """The most pressing first: age in hours, counted from one, times the weight of the risk."""
    return tuple(sorted(lines, key=lambda one: (-_weigh(one, now), one.since, one.identifier)))


def _weigh(line: WaitingLine, now: float) -> float:
    return (max(now - line.since, 0.0) / 3_600 + 1) * _WEIGHTS[line.risk]


def _list_found(team: str, states: Iterable[AutomationState], since: float) -> tuple[FoundLine, ...]:
    """The findings that were filed and are not rejected, the most severe first."""
    found = [
        one
        for state in states
        for one in state.findings
        if state.team == team and one.first_at > since and one.status != "rejected"
    ]
    return tuple(
        FoundLine(
            identifier=one.ticket.identifier if one.ticket else "",
            title=one.title,
            severity=one.severity,
            automation=one.automation,
        )
        for one in sorted(found, key=_by_severity)
    )


def _by_severity(one: KnownFinding) -> tuple[int, float]:
    return _SEVERITIES.index(one.severity), one.first_at


def list_costs(team: str, given: DigestInput) -> dict[str, float]:
    """All costs of the team so far, in US dollars by ticket, or by automation and day."""
    costs = {str(one.ticket.id): one.spend.usage.cost_usd for one in given.loops if one.ticket.team == team}
    for state in given.automations:
        for name, days in state.spent.items() if state.team == team else ():
            costs |= {f"{state.repository}:{name}:{day}": usd for day, usd in days.items()}
    return {name: usd for name, usd in costs.items() if usd}


def sum_spent(costs: Mapping[str, float], before: Mapping[str, float]) -> float:
    """What was spent since `before`, in US dollars."""
    return round(sum(max(usd - before.get(name, 0.0), 0.0) for name, usd in costs.items()), 6)
